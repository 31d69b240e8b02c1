"""One stack's column of figure (a): a vertical residual stream, what stands on it, and what stands beside it.

What stands on the stream, everything must pass; what stands beside it reads from it and adds to it (⊕). A column may be
mirrored, so that two of them face each other.
"""

from dataclasses import dataclass

from models.sizes import StackSizes
from playground.views import counts
from playground.views.diagram_words import (
    Count,
    Words,
    attention_count,
    count_of,
    feedforward_count,
    masks_of,
)
from playground.views.numbers import exact
from playground.views.svg import Drawing

GAP = 20
JOIN = 9  # radius of a join


@dataclass(frozen=True)
class Place:
    """Where a column stands: its edges, its stream, and the edges of what stands beside the stream.

    `side` is 1 where that is to the right of the stream and -1 where it is to the left; `second` is the x of the second
    stream of a reversible stack. A narrow column says less in a line.
    """

    left: float
    right: float
    stream: float
    second: float
    near: float
    far: float
    side: int = 1
    narrow: bool = False

    @property
    def beside(self) -> tuple[float, float]:
        """Left edge and width of a box beside the stream."""
        return min(self.near, self.far), abs(self.far - self.near)


class Column:
    """Draws one stack from top to bottom; `y` is where the next part begins."""

    def __init__(self, on: Drawing, place: Place, stack: StackSizes, words: Words):
        self.on, self.place, self.stack, self.words = on, place, stack, words
        self.cfg, self.marks, self.say = stack.cfg, on.marks, words.say
        self.y = 4.0
        self.streams = (place.stream,)
        self.cross_at: float | None = None  # where cross-attention takes in what the encoder has read

    @property
    def centre(self) -> float:
        """The middle of what stands beside the stream."""
        return (self.place.near + self.place.far) / 2

    # On the stream

    def stand(
        self,
        key: str,
        kind: str,
        title: str,
        details: tuple[str, ...] = (),
        count: Count = ("", ""),
        height: float | None = None,
        edges: tuple[float, float] | None = None,
        ghost: bool = False,
    ) -> None:
        """A box that the stream passes through; whatever was several streams leaves it as one."""
        left, right = edges or (self.place.left, self.place.right)
        if height is None:
            details = self._room_for(details, count, right - left)
            height = box_height(details)
        self.on.box(key, kind, (left, self.y, right - left, height), title, details, *count, ghost)
        self.y += height
        self.streams = (self.place.stream,)

    def flow(self, length: float = GAP, arrow: bool = True) -> None:
        """A piece of the stream."""
        for x in self.streams:
            self.on.line((x, self.y), (x, self.y + length), style="stream", arrow=arrow)
        self.y += length

    def shape(self, words: str, arrow: bool = True) -> None:
        """A piece of the stream with the shape of what flows there."""
        edge = self.place.right if self.place.side > 0 else self.place.left
        beside = (self.streams[-1] if self.place.side > 0 else self.place.stream) + 10 * self.place.side
        room = abs(edge - beside)
        self.on.text(beside, self.y + 17, words, "dims", room=room, to_end=self.place.side < 0)
        self.flow(26, arrow)

    # Beside the stream

    def add(
        self,
        key: str,
        kind: str,
        title: str,
        details: tuple[str, ...],
        count: Count,
        ghost: bool = False,
        sign: str = "+",
    ) -> None:
        """A box whose content is added to the stream (or set before it, sign ","), as positions are."""
        if key in self.marks.differs:
            self.flow(8, arrow=False)  # room for the mark below the words on the stream
        left, width = self.place.beside
        details = self._room_for(details, count, width)
        height = 28.0 if ghost else box_height(details)
        middle = self.y + height / 2
        self.on.box(key, kind, (left, self.y, width, height), title, details, *count, ghost)
        x = self.place.stream
        self.on.line((x, self.y), (x, self.y + height + GAP - 8), style="stream", arrow=False)
        if not ghost:
            self.on.line((self.place.near, middle), (x + JOIN * self.place.side, middle))
            self.on.join(x, middle, sign)
        self.y += height + GAP - 8

    def leave(self, x: float | None = None) -> float:
        """A path leaves the stream at x to what stands beside it; gives its y."""
        x = self.place.stream if x is None else x
        top, over = self.y, self.place.second if x == self.place.stream and len(self.streams) > 1 else None
        self.on.dot(x, top)
        self.on.line((x, top), (self.centre, top), (self.centre, top + 16), over=over)
        self.y = top + 16
        return top

    def come_back(self, top: float, x: float | None = None, start: float | None = None) -> None:
        """The path comes back from `start` and is added to the stream at x; the stream is drawn from `top` on."""
        x, start = self.place.stream if x is None else x, self.centre if start is None else start
        over = self.place.second if x == self.place.stream and len(self.streams) > 1 else None
        end = x + JOIN * self.place.side
        self.on.line((start, self.y), (start, self.y + 16), (end, self.y + 16), over=over)
        self.y += 16
        self.on.join(x, self.y)
        for stream in self.streams:
            self.on.line((stream, top), (stream, self.y + GAP), style="stream", arrow=False)
        self.y += GAP

    def put(
        self, key: str, kind: str, title: str, details: tuple[str, ...], count: Count, letter: str = "", box=None
    ) -> tuple[float, float]:
        """A box on a path beside the stream; gives its top and bottom. `box` is another left edge and width."""
        left, width = box or self.place.beside
        details = self._room_for(details, count, width)
        height, top = box_height(details), self.y
        self.on.box(key, kind, (left, top, width, height), title, details, *count, letter=letter)
        self.y += height
        return top, self.y

    def down(self, length: float = 14) -> None:
        """A piece of the path beside the stream."""
        self.on.line((self.centre, self.y), (self.centre, self.y + length))
        self.y += length

    # The parts of a layer

    def norm_beside(self) -> None:
        """A norm on a path beside the stream."""
        left, width = self.place.beside
        count = count_of(counts.norm(self.cfg))
        self.on.box("norms", "norm", (left, self.y, width, 28), self.words.norm(), (), *count)
        self.y += 28

    def norm_on_stream(self) -> None:
        """A norm that the stream itself passes, within a layer."""
        place = self.place
        outer, inner = place.stream - 20 * place.side, place.far
        edges = (min(outer, inner), max(outer, inner))
        self.stand("norms", "norm", self.words.norm(), (), count_of(counts.norm(self.cfg)), 28, edges)

    def attention(self, box=None) -> tuple[float, float]:
        """Attention of the tokens to each other."""
        words = self.words
        masks = words.masks(list(masks_of(self.stack)))
        inside = words.inside()
        if self.place.narrow or box:
            title, details = words.say("attention"), (*words.heads_in_lines(), masks, *filter(None, (inside,)))
        else:
            where = " · ".join(filter(None, (masks, inside)))
            title, details = words.say(f"attention_{self.cfg.attention}"), (words.heads(), where)
        return self.put("attn", "attention", title, details, attention_count(self.stack), "b", box)

    def cross(self, box=None) -> tuple[float, float]:
        """Attention of a decoder's tokens to what the encoder has read."""
        count = count_of(counts.attention(self.cfg, self.cfg.attention))
        details = (*self.words.heads_in_lines(), self.words.say("cross_reads"))
        top, bottom = self.put("cross_attn", "attention", self.words.say("cross"), details, count, "b", box)
        self.cross_at = (top + bottom) / 2
        return top, bottom

    def feedforward(self, box=None) -> tuple[float, float]:
        """The feed-forward part, dense or of experts."""
        words, cfg = self.words, self.cfg
        count = feedforward_count(self.stack)
        size = "short_" if self.place.narrow or box else ""
        if self.stack.n_sparse:
            details = (*words.chosen(), words.which_sparse(self.stack))
            return self.put("ffn", "expert", words.say(f"{size}moe"), details, count, "c", box)
        widths = (words.widths(cfg.d_ff),)
        _, width = box or self.place.beside
        if not self.on.has_room(width, widths[0], ""):
            widths = (exact(cfg.d_model), f"→ {exact(cfg.d_ff)}", f"→ {exact(cfg.d_model)}")
        title = words.say(f"{size}ffn_{cfg.ffn}")
        return self.put("ffn", "ffn", title, (words.activation(), *widths), count, "c", box)

    def _room_for(self, details: tuple[str, ...], count: Count, width: float) -> tuple[str, ...]:
        """The details, with a line more where the count has no room beside the last two."""
        if not count[0] or not details or self.on.has_room(width, details[-1], count[0]):
            return details
        above = details[-2] if len(details) > 1 else ""
        return details if len(details) > 1 and self.on.has_room(width, above, count[0]) else (*details, "")


def box_height(details: tuple[str, ...]) -> float:
    """How high a box with a title and these lines is."""
    return 28.0 if not details else 17.0 + 15.0 * (1 + len(details))
