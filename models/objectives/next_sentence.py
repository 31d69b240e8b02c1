"""Next-sentence prediction (Devlin et al., 2019, section 3.1): does the second stretch of text follow the first?

Half of the pairs are neighbours in one document, half take their second part from another document. The input is
[CLS] A [SEP] B [SEP], the first segment up to the first [SEP].
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from models.errors import InputError
from models.objectives.example import Example
from models.objectives.marks import Marks
from models.objectives.masked import apply, draw

Sentence = Sequence[int]
N_MARKS = 3  # [CLS], [SEP], [SEP]


@dataclass(frozen=True)
class Pair:
    """Two stretches of text as ids, and whether the second follows the first."""

    first: tuple[int, ...]
    second: tuple[int, ...]
    is_next: bool


def pairs(
    documents: Sequence[Sequence[Sentence]], max_tokens: int, chance: Generator, short_share: float = 0.1
) -> Iterator[Pair]:
    """Pairs of all documents, as BERT's `create_pretraining_data` makes them.

    documents: sentences of ids, in order. Sentences are gathered until they would fill `max_tokens` with the marks (a
    share of the pairs aims at a random shorter length, as fine-tuning has short texts too), then cut in two at a random
    sentence; in half of the cases the second part comes from a random place of another document, and the sentences that
    it replaced are used again. Raises InputError("too_few_documents") with fewer than two that have sentences.
    """
    documents = [[tuple(sentence) for sentence in document if len(sentence)] for document in documents]
    documents = [document for document in documents if document]
    if len(documents) < 2:
        raise InputError("too_few_documents", documents=len(documents), minimum=2)
    for index in range(len(documents)):
        yield from _pairs_of(index, documents, max_tokens - N_MARKS, chance, short_share)


def _pairs_of(
    index: int, documents: list[list[tuple[int, ...]]], room: int, chance: Generator, short_share: float
) -> Iterator[Pair]:
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
        is_next = len(sentences) > 1 and throw() < 0.5
        if is_next:
            second = _joined(sentences[n_first:])
            place = end
        else:
            other = (index + 1 + upto(len(documents) - 1)) % len(documents)
            second = _stretch(documents[other], upto(len(documents[other])), wanted - len(first))
            place += n_first
        yield truncated(Pair(first, second, is_next), room, chance)


def _stretch(document: list[tuple[int, ...]], start: int, wanted: int) -> tuple[int, ...]:
    """Sentences from `start` on, until they have `wanted` ids; at least one."""
    ids = document[start]
    for sentence in document[start + 1 :]:
        if len(ids) >= wanted:
            break
        ids += sentence
    return ids


def _joined(sentences: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(token_id for sentence in sentences for token_id in sentence)


def truncated(pair: Pair, room: int, chance: Generator) -> Pair:
    """The pair in at most `room` ids: the longer part loses one, at its front or its end by chance, until both fit."""
    parts = [list(pair.first), list(pair.second)]
    while len(parts[0]) + len(parts[1]) > room:
        longer = parts[0] if len(parts[0]) > len(parts[1]) else parts[1]
        longer.pop(0 if float(torch.rand((), generator=chance)) < 0.5 else -1)
    return replace(pair, first=tuple(parts[0]), second=tuple(parts[1]))


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
