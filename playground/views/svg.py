"""Drawing primitives of the architecture diagrams: boxes, arrows, joins, and the marks of what differs.

Coordinates are user units, one unit a CSS pixel at full size, y downwards. Colours, fonts and motion are classes, set
in `static/build.css`. Every text goes through `html.escape`.
"""

from dataclasses import dataclass
from html import escape
from itertools import pairwise

LINE = 15  # from one baseline of a box to the next
INSET, MARGIN = 12, 8  # of words within a box, left and right
BRIDGE = 6  # radius of the arc by which one line crosses another

SIGNS = {"+": "M-5 0h10M0-5v10", "×": "M-3.5-3.5l7 7M3.5-3.5l-7 7", "|": "M-2-5v10M2-5v10"}

# Width of a character in units, for Latin letters and for Chinese characters: fonts differ, so these are generous.
GLYPHS = {"part": (7.7, 13.0), "detail": (6.93, 11.5), "dims": (6.93, 11.5), "count": (6.93, 11.5), "note": (6.4, 11.5)}


def width_of(words: str, style: str) -> float:
    """About how wide a line of text is."""
    latin, wide = GLYPHS[style]
    return sum(wide if ord(letter) > 0x2E7F else latin for letter in words)


@dataclass(frozen=True)
class Marks:
    """Boxes, by key, that differ from the preset of departure, that only the preset has, and that changed just now."""

    differs: frozenset[str] = frozenset()
    removed: frozenset[str] = frozenset()
    changed: frozenset[str] = frozenset()

    def classes(self, key: str) -> str:
        """The CSS classes of the box `key`, with a leading space."""
        return f"{' differs' if key in self.differs else ''}{' just-changed' if key in self.changed else ''}"


