"""What reads the last layer in figure (a): scores for the vocabulary or for classes, the pooled vector, further tokens."""

from playground.views import counts
from playground.views.diagram_column import Column, box_height
from playground.views.diagram_inputs import draw_optional_norm
from playground.views.diagram_words import count_of
from playground.views.numbers import exact

BETWEEN = 8  # two heads side by side
FURTHER = 372  # x of the path to the modules of multi-token prediction


def draw_end(column: Column) -> None:
    """The norm after the layers, if there is one."""
    draw_optional_norm(column, "final_norm", column.cfg.final_norm, counts.final_norm(column.cfg))


def draw_heads(column: Column) -> float | None:
    """All heads of a stack; gives the y of the one that uses the embedding's matrix, if any does."""
    cfg = column.cfg
    column.flow(8)
    if cfg.head == "lm":
        return _lm(column)
    if cfg.head in ("mlm", "mlm_nsp"):
        return _mlm(column)
    if cfg.head == "classification":
        _classify(column)
    elif cfg.pooler:
        _pool(column)
    else:
        column.stand("hidden", "plain", column.say("hidden"), (_width(column, "T"),), height=42)
    return None


def _width(column: Column, letter: str = "") -> str:
    places = f"B, {letter}" if letter else "B"
    return f"({places}, {exact(counts.stream_width(column.cfg))})"


def _vocabulary(column: Column) -> str:
    cfg = column.cfg
    return f"{exact(counts.stream_width(cfg))} → {exact(cfg.vocab_size)}"


def _lm(column: Column) -> float:
    cfg, place = column.cfg, column.place
    start = column.y - 4
    right = FURTHER - 16 if cfg.mtp_depth else place.right
    edges = (place.left, right)
    details = (_vocabulary(column) + (" + b" if "head" in cfg.biases else ""),)
    if cfg.scale_logits:
        details += (column.say("by_root", d_model=cfg.d_model),)
    middle = column.y + 25
    column.stand("lm_head", "embedding", column.say("lm_head"), details, count_of(counts.lm_head(cfg)), edges=edges)
    column.shape(f"(B, T, {exact(cfg.vocab_size)})")
    title = column.say("short_logits" if place.narrow else "logits")
    column.stand("logits", "plain", title, height=28, edges=edges)
    if cfg.mtp_depth:
        _further(column, start)
    return middle


def _mlm(column: Column) -> float:
    """The head for masked tokens; beside it, where there is a pooler, what reads the first token."""
    cfg, place = column.cfg, column.place
    half = (place.right - place.left - BETWEEN) / 2
    left = (place.left, place.left + half if cfg.pooler else place.right)
    details = (
        column.say("mlm_dense", d_model=cfg.d_model, activation=column.words.activation()),
        column.say("norm_layernorm"),
        f"{_vocabulary(column)} + b",
    )
    top, middle = column.y, column.y + 25
    column.stand("mlm_head", "embedding", column.say("mlm_head"), details, count_of(counts.mlm_head(cfg)), edges=left)
    if cfg.pooler:
        _pool_beside(column, top, (left[1] + BETWEEN, half))
    column.shape(f"(B, T, {exact(cfg.vocab_size)})" if not cfg.pooler else "")
    title = column.say("mlm_logits")
    column.stand("logits", "plain", title, height=28, edges=left)
    return middle


def _pool_beside(column: Column, top: float, box: tuple[float, float]) -> None:
    """Pooler, and the scores of the next sentence, to the right of the other head."""
    on, cfg, (left, width) = column.on, column.cfg, box
    x = left + width / 2
    on.dot(column.place.stream, top - 6)
    on.line((column.place.stream, top - 6), (x, top - 6), (x, top))
    details = (column.say("pooler_short"), "")
    height = box_height(details)
    on.box("pooler", "embedding", (left, top, width, height), column.say("pooler"), details, *_pooler_count(column))
    y = top + height
    on.line((x, y), (x, y + 16))
    y += 16
    if cfg.head != "mlm_nsp":
        on.box("pooled", "plain", (left, y, width, 28), column.say("pooled"))
        return
    count = count_of(counts.nsp_head(cfg))
    details = (f"{exact(counts.stream_width(cfg))} → 2 + b",)
    height = box_height(details)
    on.box("nsp_head", "embedding", (left, y, width, height), column.say("nsp_head"), details, *count)


