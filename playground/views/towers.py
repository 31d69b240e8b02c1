"""Two towers of parameters on one scale: each block a kind of part, as high as it has parameters; and the table twin.

Where one tower is far smaller, it is drawn a second time beside itself, magnified, so that its blocks can be told apart.
"""

from dataclasses import dataclass
from html import escape

from models.account import Account, Part
from playground.i18n import say
from playground.views.numbers import exact, percent, short

WIDTH, HEIGHT = 520, 440
GROUND, TALLEST = 416.0, 392.0  # baseline of the towers; height of the larger one
COLUMNS = (48, 292)  # where each side begins
BAR, SMALL_BAR = 48, 26
LENS_AT, LENS_BAR = 52, 40
LENS_HEIGHT = 300.0
LENS_FROM = 3  # how many times smaller a tower has to be, to be magnified
LABEL_STEP = 34.0  # two lines
LEAST_SHARE = 0.012  # of the tower, for a block to be named in the picture


@dataclass(frozen=True)
class Block:
    """A part of one tower, all stacks together."""

    name: str
    kind: str
    count: int


def towers(sides: tuple[tuple[str, Account], tuple[str, Account]], lang: str) -> str:
    """HTML figure of the two towers with its caption, and the same as a table. A side is a title and its account."""
    heights = [account.params for _, account in sides]
    scale = TALLEST / max(heights)
    drawn = [_axis(scale)]
    for (_, account), x, params in zip(sides, COLUMNS, heights, strict=True):
        times = magnification(params, max(heights))
        drawn.append(_tower(account, x, scale, times, lang))
    caption = _caption(sides, lang)
    titles = "".join(
        f'<text class="title" x="{x}" y="{GROUND + 20:g}">{escape(title)}</text>'
        for (title, _), x in zip(sides, COLUMNS, strict=True)
    )
    picture = (
        f'<svg class="towers" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(caption)}">'
        f"{''.join(drawn)}{titles}</svg>"
    )
    summary = escape(say(lang, "compare.towers.table"))
    return (
        f'<figure class="towers">{picture}<figcaption>{escape(caption)}</figcaption></figure>'
        f"<details><summary>{summary}</summary>{_table(sides, lang)}</details>"
    )


def magnification(params: int, largest: int) -> int:
    """How many times as large a smaller tower is drawn beside itself: a round number, or 1 for none."""
    room = LENS_HEIGHT / TALLEST * largest / params
    if largest / params < LENS_FROM or room < 2:
        return 1
    step = 10 ** (len(str(int(room))) - 1)
    return int(room) // step * step


def blocks(account: Account) -> list[Block]:
    """The parts that have parameters, from the bottom up; those of the same name in several stacks are one block."""
    by_name: dict[str, Block] = {}
    for part in account.parts:
        if part.count:
            held = by_name.get(part.name)
            by_name[part.name] = Block(part.name, part.kind, part.count + (held.count if held else 0))
    return list(by_name.values())


def _tower(account: Account, x: float, scale: float, times: int, lang: str) -> str:
    """One tower with its labels, which stand beside the magnified one if there is one."""
    parts = blocks(account)
    if times == 1:
        return _stack(parts, x, BAR, scale) + _labels(account, parts, x + BAR, scale, lang)
    top, high = GROUND - account.params * scale, GROUND - account.params * scale * times
    lens = x + LENS_AT
    rays = (
        f'<path class="ray" d="M{x + SMALL_BAR:g} {top:.1f}L{lens:g} {high:.1f}M{x + SMALL_BAR:g} {GROUND}H{lens:g}"/>'
    )
    sign = f'<text class="lens" x="{lens + LENS_BAR / 2:g}" y="{high - 8:.1f}">× {exact(times)}</text>'
    stacks = _stack(parts, x, SMALL_BAR, scale) + _stack(parts, lens, LENS_BAR, scale * times)
    return stacks + rays + sign + _labels(account, parts, lens + LENS_BAR, scale * times, lang)


def _stack(parts: list[Block], x: float, width: float, scale: float) -> str:
    drawn, y = [], GROUND
    for part in parts:
        height = part.count * scale
        y -= height
        drawn.append(
            f'<rect class="block kind-{part.kind}" x="{x:g}" y="{y:.2f}" width="{width:g}" height="{height:.2f}"/>'
        )
    return "".join(drawn)


