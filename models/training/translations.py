"""From files of sentence pairs to what a translator's training reads, in the order of a seed.

A file has one pair a line: a sentence, its translation, and who wrote both, with tabs between them. Each round reads all
pairs once, those of similar lengths in one batch (Vaswani et al., 2017, section 5.1), the batches in random order.
"""

import hashlib
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Generator, nn

from models.errors import InputError
from models.objectives import Example, marks_of
from models.objectives.translation import SIMPLIFIED, script_of, translation
from models.tokenizers import Tokenizer
from models.training.corpora import clean, held_out
from models.training.evaluate import Score, byte_counts_of, evaluate
from models.training.recipe import CorpusShare, Recipe

HELD_OUT_PAIRS = 500  # of one file at most, so that an evaluation stays short beside the training


@dataclass(frozen=True)
class SentencePair:
    """A sentence and its translation; `script` is one of `translation.SCRIPTS`, or empty."""

    source: str
    target: str
    script: str


@dataclass(frozen=True)
class ParallelFile:
    """The pairs of one file, in its order."""

    file: str
    training: tuple[SentencePair, ...]
    validation: tuple[SentencePair, ...]


def read_parallel(folder: Path, file: str) -> ParallelFile:
    """Read one file; a sentence that is held out is so with all its translations.

    Raises InputError("corpus_empty") where nothing is left to train on.
    """
    parts: dict[bool, list[SentencePair]] = {False: [], True: []}
    for line in (folder / file).read_text(encoding="utf-8", errors="replace").splitlines():
        source, tab, rest = line.partition("\t")
        source, target = clean(source), clean(rest.split("\t")[0], plain_marks=False)
        if tab and source and target:
            parts[held_out(source)].append(SentencePair(source, target, script_of(target)))
    if not parts[False]:
        raise InputError("corpus_empty", file=file)
    return ParallelFile(file, tuple(parts[False]), tuple(parts[True]))


@dataclass(frozen=True)
class PairIds:
    """A pair as ids; `script` is the mark's, or None."""

    source: tuple[int, ...]
    target: tuple[int, ...]
    script: int | None

    @property
    def n_tokens(self) -> int:
        return len(self.source) + len(self.target)


@dataclass(frozen=True)
class PairFile:
    """The training pairs of one file."""

    pairs: tuple[PairIds, ...]

    @property
    def n_tokens(self) -> int:
        return sum(pair.n_tokens for pair in self.pairs)


def as_ids(pairs: Sequence[SentencePair], tokenizer: Tokenizer, max_tokens: int) -> tuple[PairIds, ...]:
    """The pairs as ids, those left out of which a side, with its marks, has more than `max_tokens`."""
    scripts = {script: tokenizer.special_id(script) for script in {pair.script for pair in pairs} - {SIMPLIFIED}}
    sources = tokenizer.encode_many([pair.source for pair in pairs])
    targets = tokenizer.encode_many([pair.target for pair in pairs])
    made = (
        PairIds(tuple(source), tuple(target), scripts.get(pair.script))
        for pair, source, target in zip(pairs, sources, targets, strict=True)
    )
    return tuple(pair for pair in made if max(len(pair.source) + 2, len(pair.target) + 1) <= max_tokens)