class Drawing:
    """One SVG, drawn piece by piece; lines lie below boxes, whatever the order of drawing."""

    def __init__(self, width: int, marks: Marks):
        self.width = width
        self.marks = marks
        self._below: list[str] = []
        self._above: list[str] = []

    def box(
        self,
        key: str,
        kind: str,
        at: tuple[float, float, float, float],
        title: str,
        details: tuple[str, ...] = (),
        count: str = "",
        hover: str = "",
        ghost: bool = False,
        letter: str = "",
    ) -> None:
        """A part: `at` = x, y, width, height; `details` one line each; `count` on the right, `hover` its exact form.

        A ghost stands where a part was taken away. `letter` names the figure that draws the inside of this part.
        """
        x, y, width, height = at
        lines = 1 + len(details)
        baseline = y + (height - LINE * (lines - 1)) / 2 + 4.5
        shape = f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="5"/>'
        bar = f'<path class="bar" d="M{x + 4:g} {y:g}h-1a3 5 0 0 0-3 5v{height - 10:g}a3 5 0 0 0 3 5h1z"/>'
        room = width - INSET - MARGIN
        taken = 18 if letter else width_of(count, "count") + 6 if count and not details else 0
        texts = [_text(x + INSET, baseline, title, "part", room=room - taken)]
        for i, line in enumerate(details):
            texts += [_text(x + INSET, baseline + LINE * (i + 1), line, "detail", room=room)] if line else []
        if count:
            last = len(details)
            if details and not self.has_room(width, details[-1], count):
                last -= 1  # no room beside the last line: beside the one above it
            texts.append(_text(x + width - MARGIN, baseline + LINE * last, count, "count", hover))
        if letter:
            texts.append(f'<circle class="letter" cx="{x + width - 14:g}" cy="{y + 14:g}" r="8"/>')
            texts.append(_text(x + width - 14, y + 17.5, letter, "letter"))
        kind_class = "ghost" if ghost else f"kind-{kind}"
        bar = "" if ghost else bar
        self._above.append(
            f'<g class="box {kind_class}{self.marks.classes(key)}" data-box="{escape(key)}">'
            f"{shape}{bar}{''.join(texts)}{self._mark(key, at)}</g>"
        )

    @staticmethod
    def has_room(width: float, words: str, count: str) -> bool:
        """Whether a count stands beside a detail in a box of this width."""
        apart = 12 if count else 0
        return width_of(words, "detail") + width_of(count, "count") + apart <= width - INSET - MARGIN

    def picture(self, key: str, kind: str, at: tuple[float, float, float, float], markup: str) -> None:
        """A small picture made by a view, marked as a box is; `at` is what the mark surrounds."""
        name = escape(key)
        classes = f"{name} kind-{kind}{self.marks.classes(key)}"
        self._above.append(f'<g class="{classes}" data-box="{name}">{markup}{self._mark(key, at)}</g>')

    def _mark(self, key: str, at: tuple[float, float, float, float]) -> str:
        """Outline and diamond of a part that differs: told by shape as well as by colour."""
        if key not in self.marks.differs:
            return ""
        x, y, width, height = at
        return (
            f'<rect class="outline" x="{x - 3:g}" y="{y - 3:g}" width="{width + 6:g}" height="{height + 6:g}" rx="7"/>'
            f'<path class="diamond" d="M{x - 3:g} {y - 10:g}l6 7-6 7-6-7z"/>'
        )

    def line(
        self, *points: tuple[float, float], style: str = "flow", arrow: bool = True, over: float | None = None
    ) -> None:
        """A path of straight pieces, with an arrowhead at its end; it crosses the line at x = `over` by a bridge."""
        path = f"M{points[0][0]:g} {points[0][1]:g}"
        for (x0, y0), (x1, y1) in pairwise(points):
            if over is not None and y0 == y1 and min(x0, x1) + BRIDGE < over < max(x0, x1) - BRIDGE:
                step = BRIDGE if x1 > x0 else -BRIDGE
                path += f"L{over - step:g} {y0:g}a{BRIDGE} {BRIDGE} 0 0 {int(step > 0)} {2 * step:g} 0"
            path += f"L{x1:g} {y1:g}"
        self._below.append(f'<path class="{style}" d="{path}"/>')
        if arrow:
            (x0, y0), (x1, y1) = points[-2:]
            dx, dy = (x1 > x0) - (x1 < x0), (y1 > y0) - (y1 < y0)
            head = f"M{x1:g} {y1:g}l{-7 * dx - 4 * dy:g} {-7 * dy + 4 * dx:g}l{8 * dy:g} {-8 * dx:g}z"
            self._below.append(f'<path class="{style} head" d="{head}"/>')

    def join(self, x: float, y: float, sign: str = "+", kind: str = "residual") -> None:
        """A circle in which paths meet: "+" adds, "×" multiplies element by element, "|" sets one before the other."""
        cross = SIGNS[sign]
        self._above.append(
            f'<g class="join kind-{kind}" transform="translate({x:g} {y:g})"><circle r="9"/><path d="{cross}"/></g>'
        )

    def dot(self, x: float, y: float) -> None:
        """Where a path leaves another."""
        self._above.append(f'<circle class="dot" cx="{x:g}" cy="{y:g}" r="3"/>')

    def text(
        self,
        x: float,
        y: float,
        words: str,
        style: str = "detail",
        turned: bool = False,
        room: float | None = None,
        to_end: bool = False,
    ) -> None:
        """Words at a baseline; `turned` reads upwards; with `to_end` they end at x; `room` is how wide they may be."""
        self._above.append(_text(x, y, words, style, turned=turned, room=room, to_end=to_end))

    def raw(self, markup: str, below: bool = False) -> None:
        """Markup made by a view (frames, curves, grids); never text of a visitor."""
        (self._below if below else self._above).append(markup)

    def svg(self, height: float, name: str, description: str) -> str:
        """The finished picture; `description` says in words what it shows."""
        return (
            f'<svg class="{name}" viewBox="0 0 {self.width} {height:g}" role="img" aria-label="{escape(description)}">'
            f"{''.join(self._below)}{''.join(self._above)}</svg>"
        )


def _text(
    x: float,
    y: float,
    words: str,
    style: str,
    hover: str = "",
    turned: bool = False,
    room: float | None = None,
    to_end: bool = False,
) -> str:
    placed = f' transform="rotate(-90 {x:g} {y:g})"' if turned else ""
    placed += ' text-anchor="end"' if to_end else ""
    if room is not None and width_of(words, style) > room:
        placed += f' textLength="{room:g}" lengthAdjust="spacingAndGlyphs"'
    title = f"<title>{escape(hover)}</title>" if hover else ""
    return f'<text class="{style}" x="{x:g}" y="{y:g}"{placed}>{escape(words)}{title}</text>'
