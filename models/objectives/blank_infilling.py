"""Autoregressive blank infilling (Du et al., 2022, section 2.1, "GLM"): read a text with blanks, write what filled them.

Part A is the text with one [MASK] for each span, read in both directions; part B spells the spans one after another in
random order, each after a start mark and up to an end mark. A token has two positions: the first is its place in part A,
for all of a span that of its [MASK]; the second counts 1, 2, … within the span, and is 0 in part A.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from models.errors import InputError
from models.objectives.example import IGNORED, Example
from models.objectives.marks import Marks
from models.objectives.span_corruption import Span

DENSITY, MEAN_LENGTH = 0.15, 3.0
LONG_SHARE = 0.5  # of the examples have one long blank


@dataclass(frozen=True)
class Blanks:
    """Spans (start, end) in the order of the text, and the order in which part B spells them.

    to_end: one long blank up to the end, marked by [gMASK] where the vocabulary has it.
    """

    spans: tuple[Span, ...]
    order: tuple[int, ...]
    to_end: bool = False


def blank_infilling(ids: Tensor, marks: Marks, chance: Generator, density: float = DENSITY) -> Example:
    """The example of ids (L,): short blanks, of `density` of the tokens, or one long one, as often."""
    if float(torch.rand((), generator=chance)) < LONG_SHARE:
        return fill_in(ids, draw_long_blank(len(ids), chance), marks)
    return fill_in(ids, draw_blanks(len(ids), chance, density), marks)


def draw_blanks(n_tokens: int, chance: Generator, density: float = DENSITY) -> Blanks:
    """Spans with lengths from a Poisson distribution of mean 3, until `density` of `n_tokens` is covered (section 2.1)."""
    if n_tokens < 2:
        raise InputError("text_too_short", tokens=n_tokens, minimum=2)
    wanted = max(1, round(density * n_tokens))
    lengths: list[int] = []
    while sum(lengths) < wanted:
        length = int(torch.poisson(torch.tensor(MEAN_LENGTH), generator=chance))
        lengths.append(min(max(length, 1), wanted - sum(lengths)))
    # Spans in any order among the remaining tokens, never touching: two neighbours would be one blank.
    n_free = n_tokens - wanted
    n_spans = min(len(lengths), n_free + 1)
    lengths = [*lengths[: n_spans - 1], sum(lengths[n_spans - 1 :])]
    gaps = sorted(torch.randperm(n_free + 1, generator=chance)[:n_spans].tolist())
    spans, shift = [], 0
    for gap, length in zip(gaps, lengths, strict=True):
        spans.append((gap + shift, gap + shift + length))
        shift += length
    return Blanks(tuple(spans), tuple(torch.randperm(n_spans, generator=chance).tolist()))


def draw_long_blank(n_tokens: int, chance: Generator) -> Blanks:
    """One span up to the end, of 50 to 100 % of the text, each length as likely (section 2.2); one token is left."""
    if n_tokens < 2:
        raise InputError("text_too_short", tokens=n_tokens, minimum=2)
    shortest = (n_tokens + 1) // 2
    length = shortest + int(torch.randint(n_tokens - shortest + 1, (), generator=chance))
    start = max(1, n_tokens - length)
    return Blanks(((start, n_tokens),), (0,), to_end=True)


def fill_in(ids: Tensor, blanks: Blanks, marks: Marks) -> Example:
    """Part A and part B of ids (L,), with both positions (2, T); only part B pays loss."""
    marks.need("mask", "start_of_piece", "end_of_piece")
    tokens = ids.tolist()
    long_mark = marks.mask if marks.mask_to_end is None else marks.mask_to_end
    part_a, places, position = [], [], 0
    for start, end in blanks.spans:
        part_a += tokens[position:start]
        places.append(len(part_a))
        part_a.append(long_mark if blanks.to_end else marks.mask)
        position = end
    part_a += tokens[position:]
    inputs, targets = list(part_a), [IGNORED] * len(part_a)
    in_text, in_span = list(range(len(part_a))), [0] * len(part_a)
    for index in blanks.order:
        span = tokens[slice(*blanks.spans[index])]
        inputs += [marks.start_of_piece, *span]
        targets += [*span, marks.end_of_piece]
        in_text += [places[index]] * (len(span) + 1)
        in_span += range(1, len(span) + 2)
    return Example(
        inputs=torch.tensor(inputs),
        targets=torch.tensor(targets),
        position_ids=torch.tensor([in_text, in_span]),
        prefix_length=len(part_a),
    )


def parts(example: Example) -> tuple[Sequence[int], Sequence[int]]:
    """The ids of part A and of part B of an example of `fill_in`."""
    ids = example.inputs.tolist()
    return ids[: example.prefix_length], ids[example.prefix_length :]
