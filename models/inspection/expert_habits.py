"""What an expert gets more of than chance would give it: tokens, kinds of tokens, places or parts of a text.

Chance is a random router with the same load: the tokens' choices are shuffled among the tokens, so that each expert keeps
its number of tokens, and each token different experts. A label is a whole number a token, say its id or its sentence.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from math import lgamma, sqrt

import numpy as np

SHUFFLES = 199
SURE = 0.05
Z95 = 1.959964  # of the normal distribution, 95 % between −z and z


@dataclass(frozen=True)
class Habit:
    """Of the `of` tokens with a label, `count` went to one expert; a random router with its load would send `expected`.

    p: how often that random router sends it so many or more (exact: a hypergeometric tail), times the number of questions
    asked of the layer (Bonferroni). low and high: the 95 % interval of the share count / of (Wilson 1927).
    """

    expert: int
    label: int
    count: int
    of: int
    expected: float
    p: float
    low: float
    high: float

    @property
    def is_sure(self) -> bool:
        return self.p < SURE


@dataclass(frozen=True)
class Habits:
    """One kind of label in one layer.

    bits: mutual information of expert and label; random_bits and random_high: its mean and its 95th percentile among
    `SHUFFLES` random routers with the same load; p: the share of routers, this one counted among them, with so much. asked:
    how many pairs of expert and label were tested; rows: of each expert the most telling, the surest first.
    """

    bits: float
    random_bits: float
    random_high: float
    p: float
    asked: int
    rows: tuple[Habit, ...]


def habits(labels: np.ndarray, expert_ids: np.ndarray, n_experts: int, n_rows: int = 3, seed: int = 0) -> Habits:
    """Labels (T,) against expert_ids (T, k), −1 for none; of each expert at most `n_rows` labels are told."""
    kinds, codes = np.unique(labels, return_inverse=True)
    table = _tables(codes[None], expert_ids[None], len(kinds), n_experts)[0]  # (labels, E)
    chance = np.random.Generator(np.random.Philox(seed))
    order = chance.permuted(np.tile(np.arange(len(codes)), (SHUFFLES, 1)), axis=1)  # (SHUFFLES, T)
    bits = float(information(table[None])[0])
    at_random = information(_tables(np.tile(codes, (SHUFFLES, 1)), expert_ids[order], len(kinds), n_experts))
    rows, asked = _rows(table, kinds, np.bincount(codes), n_rows)
    return Habits(
        bits=bits,
        random_bits=float(at_random.mean()),
        random_high=float(np.quantile(at_random, 0.95)),
        p=(1 + int((at_random >= bits - 1e-12).sum())) / (1 + SHUFFLES),
        asked=asked,
        rows=tuple(rows),
    )


def _tables(codes: np.ndarray, expert_ids: np.ndarray, n_labels: int, n_experts: int) -> np.ndarray:
    """How often label and expert meet: codes (R, T) and expert_ids (R, T, k) give (R, labels, E)."""
    n_tables, _, k = expert_ids.shape
    cells = (np.arange(n_tables)[:, None, None] * n_labels + codes[..., None]) * n_experts + expert_ids
    taken = expert_ids >= 0
    counted = np.bincount(cells[taken], minlength=n_tables * n_labels * n_experts)
    return counted.reshape(n_tables, n_labels, n_experts)


def information(tables: np.ndarray) -> np.ndarray:
    """Mutual information in bits of tables of counts (R, labels, E): (R,)."""
    total = tables.sum((1, 2)).astype(np.float64).clip(min=1)

    def entropy(counts: np.ndarray) -> np.ndarray:
        share = counts.reshape(len(counts), -1) / total[:, None]
        return -(share * np.log2(share, out=np.zeros_like(share), where=share > 0)).sum(1)

    return (entropy(tables.sum(2)) + entropy(tables.sum(1)) - entropy(tables)).clip(min=0.0)


def _rows(table: np.ndarray, kinds: np.ndarray, n_with: np.ndarray, n_rows: int) -> tuple[list[Habit], int]:
    """The labels that each expert gets too much of. A label of a single token is not asked about: it can prove nothing."""
    n_tokens, load = int(n_with.sum()), table.sum(0)
    asked = [(e, c) for e in range(table.shape[1]) if load[e] for c in range(len(kinds)) if n_with[c] > 1]
    found = []
    for e, c in asked:
        count, of, expected = int(table[c, e]), int(n_with[c]), n_with[c] * load[e] / n_tokens
        if count <= expected:
            continue
        p = min(1.0, tail(count, n_tokens, int(load[e]), of) * len(asked))
        found.append(Habit(e, int(kinds[c]), count, of, float(expected), p, *wilson(count, of)))
    found.sort(key=lambda row: (row.expert, row.p, -row.count))
    return [row for _, rows in groupby(found, lambda row: row.expert) for row in list(rows)[:n_rows]], len(asked)


def tail(count: int, n_tokens: int, n_chosen: int, n_drawn: int) -> float:
    """How likely `n_drawn` of `n_tokens` tokens hold at least `count` of the `n_chosen` that an expert gets."""

    def ways(n: int, k: int) -> float:
        return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)

    highest = min(n_chosen, n_drawn)
    lowest = max(count, n_drawn + n_chosen - n_tokens)
    logs = [
        ways(n_chosen, k) + ways(n_tokens - n_chosen, n_drawn - k) - ways(n_tokens, n_drawn)
        for k in range(lowest, highest + 1)
    ]
    return float(min(1.0, np.exp(logs).sum()))


def wilson(count: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share, count / of (Wilson 1927, JASA 22, equation 5)."""
    share, z2 = count / of, Z95**2
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = Z95 / (1 + z2 / of) * sqrt(share * (1 - share) / of + z2 / (4 * of**2))
    return max(0.0, middle - half), min(1.0, middle + half)


