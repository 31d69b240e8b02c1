"""How a layer of figure (a) is laid out around the stream: one small function for each block of `models/parts/blocks.py`."""

from collections.abc import Callable

from playground.views.diagram_column import GAP, Column
from playground.views.numbers import exact


def draw_layers(column: Column) -> None:
    """The frame of all layers, with one of them inside."""
    on, place = column.on, column.place
    words = column.say("layers", count=column.stack.depth)
    top = column.y
    column.flow(28, arrow=False)
    LAYOUTS[column.cfg.block](column)
    at = f'x="{place.left:g}" y="{top + 6:g}" width="{place.right - place.left:g}" height="{column.y - top - 6:g}"'
    on.raw(f'<rect class="frame" {at} rx="10"/>', below=True)
    width = 84 if len(words) < 9 else 118
    left = place.right - width - 12 if place.side > 0 else place.left + 12
    on.box("layers", "plain", (left, top - 6, width, 24), words)
    column.flow(GAP - 8, arrow=False)


def _sublayers(column: Column) -> list[Callable]:
    across = [column.cross] if column.stack.cross else []
    return [column.attention, *across, column.feedforward]


def _pre(column: Column) -> None:
    for part in _sublayers(column):
        top = column.leave()
        column.norm_beside()
        column.down()
        part()
        column.come_back(top)


def _sandwich(column: Column) -> None:
    for part in _sublayers(column):
        top = column.leave()
        column.norm_beside()
        column.down()
        part()
        column.down()
        column.norm_beside()
        column.come_back(top)


def _post(column: Column) -> None:
    for part in _sublayers(column):
        top = column.leave()
        part()
        column.come_back(top)
        column.norm_on_stream()
        column.flow(14, arrow=False)


def _deepnorm(column: Column) -> None:
    """Each sub-layer begins with a norm on the stream, which is then multiplied by α before the addition."""
    for part in _sublayers(column):
        column.norm_on_stream()
        column.flow(12, arrow=False)
        top = column.leave()
        part()
        middle = (top + column.y) / 2
        column.come_back(top)
        _alpha(column, middle)


def _alpha(column: Column, y: float) -> None:
    """The factor on the stream, a × in a circle, with its value turned along the stream."""
    x = column.place.stream
    column.on.join(x, y, "×")
    alpha = f"α = {exact(round(column.cfg.residual_alpha, 2))}"
    beside = x + 22 if column.place.side > 0 else x - 14
    column.on.text(beside, y + 26, alpha, "along", turned=True)


def _reversible(column: Column) -> None:
    """Two streams: attention reads the second and adds to the first, feed-forward reads the first and adds to the second."""
    first, second = column.place.stream, column.place.second
    column.on.dot(first, column.y)
    column.on.line((first, column.y), (second, column.y), (second, column.y + 8), style="stream", arrow=False)
    column.streams = (first, second)
    column.flow(GAP, arrow=False)
    for part, reads, adds in ((column.attention, second, first), (column.feedforward, first, second)):
        top = column.leave(reads)
        column.norm_beside()
        column.down()
        part()
        column.come_back(top, adds)


def _parallel(column: Column) -> None:
    """Attention and feed-forward read the same normalised stream, and both are added to it."""
    top = column.leave()
    column.norm_beside()
    (_parallel_below if column.place.narrow else _parallel_beside)(column, top)


def _parallel_beside(column: Column, top: float) -> None:
    left_edge, width = column.place.beside
    half, fork = (width - 8) / 2, column.y + 12
    left, right = left_edge + 62, left_edge + width - 62
    column.on.line((column.centre, column.y), (column.centre, fork), (left, fork), (left, fork + 14))
    column.on.line((column.centre, fork), (right, fork), (right, fork + 14))
    start = fork + 14
    column.y = start
    _, attention_end = column.attention((left_edge, half))
    column.y = start
    _, feedforward_end = column.feedforward((left_edge + half + 8, half))
    bottom = max(attention_end, feedforward_end) + 18
    column.on.line((left, attention_end), (left, bottom), arrow=False)
    column.on.line((right, feedforward_end), (right, bottom), (left, bottom), arrow=False)
    column.on.dot(left, bottom)
    column.y = bottom - 16
    column.come_back(top, start=left)


def _parallel_below(column: Column, top: float) -> None:
    """In a narrow column one stands below the other: a line on the outside feeds both, one on the inside collects."""
    place = column.place
    box_left, width = place.beside
    box = (box_left + 14, width - 28)
    fed, collected = place.far - 4 * place.side, place.near + 4 * place.side
    into, out = (box[0] + box[1], box[0]) if place.side > 0 else (box[0], box[0] + box[1])
    start = column.y
    column.y += 14
    ends = []
    for part in (column.attention, column.feedforward):
        begin, end = part(box)
        ends.append((begin + end) / 2)
        column.y += 10
    for middle in ends:
        column.on.line((fed, start), (fed, middle), (into, middle))
        column.on.line((out, middle), (collected, middle), (collected, column.y), arrow=False)
    column.come_back(top, start=collected)


LAYOUTS: dict[str, Callable[[Column], None]] = {
    "pre": _pre,
    "post": _post,
    "sandwich": _sandwich,
    "deepnorm": _deepnorm,
    "parallel": _parallel,
    "reversible": _reversible,
}
