"""How Unigram cuts a text: of all ways to spell it in pieces, the most probable one.

Kudo, 2018, Subword Regularization (arXiv:1804.10959): a piece has a probability, and a way to cut has the product of
those of its pieces. The best is found from left to right (Viterbi, 1967), with sums of logarithms for products.
"""

import json
from dataclasses import dataclass
from functools import lru_cache

from models.errors import InputError
from models.tokenizers.interface import Tokenizer, check_text
from models.tokenizers.sentencepieces import SentencePieceTokenizer
from models.tokenizers.steps.sentencepiece_model import PieceTable, piece_table

UNKNOWN_PENALTY = 10.0
"""An unknown character costs so much more (in nats) than the least probable piece; a constant of SentencePiece."""
WHOLE_BONUS = 0.1
"""What a user-defined piece has for each character after its first, instead of a log-probability, in SentencePiece 0.2.3:
it costs nothing, so that it is always taken, and of two that begin alike the longer one."""


@dataclass(frozen=True)
class Edge:
    """A piece that could stand at `start` … `end` (characters of the lattice's text), with its log-probability in nats.

    A character that is no piece has an edge of the unknown token, spelled as the character.
    """

    start: int
    end: int
    piece: str
    token_id: int
    log_prob: float


@dataclass(frozen=True)
class Lattice:
    """All pieces of a text, and the best ways through them.

    text: the text after normalisation, with ▁ for spaces.
    edges: in the order of their start, then of their end.
    best: the most probable way, as places in `edges`; best_log_prob is the sum of theirs.
    forward: for each place between characters, from 0 to the end, the log-probability of the best way up to there and
        the edge by which it arrives; None at the start.
    paths: the best ways with their log-probabilities, the best first.
    """

    text: str
    edges: list[Edge]
    best: list[int]
    best_log_prob: float
    forward: list[tuple[float, int | None]]
    paths: list[tuple[list[int], float]]


def unigram_lattice(tokenizer: Tokenizer, text: str, n_best: int = 5) -> Lattice:
    """The lattice of `text`, with the `n_best` best ways, or as many as there are.

    The best way's pieces are the tokenizer's tokens, but that unknown neighbours become one token, or bytes.
    Raises InputError: "train_other_algorithm" for a tokenizer that is no Unigram model, "text_surrogate",
    "tokenizer_gave_up" where it cannot cut the text into words.
    """
    if tokenizer.algorithm != "Unigram":
        raise InputError("train_other_algorithm", name=tokenizer.name, algorithm=tokenizer.algorithm, wanted="Unigram")
    table = unigram_table(tokenizer)
    words = _words(tokenizer, check_text(text))
    edges = _edges(table, words)
    whole = "".join(words)
    ways = best_ways([(edge.start, edge.end, edge.log_prob) for edge in edges], len(whole), n_best)
    paths = [(path, log_prob) for log_prob, path in _followed(ways, edges)]
    forward = [(place[0][0], place[0][1]) for place in ways]
    return Lattice(whole, edges, paths[0][0], paths[0][1], forward, paths)


@lru_cache(maxsize=8)
def unigram_table(tokenizer: Tokenizer) -> PieceTable:
    """The pieces of a Unigram tokenizer with their log-probabilities."""
    if isinstance(tokenizer, SentencePieceTokenizer):
        return piece_table(tokenizer.bare())
    model = json.loads(tokenizer.bare().to_str())["model"]
    pieces = [piece for piece, _ in model["vocab"]]
    return PieceTable(
        ids={piece: i for i, piece in enumerate(pieces)},
        scores=dict(model["vocab"]),
        whole=frozenset(),
        unknown="" if model["unk_id"] is None else tokenizer.token(model["unk_id"]),
        unknown_id=model["unk_id"],
        byte_fallback=model["byte_fallback"],
    )


def _words(tokenizer: Tokenizer, text: str) -> list[str]:
    """The normalised text in parts that no piece reaches across."""
    if isinstance(tokenizer, SentencePieceTokenizer):
        return [tokenizer.bare().normalize(text)]
    return tokenizer.words(text)


def _edges(table: PieceTable, words: list[str]) -> list[Edge]:
    longest = max(map(len, table.ids))
    unknown_log_prob = min(table.scores.values()) - UNKNOWN_PENALTY
    edges, offset = [], 0
    for word in words:
        for start in range(len(word)):
            for end in range(start + 1, min(start + longest, len(word)) + 1):
                piece = word[start:end]
                if piece in table.ids:
                    log_prob = WHOLE_BONUS * (len(piece) - 1) if piece in table.whole else table.scores[piece]
                    edges.append(Edge(offset + start, offset + end, piece, table.ids[piece], log_prob))
                elif end == start + 1:
                    edges.append(Edge(offset + start, offset + end, piece, table.unknown_id, unknown_log_prob))
        offset += len(word)
    return edges


Way = tuple[float, int | None, int]
"""A way up to some place: its log-probability, its last edge, and which of the ways up to that edge's start it goes on."""


def best_ways(edges: list[tuple[int, int, float]], length: int, n_best: int) -> list[list[Way]]:
    """For each place from 0 to `length` the best ways up to there, the best first.

    edges: (start, end, log-probability) in the order of their start. Of equal ways the one whose last edge begins
    earlier goes first, as in SentencePiece.
    """
    arriving: list[list[Way]] = [[] for _ in range(length + 1)]
    ways: list[list[Way]] = [[(0.0, None, 0)]]
    at = 0
    for place in range(length + 1):
        if place:
            ways.append(sorted(arriving[place], key=lambda way: (-way[0], way[1:]))[:n_best])
        while at < len(edges) and edges[at][0] == place:
            _, end, log_prob = edges[at]
            arriving[end] += [(way[0] + log_prob, at, rank) for rank, way in enumerate(ways[place])]
            at += 1
    return ways


def _followed(ways: list[list[Way]], edges: list[Edge]) -> list[tuple[float, list[int]]]:
    """The ways to the end, each as its log-probability and its edges from the start on."""
    result = []
    for log_prob, edge, rank in ways[-1]:
        path = []
        while edge is not None:
            path.append(edge)
            _, edge, rank = ways[edges[edge].start][rank]
        result.append((log_prob, path[::-1]))
    return result