KINDS = ("special", "space", "han", "number", "capital", "word", "inside", "mark", "bytes")


def token_kinds(pieces: Sequence[bytes]) -> np.ndarray:
    """What each token of a text is, (T,), as places in `KINDS`, from the bytes that each adds to it.

    A special token (which adds none), white space, a Chinese character, a number, the beginning of a word with a capital
    and without, the inside of a word, a punctuation mark, or part of a character.
    """
    kinds, before = [], " "
    for piece in pieces:
        text = piece.decode("utf-8", errors="replace")
        kinds.append(KINDS.index(_kind(text, before)))
        before = text[-1:] or " "
    return np.array(kinds, dtype=np.int64)


def _kind(text: str, before: str) -> str:
    bare = text.strip()
    if not text:
        return "special"
    if not bare:
        return "space"
    if "\ufffd" in bare:
        return "bytes"
    if any("\u3400" <= character <= "\u9fff" for character in bare):
        return "han"
    if any(character.isdigit() for character in bare):
        return "number"
    if not bare[0].isalpha():
        return "mark"
    if text[0].isalpha() and before.isalpha():
        return "inside"
    return "capital" if bare[0].isupper() else "word"


def sentences_of(pieces: Sequence[bytes]) -> np.ndarray:
    """In which sentence of a text each token is, (T,), counted from 0; a sentence ends with the mark that ends it."""
    places, sentence, ended = [], 0, False
    for piece in pieces:
        text = piece.decode("utf-8", errors="replace")
        if ended and any(character.isalnum() for character in text):
            sentence, ended = sentence + 1, False
        places.append(sentence)
        ended = ended or any(mark in text for mark in ".!?。！？\n")
    return np.array(places, dtype=np.int64)


def quarters(n_tokens: int) -> np.ndarray:
    """0 for the first token, then 1 to 4 for the quarters of the text, (T,)."""
    places = 1 + np.arange(n_tokens) * 4 // max(1, n_tokens)
    places[:1] = 0
    return places
