"""How WordPiece learns, by the rule of the textbooks and by that of the library.

The original (Schuster & Nakajima, 2012, Japanese and Korean Voice Search) adds the piece that raises the likelihood of
the text most, which tutorials write as the score count(ab) / (count(a) · count(b)). The trainer of the `tokenizers`
library, with which many WordPiece vocabularies are made, merges the most frequent pair, as BPE does. For the words
hug, pug, pun, bun and hugs with the counts 10, 5, 12, 4 and 5 the library learns `##ug` first, the score `##gs`.
"""

from collections import Counter
from dataclasses import dataclass

from models.tokenizers.interface import check_text
from models.tokenizers.steps.bpe_training import MergeStep
from models.tokenizers.steps.pair_table import Pair, ScoredPairTable, Word
from models.tokenizers.train import wordpiece_parts

RULES = ("count", "score")
INSIDE = "##"
"""Marks a piece that does not begin a word."""


@dataclass(frozen=True)
class WordPieceStep(MergeStep):
    """A `MergeStep`; `scores` has every pair, in the order of `counts`, with its count and its score."""

    scores: list[tuple[Pair, int, float]]


def wordpiece_training(text: str, n_merges: int, rule: str = "count") -> list[WordPieceStep]:
    """The steps of learning `n_merges` pieces from `text`, the first one before any merge; fewer where pairs run out.

    rule: the pair that is merged is the one with the highest "count" (what the library does) or "score" (textbooks). Of
        pairs that are equally good, the one whose left piece is earlier in the vocabulary goes first, then the one whose
        right piece is.

    Words are cut as BERT's cased vocabularies cut them: at spaces and around punctuation, each Chinese character for
    itself. The alphabet has pieces that begin words, then those inside words, each in the order of their code points;
    the library has the bare form of every character too, and numbers the characters with ## anew in each run, so that
    its ties fall differently each time. Raises InputError("text_surrogate").
    """
    if rule not in RULES:
        raise ValueError(f"rule = {rule!r} is none of {RULES}")
    words = _words(check_text(text))
    letters = {symbol for word in words for symbol in word}
    inside = {symbol for symbol in letters if len(symbol) > 1}
    table = ScoredPairTable(words, [*sorted(letters - inside), *sorted(inside)], joined, by_score=rule == "score")
    steps = [_step(table, 0)]
    while len(steps) <= n_merges and (pair := table.best()):
        table.merge(pair)
        steps.append(_step(table, len(steps)))
    return steps


def joined(left: str, right: str) -> str:
    """The piece that two neighbours become: only the left one keeps its ##."""
    return left + right.removeprefix(INSIDE)


def _words(text: str) -> Counter[Word]:
    normalizer, cutter = wordpiece_parts()
    cut = cutter.pre_tokenize_str(normalizer.normalize_str(text))
    return Counter((word[0], *(INSIDE + character for character in word[1:])) for word, _ in cut)


def _step(table: ScoredPairTable, number: int) -> WordPieceStep:
    winner = table.best()
    return WordPieceStep(
        number=number,
        words=table.words.copy(),
        counts=table.counts.copy(),
        winner=winner,
        merged=joined(*winner) if winner else None,
        vocabulary=table.vocabulary.copy(),
        scores=table.scores.copy(),
    )
