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
    found = []
    for start in range(0, len(rows), ROWS_AT_ONCE):
        some = rows[start : start + ROWS_AT_ONCE]
        out = model(some, token_type_ids=segments.expand_as(some) if model.segment_embed is not None else None)
        at = torch.tensor(places[start : start + ROWS_AT_ONCE])
        found.append(F.log_softmax(out.logits[torch.arange(len(some)), at].float(), dim=-1))
    return torch.cat(found)


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
def looks(model: Transformer, ids: Tensor, segments: Tensor, place: int, mask: int, drawn: int) -> Looks:
    """The place of ids (T,) with its true token, with `mask` and with the token `drawn`."""
    rows = _filled(ids, place, [int(ids[place]), mask, drawn])
    with capture("layers.*.resid_pre", "final_norm") as trace:
        out = model(rows, token_type_ids=segments.expand_as(rows) if model.segment_embed is not None else None)
    vectors = [trace[f"layers.{index}.resid_pre"] for index in range(model.config.n_layers)] + [trace["final_norm"]]
    alike = torch.stack([F.cosine_similarity(v[:1].float(), v[1:].float(), dim=-1) for v in vectors])  # (L + 1, 2, T)
    elsewhere = torch.arange(len(ids)) != place
    others = alike[-1][:, elsewhere].mean(-1) if bool(elsewhere.any()) else torch.ones(2)
    return Looks(F.log_softmax(out.logits[:, place].float(), dim=-1), alike[:, :, place].T, others)
