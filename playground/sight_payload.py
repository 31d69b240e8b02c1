"""The masks that choose by content as bits: which pairs they show among example tokens, for each number of tokens."""

from functools import cache

from models.inspection.sights import BY_CONTENT, Numbers, sight
from playground.weight_payload import bits

STOPS = (8, 16, 32, 64, 128)  # numbers of tokens that the page draws masks for


@cache
def by_content() -> dict:
    """{mask: {"n": bits}} where tokens see both ways, and {"nc": bits} where no token sees a later one."""
    return {
        mask: {
            f"{n_tokens}{'c' if causal else ''}": bits(sight(mask, n_tokens, numbers(n_tokens, causal)))
            for n_tokens in STOPS
            for causal in (False, True)
        }
        for mask in BY_CONTENT
    }


def numbers(n_tokens: int, causal: bool) -> Numbers:
    """Four buckets or clusters; a query sees a quarter of the tokens, or chunks of an eighth of them."""
    return Numbers(causal=causal, window=n_tokens // 4, block_size=max(n_tokens // 8, 2), n_groups=4)
