"""Figure (a): the whole model, from token ids to logits, along its residual stream.

The stream is the vertical line. What stands beside it reads from it and adds to it (⊕); what stands on it, everything
must pass. So pre-norm, post-norm, sandwich and parallel layers look as different as they are.
"""

from models.config import ModelConfig
from playground.i18n import say
from playground.views import counts
from playground.views.numbers import exact, short
from playground.views.svg import Drawing, Marks

WIDTH = 400
LEFT, RIGHT = 34, 396  # edges of what stands on the stream
STREAM = 66  # x of the residual stream
BESIDE, EDGE = 124, 384  # edges of what stands beside it
GAP = 20


def stack(cfg: ModelConfig, marks: Marks, lang: str) -> str:
    """The SVG of the whole model."""
    return _Stack(cfg, marks, lang).draw()


class _Stack:
    """Draws from top to bottom; `y` is where the next part begins."""

    def __init__(self, cfg: ModelConfig, marks: Marks, lang: str):
        self.cfg, self.lang = cfg, lang
        self.on = Drawing(WIDTH, marks)
        self.marks = marks
        self.y = 4.0

    def say(self, key: str, **params) -> str:
        return say(self.lang, f"diagram.{key}", **params)

    def draw(self) -> str:
        cfg = self.cfg
        self._on_stream("tokens", "plain", self.say("tokens"), (f"(B, T)   T ≤ {exact(cfg.max_seq_len)}",), height=42)
        self._flow()
        embed_y = self.y + 25
        size = f"{exact(cfg.vocab_size)} × {exact(cfg.d_model)}"
        self._on_stream("tok_embed", "embedding", self.say("tok_embed"), (size,), counts.tok_embed(cfg), height=46)
        self._shape(f"(B, T, {exact(cfg.d_model)})   {self.say('residual')}", arrow=False)
        self._position()
        self._optional_norm("embed_norm", cfg.embed_norm)
        self._layers()
        self._optional_norm("final_norm", cfg.final_norm)
        self._flow(8)
        head_y = self.y + 25
        self._head()
        if cfg.tie_embeddings:
            self._tie(embed_y, head_y)
        return self.on.svg(self.y + 4, "stack", describe(cfg, self.lang))

    def _on_stream(self, key, kind, title, details=(), count=None, height=30.0, left=LEFT, right=RIGHT, ghost=False):
        short_count, hover = _count(count)
        self.on.box(key, kind, (left, self.y, right - left, height), title, details, short_count, hover, ghost)
        self.y += height

    def _flow(self, length: float = GAP, arrow: bool = True) -> None:
        self.on.line((STREAM, self.y), (STREAM, self.y + length), style="stream", arrow=arrow)
        self.y += length

    def _shape(self, words: str, arrow: bool = True) -> None:
        """A piece of the stream with the shape of what flows there."""
        self.on.text(STREAM + 10, self.y + 17, words, "dims")
        self._flow(26, arrow)

    def _position(self) -> None:
        """Positions that are added to the embedding join the stream here; the others are in figure (b)."""
        cfg = self.cfg
        if cfg.position in ("learned", "sinusoidal"):
            table = f"{exact(cfg.max_seq_len)} × {exact(cfg.d_model)}"
            size = table if cfg.position == "learned" else self.say("sines")
            height, count = 44.0, counts.position(cfg)
            words, kind, ghost = self.say(f"position_{cfg.position}"), "position", False
        elif "position" in self.marks.removed:
            words, size, height, count = self.say("position_not_here"), "", 28.0, None
            kind, ghost = "position", True
        else:
            return
        if "position" in self.marks.differs:
            self._flow(8, arrow=False)  # room for the mark below the words on the stream
        middle = self.y + height / 2
        short_count, hover = _count(count)
        at = (BESIDE, self.y, RIGHT - BESIDE, height)
        self.on.box("position", kind, at, words, (size,) if size else (), short_count, hover, ghost)
        self.on.line((STREAM, self.y), (STREAM, self.y + height + GAP - 8), style="stream", arrow=False)
        if not ghost:
            self.on.line((BESIDE, middle), (STREAM + 9, middle))
            self.on.join(STREAM, middle)
        self.y += height + GAP - 8

    def _optional_norm(self, key: str, present: bool) -> None:
        """A norm on the stream, before or after the layers; a ghost where the preset had one."""
        if present:
            self._flow(8)
            self._on_stream(key, "norm", self.say(key, norm=self._norm()), (), counts.norm(self.cfg))
        elif key in self.marks.removed:
            self._flow(8, arrow=False)
            self._on_stream(key, "norm", self.say(f"no_{key}"), (), height=26, ghost=True)
        else:
            return
        self._flow(GAP - 8, arrow=False)

    def _layers(self) -> None:
        top, words = self.y, self.say("layers", count=exact(self.cfg.n_layers))
        self._flow(28, arrow=False)
        {"pre": self._pre, "post": self._post, "sandwich": self._sandwich, "parallel": self._parallel}[self.cfg.block]()
        at = f'x="{LEFT}" y="{top + 6:g}" width="{RIGHT - LEFT}" height="{self.y - top - 6:g}"'
        self.on.raw(f'<rect class="frame" {at} rx="10"/>', below=True)
        width = 84 if len(words) < 9 else 112
        self.on.box("layers", "plain", (RIGHT - width - 12, top - 6, width, 24), words)
        self._flow(GAP - 8, arrow=False)

    def _pre(self) -> None:
        for part in (self._attention, self._feedforward):
            self._branch(norm_before=True, part=part, norm_after=False)

    def _sandwich(self) -> None:
        for part in (self._attention, self._feedforward):
            self._branch(norm_before=True, part=part, norm_after=True)

    def _post(self) -> None:
        for part in (self._attention, self._feedforward):
            self._branch(norm_before=False, part=part, norm_after=False)
            self._on_stream("norms", "norm", self._norm(), (), counts.norm(self.cfg), left=LEFT + 12, right=EDGE)
            self.on.line((STREAM, self.y), (STREAM, self.y + 14), style="stream", arrow=False)
            self.y += 14

    def _branch(self, norm_before: bool, part, norm_after: bool) -> None:
        """One sub-layer: leaves the stream, and is added back to it."""
        top = self.y
        centre = (BESIDE + EDGE) / 2
        self.on.dot(STREAM, top)
        self.on.line((STREAM, top), (centre, top), (centre, top + 16))
        self.y = top + 16
        if norm_before:
            self._norm_beside()
        part()
        if norm_after:
            self.on.line((centre, self.y), (centre, self.y + 14))
            self.y += 14
            self._norm_beside(arrow=False)
        self.on.line((centre, self.y), (centre, self.y + 16), (STREAM + 9, self.y + 16))
        self.y += 16
        self.on.join(STREAM, self.y)
        self.on.line((STREAM, top), (STREAM, self.y + GAP), style="stream", arrow=False)
        self.y += GAP

    def _norm_beside(self, arrow: bool = True) -> None:
        short_count, hover = _count(counts.norm(self.cfg))
        self.on.box("norms", "norm", (BESIDE, self.y, EDGE - BESIDE, 28), self._norm(), (), short_count, hover)
        self.y += 28
        if arrow:
            centre = (BESIDE + EDGE) / 2
            self.on.line((centre, self.y), (centre, self.y + 14))
            self.y += 14

    def _attention(self, left: float = BESIDE, right: float = EDGE) -> None:
        details = (self._heads(), self._where())
        short_count, hover = _count(counts.attention(self.cfg))
        title = self.say(f"attention_{self.cfg.attention}")
        at = (left, self.y, right - left, 62)
        self.on.box("attn", "attention", at, title, details, short_count, hover, letter="b")
        self.y += 62

    def _feedforward(self, left: float = BESIDE, right: float = EDGE) -> None:
        short_count, hover = _count(counts.feedforward(self.cfg))
        title = self.say(f"ffn_{self.cfg.ffn}")
        details = (self.say(f"activation_{self.cfg.activation}"), self._widths())
        at = (left, self.y, right - left, 62)
        self.on.box("ffn", "ffn", at, title, details, short_count, hover, letter="c")
        self.y += 62

    def _parallel(self) -> None:
        """Attention and feed-forward read the same normalised stream, and both are added to it."""
        top, centre = self.y, (BESIDE + EDGE) / 2
        self.on.dot(STREAM, top)
        self.on.line((STREAM, top), (centre, top), (centre, top + 16))
        self.y = top + 16
        self._norm_beside(arrow=False)
        fork = self.y + 12
        left, right = BESIDE + 62, EDGE - 62
        self.on.line((centre, self.y), (centre, fork), (left, fork), (left, fork + 14))
        self.on.line((centre, fork), (right, fork), (right, fork + 14))
        cfg = self.cfg
        half, high = (EDGE - BESIDE - 8) / 2, 96
        short_count, hover = _count(counts.attention(cfg))
        n_heads, n_kv_heads = exact(cfg.n_heads), exact(cfg.n_kv_heads)
        heads = (self.say("heads_short", count=n_heads), self.say("kv_short", count=n_kv_heads), "", "")
        at = (BESIDE, fork + 14, half, high)
        self.on.box("attn", "attention", at, self.say("attention"), heads, short_count, hover, letter="b")
        short_count, hover = _count(counts.feedforward(cfg))
        widths = (self.say(f"activation_{cfg.activation}"), exact(cfg.d_model), f"→ {exact(cfg.d_ff)}", "")
        at = (BESIDE + half + 8, fork + 14, half, high)
        self.on.box("ffn", "ffn", at, self.say("ffn"), widths, short_count, hover, letter="c")
        bottom = fork + 14 + high
        self.on.line((right, bottom), (right, bottom + 18), (STREAM + 9, bottom + 18))
        self.on.line((left, bottom), (left, bottom + 18), arrow=False)
        self.on.dot(left, bottom + 18)
        self.y = bottom + 18
        self.on.join(STREAM, self.y)
        self.on.line((STREAM, top), (STREAM, self.y + GAP), style="stream", arrow=False)
        self.y += GAP

    def _head(self) -> None:
        cfg = self.cfg
        words = f"{exact(cfg.d_model)} → {exact(cfg.vocab_size)}"
        details = (words + (" + b" if "head" in cfg.biases else ""),)
        count = counts.lm_head(cfg)
        self._on_stream("lm_head", "embedding", self.say("lm_head"), details, count or None, height=46)
        self._shape(f"(B, T, {exact(cfg.vocab_size)})")
        self._on_stream("logits", "plain", self.say("logits"), (), None, height=28)

    def _tie(self, embed_y: float, head_y: float) -> None:
        """The head is the embedding's matrix, used a second time."""
        self.on.line((LEFT, embed_y), (14, embed_y), (14, head_y), (LEFT, head_y), style="tie")
        self.on.text(9, (embed_y + head_y) / 2 + 60, self.say("tied"), "along", turned=True)

    def _norm(self) -> str:
        return self.say(f"norm_{self.cfg.norm}")

    def _heads(self) -> str:
        cfg = self.cfg
        key = "heads_equal" if cfg.n_kv_heads == cfg.n_heads else "heads_shared" if cfg.n_kv_heads > 1 else "heads_one"
        return self.say(key, heads=exact(cfg.n_heads), kv_heads=exact(cfg.n_kv_heads), d_head=exact(cfg.d_head))

    def _where(self) -> str:
        """Masks, and positions that work inside attention."""
        masks = [self.say(f"mask_{mask}") for mask in dict.fromkeys(self.cfg.mask_pattern)]
        inside = [self.say(f"inside_{self.cfg.position}")] if self.cfg.position in ("rotary", "alibi") else []
        return " · ".join([" / ".join(masks), *inside])

    def _widths(self) -> str:
        cfg = self.cfg
        return f"{exact(cfg.d_model)} → {exact(cfg.d_ff)} → {exact(cfg.d_model)}"