def _labels(account: Account, parts: list[Block], x: float, scale: float, lang: str) -> str:
    """Names and counts beside their blocks, moved apart where blocks are thin, with a line to the block."""
    named, y = [], GROUND
    for part in parts:
        middle = y - part.count * scale / 2
        y -= part.count * scale
        if part.count >= LEAST_SHARE * account.params:
            named.append((part, middle))
    return "".join(
        f'<path class="ray" d="M{x:g} {middle:.1f}L{x + 10:g} {at:.1f}"/>'
        f'<text class="name" x="{x + 14:g}" y="{at - 2:.1f}">'
        f"{escape(say(lang, f'compare.part.{part.name}'))}</text>"
        f'<text class="count" x="{x + 14:g}" y="{at + 14:.1f}">{short(part.count)}</text>'
        for (part, middle), at in zip(named, spread([middle for _, middle in named]), strict=True)
    )


def spread(middles: list[float]) -> list[float]:
    """Places for labels, from the bottom up, near their blocks and at least `LABEL_STEP` apart, within the picture."""
    places: list[float] = []
    for middle in middles:
        places.append(min(middle, places[-1] - LABEL_STEP) if places else min(middle, GROUND - 16))
    top = 16.0
    for index in range(len(places) - 1, -1, -1):
        places[index] = max(places[index], top)
        top = places[index] + LABEL_STEP
    return places


def _axis(scale: float) -> str:
    largest = TALLEST / scale
    step = _round_step(largest / 5)
    ticks = range(0, int(largest) + 1, step)
    return "".join(
        f'<path class="rule" d="M44 {GROUND - tick * scale:.1f}H{WIDTH}"/>'
        f'<text class="tick" x="40" y="{GROUND - tick * scale + 4:.1f}">{_tick(tick)}</text>'
        for tick in ticks
    )


def _tick(value: int) -> str:
    number, _, unit = short(value).partition("\u202f")
    return number.rstrip("0").rstrip(".") + unit if "." in number else number + unit


def _round_step(wanted: float) -> int:
    """1, 2 or 5 times a power of ten, at least `wanted`."""
    power = 10 ** (len(str(int(max(wanted, 1)))) - 1)
    return next(step * power for step in (1, 2, 5, 10) if step * power >= wanted)


def _caption(sides: tuple[tuple[str, Account], ...], lang: str) -> str:
    small, large = sorted(sides, key=lambda side: side[1].params)
    largest = max(blocks(large[1]), key=lambda part: part.count)
    words = say(lang, "compare.towers.caption", large=large[0], largest=say(lang, f"compare.part.{largest.name}"))
    times = magnification(small[1].params, large[1].params)
    if times == 1:
        return words
    return (
        words
        + (" " if lang == "en" else "")
        + say(lang, "compare.towers.magnified", small=small[0], times=exact(times))
    )


def _table(sides: tuple[tuple[str, Account], ...], lang: str) -> str:
    """Every part of either side, in the order of a pass, with both counts and shares."""
    of_side = [{part.key: part for part in account.parts} for _, account in sides]
    head = "".join(f'<th scope="col" class="number">{escape(title)}</th>' for title, _ in sides)
    rows = []
    for key in dict.fromkeys((*of_side[0], *of_side[1])):
        part = of_side[0].get(key) or of_side[1][key]
        cells = "".join(_count(parts.get(key), account) for parts, (_, account) in zip(of_side, sides, strict=True))
        name = say(lang, f"compare.part.{part.name}")
        if part.stack:
            name = f"{name} · {say(lang, f'compare.stack.{part.stack}')}"
        rows.append(
            f'<tr class="kind-{part.kind}"><th scope="row"><span class="swatch" aria-hidden="true"></span>'
            f"{escape(name)}</th>{cells}</tr>"
        )
    totals = "".join(f'<td class="number">{exact(account.params)}</td>' for _, account in sides)
    return (
        f'<table class="ruled"><thead><tr><th scope="col">{escape(say(lang, "compare.towers.part"))}</th>{head}</tr>'
        f'</thead><tbody>{"".join(rows)}</tbody><tfoot><tr><th scope="row">'
        f"{escape(say(lang, 'compare.towers.total'))}</th>{totals}</tr></tfoot></table>"
    )


def _count(part: Part | None, account: Account) -> str:
    if part is None:
        return '<td class="number">–</td>'
    return f'<td class="number">{exact(part.count)} <small>{percent(part.count, account.params)}</small></td>'
