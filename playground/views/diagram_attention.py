"""Figure (b): inside attention. Queries and keys meet in the scores, which weigh the values.

Below the flow: which query heads share keys and values, and which tokens a query may see.
"""

from models.sizes import StackSizes
from playground.views import counts
from playground.views.diagram_sight import draw_sharing, draw_sight, sharing_words
from playground.views.diagram_words import Count, Words, count_of, masks_of
from playground.views.numbers import exact
from playground.views.svg import Drawing, Marks

WIDTH = 400
COLUMN = 120  # width of the q, k and v columns
Q, K, V = 6, 140, 274  # their left edges
RIGHT = V + COLUMN
MEET = (Q + K + COLUMN) / 2  # where q and k meet
RIGHT_OF_BIAS = K + COLUMN


class AttentionFigure:
    """Multi-head attention with its variants. Draws from top to bottom; `y` is where the next row begins.

    `kind` is the attention of the layers shown; `with_masks` lists the masks of those layers below.
    """

    meeting = (Q, K + COLUMN)  # edges of what queries and keys have in common
    v_path = V + COLUMN / 2  # where values pass by

    def __init__(self, stacks: list[StackSizes], kind: str, marks: Marks, lang: str):
        self.stacks, self.stack, self.kind = stacks, stacks[-1], kind
        self.cfg, self.marks = self.stack.cfg, marks
        self.words = Words(self.cfg, lang)
        self.say = self.words.say
        self.on = Drawing(WIDTH, marks)
        self.y = 0.0

    def draw(self) -> str:
        self.project()
        self.turn()
        self.score()
        self.bias()
        self.choose()
        self.mask()
        self.mix()
        self.below()
        return self.on.svg(self.y + 4, "attention", self.description())

    # From the stream to queries, keys and values

    def project(self) -> None:
        cfg = self.cfg
        self._fork(((Q, COLUMN), (K, COLUMN), (V, COLUMN)))
        heads = {"q": cfg.n_heads, "k": cfg.n_kv_heads, "v": cfg.n_kv_heads}
        sizes = {"q": counts.q_proj(cfg), "k": counts.k_proj(cfg), "v": counts.v_proj(cfg)}
        for name, left in (("q", Q), ("k", K), ("v", V)):
            bias = " + b" if name in cfg.biases else ""
            shape = f"→ {exact(heads[name])} × {exact(cfg.d_head)}{bias}"
            self.box(f"{name}_proj", "attention", (left, COLUMN), self.say(f"proj_{name}"), (shape, ""), sizes[name])
        self.y += 62
        self.v_from = self.y
        self._qk_norm()

    def _fork(self, columns: tuple[tuple[float, float], ...]) -> None:
        """The stream's token goes to the boxes at these left edges and widths."""
        (_, _), (left, width) = columns[0], columns[len(columns) // 2]
        centre = left + width / 2
        self.on.text(centre + 12, 14, f"(B, T, {exact(self.cfg.d_model)})", "dims", room=WIDTH - centre - 12)
        self.on.line((centre, 0), (centre, 40))
        for left, width in columns:
            if left + width / 2 != centre:
                self.on.line((centre, 22), (left + width / 2, 22), (left + width / 2, 40))
        self.on.dot(centre, 22)
        self.y = 40

    def box(
        self, key: str, kind: str, at: tuple[float, float], title: str, details: tuple[str, ...] = (), count: int = 0
    ) -> float:
        """A box in this row at a left edge and width; gives its height."""
        left, width = at
        height = 28.0 if not details else 17.0 + 15 * (1 + len(details))
        self.on.box(key, kind, (left, self.y, width, height), title, details, *self.count(count))
        return height

    def count(self, value: int) -> Count:
        """Parameters of a box that stands in one layer."""
        return count_of(value)

    def down(self, *xs: float, length: float = 14) -> None:
        """Paths go on at these x."""
        for x in xs:
            self.on.line((x, self.y), (x, self.y + length))
        self.y += length

    def _qk_norm(self) -> None:
        there = self.cfg.qk_norm
        if not there and "qk_norm" not in self.marks.removed:
            return
        self.down(Q + COLUMN / 2, K + COLUMN / 2)
        for left in (Q, K):
            at = (left, self.y, COLUMN, 28)
            title = self.say("norm_rmsnorm" if there else "no_qk_norm")
            self.on.box("qk_norm", "norm", at, title, (), *count_of(counts.qk_norm(self.cfg)), ghost=not there)
        self.y += 28

    # Positions that turn queries and keys

    def turn(self) -> None:
        if not self.cfg.has_rotary and "rotary" not in self.marks.removed:
            return
        self.down(Q + COLUMN / 2, K + COLUMN / 2)
        at = (Q, K + COLUMN - Q)
        if self.cfg.has_rotary:
            self.y += self.box("rotary", "position", at, self.say(f"rotary_{self.cfg.rope_layout}"), self.turn_words())
        else:
            self.on.box("rotary", "position", (Q, self.y, at[1], 28), self.say("no_rotary"), ghost=True)
            self.y += 28

    def turn_words(self) -> tuple[str, ...]:
        """Base, turned dimensions, second position, stretching: one line each."""
        cfg = self.cfg
        part = "rotary_all" if cfg.rotary_dim == cfg.d_head else "rotary_part"
        turned = self.say(part, rotary_dim=cfg.rotary_dim, d_head=cfg.d_head)
        lines = (f"θ = {exact(cfg.rope_theta)} · {turned}",)
        if cfg.position == "rotary_2d":
            lines += (self.say("rotary_two"),)
        if cfg.rope_scaling:
            lines += (self.say(f"scaled_{cfg.rope_scaling.kind}", factor=cfg.rope_scaling.factor),)
        return lines

    # Scores and their mask

    def score(self) -> None:
        cfg, (left, right) = self.cfg, self.meeting
        self.down(*self.score_paths())
        title = self.say("scores" if cfg.scale_scores else "scores_plain", d_head=cfg.d_head)
        self.y += self.box("scores", "attention", (left, right - left), title, (f"(B, {exact(cfg.n_heads)}, T, S)",))

    def score_paths(self) -> tuple[float, ...]:
        """Where queries and keys come into the scores."""
        return Q + COLUMN / 2, K + COLUMN / 2

    def bias(self) -> None:
        """A number added to each score, which depends on how far query and key are apart."""
        position = self.cfg.position
        (left, right), gone = self.meeting, not self.marks.removed.isdisjoint({"alibi", "relative"})
        if position in ("alibi", "relative"):
            self._bias_box(position, left)
        elif gone:
            self.down(MEET)
            self.on.box("alibi", "position", (left, self.y, right - left, 28), self.say("no_alibi"), ghost=True)
            self.y += 28

    def _bias_box(self, position: str, left: float) -> None:
        cfg = self.cfg
        x, from_x = left + 30, left + 62
        title, details, count = self.say("inside_alibi"), (self.say("alibi"),), 0
        if position == "relative":
            buckets = self.say("relative_buckets", buckets=cfg.relative_buckets, distance=cfg.relative_max_distance)
            table = f"{exact(cfg.relative_buckets)} × {exact(cfg.n_heads)}"
            title, count = self.say("bias_relative"), counts.position(cfg)
            details = (buckets, self.say("relative_table", table=table))
        top = self.y
        self.y += 12
        key = "alibi" if position == "alibi" else "relative"
        height = self.box(key, "position", (from_x, RIGHT_OF_BIAS - from_x), title, details, count)
        middle = self.y + height / 2
        self.on.line((x, top), (x, self.y + height + 14))
        self.on.line((from_x, middle), (x + 9, middle))
        self.on.join(x, middle, kind="attention")
        self.y += height + 14

    def choose(self) -> None:
        """What stands before the mask in attention that chooses by content."""

    def mask(self) -> None:
        left, right = self.meeting
        if self.cfg.position not in ("alibi", "relative"):
            self.down(MEET)
        masks = [mask for mask in masks_of(self.stack) if self.is_shown(mask)]
        title = self.say("mask", names=self.words.masks(masks))
        self.y += self.box("mask", "attention", (left, right - left), title, (self.say("softmax"),))

    def is_shown(self, mask: str) -> bool:
        """Whether layers with this mask run the attention of this figure."""
        own = mask if mask in ("longformer", "lsh", "kmeans") else self.cfg.attention
        return own == self.kind

    # Values, and back to the stream

    def mix(self) -> None:
        """Weighted values, joined heads, and the map back."""
        cfg = self.cfg
        self.on.line((MEET, self.y), (MEET, self.y + 16))
        self.on.line((self.v_path, self.v_from), (self.v_path, self.y + 16))
        self.y += 16
        d_value = cfg.d_head if cfg.mla is None else cfg.mla.v_head_dim
        joined = f"(B, T, {exact(cfg.n_heads)} × {exact(d_value)})"
        self.y += self.box("mix", "attention", (Q, RIGHT - Q), self.say("mix"), (joined,))
        self.down(WIDTH / 2)
        bias = " + b" if "o" in cfg.biases else ""
        size = f"{exact(cfg.n_heads * d_value)} → {exact(cfg.d_model)}{bias}"
        self.y += self.box("o_proj", "attention", (Q, RIGHT - Q), self.say("proj_o"), (size,), counts.o_proj(cfg))
        self.down(WIDTH / 2, length=20)

    # Below the flow

    def below(self) -> None:
        self.y = draw_sharing(self.on, self.cfg, self.say, self.y)
        shown = {mask: count for mask, count in masks_of(self.stack).items() if self.is_shown(mask)}
        self.y = draw_sight(self.on, self.stacks, shown, self.say, self.y)

    def description(self) -> str:
        """The figure in words."""
        cfg = self.cfg
        masks = [self.say(f"mask_{mask}") for mask in masks_of(self.stack) if self.is_shown(mask)]
        return self.say(
            "alt_inside_attention",
            sharing=sharing_words(cfg, self.say),
            d_head=cfg.d_head,
            masks=" / ".join(masks),
            position=self.say(f"alt_scores_{cfg.position}"),
        )
