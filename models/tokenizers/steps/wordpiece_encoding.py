"""How WordPiece cuts a word: take the longest piece that fits, and go on behind it.

Devlin et al., 2019 (arXiv:1810.04805); greedy longest match first, without any regard for how the pieces were learnt.
"""

from dataclasses import dataclass
from functools import lru_cache

from models.errors import InputError
from models.tokenizers.interface import Tokenizer


@dataclass(frozen=True)
class MatchStep:
    """The search for one piece.

    start: where in the (normalised) word it begins, in characters. tried: what was looked up, the longest first, and
    whether the vocabulary has it. found: the piece that was taken; None where even the single character has none, which
    makes the whole word unknown, or where the word is longer than the tokenizer looks at.
    """

    start: int
    tried: list[tuple[str, bool]]
    found: str | None


def wordpiece_encoding(tokenizer: Tokenizer, word: str) -> list[MatchStep]:
    """The search for each piece of `word`, up to its end, or to where it turns out to be unknown.

    `word` is normalised first; of a text of several words the steps of all follow each other, a `start` of 0
    beginning the next. Raises InputError: "train_other_algorithm" for a tokenizer that is no WordPiece, "text_surrogate",
    "tokenizer_gave_up" where it cannot cut the text into words.
    """
    if tokenizer.algorithm != "WordPiece":
        raise InputError(
            "train_other_algorithm", name=tokenizer.name, algorithm=tokenizer.algorithm, wanted="WordPiece"
        )
    return [step for part in tokenizer.words(word) for step in _matches(tokenizer, part)]


@lru_cache(maxsize=8)
def _vocabulary(tokenizer: Tokenizer) -> frozenset[str]:
    return frozenset(tokenizer.bare().get_vocab())


def _matches(tokenizer: Tokenizer, word: str) -> list[MatchStep]:
    model, vocabulary = tokenizer.bare().model, _vocabulary(tokenizer)
    if len(word) > model.max_input_chars_per_word:
        return [MatchStep(0, [], None)]
    steps, start = [], 0
    while start < len(word):
        prefix = model.continuing_subword_prefix if start else ""
        tried: list[tuple[str, bool]] = []
        for end in range(len(word), start, -1):
            piece = prefix + word[start:end]
            tried.append((piece, piece in vocabulary))
            if tried[-1][1]:
                break
        piece, known = tried[-1]
        steps.append(MatchStep(start, tried, piece if known else None))
        if not known:
            break
        start = end
    return steps
