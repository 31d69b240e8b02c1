"""From documents to tokens: the tokenizer, the token cache, and the order in which training reads them.

Every document is preceded by the end-of-text token, which ends the one before it: a model so trained starts a new
story when it is given that token alone.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Generator, nn

from models import tokenizers
from models.errors import InputError
from models.installed import installed_file
from models.objectives import MARKS, OBJECTIVES, Example, marks_of
from models.tokenizers import Tokenizer
from models.tokenizers.byte_level import ByteLevelTokenizer
from models.tokenizers.extended import with_special_tokens
from models.tokenizers.train import train
from models.training.corpora import Corpus, find_files, read_corpus
from models.training.evaluate import byte_counts_of, evaluate, windows
from models.training.pairs import PairData, prepare_pairs
from models.training.recipe import CorpusShare, Mixture, Recipe
from models.training.translations import TranslationData, prepare_translations, read_parallel

ENCODE_AT_ONCE = 256  # documents: enough for the library's parallel encoder, little memory
VALIDATION_TOKENS = 8_192  # of one corpus at most, so that an evaluation stays short beside the training


@dataclass(frozen=True)
class TokenFile:
    """Documents one after another; document i is `ids[starts[i]:starts[i + 1]]`."""

    ids: np.ndarray  # (n_tokens,) uint16, memory-mapped
    starts: np.ndarray  # (n_documents + 1,) int64

    @property
    def n_documents(self) -> int:
        return len(self.starts) - 1

    @property
    def n_tokens(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class HeldOut:
    """The validation tokens of one corpus."""

    file: str
    ids: np.ndarray  # (n_tokens,) uint16


class TokenStream:
    """The training tokens of a mixture in the order of a seed, read by position without being copied together.

    Each pass over a corpus is complete before its next begins, and all corpora are spread evenly over the whole: any
    stretch of the stream has the proportions of the mixture.
    """

    def __init__(self, files: list[TokenFile], passes: list[float], seed: int) -> None:
        self.files = files
        chance = np.random.Generator(np.random.Philox(seed))
        keys, file_ids, document_ids, lengths = [], [], [], []
        for file_id, (file, n_passes) in enumerate(zip(files, passes, strict=True)):
            for turn in range(math.ceil(n_passes)):
                key = (turn + chance.random(file.n_documents)) / n_passes
                read = np.flatnonzero(key < 1)  # all, but for the last turn of a fractional number of passes
                keys.append(key[read])
                file_ids.append(np.full(len(read), file_id))
                document_ids.append(read)
                lengths.append(np.diff(file.starts)[read])
        order = np.argsort(np.concatenate(keys), kind="stable")
        self.file_ids = np.concatenate(file_ids)[order]
        self.document_ids = np.concatenate(document_ids)[order]
        self.ends = np.cumsum(np.concatenate(lengths)[order])

    @property
    def n_tokens(self) -> int:
        return int(self.ends[-1])

    def read(self, start: int, count: int) -> np.ndarray:
        """Tokens `start` to `start + count` of the stream, int64."""
        pieces = []
        place = int(np.searchsorted(self.ends, start, side="right"))
        while count > 0:
            file = self.files[self.file_ids[place]]
            document = self.document_ids[place]
            begin, end = file.starts[document], file.starts[document + 1]
            skipped = start - (int(self.ends[place]) - int(end - begin))
            piece = file.ids[begin + skipped : min(end, begin + skipped + count)]
            pieces.append(piece)
            start, count, place = start + len(piece), count - len(piece), place + 1
        return np.concatenate(pieces).astype(np.int64)

    def fingerprint(self) -> str:
        """Changes with the texts, the vocabulary and the order."""
        start = self.read(0, min(self.n_tokens, 100_000))
        return hashlib.sha256(self.ends.tobytes() + start.tobytes()).hexdigest()[:16]

    def tokens_by_file(self, n_tokens: int) -> list[int]:
        """How many of the first `n_tokens` come from each file."""
        counts = np.diff(np.minimum(self.ends, n_tokens), prepend=0)
        return [int(n) for n in np.bincount(self.file_ids, weights=counts, minlength=len(self.files))]


@dataclass(frozen=True)
class TrainingData:
    """Everything a trainer reads, where an objective takes any stretch of text."""

    tokenizer: Tokenizer
    shares: tuple[CorpusShare, ...]  # the files in the order of the stream's, with the passes really taken
    stream: TokenStream
    held_out: tuple[HeldOut, ...]

    def examples(self, recipe: Recipe, step: int, chance: Generator) -> list[Example]:
        """What step 0, 1, … of a recipe learns from."""
        marks, objective = marks_of(self.tokenizer), OBJECTIVES[recipe.objective]
        if recipe.short_density is not None and recipe.is_short_at(step):
            objective = partial(objective, density=recipe.short_density)
        stretch = torch.from_numpy(self.stream.read(step * recipe.batch_tokens, recipe.batch_tokens + 1))
        length = recipe.length_at(step)
        # The last id of a row is the first of the next: it is predicted in one and read in the other.
        rows = stretch.unfold(0, length + 1, length)  # (B, T + 1)
        assert rows.shape == (recipe.batch_tokens // length, length + 1)
        return [objective(row, marks, chance) for row in rows]

    def held_out_examples(self, recipe: Recipe) -> dict[str, list[Example]]:
        """What the scores are of, by file; the same each time."""
        marks, objective = marks_of(self.tokenizer), OBJECTIVES[recipe.objective]
        return {part.file: windows(part.ids, recipe.sequence_length, objective, marks) for part in self.held_out}

    def scores(self, recipe: Recipe, model: nn.Module, precision: AbstractContextManager | None = None) -> dict:
        """The `Score` of each corpus's held-out part, by file."""
        counts, pad = byte_counts_of(self.tokenizer), marks_of(self.tokenizer).pad
        return {
            file: evaluate(model, examples, counts, pad, precision)
            for file, examples in self.held_out_examples(recipe).items()
        }