def _pooler_count(column: Column) -> tuple[str, str]:
    return count_of(counts.pooler(column.cfg))


def _pool(column: Column) -> None:
    width = exact(counts.stream_width(column.cfg))
    details = (column.say("first_token"), f"tanh({width} → {width} + b)")
    column.stand("pooler", "embedding", column.say("pooler"), details, _pooler_count(column))
    column.flow(16)
    column.stand("pooled", "plain", column.say("pooled"), (_width(column),), height=42)


def _classify(column: Column) -> None:
    """Scores for classes: of the pooled vector, of the first token, or in a causal model of the last."""
    cfg = column.cfg
    if cfg.pooler:
        _pool(column)
        column.flow(16)
    reads = "reads_pooled" if cfg.pooler else "reads_last" if cfg.is_causal else "reads_first"
    details = (column.say(reads), f"{exact(counts.stream_width(cfg))} → {exact(cfg.n_classes)} + b")
    column.stand("classifier", "embedding", column.say("classifier"), details, count_of(counts.classifier(cfg)))
    column.flow(16)
    column.stand("logits", "plain", column.say("class_scores", count=cfg.n_classes), height=28)


def _further(column: Column, start: float) -> None:
    """Modules of multi-token prediction: they take the stream before the head, and use the head again."""
    on, cfg, place = column.on, column.cfg, column.place
    column.y += 22
    top = column.y
    on.dot(place.stream, start)
    on.line((place.stream, start), (FURTHER, start), (FURTHER, top + 42))
    title = column.say("mtp_many", count=cfg.mtp_depth) if cfg.mtp_depth > 1 else column.say("mtp")
    module = [cfg.layer(cfg.n_layers + depth) for depth in range(cfg.mtp_depth)]
    count = count_of(*(counts.further_token(cfg, layer) for layer in module))
    left, width = place.left + 12, place.right - place.left - 24
    half = (width - BETWEEN) / 2
    column.y = top + 42
    for key, x in (("mtp_token", left), ("mtp_hidden", left + half + BETWEEN)):
        on.box("mtp", "norm", (x, column.y, half, 44), column.say(key), (column.words.norm(),))
        on.line((x + half / 2, column.y + 44), (x + half / 2, column.y + 58))
    column.y += 58
    joined = f"2 × {exact(cfg.d_model)} → {exact(cfg.d_model)}"
    on.box("mtp", "ffn", (left, column.y, width, 44), column.say("mtp_proj"), (joined,))
    column.y += 44
    centre = left + width / 2
    on.line((centre, column.y), (centre, column.y + 14))
    column.y += 14
    kinds = [column.say("mtp_sparse" if layer.sparse else "mtp_layer") for layer in module]
    on.box("mtp", "ffn", (left, column.y, width, 44), " / ".join(dict.fromkeys(kinds)), (column.words.norm(),))
    column.y += 44
    on.line((centre, column.y), (centre, column.y + 14))
    column.y += 14
    on.box("mtp", "plain", (left, column.y, width, 44), column.say("mtp_logits"), (column.say("mtp_shared"),))
    column.y += 56
    at = (place.left, top, place.right - place.left, column.y - top)
    on.raw(f'<rect class="frame" x="{at[0]:g}" y="{top:g}" width="{at[2]:g}" height="{at[3]:g}" rx="10"/>', below=True)
    on.box("mtp", "ffn", (left, top - 14, FURTHER - left - 16, 46), title, (column.say("mtp_each"),), *count)
