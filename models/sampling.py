"""From logits to the next token: a sequence of stages, each a pure function of scores, then a choice.

The stages run in the order penalty → temperature → top-k → top-p → min-p. A stage that excludes a token sets its score to
-inf. The playground's bars run the same stages in the browser.
"""

import torch
from torch import Tensor

from models.sampling_settings import Sampling

EXCLUDED = float("-inf")


def penalise(scores: Tensor, seen: Tensor, penalty: float) -> Tensor:
    """Scores (V,) with those of the token ids in `seen` divided by `penalty`, or multiplied where they are negative.

    Keskar et al. 2019 (arXiv:1909.05858, section 4.1) always divide, which would favour a seen token of negative score;
    the form here is that of `transformers`.
    """
    own = scores[seen]
    return scores.index_copy(0, seen, torch.where(own > 0, own / penalty, own * penalty))


def temper(scores: Tensor, temperature: float) -> Tensor:
    """Scores, relative to the highest, divided by the temperature: below 1 sharper, above 1 flatter."""
    return (scores - scores.max()) / temperature


def keep_top_k(scores: Tensor, k: int) -> Tensor:
    """Only the k highest scores, and those equal to the lowest of them (Fan et al. 2018, arXiv:1805.04833)."""
    if k >= scores.shape[-1]:
        return scores
    threshold = scores.topk(k).values[-1]
    return scores.masked_fill(scores < threshold, EXCLUDED)


def keep_top_p(scores: Tensor, p: float) -> Tensor:
    """The smallest set of most probable tokens whose probabilities sum to p or more (nucleus sampling, Holtzman et al.
    2019, arXiv:1904.09751). At least one token stays."""
    ordered, order = scores.sort(descending=True, stable=True)
    probabilities = ordered.softmax(dim=-1)
    before = probabilities.cumsum(dim=-1) - probabilities
    excluded = order[before >= p]
    if len(excluded) == len(scores):
        excluded = excluded[1:]
    return scores.index_fill(0, excluded, EXCLUDED)


def keep_min_p(scores: Tensor, p: float) -> Tensor:
    """Tokens at least p times as probable as the most probable one (Nguyen et al. 2024, arXiv:2407.01082)."""
    probabilities = scores.softmax(dim=-1)
    return scores.masked_fill(probabilities < p * probabilities.max(), EXCLUDED)


def shape(logits: Tensor, sampling: Sampling, seen: Tensor) -> Tensor:
    """The scores (V,) that are sampled from, of raw `logits` (V,) after all stages that are on.

    seen: distinct ids of prompt and text so far. With temperature 0 every token but the best is excluded.
    """
    scores = logits.float()
    if sampling.repetition_penalty != 1.0:
        scores = penalise(scores, seen, sampling.repetition_penalty)
    if sampling.temperature == 0:
        best = torch.full_like(scores, EXCLUDED)
        best[scores.argmax()] = 0.0
        return best
    scores = temper(scores, sampling.temperature)
    if sampling.top_k:
        scores = keep_top_k(scores, sampling.top_k)
    if sampling.top_p < 1.0:
        scores = keep_top_p(scores, sampling.top_p)
    if sampling.min_p > 0.0:
        scores = keep_min_p(scores, sampling.min_p)
    return scores


def choose(scores: Tensor, generator: torch.Generator) -> tuple[int, float]:
    """Draw one token from softmax(scores), scores (V,); return its id and its probability there."""
    probabilities = scores.softmax(dim=-1)
    # The inverse of the cumulative distribution at one uniform number: the same draw on every platform.
    cumulative = probabilities.double().cumsum(dim=-1)
    point = torch.rand((), generator=generator, dtype=torch.float64) * cumulative[-1]
    token_id = int(torch.searchsorted(cumulative, point, right=True).clamp(max=len(scores) - 1))
    return token_id, float(probabilities[token_id])
