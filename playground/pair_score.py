"""How often a model of BERT's kind judges held-out sentence pairs rightly, beside always giving the commoner answer."""

import math
import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from models.tokenizers.interface import Tokenizer
from playground.objective_models import tokenizer_of
from playground.pair_building import parts_of
from playground.pair_documents import GROUPS, read, texts_of
from playground.pair_judging import probabilities
from playground.turns import turn

if TYPE_CHECKING:
    import models
    from models.objectives.next_sentence import Pair

TOKENS = 128  # of a pair with its marks, as in the trainings
SEED = 0
AT_ONCE = 16  # pairs to a turn, so that others get theirs in between
UNREADABLE = 0.1  # share of unknown tokens from which on a vocabulary is not of a language …
SPELLED = 2.0  # … and tokens to a word from which on it spells words rather than has them
CONFIDENCE = 1.959964  # standard errors to either side: 95 %


@dataclass(frozen=True)
class HeldOut:
    """One pair of the held-out texts: of which file it is, and its two parts as text."""

    group: str
    pair: "Pair"
    first: str
    second: str


@dataclass(frozen=True)
class Share:
    """`right` of `n`, and between what, with 95 % confidence, the share lies of which these were a sample."""

    right: int
    n: int

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's (1927): it stays within 0 and 1, and holds for few pairs and for shares near either."""
        z, n, p = CONFIDENCE, self.n, self.right / self.n
        middle = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
        return max(0.0, middle - half), min(1.0, middle + half)

    def to_dict(self) -> dict:
        low, high = self.interval
        return {"right": self.right, "n": self.n, "share": self.right / self.n, "low": low, "high": high}


def languages_of(tokenizer: Tokenizer) -> list[str]:
    """The languages of the held-out texts that a vocabulary has words for."""

    from models.objectives.words import words

    def reads(lang: str) -> bool:
        ids = tokenizer.encode(texts_of(GROUPS[lang][0])[0])
        unknown = sum(tokenizer.kind_of(token_id) == "unknown" for token_id in ids)
        return unknown <= UNREADABLE * len(ids) and len(ids) < SPELLED * len(words(tokenizer, ids))

    return [lang for lang in GROUPS if reads(lang)]


def held_out_pairs(lang: str, tokenizer: Tokenizer) -> list[HeldOut]:
    """The pairs of a language, always the same for a vocabulary; a random second part is of the same file."""
    from torch import Generator

    from models.objectives.next_sentence import draw_pairs

    found = []
    for group in GROUPS[lang]:
        documents = [read(text, tokenizer) for text in texts_of(group)]
        chance = Generator().manual_seed(SEED)
        for drawn in draw_pairs([document.ids for document in documents], TOKENS, chance, short_share=0.0):
            found.append(HeldOut(group, drawn.pair, *parts_of(drawn, documents)))
    return found


class Scoreboard:
    """The held-out pairs of one language before one model; each part of them is judged once, by whoever asks first.

    It outlives the model, whose weights `services` may drop meanwhile, so it does not hold them.
    """

    def __init__(self, tokenizer: Tokenizer, lang: str) -> None:
        self.lang = lang
        self.pairs = held_out_pairs(lang, tokenizer)
        self._judged: list[float] = []  # the probability of "follows", pair by pair
        self._lock = threading.Lock()

    @property
    def n_parts(self) -> int:
        return math.ceil(len(self.pairs) / AT_ONCE)

    @property
    def is_known(self) -> bool:
        """Whether all pairs have been judged."""
        return len(self._judged) == len(self.pairs)

    def upto(self, part: int, loaded: "models.Loaded") -> list[float]:
        """The probabilities of all pairs of parts 0 to `part`; `loaded` is the model, always the same one."""
        end = min((part + 1) * AT_ONCE, len(self.pairs))
        with self._lock:
            while len(self._judged) < end:
                start = len(self._judged)
                with turn():
                    self._judged += probabilities(loaded, [one.pair for one in self.pairs[start : start + AT_ONCE]])
            return self._judged[:end]


@lru_cache(maxsize=16)
def scoreboard(model: str, lang: str) -> Scoreboard:
    """The scoreboard of a model by its name; of several the last ones are kept."""
    return Scoreboard(tokenizer_of(model), lang)


def summary(pairs: list[HeldOut], probabilities: list[float]) -> dict:
    """The scores of the pairs that have been judged so far, in all and by file, and the errors, the surest first.

    majority: what always giving the commoner answer would have got right. errors: "missed" are real pairs that were called
    random, "invented" random pairs that were called real.
    """
    judged = list(zip(pairs, probabilities, strict=False))
    errors = [(one, p) for one, p in judged if (p > 0.5) != one.pair.is_next]
    return {
        "all": _scored(judged),
        "groups": [
            {"group": group, **_scored(of)}
            for group in dict.fromkeys(one.group for one in pairs)
            if (of := [(one, p) for one, p in judged if one.group == group])
        ],
        "kinds": {"real": _kind(judged, True), "random": _kind(judged, False)},
        "errors": [
            {
                "kind": "missed" if one.pair.is_next else "invented",
                "group": one.group,
                "probability": p,
                "first": one.first,
                "second": one.second,
            }
            for one, p in sorted(errors, key=lambda error: -abs(error[1] - 0.5))
        ],
    }


def _scored(judged: list[tuple[HeldOut, float]]) -> dict:
    right = sum((p > 0.5) == one.pair.is_next for one, p in judged)
    n_real = sum(one.pair.is_next for one, _ in judged)
    majority = max(n_real, len(judged) - n_real)
    return {**Share(right, len(judged)).to_dict(), "majority": majority / len(judged)}


def _kind(judged: list[tuple[HeldOut, float]], is_next: bool) -> dict | None:
    of = [(p > 0.5) == is_next for one, p in judged if one.pair.is_next == is_next]
    return Share(sum(of), len(of)).to_dict() if of else None