class TranslationStream:
    """The pairs of several files by position, without end; `rows` of them make a batch of similar lengths."""

    def __init__(self, files: list[PairFile], seed: int, rows: int, max_tokens: int) -> None:
        self.files = files
        self.seed = seed
        self.rows = rows
        self.max_tokens = max_tokens
        self._round: tuple[int, list[PairIds]] = (-1, [])

    @property
    def n_tokens(self) -> int:
        """Tokens of both sides of all pairs."""
        return sum(file.n_tokens for file in self.files)

    @property
    def per_round(self) -> int:
        """Pairs that a round reads: whole batches of those that there are."""
        return sum(len(file.pairs) for file in self.files) // self.rows * self.rows

    def read(self, start: int, count: int) -> list[PairIds]:
        """Pairs `start` to `start + count` of the stream."""
        return [self._made(place // self.per_round)[place % self.per_round] for place in range(start, start + count)]

    def fingerprint(self) -> str:
        """Changes with the texts, the vocabulary and the order."""
        digest = hashlib.sha256(repr((self.rows, self.max_tokens)).encode())
        digest.update(repr(self.read(0, min(self.per_round, 4 * self.rows))).encode())
        return digest.hexdigest()[:16]

    def tokens_by_file(self, n_tokens: int) -> list[int]:
        """How many tokens of each file were read where rows of `max_tokens` count as `n_tokens` in all."""
        rounds = n_tokens / self.max_tokens / self.per_round
        return [round(file.n_tokens * rounds) for file in self.files]

    def _made(self, turn: int) -> list[PairIds]:
        """The pairs of one round: shuffled, then sorted by length, then cut into batches that are shuffled again."""
        if self._round[0] != turn:
            chance = np.random.Generator(np.random.Philox(self.seed * 1_000_003 + turn))
            pairs = [pair for file in self.files for pair in file.pairs]
            order = chance.permutation(len(pairs))[: self.per_round]
            lengths = np.array([max(len(pairs[i].source), len(pairs[i].target)) for i in order])
            batches = order[np.argsort(lengths, kind="stable")].reshape(-1, self.rows)
            self._round = turn, [pairs[i] for i in chance.permutation(batches).flatten()]
        return self._round[1]


@dataclass(frozen=True)
class TranslationData:
    """Everything a trainer reads, where the objective is translation.

    training, held_out: pairs by file, as they are in the texts.
    """

    tokenizer: Tokenizer
    shares: tuple[CorpusShare, ...]
    stream: TranslationStream
    training: dict[str, tuple[SentencePair, ...]]
    held_out: dict[str, tuple[SentencePair, ...]]

    def examples(self, recipe: Recipe, step: int, chance: Generator) -> list[Example]:
        """What step 0, 1, … of a recipe learns from."""
        return self._examples(self.stream.read(step * recipe.rows, recipe.rows))

    def held_out_examples(self, recipe: Recipe) -> dict[str, list[Example]]:
        """What the loss is measured on, by file."""
        return {
            file: self._examples(as_ids(pairs, self.tokenizer, recipe.sequence_length))
            for file, pairs in self.held_out.items()
        }

    def scores(
        self, recipe: Recipe, model: nn.Module, precision: AbstractContextManager | None = None
    ) -> dict[str, Score]:
        """The `Score` of each file's held-out part."""
        counts, pad = byte_counts_of(self.tokenizer), marks_of(self.tokenizer).pad
        return {
            file: evaluate(model, examples, counts, pad, precision)
            for file, examples in self.held_out_examples(recipe).items()
        }

    def _examples(self, pairs: Sequence[PairIds]) -> list[Example]:
        marks = marks_of(self.tokenizer)
        return [translation(pair.source, pair.target, marks, pair.script) for pair in pairs]


def prepare_translations(
    recipe: Recipe, tokenizer: Tokenizer, shares: tuple[CorpusShare, ...], files: Sequence[ParallelFile]
) -> TranslationData:
    """The data of a recipe, from its files. Raises InputError("corpus_not_held_out") as `data.prepare` does, and
    "corpus_too_few_pairs" where there are not enough for a batch."""
    training = [PairFile(as_ids(file.training, tokenizer, recipe.sequence_length)) for file in files]
    stream = TranslationStream(training, recipe.seed, recipe.rows, recipe.sequence_length)
    n_pairs = sum(len(file.pairs) for file in training)
    if n_pairs < recipe.rows:
        raise InputError("corpus_too_few_pairs", pairs=n_pairs, minimum=recipe.rows)
    held = {file.file: file.validation[:HELD_OUT_PAIRS] for file in files if file.validation}
    if not held:
        raise InputError("corpus_not_held_out", documents=n_pairs)
    return TranslationData(tokenizer, shares, stream, {file.file: file.training for file in files}, held)
