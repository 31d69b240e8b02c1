"""Figure (b): inside attention. Queries and keys meet in the scores, which weigh the values.

Below the flow: which query heads share keys and values, and which tokens a query may see.
"""

from models.config import ModelConfig
from playground.i18n import say
from playground.views import counts
from playground.views.mask_picture import mask_picture
from playground.views.numbers import exact, short
from playground.views.svg import Drawing, Marks

WIDTH = 400
COLUMN = 120  # width of the q, k and v columns
Q, K, V = 6, 140, 274  # their left edges
MEET = (Q + K + COLUMN) / 2  # where q and k meet
CELL, STEP, BETWEEN = 12, 15, 4  # a head in the picture of sharing, from head to head, more from group to group
MOST_HEADS, FEWER_HEADS = 13, 12  # up to so many heads are all drawn; of more, the first so many


def attention(cfg: ModelConfig, marks: Marks, lang: str) -> str:
    """The SVG of one attention layer."""
    return _Attention(cfg, marks, lang).draw()


class _Attention:
    """Draws from top to bottom; `y` is where the next row begins."""

    def __init__(self, cfg: ModelConfig, marks: Marks, lang: str):
        self.cfg, self.marks, self.lang = cfg, marks, lang
        self.on = Drawing(WIDTH, marks)
        self.y = 0.0

    def say(self, key: str, **params) -> str:
        return say(self.lang, f"diagram.{key}", **params)

    def draw(self) -> str:
        self._input()
        self._projections()
        if self.cfg.qk_norm or "qk_norm" in self.marks.removed:
            self._qk_norm()
        if self.cfg.position == "rotary" or "rotary" in self.marks.removed:
            self._rotary()
        self._scores()
        if self.cfg.position == "alibi" or "alibi" in self.marks.removed:
            self._alibi()
        self._mask()
        self._values()
        self._heads()
        self._masks()
        return self.on.svg(self.y + 4, "attention", self._description())

    def _input(self) -> None:
        self.on.text(V + 6 + 8, 14, f"(B, T, {exact(self.cfg.d_model)})", "dims")
        centre = K + COLUMN / 2
        self.on.line((centre, 0), (centre, 40))
        for left in (Q, V):
            self.on.line((centre, 22), (left + COLUMN / 2, 22), (left + COLUMN / 2, 40))
        self.on.dot(centre, 22)
        self.y = 40

    def _projections(self) -> None:
        cfg = self.cfg
        heads = {"q": cfg.n_heads, "k": cfg.n_kv_heads, "v": cfg.n_kv_heads}
        sizes = {"q": counts.q_proj(cfg), "k": counts.k_proj(cfg), "v": counts.v_proj(cfg)}
        for name, left in (("q", Q), ("k", K), ("v", V)):
            bias = " + b" if name in cfg.biases else ""
            shape = f"→ {exact(heads[name])} × {exact(cfg.d_head)}{bias}"
            at = (left, self.y, COLUMN, 60)
            title, count = self.say(f"proj_{name}"), sizes[name]
            self.on.box(f"{name}_proj", "attention", at, title, (shape, ""), short(count), exact(count))
        self.y += 60

    def _down(self, length: float = 14) -> None:
        """The three paths go on; v passes by what q and k meet."""
        for left in (Q, K):
            self.on.line((left + COLUMN / 2, self.y), (left + COLUMN / 2, self.y + length))
        self.y += length

    def _qk_norm(self) -> None:
        self._down()
        there = self.cfg.qk_norm
        for left in (Q, K):
            at = (left, self.y, COLUMN, 28)
            title = self.say("norm_rmsnorm" if there else "no_qk_norm")
            count = counts.qk_norm(self.cfg)
            self.on.box("qk_norm", "norm", at, title, (), short(count) if there else "", exact(count), ghost=not there)
        self.y += 28

    def _rotary(self) -> None:
        self._down()
        cfg = self.cfg
        at = (Q, self.y, K + COLUMN - Q, 60 if cfg.rope_scaling else 44)
        if cfg.position == "rotary":
            part = "rotary_all" if cfg.rotary_dim == cfg.d_head else "rotary_part"
            turned = self.say(part, rotary_dim=exact(cfg.rotary_dim), d_head=exact(cfg.d_head))
            details = (f"θ = {exact(cfg.rope_theta)} · {turned}",)
            if cfg.rope_scaling:
                details += (self.say(f"scaled_{cfg.rope_scaling.kind}", factor=exact(cfg.rope_scaling.factor)),)
            self.on.box("rotary", "position", at, self.say(f"rotary_{cfg.rope_layout}"), details)
        else:
            at = (*at[:3], 28)
            self.on.box("rotary", "position", at, self.say("no_rotary"), ghost=True)
        self.y += at[3]

    def _scores(self) -> None:
        self._down()
        cfg = self.cfg
        self.on.box(
            "scores",
            "attention",
            (Q, self.y, K + COLUMN - Q, 44),
            self.say("scores", d_head=exact(cfg.d_head)),
            (f"(B, {exact(cfg.n_heads)}, T, S)",),
        )
        self.y += 44

    def _alibi(self) -> None:
        if self.cfg.position == "alibi":
            middle = self.y + 32
            left = MEET - 8
            self.on.box("alibi", "position", (left, self.y + 12, K + COLUMN - left, 40), "ALiBi", (self.say("alibi"),))
            x = Q + COLUMN / 2
            self.on.line((x, self.y), (x, self.y + 66))
            self.on.line((left, middle), (x + 9, middle))
            self.on.join(x, middle, kind="attention")
            self.y += 66
        else:
            self.on.line((MEET, self.y), (MEET, self.y + 14))
            self.on.box("alibi", "position", (Q, self.y + 14, K + COLUMN - Q, 28), self.say("no_alibi"), ghost=True)
            self.y += 42

    def _mask(self) -> None:
        if self.cfg.position != "alibi":
            self.on.line((MEET, self.y), (MEET, self.y + 14))
            self.y += 14
        names = " / ".join(self.say(f"mask_{mask}") for mask in dict.fromkeys(self.cfg.mask_pattern))
        at = (Q, self.y, K + COLUMN - Q, 44)
        self.on.box("mask", "attention", at, self.say("mask", names=names), (self.say("softmax"),))
        self.y += 44

    def _values(self) -> None:
        """Weighted values, joined heads, and the map back to the stream."""
        cfg = self.cfg
        v_path = V + COLUMN / 2
        self.on.line((MEET, self.y), (MEET, self.y + 16))
        self.on.line((v_path, 100), (v_path, self.y + 16))
        self.y += 16
        at = (Q, self.y, V + COLUMN - Q, 44)
        joined = f"(B, T, {exact(cfg.n_heads)} × {exact(cfg.d_head)})"
        self.on.box("mix", "attention", at, self.say("mix"), (joined,))
        self.y += 44
        centre = WIDTH / 2
        self.on.line((centre, self.y), (centre, self.y + 14))
        self.y += 14
        bias = " + b" if "o" in cfg.biases else ""
        size = f"{exact(cfg.n_heads * cfg.d_head)} → {exact(cfg.d_model)}{bias}"
        at, count = (Q, self.y, V + COLUMN - Q, 44), counts.o_proj(cfg)
        self.on.box("o_proj", "attention", at, self.say("proj_o"), (size,), short(count), exact(count))
        self.y += 44
        self.on.line((centre, self.y), (centre, self.y + 20))
        self.y += 20

    def _heads(self) -> None:
        """Query heads above the key-value heads that they share; where there are too many, the first ones and dots."""
        cfg = self.cfg
        top = self.y + 24
        self.on.text(Q, top, self.say("sharing"), "part")
        per_group = cfg.n_heads // cfg.n_kv_heads
        whole_groups = per_group * max(1, FEWER_HEADS // per_group)
        shown = cfg.n_heads if cfg.n_heads <= MOST_HEADS else min(whole_groups, FEWER_HEADS)
        queries, keys = top + 12, top + 54
        markup = []
        for first in range(0, shown, per_group):
            heads = range(first, min(first + per_group, shown))
            xs = [Q + head * STEP + first // per_group * BETWEEN for head in heads]
            middle = (xs[0] + xs[-1] + CELL) / 2
            markup += [_head(x, queries) + _share(x + CELL / 2, queries + CELL, middle, keys) for x in xs]
            markup.append(_head(middle - CELL / 2, keys, "key") + _head(middle, keys, "value"))
            end = xs[-1] + STEP
        self.on.picture("heads", "attention", (Q, queries, end - Q - 2, keys + CELL - queries), "".join(markup))
        if shown < cfg.n_heads:
            self.on.text(end + 4, queries + CELL - 2, "…", "part")
        if shown < cfg.n_heads and cfg.n_kv_heads > 1:
            self.on.text(end + 4, keys + CELL - 2, "…", "part")
        self.on.text(Q, keys + CELL + 18, self._sharing_words(), "note")
        self._sharing_top = top
        self.y = keys + CELL + 24

    def _sharing_words(self) -> str:
        cfg = self.cfg
        key = "each_own" if cfg.n_kv_heads == cfg.n_heads else "all_one" if cfg.n_kv_heads == 1 else "groups"
        per_group = exact(cfg.n_heads // cfg.n_kv_heads)
        return self.say(key, heads=exact(cfg.n_heads), kv_heads=exact(cfg.n_kv_heads), per_group=per_group)

    def _masks(self) -> None:
        """One small grid for each kind of mask, and which layers have it."""
        left, top, size = V + 6, self._sharing_top, 50
        kinds = list(dict.fromkeys(self.cfg.mask_pattern))
        self.on.text(left, top, self.say("sees"), "part")
        grids = [
            mask_picture(mask, self.cfg.window, left + number * (size + 10), top + 12, size)
            for number, mask in enumerate(kinds)
        ]
        width = len(kinds) * (size + 10) - 10
        self.on.picture("mask", "attention", (left, top + 12, width, size), "".join(grids))
        for number, words in enumerate(self._mask_words(kinds)):
            self.on.text(left, top + 85 + 14 * number, words, "note")
        self.y += 14 * (len(kinds) - 1)

    def _mask_words(self, kinds: list[str]) -> list[str]:
        window = exact(self.cfg.window) if self.cfg.window else ""
        if len(kinds) == 1:
            return [self.say(f"layers_{kinds[0]}", window=window)]
        pattern = self.cfg.mask_pattern
        share = {"count": exact(pattern.count("sliding")), "total": exact(len(pattern))}
        return [self.say("layers_window", window=window), self.say("layers_mixed", **share)]

    def _description(self) -> str:
        cfg = self.cfg
        masks = " / ".join(self.say(f"mask_{mask}") for mask in cfg.mask_pattern)
        return self.say(
            "alt_inside_attention",
            sharing=self._sharing_words(),
            d_head=exact(cfg.d_head),
            masks=masks,
            position=self.say(f"alt_scores_{cfg.position}"),
        )


def _head(x: float, y: float, part: str = "") -> str:
    """One query head, or half a key-value head."""
    width = CELL / 2 if part else CELL
    return f'<rect class="head {part}" x="{x:g}" y="{y:g}" width="{width:g}" height="{CELL}" rx="1.5"/>'


def _share(x0: float, y0: float, x1: float, y1: float) -> str:
    return f'<path class="share" d="M{x0:g} {y0:g}L{x1:g} {y1:g}"/>'
