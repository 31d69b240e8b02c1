"""The table that BPE and WordPiece learn from: words cut into symbols, and how often each pair of neighbours occurs."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable

Pair = tuple[str, str]
Word = tuple[str, ...]


class PairTable:
    """Words, the counts of their pairs, and these pairs in the order in which they would be merged.

    words: each word's symbols, with how often the word occurs.
    alphabet: the symbols before any merge, numbered in this order; merged ones are numbered as they arise.
    joined: the symbol that a pair becomes.
    counts: each pair with its count, the most frequent first. Of pairs that are equally good, the one whose left symbol
        has the lower number goes first, then the one whose right symbol has: the rule of the `tokenizers` library. Pairs
        are counted as it counts them, overlapping ones too: `aaa` has the pair (a, a) twice.
    """

    def __init__(
        self, words: Counter[Word], alphabet: list[str], joined: Callable[[str, str], str] = str.__add__
    ) -> None:
        self.words = list(words.items())
        self.vocabulary = list(alphabet)
        self.counts: list[tuple[Pair, int]] = []
        self._joined = joined
        self._number = {symbol: number for number, symbol in enumerate(alphabet)}
        self._symbol_count: Counter[str] = Counter()
        self._pair_count: Counter[Pair] = Counter()
        self._words_with: defaultdict[Pair, set[int]] = defaultdict(set)  # and some that have it no more
        self._order: list[tuple[float, int, int]] = []  # sorted; `counts` runs parallel to it
        self._key: dict[Pair, tuple[float, int, int]] = {}  # where in this order each pair is
        for place, (symbols, count) in enumerate(self.words):
            for symbol in symbols:
                self._symbol_count[symbol] += count
            for pair in zip(symbols, symbols[1:], strict=False):
                self._pair_count[pair] += count
                self._words_with[pair].add(place)
        self._arrange(set(self._pair_count))

    def best(self) -> Pair | None:
        """The pair that is merged next; None where no pair is left."""
        return self.counts[0][0] if self.counts else None

    def merge(self, pair: Pair) -> None:
        """Replace `pair` by one symbol, in every word from left to right."""
        merged = self._joined(*pair)
        if merged not in self._number:  # two pairs may spell the same: a + bc, ab + c
            self._number[merged] = len(self.vocabulary)
            self.vocabulary.append(merged)
        changed = set()
        for place in self._words_with.pop(pair):
            changes = self._replace(place, pair, merged)
            for neighbours, change in changes.items():
                self._pair_count[neighbours] += change
                if change > 0:
                    self._words_with[neighbours].add(place)
            changed.update(changes)
        self._arrange(changed)

    def _replace(self, place: int, pair: Pair, merged: str) -> Counter[Pair]:
        """Merge `pair` in one word; returns by how much that changes the counts of pairs."""
        symbols, count = self.words[place]
        left, right = pair
        changes: Counter[Pair] = Counter()
        result: list[str] = []
        done = 0
        for here in range(len(symbols) - 1):
            if here < done or symbols[here] != left or symbols[here + 1] != right:
                continue
            result += symbols[done:here]
            done = here + 2
            changes[pair] -= count
            if result:
                changes[result[-1], left] -= count
                changes[result[-1], merged] += count
            if done < len(symbols):
                changes[right, symbols[done]] -= count
                changes[merged, symbols[done]] += count
            result.append(merged)
            for symbol, change in ((left, -count), (right, -count), (merged, count)):
                self._symbol_count[symbol] += change
        self.words[place] = ((*result, *symbols[done:]), count)
        return changes

    def _goodness(self, pair: Pair) -> float:
        """What decides which pair is merged: the greatest is."""
        return self._pair_count[pair]

    def _arrange(self, pairs: set[Pair]) -> None:
        """Put `pairs` where they now belong in the order; those that occur no more leave it."""
        for pair in pairs:
            if pair in self._key:
                place = bisect_left(self._order, self._key.pop(pair))
                del self._order[place]
                self._delist(place)
            if self._pair_count[pair]:
                key = (-self._goodness(pair), self._number[pair[0]], self._number[pair[1]])
                place = bisect_left(self._order, key)
                self._order.insert(place, key)
                self._key[pair] = key
                self._enlist(place, pair)

    def _enlist(self, place: int, pair: Pair) -> None:
        self.counts.insert(place, (pair, self._pair_count[pair]))

    def _delist(self, place: int) -> None:
        del self.counts[place]


class ScoredPairTable(PairTable):
    """A `PairTable` that knows WordPiece's textbook score of each pair, count(ab) / (count(a) · count(b)).

    scores: each pair with its count and score, in the order of `counts`.
    by_score: whether the pair with the best score is merged, not the most frequent one.
    """

    def __init__(
        self, words: Counter[Word], alphabet: list[str], joined: Callable[[str, str], str], by_score: bool
    ) -> None:
        self.scores: list[tuple[Pair, int, float]] = []
        self._by_score = by_score
        self._pairs_with: defaultdict[str, set[Pair]] = defaultdict(set)  # and some that have ceased to occur
        super().__init__(words, alphabet, joined)

    def _score(self, pair: Pair) -> float:
        return self._pair_count[pair] / (self._symbol_count[pair[0]] * self._symbol_count[pair[1]])

    def _goodness(self, pair: Pair) -> float:
        return self._score(pair) if self._by_score else super()._goodness(pair)

    def merge(self, pair: Pair) -> None:
        super().merge(pair)
        # These symbols' own counts have changed, and with them the scores of all their pairs.
        self._arrange({other for symbol in {*pair, self._joined(*pair)} for other in self._pairs_with[symbol]})

    def _enlist(self, place: int, pair: Pair) -> None:
        super()._enlist(place, pair)
        self.scores.insert(place, (pair, self._pair_count[pair], self._score(pair)))
        for symbol in pair:
            self._pairs_with[symbol].add(pair)

    def _delist(self, place: int) -> None:
        super()._delist(place)
        del self.scores[place]