AnyData = TrainingData | PairData | TranslationData


def prepare(recipe: Recipe, folder: Path, work: Path) -> AnyData:
    """Read the corpora, learn or load the tokenizer, tokenise what is not in the cache under `work`.

    A folder that has none of the recipe's files is read whole, every `.txt` as often as the token budget needs.
    Raises InputError as `corpora.find_files` does, "corpus_too_short" where the passes do not fill the budget, and
    "corpus_not_held_out" where there are too few documents to keep any back for validation. Translations have no
    stand-in for their files.
    """
    wanted = [share.file for share in recipe.mixture.corpora]
    files = find_files(folder, wanted)
    if recipe.objective == "translation":
        return _translations(recipe, folder, files, work)
    mixture = recipe.mixture
    corpora = [read_corpus(folder, file, mixture.plain_marks) for file in files]
    if files != wanted:
        mixture = replace(mixture, corpora=tuple(CorpusShare(file=file, title=file) for file in files))
    tokenizer = _tokenizer(recipe, mixture, corpora, work / "tokenizers")
    if recipe.objective == "masked_pairs":
        return prepare_pairs(recipe, tokenizer, mixture.corpora, corpora)
    training = [tokenised(corpus.training, tokenizer, work / "tokens") for corpus in corpora]
    held_out = [tokenised(corpus.validation, tokenizer, work / "tokens") for corpus in corpora]
    needed = recipe.steps * recipe.batch_tokens + 1
    shares = mixture.corpora
    if files != wanted:
        passes = math.ceil(needed / sum(file.n_tokens for file in training))
        shares = tuple(replace(share, passes=passes) for share in shares)
    stream = TokenStream(training, [share.passes for share in shares], recipe.seed)
    if stream.n_tokens < needed:
        raise InputError("corpus_too_short", available=stream.n_tokens, wanted=needed)
    if not any(part.n_documents for part in held_out):
        raise InputError("corpus_not_held_out", documents=sum(len(corpus.training) for corpus in corpora))
    parts = zip(files, held_out, strict=True)
    kept = tuple(HeldOut(file, np.asarray(part.ids[:VALIDATION_TOKENS])) for file, part in parts if part.n_documents)
    return TrainingData(tokenizer, shares, stream, kept)


