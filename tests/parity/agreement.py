"""What every decoder owes to its twin of `transformers`: the same numbers in padded batches, and with a cache."""

import torch

import models

TOLERANCE = 1e-4
VOCABULARY = 211


def ids(batch: int, length: int, seed: int = 1) -> torch.Tensor:
    """Random tokens, (batch, length)."""
    return torch.randint(0, VOCABULARY, (batch, length), generator=torch.Generator().manual_seed(seed))


def difference(a: torch.Tensor, b: torch.Tensor) -> float:
    """The largest difference of two tensors of one shape."""
    assert a.shape == b.shape
    return (a - b).abs().max().item()


@torch.no_grad()
def agree_when_padded(theirs, ours, tokens: torch.Tensor, inputs: dict[str, torch.Tensor]) -> None:
    """Logits and attention probabilities of the rows that are tokens; `inputs` holds the mask, and positions if any."""
    is_token = inputs["attention_mask"].bool()
    with models.capture("*.attn.probs") as trace:
        mine = ours(tokens, **inputs).logits
    reference = theirs(tokens, **inputs, output_attentions=True)
    assert difference(mine[is_token], reference.logits[is_token]) < TOLERANCE
    assert difference(ours(tokens, **inputs).logits[is_token], reference.logits[is_token]) < TOLERANCE
    for i, probs in enumerate(reference.attentions):
        rows_mine, rows = (maps.transpose(1, 2)[is_token] for maps in (trace[f"layers.{i}.attn.probs"], probs))
        assert difference(rows_mine, rows) < TOLERANCE


@torch.no_grad()
def agree_when_cached(theirs, ours) -> None:
    """Logits of a text read in pieces, with a cache, and in one."""
    tokens = ids(2, 30)
    cache = ours.new_cache(batch=2)
    chunks = [ours(part, cache=cache).logits for part in tokens.split([7, 1, 1, 12, 1, 8], dim=1)]
    assert difference(torch.cat(chunks, dim=1), theirs(tokens).logits) < TOLERANCE
    assert difference(torch.cat(chunks, dim=1), ours(tokens).logits) < TOLERANCE
