"""How BPE learns: merge the most frequent pair of neighbours, count again, and so on.

Sennrich et al., 2016, Neural Machine Translation of Rare Words with Subword Units (arXiv:1508.07909); over bytes,
Radford et al., 2019, Language Models are Unsupervised Multitask Learners, section 2.2.
"""

from collections import Counter
from dataclasses import dataclass

from tokenizers import pre_tokenizers

from models.tokenizers.alphabet import CHARACTER_OF_BYTE
from models.tokenizers.interface import check_text
from models.tokenizers.steps.pair_table import Pair, PairTable, Word

UNITS = ("character", "byte")


@dataclass(frozen=True)
class MergeStep:
    """The state after `number` merges.

    words: the different words of the text, in the order in which they first occur, as symbols, each with how often it
        occurs.
    counts: every pair of neighbours with its count, the best first.
    winner: the first of them, which is merged next; None where no pair is left.
    merged: the symbol that it becomes.
    vocabulary: the alphabet, in the order of its code points, then the symbols that the merges up to here have made.
    """

    number: int
    words: list[tuple[Word, int]]
    counts: list[tuple[Pair, int]]
    winner: Pair | None
    merged: str | None
    vocabulary: list[str]


def bpe_training(text: str, n_merges: int, unit: str = "character", end: str = "") -> list[MergeStep]:
    """The steps of learning `n_merges` merges from `text`, the first one before any merge; fewer where pairs run out.

    unit: "character" (words are cut at spaces and around punctuation) or "byte" (words are cut as GPT-2 cuts them, with
        the space before a word as a part of it, and bytes are spelled as in its vocabulary, which begins with all 256).
    end: what marks the last character of a word as such, `</w>` in the paper; a mark makes symbols of their own.

    Of pairs that occur equally often, the one whose left symbol is earlier in the vocabulary is merged first, then the
    one whose right symbol is: the rule of `tokenizers.trainers.BpeTrainer`. With `end` the library numbers the marked
    characters anew in each run, so that ties fall differently each time; here they follow the others in code points.
    Raises InputError("text_surrogate").
    """
    if unit not in UNITS:
        raise ValueError(f"unit = {unit!r} is none of {UNITS}")
    words = _words(check_text(text), unit, end)
    letters = {symbol for word in words for symbol in word}
    if unit == "byte":
        letters |= set(CHARACTER_OF_BYTE)
    marked = {symbol for symbol in letters if len(symbol) > 1}
    table = PairTable(words, [*sorted(letters - marked), *sorted(marked)])
    steps = [_step(table, 0)]
    while len(steps) <= n_merges and (pair := table.best()):
        table.merge(pair)
        steps.append(_step(table, len(steps)))
    return steps


def _words(text: str, unit: str, end: str) -> Counter[Word]:
    cutter = pre_tokenizers.Whitespace() if unit == "character" else pre_tokenizers.ByteLevel(add_prefix_space=False)
    return Counter((*word[:-1], word[-1] + end) for word, _ in cutter.pre_tokenize_str(text))


def _step(table: PairTable, number: int) -> MergeStep:
    winner = table.best()
    return MergeStep(
        number=number,
        words=table.words.copy(),
        counts=table.counts.copy(),
        winner=winner,
        merged="".join(winner) if winner else None,
        vocabulary=table.vocabulary.copy(),
    )
