"""Next-sentence prediction (Devlin et al., 2019, section 3.1): does the second stretch of text follow the first?

Half of the pairs are neighbours in one document, half take their second part from another document. The input is
[CLS] A [SEP] B [SEP], the first segment up to the first [SEP].
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from models.errors import InputError
from models.objectives.example import Example
from models.objectives.marks import Marks
from models.objectives.masked import apply, draw

Sentence = Sequence[int]
N_MARKS = 3  # [CLS], [SEP], [SEP]
NEXT_SHARE = 0.5  # of the pairs are neighbours …
SHORT_SHARE = 0.1  # … and so many aim at a shorter length


@dataclass(frozen=True)
class Pair:
    """Two stretches of text as ids, and whether the second follows the first."""

    first: tuple[int, ...]
    second: tuple[int, ...]
    is_next: bool


@dataclass(frozen=True)
class Drawn:
    """How one pair came about; places count sentences of `documents[document]`, which lost its empty ones.

    Sentences `place` to `end` were gathered, to have `wanted` ids or all that were left; the first `n_first` of them are
    the first part. A throw in [0, 1) below 0.5 makes the rest of them the second (None: a single sentence has no rest, and
    there was nothing to throw for); else sentences `other_place` to `other_end` of document `other` are. whole: the two
    parts before any was cut; cuts: what they then lost, see `cut`; pair: what is left.
    """

    document: int
    place: int
    end: int
    wanted: int
    n_first: int
    throw: float | None
    other: int | None
    other_place: int | None
    other_end: int | None
    whole: Pair
    cuts: tuple["Cut", ...]
    pair: Pair


@dataclass(frozen=True)
class Cut:
    """One id that a pair lost: of its first or second part (0, 1), at the front or at the end."""

    part: int
    at_front: bool


def pairs(
    documents: Sequence[Sequence[Sentence]], max_tokens: int, chance: Generator, short_share: float = SHORT_SHARE
) -> Iterator[Pair]:
    """Pairs of all documents, as BERT's `create_pretraining_data` makes them.

    documents: sentences of ids, in order. Sentences are gathered until they would fill `max_tokens` with the marks (a
    share of the pairs aims at a random shorter length, as fine-tuning has short texts too), then cut in two at a random
    sentence; in half of the cases the second part comes from a random place of another document, and the sentences that
    it replaced are used again. Raises InputError("too_few_documents") with fewer than two that have sentences.
    """
    return (drawn.pair for drawn in draw_pairs(documents, max_tokens, chance, short_share))


def draw_pairs(
    documents: Sequence[Sequence[Sentence]], max_tokens: int, chance: Generator, short_share: float = SHORT_SHARE
) -> Iterator[Drawn]:
    """The pairs of `pairs`, each with how it was drawn."""
    documents = [[tuple(sentence) for sentence in document if len(sentence)] for document in documents]
    documents = [document for document in documents if document]
    if len(documents) < 2:
        raise InputError("too_few_documents", documents=len(documents), minimum=2)
    for index in range(len(documents)):
        yield from _drawn_of(index, documents, max_tokens - N_MARKS, chance, short_share)


def _drawn_of(
    index: int, documents: list[list[tuple[int, ...]]], room: int, chance: Generator, short_share: float
) -> Iterator[Drawn]:
    def upto(limit: int) -> int:
        return int(torch.randint(limit, (), generator=chance))

    def throw() -> float:
        return float(torch.rand((), generator=chance))

    document, place = documents[index], 0
    while place < len(document):
        wanted = 2 + upto(room - 1) if throw() < short_share else room
        end, gathered = place, 0
        while end < len(document) and (end == place or gathered < wanted):
            gathered += len(document[end])
            end += 1
        sentences = document[place:end]
        n_first = 1 + upto(len(sentences) - 1) if len(sentences) > 1 else 1
        first = _joined(sentences[:n_first])
        thrown = throw() if len(sentences) > 1 else None
        is_next = thrown is not None and thrown < NEXT_SHARE
        other = other_place = other_end = None
        if is_next:
            second = _joined(sentences[n_first:])
        else:
            other = (index + 1 + upto(len(documents) - 1)) % len(documents)
            other_place = upto(len(documents[other]))
            other_end = _stretch(documents[other], other_place, wanted - len(first))
            second = _joined(documents[other][other_place:other_end])
        whole = Pair(first, second, is_next)
        cuts = tuple(draw_cuts(len(first), len(second), room, chance))
        yield Drawn(
            index, place, end, wanted, n_first, thrown, other, other_place, other_end, whole, cuts, cut(whole, cuts)
        )
        place = end if is_next else place + n_first


def _stretch(document: list[tuple[int, ...]], start: int, wanted: int) -> int:
    """Where a stretch from `start` ends that has `wanted` ids, or all that are left; it has one sentence at least."""
    end, n_ids = start + 1, len(document[start])
    while end < len(document) and n_ids < wanted:
        n_ids += len(document[end])
        end += 1
    return end


def _joined(sentences: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(token_id for sentence in sentences for token_id in sentence)


def truncated(pair: Pair, room: int, chance: Generator) -> Pair:
    """The pair in at most `room` ids: the longer part loses one, at its front or its end by chance, until both fit."""
    return cut(pair, draw_cuts(len(pair.first), len(pair.second), room, chance))


def draw_cuts(n_first: int, n_second: int, room: int, chance: Generator) -> Iterator[Cut]:
    """What parts of `n_first` and `n_second` ids lose, one id after another, to have `room` ids; of two equal parts the
    second."""
    left = [n_first, n_second]
    while sum(left) > room:
        longer = 0 if left[0] > left[1] else 1
        left[longer] -= 1
        yield Cut(longer, float(torch.rand((), generator=chance)) < 0.5)


def cut(pair: Pair, cuts: Iterable[Cut]) -> Pair:
    """The pair without what `cuts` take."""
    starts, ends = [0, 0], [len(pair.first), len(pair.second)]
    for one in cuts:
        if one.at_front:
            starts[one.part] += 1
        else:
            ends[one.part] -= 1
    first, second = (part[start:end] for part, start, end in zip((pair.first, pair.second), starts, ends, strict=True))
    return replace(pair, first=first, second=second)


def joined(pair: Pair, marks: Marks) -> tuple[Tensor, Tensor]:
    """[CLS] A [SEP] B [SEP] as ids (T,), and the segment of each place (T,)."""
    marks.need("cls", "sep")
    ids = [marks.cls, *pair.first, marks.sep, *pair.second, marks.sep]
    segments = [0] * (len(pair.first) + 2) + [1] * (len(pair.second) + 1)
    return torch.tensor(ids), torch.tensor(segments)


def masked_pair(pair: Pair, marks: Marks, chance: Generator) -> Example:
    """BERT's whole example: the marked pair with its segments, 15 % of its text masked, and the answer about the pair."""
    ids, segments = joined(pair, marks)
    return replace(apply(ids, draw(ids, marks, chance), marks), token_type_ids=segments, is_next=pair.is_next)
