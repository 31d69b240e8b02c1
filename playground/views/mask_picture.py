"""A mask as a small grid: rows are queries, columns keys, filled where the query may look.

The patterns are those of `models/parts/masks.py`, once more, for single tokens and without torch; a test compares the two.
A grid holds `TOKENS` tokens, so windows and blocks that are larger are drawn in a size that shows how they look.
"""

from collections.abc import Callable
from dataclasses import dataclass

from models.config import ModelConfig, SparsePattern

TOKENS = 16
WINDOW, BLOCK, PREFIX = 4, 2, 6  # what a larger window or block is drawn as; how long a prefix is, for example
BUCKETS = 4  # how many buckets or clusters an example has


@dataclass(frozen=True)
class Sketch:
    """The numbers that a picture draws: those of a model, made small enough for `n_tokens`."""

    causal: bool = False
    window: int = WINDOW
    dilation: int = 2
    n_global: int = 1
    block_size: int = BLOCK
    n_blocks_before: int = 0
    n_random: int = 1
    seed: int = 0
    prefix: int = PREFIX
    n_tokens: int = TOKENS


def sketch_of(cfg: ModelConfig) -> Sketch:
    """What a picture of the masks of `cfg` draws."""
    sparse = cfg.sparse or SparsePattern()
    # Which tokens are global may be told with each text; a picture of that shows one, for example.
    n_global = max(sparse.n_global, 1) if "longformer" in cfg.mask_pattern else sparse.n_global
    small_block = sparse.block_size if sparse.block_size and sparse.block_size <= TOKENS // 4 else BLOCK
    return Sketch(
        causal=cfg.is_causal,
        window=cfg.window if cfg.window and cfg.window < TOKENS // 2 else WINDOW,
        dilation=sparse.dilation if sparse.dilation <= 3 else 3,
        n_global=min(n_global, 2),
        block_size=small_block,
        n_blocks_before=min(sparse.n_blocks_before, 3),
        n_random=min(sparse.n_random, 3),
        seed=sparse.seed,
    )


def sees(mask: str, query: int, key: int, sketch: Sketch) -> bool:
    """Whether the query at one place may look at the key at another."""
    if (sketch.causal or mask in ("causal", "sliding")) and key > query:
        return False
    return PATTERNS[mask](query, key, sketch)


def mask_picture(mask: str, sketch: Sketch, x: float, y: float, size: float) -> str:
    """SVG of one mask in a square of `size` at (x, y)."""
    rows = [[sees(mask, query, key, sketch) for key in range(sketch.n_tokens)] for query in range(sketch.n_tokens)]
    return grid(rows, x, y, size / sketch.n_tokens)


def cross_picture(x: float, y: float, size: float) -> str:
    """SVG of attention to an encoder: every query sees all that was read."""
    return grid([[True] * TOKENS] * TOKENS, x, y, size / TOKENS)


def grid(rows: list[list[bool]], x: float, y: float, cell: float) -> str:
    """SVG of filled and empty cells, with the lattice between them."""
    height, width = len(rows) * cell, len(rows[0]) * cell
    filled = "".join(
        f"M{x + start * cell:g} {y + number * cell:g}h{length * cell:g}v{cell:g}h{-length * cell:g}z"
        for number, row in enumerate(rows)
        for start, length in _runs(row)
    )
    lines = "".join(f"M{x:g} {y + n * cell:g}h{width:g}" for n in range(1, len(rows)))
    lines += "".join(f"M{x + n * cell:g} {y:g}v{height:g}" for n in range(1, len(rows[0])))
    return (
        f'<rect class="unseen" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"/>'
        f'<path class="seen" d="{filled}"/><path class="lattice" d="{lines}"/>'
    )


def _runs(row: list[bool]) -> list[tuple[int, int]]:
    """Where filled cells begin in a row, and how many follow each other."""
    starts = [i for i, filled in enumerate(row) if filled and (i == 0 or not row[i - 1])]
    ends = [i + 1 for i, filled in enumerate(row) if filled and (i + 1 == len(row) or not row[i + 1])]
    return [(start, end - start) for start, end in zip(starts, ends, strict=True)]


def _sliding(q: int, k: int, s: Sketch) -> bool:
    return k > q - s.window


def _band(q: int, k: int, s: Sketch) -> bool:
    return abs(q - k) <= s.window // 2


def _global(q: int, k: int, s: Sketch) -> bool:
    return q < s.n_global or k < s.n_global


def _dilated(q: int, k: int, s: Sketch) -> bool:
    distance = abs(q - k)
    return distance <= s.window // 2 * s.dilation and distance % s.dilation == 0


def _block_local(q: int, k: int, s: Sketch) -> bool:
    return 0 <= q // s.block_size - k // s.block_size <= s.n_blocks_before


def _star(q: int, k: int, s: Sketch) -> bool:
    distance = abs(q - k)
    return min(distance, s.n_tokens - s.n_global - distance) <= s.window // 2 or _global(q, k, s)


def _random(q: int, k: int, s: Sketch) -> bool:
    others = range(q) if s.causal else [key for key in range(s.n_tokens) if key != q]
    return q == k or k in drawn(s.n_random, s.seed, q, others)


def _bigbird(q: int, k: int, s: Sketch) -> bool:
    last = (s.n_tokens - 1) // s.block_size
    q, k = q // s.block_size, k // s.block_size
    if q in (0, last) or k in (0, last) or abs(q - k) <= 1:
        return True
    return k in drawn(s.n_random, s.seed, q, [block for block in range(1, last) if abs(block - q) > 1])


def _same_bucket(q: int, k: int, s: Sketch) -> bool:
    """By content, which a picture does not have: buckets of an example."""
    return q == k or lot(s.seed, q, q) % BUCKETS == lot(s.seed, k, k) % BUCKETS


PATTERNS: dict[str, Callable[[int, int, Sketch], bool]] = {
    "causal": lambda q, k, s: True,
    "bidirectional": lambda q, k, s: True,
    "prefix": lambda q, k, s: k <= q or k < s.prefix,
    "sliding": _sliding,
    "band": _band,
    "global": lambda q, k, s: q == k or _global(q, k, s),
    "dilated": _dilated,
    "random": _random,
    "block_local": _block_local,
    "longformer": lambda q, k, s: _band(q, k, s) or _global(q, k, s),
    "bigbird": _bigbird,
    "star": _star,
    "etc": lambda q, k, s: _band(q, k, s) or _global(q, k, s),
    "lsh": _same_bucket,
    "kmeans": _same_bucket,
}


def drawn(n: int, seed: int, query: int, candidates: list[int] | range) -> list[int]:
    """The `n` candidate keys with the lowest lots, as the core draws them."""
    return sorted(candidates, key=lambda key: lot(seed, query, key))[:n]


def lot(seed: int, query: int, key: int) -> int:
    """The core's lot of a pair, in whole numbers that wrap around at 2⁶⁴ as its tensors do."""
    x = _wrapped(query * -7046029254386353131 + key * -4417276706812531889 + seed)
    for factor in (-4658895280553007687, -7723592293110705685):
        x = _wrapped((x ^ (x >> 31)) * factor)
    return (x ^ (x >> 31)) & (2**63 - 1)


def _wrapped(x: int) -> int:
    return (x + 2**63) % 2**64 - 2**63
