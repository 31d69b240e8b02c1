"""What a model with a head for masked words says at chosen places: guesses, their joint probability, and what it says of
the same place when the word is not masked."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from models.taps import capture
from models.transformer import Transformer

ROWS_AT_ONCE = 16


@torch.inference_mode()
def log_probabilities(model: Transformer, rows: Tensor, segments: Tensor, places: Sequence[int]) -> Tensor:
    """Log-probabilities over the vocabulary at one place of each row: rows (N, T), segments (T,), N places → (N, V)."""
    at = _one_each(rows, places)
    pieces = zip(rows.split(ROWS_AT_ONCE), at.split(ROWS_AT_ONCE), strict=True)
    return torch.cat([_answers(model, some, segments, here) for some, here in pieces])


def _answers(model: Transformer, rows: Tensor, segments: Tensor, at: Tensor) -> Tensor:
    """The log-probabilities of one pass at the places that the boolean `at` (N, T) names, row by row. The scores of a
    vocabulary cost as much as several layers, so there are no others."""
    heard = segments.expand_as(rows) if model.segment_embed is not None else None
    return F.log_softmax(model(rows, token_type_ids=heard, logits_at=at).logits.float(), dim=-1)


def _one_each(rows: Tensor, places: Sequence[int]) -> Tensor:
    """True at one place of each of `rows` (N, T)."""
    at = torch.zeros(rows.shape, dtype=torch.bool)
    at[torch.arange(len(rows)), torch.tensor(places)] = True
    return at


@dataclass(frozen=True)
class Joint:
    """Two masked places, predicted alone and one after the other; a row for each of `first`, a column for each of `second`.

    first, second: ids, the likeliest at each place, and the true one after them where it is not among them. alone (A, B):
    the product of both probabilities, each with both places masked, which is all that BERT's loss knows. forward (A, B):
    first the one, then the other with the first filled in. backward (A, B): the other way round. The latter two are both
    P(first, second) by the chain rule; they differ, since no one joint distribution stands behind the answers.
    first_probabilities (A,) and second_probabilities (B,) are those with both masked.
    """

    first: list[int]
    second: list[int]
    first_probabilities: Tensor
    second_probabilities: Tensor
    alone: Tensor
    forward: Tensor
    backward: Tensor


def joint(
    model: Transformer, ids: Tensor, segments: Tensor, places: tuple[int, int], mask: int, n_likeliest: int
) -> Joint:
    """The two `places` of ids (T,), whose true tokens stand there; everything else is read as it is."""
    one, other = places
    masked = ids.clone()
    masked[[one, other]] = mask
    marginal = log_probabilities(model, masked.expand(2, -1), segments, places)  # (2, V)
    first = _likeliest(marginal[0], int(ids[one]), n_likeliest)
    second = _likeliest(marginal[1], int(ids[other]), n_likeliest)
    p_first, p_second = marginal[0, first], marginal[1, second]  # (A,), (B,)
    after_first = log_probabilities(model, _filled(masked, one, first), segments, [other] * len(first))[:, second]
    after_second = log_probabilities(model, _filled(masked, other, second), segments, [one] * len(second))[:, first]
    return Joint(
        first,
        second,
        p_first.exp(),
        p_second.exp(),
        alone=(p_first[:, None] + p_second).exp(),
        forward=(p_first[:, None] + after_first).exp(),
        backward=(p_second + after_second.T).exp(),
    )


def _likeliest(log_probs: Tensor, true_id: int, count: int) -> list[int]:
    ids = log_probs.topk(min(count, len(log_probs))).indices.tolist()
    return ids if true_id in ids else [*ids, true_id]


def _filled(ids: Tensor, place: int, fillings: Sequence[int]) -> Tensor:
    """Copies of ids (T,) with each of `fillings` at `place`: (N, T)."""
    rows = ids.repeat(len(fillings), 1)
    rows[:, place] = torch.tensor(fillings)
    return rows


@dataclass(frozen=True)
class Looks:
    """One place under three looks: the true token seen, [MASK], and a random token; all other tokens are seen.

    log_probs (3, V) at the place. cosines (2, L + 1): how alike the vector at the place is, masked or random, to that when
    seen, as each layer reads it and as the last one leaves it. others: the same for the other places, at the end, on
    average: (2,).
    """

    log_probs: Tensor
    cosines: Tensor
    others: Tensor


@torch.inference_mode()
def looks(
    model: Transformer, ids: Tensor, segments: Tensor, places: Sequence[int], mask: int, drawn: Sequence[int]
) -> list[Looks]:
    """Each of `places` of ids (T,), which ascend, with its true token, with `mask` and with its token of `drawn`."""
    at = torch.zeros(1, len(ids), dtype=torch.bool)
    at[0, list(places)] = True
    seen, seen_vectors = _answers_and_vectors(model, ids[None], segments, at)  # (N, V), (L + 1, 1, T, D)
    log_probs, alike = [], []
    rows = torch.cat(
        [_filled(ids, place, [mask, token]) for place, token in zip(places, drawn, strict=True)]
    )  # (2N, T)
    at = _one_each(rows, [place for place in places for _ in range(2)])
    for some, here in zip(rows.split(ROWS_AT_ONCE), at.split(ROWS_AT_ONCE), strict=True):
        answers, vectors = _answers_and_vectors(model, some, segments, here)
        log_probs.append(answers)
        alike.append(F.cosine_similarity(seen_vectors, vectors, dim=-1))  # (L + 1, rows, T)
    pairs = torch.cat(log_probs).unflatten(0, (-1, 2))  # (N, 2, V)
    cosines = torch.cat(alike, dim=1).unflatten(1, (-1, 2))  # (L + 1, N, 2, T)
    return [
        Looks(
            torch.cat((seen[index, None], pairs[index])),
            cosines[:, index, :, place].T,
            _mean_elsewhere(cosines[-1, index], place),
        )
        for index, place in enumerate(places)
    ]


def _answers_and_vectors(model: Transformer, rows: Tensor, segments: Tensor, at: Tensor) -> tuple[Tensor, Tensor]:
    """`_answers`, and what each layer reads and the last one leaves: (L + 1, N, T, D)."""
    with capture("layers.*.resid_pre", "final_norm") as trace:
        answers = _answers(model, rows, segments, at)
    read = [trace[f"layers.{index}.resid_pre"] for index in range(model.config.n_layers)]
    return answers, torch.stack([*read, trace["final_norm"]]).float()


def _mean_elsewhere(alike: Tensor, place: int) -> Tensor:
    """The mean of alike (2, T) over all places but one: (2,); of none it is 1."""
    others = torch.cat((alike[:, :place], alike[:, place + 1 :]), dim=1)
    return others.mean(-1) if others.numel() else torch.ones(2)
