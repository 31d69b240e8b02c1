"""What the step views ask for: an algorithm on a small text, every step computed by `models.tokenizers.steps`."""

from collections.abc import Callable
from functools import lru_cache

from models.errors import InputError
from models.tokenizers import steps
from models.tokenizers.interface import Tokenizer
from playground.session import TEXTS
from playground.token_figures import read_text
from playground.token_shelf import Named
from playground.views import token_steps as view

MERGES = 60  # at most so many are shown
PIECES = 40  # that Unigram's training is to leave
ENCODERS = {
    "byte-level BPE": "bpe",
    "SentencePiece BPE": "bpe",
    "BPE": "bpe",
    "WordPiece": "wordpiece",
    "Unigram": "unigram",
}


def training_steps(algorithm: object, text: object) -> dict:
    """The training of an algorithm ("bpe", "wordpiece" or "unigram") on a small text, as lanes of steps.

    WordPiece has two lanes: merging by count, as the library does, and by the score of the textbooks. "unigram-library"
    says how far the library's own trainer agrees with the outcome of "unigram".
    """
    if not isinstance(algorithm, str) or algorithm not in TRAININGS:
        raise InputError("not_a_choice", field="algorithm", value=algorithm, allowed=", ".join(TRAININGS))
    return _trained(algorithm, _small(text, "tok_text"))


@lru_cache(maxsize=32)
def _trained(algorithm: str, text: str) -> dict:
    return {"kind": algorithm, **TRAININGS[algorithm](text)}


def _bpe(text: str) -> dict:
    return {"lanes": [view.merge_lane(steps.bpe_training(text, MERGES))]}


def _wordpiece(text: str) -> dict:
    return {"lanes": [view.merge_lane(steps.wordpiece_training(text, MERGES, rule)) for rule in ("count", "score")]}


def _unigram(text: str) -> dict:
    return {"lanes": [view.prune_lane(steps.unigram_pruning(text, PIECES))]}


def _library(text: str) -> dict:
    """Which of the pieces that Unigram's steps end with the trainer of the library ends with, too."""
    learnt = [piece for piece, *_ in steps.unigram_pruning(text, PIECES)[-1].pieces]
    return view.agreement(learnt, steps.library_pieces(text, PIECES))


TRAININGS: dict[str, Callable[[str], dict]] = {
    "bpe": _bpe,
    "wordpiece": _wordpiece,
    "unigram": _unigram,
    "unigram-library": _library,
}


def encoding_steps(named: Named, word: object) -> dict:
    """How a tokenizer cuts a word."""
    text = _small(word, "tok_word")
    kind = ENCODERS.get(named.tokenizer.algorithm)
    if kind is None:
        return {"kind": "plain", **_result(named.tokenizer, text)}
    return {"kind": kind, **ENCODINGS[kind](named.tokenizer, text)}


def _encode_bpe(tokenizer: Tokenizer, text: str) -> dict:
    return {"steps": view.encoding(steps.bpe_encoding(tokenizer, text)), **_result(tokenizer, text)}


def _encode_wordpiece(tokenizer: Tokenizer, text: str) -> dict:
    return {"steps": view.matches(steps.wordpiece_encoding(tokenizer, text)), **_result(tokenizer, text)}


def _encode_unigram(tokenizer: Tokenizer, text: str) -> dict:
    return {"lattice": view.lattice(steps.unigram_lattice(tokenizer, text)), **_result(tokenizer, text)}


ENCODINGS: dict[str, Callable[[Tokenizer, str], dict]] = {
    "bpe": _encode_bpe,
    "wordpiece": _encode_wordpiece,
    "unigram": _encode_unigram,
}


def _result(tokenizer: Tokenizer, text: str) -> dict:
    ids = tokenizer.encode(text)
    return {"ids": ids, "tokens": [tokenizer.token(token_id) for token_id in ids]}


def _small(text: object, field: str) -> str:
    checked = read_text(text)
    if len(checked) > TEXTS[field]:
        raise InputError("token_text_too_long", size=len(checked), limit=TEXTS[field])
    if not checked.strip():
        raise InputError("token_text_empty")
    return checked
