"""Span corruption (Raffel et al., 2020, section 3.3.4): each corrupted span becomes one sentinel; the target spells them.

inputs    Thank you <X> me to your party <Y> week
target    <X> for inviting <Y> last <Z>
"""

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from models.errors import InputError
from models.objectives.example import Example
from models.objectives.marks import Marks

DENSITY, MEAN_LENGTH = 0.15, 3.0
Span = tuple[int, int]


def span_corruption(ids: Tensor, marks: Marks, chance: Generator, density: float = DENSITY) -> Example:
    """The example of ids (L,): `density` of the tokens, in spans of three on average."""
    return corrupt(ids, draw_spans(len(ids), chance, density, MEAN_LENGTH), marks)


def draw_spans(n_tokens: int, chance: Generator, density: float, mean_length: float) -> list[Span]:
    """Spans (start, end) of `n_tokens` places, in order, as T5's `random_spans_noise_mask` draws them.

    round(n_tokens · density) corrupted places, at least one and not all, in round(that / mean_length) spans, at least
    one: both the corrupted places and the others are cut into so many pieces of any lengths, and take turns, the first
    uncorrupted. Raises InputError("text_too_short") below two tokens.
    """
    if n_tokens < 2:
        raise InputError("text_too_short", tokens=n_tokens, minimum=2)
    n_corrupted = min(max(round(n_tokens * density), 1), n_tokens - 1)
    n_spans = min(max(round(n_corrupted / mean_length), 1), n_tokens - n_corrupted)
    gaps, lengths = _pieces(n_tokens - n_corrupted, n_spans, chance), _pieces(n_corrupted, n_spans, chance)
    spans, place = [], 0
    for gap, length in zip(gaps, lengths, strict=True):
        spans.append((place + gap, place + gap + length))
        place += gap + length
    return spans


def _pieces(n_items: int, n_pieces: int, chance: Generator) -> list[int]:
    """Lengths of `n_pieces` pieces of at least one item each; every way to cut is as likely as any other."""
    cuts = sorted((1 + torch.randperm(n_items - 1, generator=chance)[: n_pieces - 1]).tolist())
    return [end - start for start, end in zip([0, *cuts], [*cuts, n_items], strict=True)]


def corrupt(ids: Tensor, spans: Sequence[Span], marks: Marks) -> Example:
    """An encoder reads ids (L,) with a sentinel for each span; a decoder writes each sentinel and what it stands for.

    Where text follows the last span, one more sentinel ends the target; `marks.end`, if there is one, ends both. The
    decoder reads the target one place later, after `marks.pad`, as T5 does. Raises InputError("too_few_sentinels").
    """
    marks.need("sentinels", "pad")
    tokens = ids.tolist()
    n_needed = len(spans) + (spans[-1][1] < len(tokens))
    if n_needed > len(marks.sentinels):
        raise InputError("too_few_sentinels", wanted=n_needed, available=len(marks.sentinels))
    inputs, target, place = [], [], 0
    for sentinel, (start, end) in zip(marks.sentinels, spans, strict=False):
        inputs += [*tokens[place:start], sentinel]
        target += [sentinel, *tokens[start:end]]
        place = end
    inputs += tokens[place:]
    if place < len(tokens):
        target.append(marks.sentinels[len(spans)])
    ends = [] if marks.end is None else [marks.end]
    target += ends
    return Example(torch.tensor(inputs + ends), torch.tensor(target), torch.tensor([marks.pad, *target[:-1]]))
