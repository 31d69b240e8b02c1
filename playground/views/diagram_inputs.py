"""What comes before the layers of figure (a): tokens or patches, their embedding, and what is added to it."""

from playground.views import counts
from playground.views.diagram_column import Column
from playground.views.diagram_words import INSIDE, count_of
from playground.views.numbers import exact


def draw_tokens(column: Column, title: str = "tokens", length: str = "T") -> None:
    """The token ids that go in."""
    words = f"(B, {length}), {length} ≤ {exact(column.cfg.max_seq_len)}"
    column.stand("tokens", "plain", column.say(title), (words,), height=42)


def draw_embedding(column: Column) -> float:
    """Token ids become vectors; gives the y of the table, where a head may use it again."""
    column.flow()
    middle = column.y + 25
    column.stand("tok_embed", "embedding", column.say("tok_embed"), embedding_words(column), count_of(_table(column)))
    return middle


def embedding_words(column: Column) -> tuple[str, ...]:
    """The table's size, and whether its rows are enlarged."""
    cfg = column.cfg
    size = f"{exact(cfg.vocab_size)} × {exact(cfg.d_model)}"
    return (size, f"× √{exact(cfg.d_model)}") if cfg.scale_embeddings else (size,)


def _table(column: Column) -> int:
    return counts.tok_embed(column.cfg)


def draw_patches(column: Column) -> None:
    """An image becomes patches, each projected; a trained class token is set before them."""
    cfg, image = column.cfg, column.cfg.image
    side = exact(image.image_size)
    column.stand(
        "tokens", "plain", column.say("image"), (f"(B, {exact(image.n_channels)}, {side}, {side})",), height=42
    )
    column.flow()
    pixels = image.n_channels * image.patch_size**2
    bias = " + b" if image.bias else ""
    grid = image.image_size // image.patch_size
    details = (
        column.say("patches", grid=grid, n_patches=image.n_patches, patch_size=image.patch_size),
        f"{exact(pixels)} → {exact(cfg.d_model)}{bias}",
    )
    column.stand("patch_embed", "embedding", column.say("patch_embed"), details, count_of(counts.patch_embed(cfg)))
    column.flow(16, arrow=False)
    details = (column.say("class_first"),)
    column.add("class_token", "embedding", column.say("class_token"), details, count_of(cfg.d_model), sign="|")
    column.shape(f"(B, {exact(cfg.max_seq_len)}, {exact(cfg.d_model)})")


def draw_additions(column: Column, letter: str = "T") -> None:
    """Positions and segments that are added to the embedding, and the norm after it."""
    cfg = column.cfg
    if cfg.image is None:
        column.shape(stream_shape(column, letter), arrow=False)
    else:
        column.flow(8, arrow=False)
    _position(column)
    if cfg.n_segments:
        details = (f"{exact(cfg.n_segments)} × {exact(cfg.d_model)}",)
        title = column.say("segment_embed")
        column.add("segment_embed", "embedding", title, details, count_of(counts.segment_embed(cfg)))
    elif "segment_embed" in column.marks.removed:
        column.add("segment_embed", "embedding", column.say("no_segments"), (), ("", ""), ghost=True)
    draw_optional_norm(column, "embed_norm", cfg.embed_norm, counts.norm(cfg))


def stream_shape(column: Column, letter: str = "T") -> str:
    """The shape of the stream, and in a wide column its name."""
    shape = f"(B, {letter}, {exact(column.cfg.d_model)})"
    return shape if column.place.narrow else f"{shape} · {column.say('residual')}"


def _position(column: Column) -> None:
    """Positions that are added to the embedding join the stream here; the others are in figure (b)."""
    cfg = column.cfg
    if cfg.position != "none" and cfg.position not in INSIDE:
        title = column.say(f"position_{cfg.position}")
        column.add("position", "position", title, _position_words(column), count_of(counts.position(cfg)))
    elif "position" in column.marks.removed:
        column.add("position", "position", column.say("position_not_here"), (), ("", ""), ghost=True)


def _position_words(column: Column) -> tuple[str, ...]:
    cfg = column.cfg
    if cfg.position == "sinusoidal":
        return (column.say("sines"), column.say(f"sines_{cfg.sinusoid_layout}"))
    if cfg.position == "axial":
        (rows, n_columns), (d_rows, d_columns) = cfg.axial_shape, cfg.axial_dims
        return (
            column.say("axial_rows", count=rows, width=d_rows),
            column.say("axial_columns", count=n_columns, width=d_columns),
        )
    table = f"{exact(cfg.n_positions)} × {exact(cfg.d_model)}"
    if cfg.position == "learned_2d":
        return (column.say("table_text", table=table), column.say("table_block", table=table))
    return (table, column.say("from_row", row=cfg.position_offset)) if cfg.position_offset else (table,)


def draw_optional_norm(column: Column, key: str, present: bool, count: int) -> None:
    """A norm on the stream, before or after the layers; a ghost where the preset had one."""
    if present:
        column.flow(8)
        size = "short_" if column.place.narrow else ""
        column.stand(key, "norm", column.say(f"{size}{key}", norm=column.words.norm()), (), count_of(count), 30)
    elif key in column.marks.removed:
        column.flow(8, arrow=False)
        column.stand(key, "norm", column.say(f"no_{key}"), (), height=26, ghost=True)
    else:
        return
    column.flow(12, arrow=False)
