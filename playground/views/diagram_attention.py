"""Figure (b): inside attention. Queries and keys meet in the scores, which weigh the values; below, who shares whose keys
and which tokens a query may see."""

from models.config import ModelConfig
from playground.i18n import say
from playground.views import counts
from playground.views.mask_picture import mask_picture
from playground.views.numbers import NARROW, exact, short
from playground.views.svg import Drawing, Marks

WIDTH = 400
COLUMN = 120  # width of the q, k and v columns
Q, K, V = 6, 140, 274  # their left edges
MEET = (Q + K + COLUMN) / 2  # where q and k meet
CELL, BETWEEN = 13, 3  # a head in the picture of sharing


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
        self.on.text(V + 6 + 8, 14, f"(B, T, {exact(self.cfg.d_model)})", "shape")
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
        cfg, at = self.cfg, (Q, self.y, K + COLUMN - Q, 44)
        if cfg.position == "rotary":
            part = "rotary_all" if cfg.rotary_dim == cfg.d_head else "rotary_part"
            turned = self.say(part, rotary_dim=exact(cfg.rotary_dim), d_head=exact(cfg.d_head))
            stretched = f" · {self.say('stretched', factor=exact(cfg.rope_scaling.factor))}" if cfg.rope_scaling else ""
            details = (f"θ = {exact(cfg.rope_theta)} · {turned}{stretched}",)
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
        """Query heads above the key-value heads that they share; where there are too many, the first groups and dots."""
        cfg = self.cfg
        top = self.y + 24
        self.on.text(Q, top, self.say("sharing"), "part")
        per_group = cfg.n_heads // cfg.n_kv_heads
        fits = 14
        shown = cfg.n_heads if cfg.n_heads <= fits else max(1, (fits - 2) // per_group) * per_group
        cells = min(shown, fits - 2 if cfg.n_heads > fits else fits)
        step = CELL + BETWEEN
        queries, keys = top + 14, top + 58
        classes = self.marks.classes("heads")
        markup = []
        for group in range(-(-cells // per_group)):
            members = range(group * per_group, min((group + 1) * per_group, cells))
            xs = [Q + head * step + group * 4 for head in members]
            middle = (xs[0] + xs[-1]) / 2
            for x in xs:
                markup.append(f'<rect class="head" x="{x:g}" y="{queries}" width="{CELL}" height="{CELL}" rx="2"/>')
                path = f"M{x + CELL / 2:g} {queries + CELL}L{middle + CELL / 2:g} {keys}"
                markup.append(f'<path class="share" d="{path}"/>')
            for shift, name in ((-4, "key"), (4, "value")):
                x = middle + shift
                markup.append(f'<rect class="head {name}" x="{x:g}" y="{keys}" width="{CELL}" height="{CELL}" rx="2"/>')
        self.on.raw(f'<g class="heads kind-attention{classes}" data-box="heads">{"".join(markup)}</g>')
        if cells < cfg.n_heads:
            groups = -(-cells // per_group)
            self.on.text(Q + cells * step + groups * 4 + 4, queries + CELL - 2, "…", "part")
            if cfg.n_kv_heads > groups:
                self.on.text(Q + cells * step + groups * 4 + 4, keys + CELL - 2, "…", "part")
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
        left = V + 6
        top = self._sharing_top
        kinds = list(dict.fromkeys(self.cfg.mask_pattern))
        self.on.text(left, top, self.say("sees"), "part")
        for number, mask in enumerate(kinds):
            markup = mask_picture(mask, self.cfg.window, left + number * 62, top + 10, 52)
            self.on.raw(f'<g class="mask kind-attention{self.marks.classes("mask")}">{markup}</g>')
        self.on.text(left, top + 10 + 52 + 18, self._mask_words(kinds), "note")

    def _mask_words(self, kinds: list[str]) -> str:
        window = exact(self.cfg.window) if self.cfg.window else ""
        if len(kinds) == 1:
            return self.say(f"layers_{kinds[0]}", window=window)
        pattern = self.cfg.mask_pattern
        shares = [f"{pattern.count(kind)}/{len(pattern)}" for kind in kinds]
        return f"{shares[0]} · {shares[1]} · w{NARROW}={NARROW}{window}"

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
