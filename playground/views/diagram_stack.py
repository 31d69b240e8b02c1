"""Figure (a): the whole model, from what it reads to what it says, along its residual streams.

A model of one stack is one column. Of an encoder-decoder and of two towers, the columns stand side by side, mirrored:
what they say to each other passes between them.
"""

from models.config import ModelConfig
from models.sizes import StackSizes, stacks_of
from playground.views import counts
from playground.views.diagram_column import Column, Place
from playground.views.diagram_describe import describe
from playground.views.diagram_heads import draw_end, draw_heads
from playground.views.diagram_inputs import (
    draw_additions,
    draw_embedding,
    draw_patches,
    draw_tokens,
    embedding_words,
)
from playground.views.diagram_layers import draw_layers
from playground.views.diagram_words import Words, count_of
from playground.views.numbers import exact
from playground.views.svg import Drawing, Marks

WIDTH = 400
SINGLE = Place(left=34, right=396, stream=66, second=90, near=124, far=384)
BOTH = 480  # width of two columns
LEFT = Place(left=8, right=223, stream=28, second=46, near=60, far=215, narrow=True)
RIGHT = Place(left=251, right=466, stream=446, second=428, near=414, far=259, side=-1, narrow=True)
MIDDLE = 237  # where something passes between two columns


def stack(cfg: ModelConfig, marks: Marks, lang: str) -> str:
    """The SVG of the whole model."""
    draw = {"encoder_decoder": _encoder_decoder, "two_towers": _two_towers}.get(cfg.structure, _single)
    return draw(cfg, marks, lang)


def _single(cfg: ModelConfig, marks: Marks, lang: str) -> str:
    on = Drawing(WIDTH, marks)
    column = Column(on, SINGLE, stacks_of(cfg)[0], Words(cfg, lang))
    table = _read(column)
    draw_layers(column)
    draw_end(column)
    head = draw_heads(column)
    if cfg.tie_embeddings and head is not None and table is not None:
        left = SINGLE.left
        on.line((left, table), (14, table), (14, head), (left, head), style="tie")
        on.text(9, (table + head) / 2 + 60, column.say("tied"), "along", turned=True)
    return on.svg(column.y + 4, "stack", describe(cfg, lang))


def _read(column: Column) -> float | None:
    """What the column reads, embedded; gives the y of the token table, if there is one."""
    if column.cfg.image is not None:
        draw_patches(column)
        table = None
    else:
        draw_tokens(column)
        table = draw_embedding(column)
    draw_additions(column)
    return table


def _columns(on: Drawing, stacks: list[StackSizes], lang: str) -> list[Column]:
    return [
        Column(on, place, stack, Words(stack.cfg, lang)) for place, stack in zip((LEFT, RIGHT), stacks, strict=True)
    ]


def _encoder_decoder(cfg: ModelConfig, marks: Marks, lang: str) -> str:
    on = Drawing(BOTH, marks)
    encoder, decoder = _columns(on, stacks_of(cfg), lang)
    table = _shared_embedding(encoder, decoder)
    draw_additions(encoder, "S")
    draw_layers(encoder)
    draw_end(encoder)
    encoder.flow(8)
    memory = encoder.y + 21
    encoder.stand("memory", "plain", encoder.say("memory"), (f"(B, S, {exact(cfg.d_model)})",), height=42)
    draw_additions(decoder)
    draw_layers(decoder)
    on.line((LEFT.right, memory), (MIDDLE, memory), (MIDDLE, decoder.cross_at), (RIGHT.far, decoder.cross_at))
    draw_end(decoder)
    head = draw_heads(decoder)
    if cfg.tie_embeddings:
        edge, beyond = RIGHT.right, RIGHT.right + 8
        on.line((edge, table), (beyond, table), (beyond, head), (edge, head), style="tie")
    return on.svg(max(encoder.y, decoder.y) + 4, "stack", describe(cfg, lang))


def _shared_embedding(encoder: Column, decoder: Column) -> float:
    """Both texts are read from one table, which stands across both columns; gives its y."""
    draw_tokens(encoder, "tokens_read", "S")
    draw_tokens(decoder, "tokens_written")
    for column in (encoder, decoder):
        column.flow()
    cfg, words = encoder.cfg, " · ".join(embedding_words(encoder))
    at = (LEFT.left, encoder.y, RIGHT.right - LEFT.left, 46)
    encoder.on.box(
        "tok_embed", "embedding", at, encoder.say("tok_embed_shared"), (words,), *count_of(counts.tok_embed(cfg))
    )
    encoder.y = decoder.y = encoder.y + 46
    return at[1] + 25


def _two_towers(cfg: ModelConfig, marks: Marks, lang: str) -> str:
    on = Drawing(BOTH, marks)
    towers = _columns(on, stacks_of(cfg), lang)
    for column in towers:
        _read(column)
        draw_layers(column)
        draw_end(column)
    bottom = max(column.y for column in towers)
    for column, key, token in zip(towers, ("text", "vision"), ("token_end", "token_class"), strict=True):
        column.flow(bottom + 8 - column.y)
        size = f"{exact(column.cfg.d_model)} → {exact(cfg.d_projection)}"
        count = count_of(counts.linear(column.cfg.d_model, cfg.d_projection, False))
        column.stand(f"{key}_projection", "embedding", column.say("projection"), (column.say(token), size), count)
    _compare(on, cfg, towers)
    return on.svg(towers[0].y + 4, "stack", describe(cfg, lang))


def _compare(on: Drawing, cfg: ModelConfig, towers: list[Column]) -> None:
    """Both vectors, made one long, are multiplied."""
    text, image = towers
    for column in towers:
        column.shape(f"(B, {exact(cfg.d_projection)})")
    at = (LEFT.left, text.y, RIGHT.right - LEFT.left, 62)
    details = (text.say("compare_cosine"), text.say("compare_scale"))
    on.box("logit_scale", "embedding", at, text.say("compare"), details, *count_of(1))
    text.y = image.y = text.y + 62
    middle = (LEFT.left + RIGHT.right) / 2
    on.line((middle, text.y), (middle, text.y + 18))
    text.y += 18
    at = (LEFT.left, text.y, RIGHT.right - LEFT.left, 28)
    on.box("logits", "plain", at, text.say("compare_logits"))
    text.y += 28
