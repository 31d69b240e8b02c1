"""Steps of tokenization algorithms as plain values for static/tokenizers_steps.js; of long lists only the beginning."""

from collections.abc import Collection, Sequence

MOST_PAIRS = 12  # of the pairs that compete for a merge
MOST_PIECES = 400  # of the pieces that Unigram weighs
MOST_EDGES = 200


def merge_lane(steps: Sequence) -> list[dict]:
    """Steps of a training that merges pairs; the words and the vocabulary as what each step changes in them."""
    lane, words, known = [], [], 0
    for step in steps:
        scores = getattr(step, "scores", None)
        pairs = scores if scores is not None else [(pair, count, None) for pair, count in step.counts[:MOST_PAIRS]]
        lane.append(
            {
                "words": _changed(words, step.words),
                "pairs": [[*pair, count, score] for pair, count, score in pairs[:MOST_PAIRS]],
                "n_pairs": len(step.counts),
                "winner": list(step.winner) if step.winner else None,
                "merged": step.merged,
                "added": step.vocabulary[known:],
            }
        )
        words, known = step.words, len(step.vocabulary)
    return lane


def _changed(before: Sequence, after: Sequence) -> list[list]:
    """The words that are cut otherwise than before: place, pieces, how often the word occurs."""
    return [
        [place, list(pieces), count]
        for place, (pieces, count) in enumerate(after)
        if place >= len(before) or before[place][0] != pieces
    ]


def prune_lane(steps: Sequence) -> list[dict]:
    """Steps of Unigram's training: the pieces with their log-probabilities and what each one's loss would cost.

    "faded" are pieces that the step before did not remove and that are missing all the same, "returned" those that it
    did not have: so that the numbers of pieces add up from step to step.
    """
    lane, left = [], None
    for step in steps:
        here = [piece for piece, *_ in step.pieces]
        before = here if left is None else left
        lane.append(
            {
                "pieces": [list(piece) for piece in step.pieces[:MOST_PIECES]],
                "n_pieces": len(here),
                "removed": list(step.removed),
                "faded": _without(before, here),
                "returned": _without(here, before),
                "loss": step.loss,
            }
        )
        left = _without(here, step.removed)
    return lane


def _without(pieces: Sequence[str], others: Collection[str]) -> list[str]:
    others = set(others)
    return [piece for piece in pieces if piece not in others]


def agreement(learnt: Sequence[str], library: Collection[str]) -> dict:
    """How many of the pieces that the steps end with the library's own trainer ends with, and which it has instead."""
    return {"same": len(set(learnt) & set(library)), "instead": [piece for piece in library if piece not in learnt]}


def encoding(steps: Sequence) -> list[dict]:
    """BPE on one word: the pieces, the pairs that could be merged with their ranks, and the one that is."""
    return [
        {
            "pieces": list(step.pieces),
            "candidates": [list(candidate) for candidate in step.candidates],
            "chosen": step.chosen,
        }
        for step in steps
    ]


def matches(steps: Sequence) -> list[dict]:
    """WordPiece on one word: what was looked up from each place, longest first."""
    return [
        {"start": step.start, "tried": [list(attempt) for attempt in step.tried], "found": step.found} for step in steps
    ]


def lattice(found) -> dict:
    """Unigram's lattice. Edges beyond `MOST_EDGES` are left out, those of the listed paths never."""
    needed = {edge for path, _ in found.paths for edge in path} | set(found.best)
    kept = [index for index in range(len(found.edges)) if index < MOST_EDGES or index in needed]
    place = {index: position for position, index in enumerate(kept)}
    edges = [found.edges[index] for index in kept]
    return {
        "text": found.text,
        "edges": [[edge.start, edge.end, edge.piece, edge.log_prob] for edge in edges],
        "best": [place[index] for index in found.best],
        "best_log_prob": found.best_log_prob,
        "forward": [value for value, _ in found.forward],
        "paths": [[[place[index] for index in path], log_prob] for path, log_prob in found.paths],
    }