def _translations(recipe: Recipe, folder: Path, files: list[str], work: Path) -> TranslationData:
    """As `prepare`; the tokenizer learns from both sides of the pairs."""
    mixture = recipe.mixture
    wanted = [share.file for share in mixture.corpora]
    if files != wanted:
        raise InputError("corpus_files_missing", folder=folder, missing=", ".join(wanted), wanted=", ".join(wanted))
    parallel = [read_parallel(folder, file) for file in files]
    sides = [
        Corpus(part.file, tuple(side for pair in part.training for side in (pair.source, pair.target)), ())
        for part in parallel
    ]
    tokenizer = _tokenizer(recipe, mixture, sides, work / "tokenizers")
    return prepare_translations(recipe, tokenizer, mixture.corpora, parallel)


def _fingerprint(texts: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for text in texts:
        digest.update(text.encode("utf-8", errors="surrogatepass"))
        digest.update(b"\0")
    return digest.hexdigest()[:16]


def _tokenizer(recipe: Recipe, mixture: Mixture, corpora: list[Corpus], folder: Path) -> Tokenizer:
    """The mixture's tokenizer, learnt once from its training documents, each counted as often as it is read; with the
    marks of the recipe's objective. An encoder of a package brings its own."""
    if recipe.encoder is not None:
        return tokenizers.load(installed_file(recipe.encoder).parent)
    passes = {share.file: share.passes for share in mixture.corpora}
    settings = json.dumps([mixture.vocab_size, mixture.tokenizer_name, mixture.alphabet_share, sorted(passes.items())])
    documents = (document for corpus in corpora for document in corpus.training)
    folder = folder / f"{mixture.tokenizer_name}-{_fingerprint([settings, *documents])}"
    if not folder.is_dir():
        weighted = _weighted(corpora, passes)
        if mixture.algorithm == "byte-bpe":  # of any size from its bytes on
            learnt = tokenizers.train_byte_bpe(weighted, mixture.vocab_size, name=mixture.tokenizer_name)
        else:
            learnt = train(
                mixture.algorithm,
                weighted,
                mixture.vocab_size,
                name=mixture.tokenizer_name,
                alphabet_share=mixture.alphabet_share,
            )
        with _new_entry(folder) as draft:
            learnt.save(draft)
    tokenizer = tokenizers.load(folder)
    if recipe.objective in MARKS and isinstance(tokenizer, ByteLevelTokenizer):
        return with_special_tokens(tokenizer, MARKS[recipe.objective])
    return tokenizer


def _weighted(corpora: list[Corpus], passes: dict[str, float]) -> Iterator[str]:
    for corpus in corpora:
        for turn in range(math.ceil(passes[corpus.file])):
            share = min(1.0, passes[corpus.file] - turn)
            yield from corpus.training[: math.ceil(share * len(corpus.training))]


def tokenised(documents: tuple[str, ...], tokenizer: Tokenizer, folder: Path) -> TokenFile:
    """The documents as tokens, from the cache where they are in it; its key is the texts and the vocabulary."""
    spelling = (tokenizer.token(i) for i in range(tokenizer.vocab_size))
    entry = folder / _fingerprint([*spelling, "", *documents])
    if not entry.is_dir():
        encoded: list[list[int]] = []
        for first in range(0, len(documents), ENCODE_AT_ONCE):
            encoded += tokenizer.encode_many(documents[first : first + ENCODE_AT_ONCE])
        rows = [np.array([tokenizer.eos_id, *ids], dtype=np.uint16) for ids in encoded]
        with _new_entry(entry) as draft:
            np.save(draft / "ids.npy", np.concatenate(rows) if rows else np.zeros(0, np.uint16))
            np.save(draft / "starts.npy", np.cumsum([0, *map(len, rows)], dtype=np.int64))
    # A file without content cannot be mapped.
    return TokenFile(np.load(entry / "ids.npy", mmap_mode="r" if documents else None), np.load(entry / "starts.npy"))


@contextmanager
def _new_entry(entry: Path) -> Iterator[Path]:
    """A folder to fill, which becomes `entry` in one move: trainings that start together never read half of one."""
    entry.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=entry.parent, ignore_cleanup_errors=True) as scratch:
        draft = Path(scratch) / entry.name
        draft.mkdir()
        yield draft
        # Where another training was quicker, its entry has the same content and stays.
        with suppress(OSError):
            draft.rename(entry)
    assert entry.is_dir()
