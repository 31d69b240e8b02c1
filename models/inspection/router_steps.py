"""A router's choice one step at a time: from logits to weights, for one sequence, with every value between.

The parts compute the same in one go (`models/parts/routers.py`); a test holds the two equal. Settings that a model does
not have (another k, a capacity, noise, a bias) can be put in, to ask what would change.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models.config_groups import MixtureOfExperts
from models.parts.routers import SMALLEST_SUM

BEST_FIRST = ("topk_softmax", "noisy_topk")  # the choice goes by the logits, and softmax follows it


@dataclass(frozen=True, kw_only=True)
class RouterRule:
    """How a router gets from logits to weights; the fields are those of `MixtureOfExperts`, but `chosen` may be any number
    up to n_experts, and `capacity` goes with any router."""

    router: str
    n_experts: int
    chosen: int
    normalise: bool = False
    weight_scale: float = 1.0
    n_groups: int | None = None
    n_groups_per_token: int | None = None
    group_score: str = "max"
    capacity: int | None = None

    @classmethod
    def of(cls, moe: MixtureOfExperts, chosen: int | None = None, capacity: int | None = None) -> "RouterRule":
        """The rule of a configuration; `chosen` and `capacity` take the place of its own."""
        return cls(
            router=moe.router,
            n_experts=moe.n_experts,
            chosen=moe.n_experts_per_token if chosen is None else chosen,
            normalise=moe.normalise_weights and moe.router in ("softmax_topk", "sigmoid"),
            weight_scale=moe.weight_scale,
            n_groups=moe.n_groups,
            n_groups_per_token=moe.n_groups_per_token,
            group_score=moe.group_score,
            capacity=moe.capacity if capacity is None else capacity,
        )


@dataclass(frozen=True)
class RouterSteps:
    """Every stage for T tokens and E experts.

    noisy (T, E): the logits with the noise; scores (T, E): their softmax or sigmoid; preference (T, E): what the choice
    goes by; limited (T, E): the same, −inf outside the best groups; expert_ids (T, k): the best, best first; raw (T, k):
    their weights before they are divided by their sum and scaled; weights (T, k); taken_ids (T, k) and taken_weights
    (T, k): the same, −1 and 0 where an expert was full.
    """

    noisy: Tensor
    scores: Tensor
    preference: Tensor
    limited: Tensor
    expert_ids: Tensor
    raw: Tensor
    weights: Tensor
    taken_ids: Tensor
    taken_weights: Tensor


def router_steps(
    logits: Tensor, rule: RouterRule, bias: Tensor | None = None, noise: Tensor | None = None
) -> RouterSteps:
    """The stages from logits (T, E); `bias` (E,) is added to what the choice goes by, `noise` (T, E) to the logits."""
    noisy = logits if noise is None else (logits.double() + noise.double()).float()
    scores = noisy.sigmoid() if rule.router == "sigmoid" else noisy.softmax(-1)
    preference = noisy if rule.router in BEST_FIRST else scores
    if bias is not None:
        preference = preference + bias
    limited = _within_groups(preference, rule)
    expert_ids = limited.topk(min(rule.chosen, rule.n_experts), dim=-1).indices  # (T, k)
    if rule.router == "dense" and rule.chosen >= rule.n_experts:
        expert_ids = torch.arange(rule.n_experts).expand(scores.shape)
    best_first = rule.router in BEST_FIRST
    raw = noisy.gather(-1, expert_ids).softmax(-1) if best_first else scores.gather(-1, expert_ids)
    weights = raw / (raw.sum(-1, keepdim=True) + SMALLEST_SUM) if rule.normalise else raw
    weights = weights * rule.weight_scale
    taken_ids, taken_weights = _within_capacity(expert_ids, weights, rule)
    return RouterSteps(noisy, scores, preference, limited, expert_ids, raw, weights, taken_ids, taken_weights)


def _within_groups(preference: Tensor, rule: RouterRule) -> Tensor:
    if rule.n_groups is None:
        return preference
    grouped = preference.unflatten(-1, (rule.n_groups, -1))  # (T, groups, E / groups)
    counted = 1 if rule.group_score == "max" else 2
    best = grouped.topk(counted, dim=-1).values.sum(-1).topk(rule.n_groups_per_token, dim=-1).indices
    outside = torch.ones_like(grouped[..., 0], dtype=torch.bool).scatter(-1, best, False)  # (T, groups)
    return grouped.masked_fill(outside[..., None], float("-inf")).flatten(-2)  # (T, E)


def _within_capacity(expert_ids: Tensor, weights: Tensor, rule: RouterRule) -> tuple[Tensor, Tensor]:
    """An expert takes its first `capacity` choices, in the order of the tokens and, within one, of its choices."""
    if rule.capacity is None:
        return expert_ids, weights
    flat = expert_ids.flatten()  # (T·k,)
    place = F.one_hot(flat, rule.n_experts).cumsum(0).gather(-1, flat[:, None])[:, 0]  # 1 is the first
    overflows = (place > rule.capacity).view_as(expert_ids)
    return expert_ids.masked_fill(overflows, -1), weights.masked_fill(overflows, 0.0)


def normal_numbers(seed: int, layer: int, n_tokens: int, n_experts: int) -> np.ndarray:
    """Standard normal numbers (T, E), each from the seed and its place alone, so that a page can draw the same ones.

    Two hashes of 32 bits (Wellons, "lowbias32") become a normal number by Box and Muller's transformation.
    """
    places = np.arange(2 * n_tokens * n_experts, dtype=np.uint32)
    start = _hashed(_hashed(np.array([seed], np.uint32)) + np.uint32(layer))
    drawn = (_hashed(places + start).astype(np.float64) + 0.5) / 2**32
    first, second = drawn[0::2], drawn[1::2]
    return (np.sqrt(-2 * np.log(first)) * np.cos(2 * np.pi * second)).reshape(n_tokens, n_experts)


def _hashed(values: np.ndarray) -> np.ndarray:
    values = values ^ (values >> np.uint32(16))
    values = values * np.uint32(0x7FEB352D)
    values = values ^ (values >> np.uint32(15))
    values = values * np.uint32(0x846CA68B)
    return values ^ (values >> np.uint32(16))


def spread(logits: Tensor) -> float:
    """The standard deviation of a layer's logits (T, E) around each token's mean: the measure of added noise."""
    return float((logits - logits.mean(-1, keepdim=True)).square().mean().sqrt())


def bias_step(bias: Tensor, counts: Sequence[int], rate: float) -> Tensor:
    """One step of balance by a bias (Wang et al. 2024, arXiv:2408.15664, algorithm 1): experts with more tokens than the
    mean of `counts` (E,) lose `rate`, the others gain it."""
    load = torch.as_tensor(counts, dtype=torch.float32)
    return bias + rate * (load.mean() - load).sign()