def _count(value: int | None) -> tuple[str, str]:
    return (short(value), exact(value)) if value else ("", "")


def describe(cfg: ModelConfig, lang: str) -> str:
    """What figure (a) shows, as one sentence for those who do not see it."""

    def clause(key: str, **params) -> str:
        words = {name: exact(value) if isinstance(value, int) else value for name, value in params.items()}
        return say(lang, f"diagram.alt_{key}", **words)

    norm = say(lang, f"diagram.norm_{cfg.norm}")
    clauses = [clause("tok_embed", vocab_size=cfg.vocab_size, d_model=cfg.d_model)]
    clauses.append(clause(f"position_{cfg.position}"))
    if cfg.embed_norm:
        clauses.append(clause("embed_norm", norm=norm))
    attention = say(lang, f"diagram.attention_{cfg.attention}")
    alike = "_one" if cfg.n_layers == 1 else "_masks" if len(set(cfg.mask_pattern)) > 1 else ""
    clauses.append(clause(f"layers{alike}", n_layers=cfg.n_layers))
    clauses.append(clause("attention", attention=attention, n_heads=cfg.n_heads, n_kv_heads=cfg.n_kv_heads))
    activation = say(lang, f"diagram.activation_{cfg.activation}")
    clauses.append(clause(f"ffn_{cfg.ffn}", d_ff=cfg.d_ff, activation=activation))
    clauses.append(clause(f"block_{cfg.block}", norm=norm))
    if cfg.final_norm:
        clauses.append(clause("final_norm", norm=norm))
    clauses.append(clause("tied" if cfg.tie_embeddings else "untied", vocab_size=cfg.vocab_size))
    return say(lang, "diagram.alt_stop").join(clauses) + say(lang, "diagram.alt_end")
