"""The masks of a configuration as small grids: who may look at whom, told by shape, not by colour alone."""

from html import escape

from models.config import ModelConfig
from playground.i18n import say

TOKENS = 6
GIVEN = 4  # tokens of the prefix
CELL = 12


def masks_of(config: ModelConfig) -> tuple[tuple[str, str], ...]:
    """The masks of a configuration without windows, as (name, kind): an encoder-decoder has three."""
    if config.structure == "encoder_decoder":
        return ("encoder", "bidirectional"), ("decoder", "causal"), ("cross", "bidirectional")
    return tuple((mask, mask) for mask in dict.fromkeys(config.mask_pattern))


def mask_pictures(config: ModelConfig, lang: str) -> str:
    """HTML of the masks with their names."""
    return "".join(_picture(say(lang, f"lineage.mask.{name}"), kind) for name, kind in masks_of(config))


def sees(kind: str, query: int, key: int) -> bool:
    """Whether the token at `query` may look at the one at `key`."""
    return kind == "bidirectional" or key <= query or (kind == "prefix" and key < GIVEN)


def _picture(name: str, kind: str) -> str:
    side = TOKENS * CELL
    squares = {"seen": "", "unseen": ""}
    for query in range(TOKENS):
        for key in range(TOKENS):
            place = "seen" if sees(kind, query, key) else "unseen"
            squares[place] += f"M{key * CELL} {query * CELL}h{CELL - 2}v{CELL - 2}h{2 - CELL}z"
    paths = "".join(f'<path class="{place}" d="{path}"/>' for place, path in squares.items() if path)
    return (
        f'<figure class="mask"><svg viewBox="0 0 {side} {side}" role="img" aria-label="{escape(name)}">{paths}</svg>'
        f"<figcaption>{escape(name)}</figcaption></figure>"
    )
