"""Below figure (b): which query heads share keys and values, and which tokens a query may see."""

from collections.abc import Callable
from dataclasses import replace

from models.config import ModelConfig
from models.sizes import StackSizes
from playground.views.mask_picture import Sketch, cross_picture, mask_picture, sketch_of
from playground.views.svg import Drawing

LEFT, WIDTH = 6, 388
CELL, STEP, BETWEEN = 12, 15, 4  # a head in the picture of sharing, from head to head, more from group to group
MOST_HEADS, FEWER_HEADS = 25, 24  # up to so many heads are all drawn; of more, the first so many
GRID, APART = 80, 102  # size of a mask's picture, and from one to the next
LINE = 14
BY_CONTENT = ("lsh", "kmeans")  # what a token sees depends on what it says, so that a picture can but show an example

Say = Callable[..., str]


def draw_sharing(on: Drawing, cfg: ModelConfig, say: Say, y: float) -> float:
    """Query heads above the key-value heads that they share; where there are too many, the first ones and dots."""
    top = y + 24
    on.text(LEFT, top, say("sharing"), "part", room=WIDTH)
    per_group = cfg.n_heads // cfg.n_kv_heads
    whole_groups = per_group * max(1, FEWER_HEADS // per_group)
    shown = cfg.n_heads if cfg.n_heads <= MOST_HEADS else min(whole_groups, FEWER_HEADS)
    step = min(STEP, (WIDTH - 30 - shown // per_group * BETWEEN) / shown)
    cell = step - (STEP - CELL)
    queries, keys = top + 12, top + 54
    markup = []
    for first in range(0, shown, per_group):
        heads = range(first, min(first + per_group, shown))
        xs = [LEFT + head * step + first // per_group * BETWEEN for head in heads]
        middle = (xs[0] + xs[-1] + cell) / 2
        markup += [_head(x, queries, cell) + _share(x + cell / 2, queries + CELL, middle, keys) for x in xs]
        markup.append(_head(middle - cell / 2, keys, cell / 2, "key") + _head(middle, keys, cell / 2, "value"))
        end = xs[-1] + step
    on.picture("heads", "attention", (LEFT, queries, end - LEFT - 2, keys + CELL - queries), "".join(markup))
    if shown < cfg.n_heads:
        on.text(end + 4, queries + CELL - 2, "…", "part")
    if shown < cfg.n_heads and cfg.n_kv_heads > 1:
        on.text(end + 4, keys + CELL - 2, "…", "part")
    on.text(LEFT, keys + CELL + 18, sharing_words(cfg, say), "note", room=WIDTH)
    return keys + CELL + 24


def sharing_words(cfg: ModelConfig, say: Say) -> str:
    """The same in words."""
    if cfg.mla is not None:
        return say("all_latent", heads=cfg.n_heads)
    key = "each_own" if cfg.n_kv_heads == cfg.n_heads else "all_one" if cfg.n_kv_heads == 1 else "groups"
    return say(key, heads=cfg.n_heads, kv_heads=cfg.n_kv_heads, per_group=cfg.n_heads // cfg.n_kv_heads)


def draw_sight(on: Drawing, stacks: list[StackSizes], masks: dict[str, int], say: Say, y: float) -> float:
    """One grid for each kind of mask, with its measure and the layers that have it; an encoder's and the look across too."""
    stack = stacks[-1]
    top, cfg = y + 24, stack.cfg
    on.text(LEFT, top, say("sees"), "part", room=WIDTH)
    on.text(LEFT, top + LINE + 2, say("sees_how"), "note", room=WIDTH)
    top += LINE + 2
    sketch = sketch_of(cfg)
    pictures = []
    if stack.cross:
        pictures.append(("bidirectional", (say("sight_encoder"), say("mask_bidirectional")), sketch))
    for mask, count in masks.items():
        example = say("measure_example") if mask in BY_CONTENT else ""
        words = (say(f"mask_{mask}"), _measure(mask, cfg, say), example)
        share = _share_of(stack, count, say)
        words = (share, *words) if stack.cross else (*words, share)
        pictures.append((mask, tuple(filter(None, words)), sketch))
    if stack.cross:
        pictures.append((None, (say("sight_cross"), say("sight_cross_all")), sketch))
    height = GRID + LINE * max(len(words) for _, words, _ in pictures) + 12
    per_row = (WIDTH + APART - GRID) // APART
    for number, (mask, words, numbers) in enumerate(pictures):
        row, place = divmod(number, per_row)
        x, at = LEFT + place * APART, top + 12 + row * height
        markup = cross_picture(x, at, GRID) if mask is None else mask_picture(mask, _of(mask, numbers), x, at, GRID)
        on.picture("mask", "attention", (x, at, GRID, GRID), markup)
        for line, text in enumerate(words):
            on.text(x, at + GRID + LINE * (line + 1), text, "note", room=APART - 4)
    rows = -(-len(pictures) // per_row)
    return top + 12 + rows * height - 8


def _of(mask: str, sketch: Sketch) -> Sketch:
    """An encoder's picture in a model whose decoder is causal looks both ways."""
    return replace(sketch, causal=False) if mask == "bidirectional" else sketch


def _share_of(stack: StackSizes, count: int, say: Say) -> str:
    if stack.cross:
        return say("sight_decoder")
    return say("layers_all") if count == stack.depth else say("layers_some", count=count, total=stack.depth)


def _measure(mask: str, cfg: ModelConfig, say: Say) -> str:
    """The number that a mask goes by."""
    sparse = cfg.sparse
    if mask in ("sliding", "band", "longformer", "star", "etc"):
        return say("measure_window", window=cfg.window)
    if mask == "kmeans":
        return say("measure_clusters", count=sparse.n_clusters)
    if mask == "dilated":
        return say("measure_dilated", window=cfg.window, dilation=sparse.dilation if sparse else 1)
    if mask in ("block_local", "bigbird"):
        return say("measure_blocks", size=sparse.block_size)
    if mask == "lsh":
        return say("measure_buckets", count=sparse.n_buckets)
    if mask == "random":
        return say("measure_random", count=sparse.n_random)
    if mask == "global":
        return say("measure_global", count=sparse.n_global)
    return ""


def _head(x: float, y: float, width: float, part: str = "") -> str:
    """One query head, or half a key-value head."""
    return f'<rect class="head {part}" x="{x:g}" y="{y:g}" width="{width:g}" height="{CELL}" rx="1.5"/>'


def _share(x0: float, y0: float, x1: float, y1: float) -> str:
    return f'<path class="share" d="M{x0:g} {y0:g}L{x1:g} {y1:g}"/>'
