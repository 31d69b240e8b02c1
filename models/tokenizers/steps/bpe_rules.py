"""The merges of a BPE vocabulary, from whichever library holds it."""

import json
from abc import ABC, abstractmethod
from functools import lru_cache

from models.errors import InputError
from models.tokenizers.alphabet import spelled
from models.tokenizers.engine import EngineTokenizer
from models.tokenizers.interface import Tokenizer
from models.tokenizers.ranks import RankTokenizer
from models.tokenizers.sentencepieces import SentencePieceTokenizer
from models.tokenizers.steps.sentencepiece_model import piece_table

ALGORITHMS = ("byte-level BPE", "SentencePiece BPE", "BPE")


class Rules(ABC):
    """How a BPE vocabulary begins, merges and ends."""

    @abstractmethod
    def words(self, text: str) -> list[list[str]]:
        """The text, normalised, as words that never merge with each other, each as its first pieces."""

    @abstractmethod
    def rank(self, left: str, right: str) -> int | None:
        """Which place the merge of two neighbours has among all, 0 the first; None if there is no such merge."""

    def joined(self, left: str, right: str) -> str:
        """The piece that the two become."""
        return left + right

    def finished(self, pieces: list[str]) -> list[str]:
        """The tokens that a word's last pieces stand for."""
        return pieces


class EngineRules(Rules):
    """A vocabulary of the `tokenizers` library: a list of merges of two pieces."""

    def __init__(self, tokenizer: EngineTokenizer) -> None:
        self._tokenizer = tokenizer
        model = json.loads(tokenizer.to_json())["model"]
        self._vocab = model["vocab"]
        merges = [merge.split(" ") if isinstance(merge, str) else merge for merge in model["merges"]]
        self._ranks = {(left, right): rank for rank, (left, right) in enumerate(merges)}
        self._prefix, self._suffix = model["continuing_subword_prefix"] or "", model["end_of_word_suffix"] or ""
        self._unknown, self._fused, self._bytes = model["unk_token"], model["fuse_unk"], model["byte_fallback"]
        self._takes_whole = model["ignore_merges"]

    def words(self, text: str) -> list[list[str]]:
        return [self._symbols(word) for word in self._tokenizer.words(text)]

    def _symbols(self, word: str) -> list[str]:
        symbols: list[str] = []
        for place, character in enumerate(word):
            first, last = place == 0, place == len(word) - 1
            symbol = ("" if first else self._prefix) + character + (self._suffix if last else "")
            in_bytes = [f"<0x{byte:02X}>" for byte in character.encode()]
            if symbol in self._vocab:
                symbols.append(symbol)
            elif self._bytes and all(byte in self._vocab for byte in in_bytes):
                symbols += in_bytes
            elif self._unknown is not None and not (self._fused and symbols[-1:] == [self._unknown]):
                symbols.append(self._unknown)
        return symbols

    def rank(self, left: str, right: str) -> int | None:
        return self._ranks.get((left, right))

    def joined(self, left: str, right: str) -> str:
        return left + right.removeprefix(self._prefix)

    def finished(self, pieces: list[str]) -> list[str]:
        whole = "".join(pieces)
        return [whole] if self._takes_whole and whole in self._vocab else pieces


class SentencePieceRules(Rules):
    """A SentencePiece model: two neighbours merge if what they spell is a piece, the piece with the best score first."""

    def __init__(self, tokenizer: SentencePieceTokenizer) -> None:
        self._processor = tokenizer.bare()
        self._table = piece_table(self._processor)
        scores = sorted(set(self._table.scores.values()), reverse=True)
        place = {score: rank for rank, score in enumerate(scores)}
        self._ranks = {piece: place[score] for piece, score in self._table.scores.items()}

    def words(self, text: str) -> list[list[str]]:
        normalised = self._processor.normalize(text)
        return [self._table.symbols(normalised)] if normalised else []

    def rank(self, left: str, right: str) -> int | None:
        return None if {left, right} & self._table.whole else self._ranks.get(left + right)

    def finished(self, pieces: list[str]) -> list[str]:
        return self._table.spelled(pieces)


class RankRules(Rules):
    """A `tiktoken` vocabulary: two neighbours merge if their bytes are a token, the one with the lowest id first."""

    def __init__(self, tokenizer: RankTokenizer) -> None:
        self._tokenizer = tokenizer
        pieces = (tokenizer.bytes_of(token_id) for token_id in range(tokenizer.vocab_size))
        # Single bytes are there before any merge, and special tokens stand for no bytes.
        self._ranks = {spelled(piece): rank for rank, piece in enumerate(piece for piece in pieces if len(piece) > 1)}

    def words(self, text: str) -> list[list[str]]:
        return [list(spelled(word.encode())) for word in self._tokenizer.words(text)]

    def rank(self, left: str, right: str) -> int | None:
        return self._ranks.get(left + right)

    def finished(self, pieces: list[str]) -> list[str]:
        whole = "".join(pieces)
        return [whole] if whole in self._ranks else pieces


@lru_cache(maxsize=8)
def rules_of(tokenizer: Tokenizer) -> Rules:
    """The merges of `tokenizer`. Raises InputError("train_other_algorithm") if it works otherwise."""
    if tokenizer.algorithm not in ALGORITHMS:
        raise InputError("train_other_algorithm", name=tokenizer.name, algorithm=tokenizer.algorithm, wanted="BPE")
    if isinstance(tokenizer, SentencePieceTokenizer):
        return SentencePieceRules(tokenizer)
    if isinstance(tokenizer, RankTokenizer):
        return RankRules(tokenizer)
    return EngineRules(tokenizer)
