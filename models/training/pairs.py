"""From documents to sentence pairs: what BERT's training reads, in the order of a seed.

The texts are cut into sentences, the sentences into tokens; each round makes new pairs of all documents
(`models.objectives.next_sentence.pairs`) and shuffles them. Pairs are made when they are read, and are the same for the
same seed: a resumed training reads on where it stopped.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice

import torch
from torch import nn

from models.errors import InputError
from models.objectives import Example, marks_of
from models.objectives.next_sentence import Pair, masked_pair, pairs
from models.objectives.sentences import sentences
from models.tokenizers import Tokenizer
from models.training.corpora import Corpus
from models.training.evaluate_pairs import evaluate_pairs
from models.training.recipe import CorpusShare, Recipe

HELD_OUT_PAIRS = 300  # of one corpus at most, so that an evaluation stays short beside the training
Document = list[list[int]]


@dataclass(frozen=True)
class SentenceFile:
    """The documents of one corpus as sentences of ids; documents of fewer than two sentences make no pair."""

    documents: list[Document]

    @property
    def n_tokens(self) -> int:
        return sum(len(sentence) for document in self.documents for sentence in document)


def sentence_file(texts: tuple[str, ...], tokenizer: Tokenizer) -> SentenceFile:
    """The sentences of each text as ids."""
    cut = [sentences(text) for text in texts]
    encoded = iter(tokenizer.encode_many([sentence for document in cut for sentence in document]))
    documents = [[ids for _ in document if (ids := next(encoded))] for document in cut]
    return SentenceFile([document for document in documents if len(document) > 1])


class PairStream:
    """Sentence pairs of several files, by position."""

    def __init__(self, files: list[SentenceFile], passes: list[float], seed: int, max_tokens: int) -> None:
        self.files = files
        self.passes = passes
        self.seed = seed
        self.max_tokens = max_tokens
        self._round, self._first, self._pairs = -1, 0, []

    @property
    def n_tokens(self) -> int:
        """Tokens of text in all passes."""
        return int(sum(file.n_tokens * passes for file, passes in zip(self.files, self.passes, strict=True)))

    def read(self, start: int, count: int) -> list[Pair]:
        """Pairs `start` to `start + count` of the stream, which has no end."""
        return [self._pair(place) for place in range(start, start + count)]

    def fingerprint(self) -> str:
        """Changes with the texts, the vocabulary and the order."""
        digest = hashlib.sha256(repr((self.passes, self.max_tokens)).encode())
        digest.update(repr(self.read(0, 200)).encode())
        return digest.hexdigest()[:16]

    def tokens_by_file(self, n_tokens: int) -> list[int]:
        """How many of `n_tokens` come from each file: their shares of a whole reading."""
        counts = [file.n_tokens * passes for file, passes in zip(self.files, self.passes, strict=True)]
        return [round(n_tokens * count / sum(counts)) for count in counts]

    def _pair(self, place: int) -> Pair:
        if place < self._first:
            self._round, self._first, self._pairs = -1, 0, []
        while place >= self._first + len(self._pairs):
            self._first += len(self._pairs)
            self._round += 1
            self._pairs = self._made(self._round)
        return self._pairs[place - self._first]

    def _made(self, turn: int) -> list[Pair]:
        """The shuffled pairs of one round: each file is read in as many of the rounds as it has passes.

        A wrong second part comes from the same file, as it does where a model is scored: a story beside an encyclopedia
        article would be told by its manner alone. A file of one document makes no pair.
        """
        n_rounds = math.ceil(max(self.passes))
        chance = torch.Generator().manual_seed(self.seed * 1_000_003 + turn)
        made: list[Pair] = []
        for file, passes in zip(self.files, self.passes, strict=True):
            share = min(1.0, max(0.0, passes - turn % n_rounds))
            documents = file.documents[: math.ceil(share * len(file.documents))]
            if len(documents) > 1:
                made += pairs(documents, self.max_tokens, chance)
        if not made:
            raise InputError("too_few_documents", documents=max(len(file.documents) for file in self.files), minimum=2)
        return [made[index] for index in torch.randperm(len(made), generator=chance).tolist()]


@dataclass(frozen=True)
class PairData:
    """Everything a trainer reads, where the objective takes pairs of sentences.

    stream: the pairs; short_stream: those of a recipe's short rows. held_out: masked examples by file, always the same
    ones; counts: how often each id stands in the training texts.
    """

    tokenizer: Tokenizer
    shares: tuple[CorpusShare, ...]
    stream: PairStream
    short_stream: PairStream | None
    held_out: dict[str, list[Example]]
    counts: Counter[int]

    def examples(self, recipe: Recipe, step: int, chance: torch.Generator) -> list[Example]:
        """What step 0, 1, … of a recipe learns from."""
        marks, length = marks_of(self.tokenizer), recipe.length_at(step)
        stream = self.stream if length == recipe.sequence_length else self.short_stream
        n_rows = recipe.batch_tokens // length
        return [masked_pair(pair, marks, chance) for pair in stream.read(step * n_rows, n_rows)]

    def held_out_examples(self, recipe: Recipe) -> dict[str, list[Example]]:
        """What the scores are of, by file; the same each time."""
        return self.held_out

    def scores(self, recipe: Recipe, model: nn.Module, precision: AbstractContextManager | None = None) -> dict:
        """The `PairScore` of each corpus's held-out part, by file."""
        pad, commonest = marks_of(self.tokenizer).pad, [token_id for token_id, _ in self.counts.most_common(5)]
        return {
            file: evaluate_pairs(model, examples, pad, commonest, precision) for file, examples in self.held_out.items()
        }


def prepare_pairs(
    recipe: Recipe, tokenizer: Tokenizer, shares: tuple[CorpusShare, ...], corpora: Sequence[Corpus]
) -> PairData:
    """The data of a recipe, from its corpora. Raises InputError("corpus_not_held_out") as `data.prepare` does."""
    training = [sentence_file(corpus.training, tokenizer) for corpus in corpora]
    marks, seed = marks_of(tokenizer), recipe.seed
    held_out = {}
    for corpus in corpora:
        documents = sentence_file(corpus.validation, tokenizer).documents
        if len(documents) > 1:
            chance = torch.Generator().manual_seed(seed)
            made = islice(pairs(documents, recipe.sequence_length, chance, short_share=0.0), HELD_OUT_PAIRS)
            held_out[corpus.file] = [masked_pair(pair, marks, chance) for pair in made]
    if not held_out:
        raise InputError("corpus_not_held_out", documents=sum(len(corpus.training) for corpus in corpora))
    counts = Counter(
        token_id for file in training for document in file.documents for sentence in document for token_id in sentence
    )
    passes = [share.passes for share in shares]
    stream = PairStream(training, passes, seed, recipe.sequence_length)
    short = None if recipe.short_length is None else PairStream(training, passes, seed, recipe.short_length)
    return PairData(tokenizer, shares, stream, short, held_out, counts)
