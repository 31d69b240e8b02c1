"""Routers: which experts a token goes to, and how much each of them counts.

All return a `Routing`; the experts do not know which router chose them. Scores are computed in fp32 whatever the model's
number format, since a rounding error can change the choice (Fedus et al. 2021, arXiv:2101.03961, section 2.4). Padding is
routed like any token, as `transformers` does in every family.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.config_groups import MixtureOfExperts

SMALLEST_SUM = 1e-20  # where all of a token's weights vanish, they stay 0 instead of becoming 0 / 0


@dataclass(frozen=True, slots=True)
class Routing:
    """Where the tokens of one layer go.

    weights (B, T, k) fp32: how much each chosen expert's output counts; expert_ids (B, T, k), the best first, -1 where an
    expert was full and the token gets nothing (its weight is 0); probs (B, T, E): every expert's score before the choice;
    logits (B, T, E): what the scores are made of; chances (B, T, E): how likely another draw of the noise would choose
    each expert, where there is noise. is_token (B, T), here and there, is False at padding, which is left out.
    """

    weights: Tensor
    expert_ids: Tensor
    probs: Tensor
    logits: Tensor
    chances: Tensor | None = None

    def importance(self, is_token: Tensor | None = None) -> Tensor:
        """The weights that each expert has in each sequence, summed over its tokens: (B, E)."""
        return self.per_expert(self.weights, self.expert_ids, is_token)

    def counts(self, is_token: Tensor | None = None) -> Tensor:
        """How many tokens of the batch each expert got, (E,): what `SigmoidRouter.update_selection_bias` takes."""
        return self.per_expert((self.expert_ids >= 0).to(self.probs.dtype), self.expert_ids, is_token).sum(0)

    def per_expert(self, values: Tensor, expert_ids: Tensor, is_token: Tensor | None = None) -> Tensor:
        """values (B, T, k) added up under the expert that each belongs to: (B, E)."""
        values = (values * self.token_weights(is_token)).flatten(1)
        empty = values.new_zeros(self.probs.shape[0], self.probs.shape[-1])
        return empty.scatter_add(1, expert_ids.clamp(min=0).flatten(1), values)

    def token_weights(self, is_token: Tensor | None = None) -> Tensor:
        """1 at tokens, 0 at padding, (B, T, 1)."""
        like = self.probs[..., :1]
        return torch.ones_like(like) if is_token is None else is_token[..., None].to(like.dtype).expand_as(like)


def scores(x: Tensor, weight: Tensor) -> Tensor:
    """x (B, T, D) by weight (E, D) gives (B, T, E), in fp32 also where autocast multiplies in another format."""
    with nullcontext() if x.is_meta else torch.autocast(x.device.type, enabled=False):  # meta tensors know no autocast
        return F.linear(x.float(), weight.float())


def _untouched(value: Tensor) -> Tensor:
    return value


class Router(nn.Module, ABC):
    """One score for each expert, linear in the token; `choose` makes the choice. Maps x (B, T, D) to a `Routing`.

    `jitter` multiplies what the router reads by noise from [1 − jitter, 1 + jitter], in training only (Switch, section
    2.4). `tap` is shown the logits, and may replace them.
    """

    def __init__(self, d_model: int, n_experts: int, n_experts_per_token: int, jitter: float = 0.0):
        super().__init__()
        self.n_experts, self.n_experts_per_token, self.jitter = n_experts, n_experts_per_token, jitter
        self.weight = nn.Parameter(torch.empty(n_experts, d_model))

    def forward(self, x: Tensor, tap: Callable[[Tensor], Tensor] = _untouched) -> Routing:
        return self.choose(tap(scores(self._read(x), self.weight)))

    @abstractmethod
    def choose(self, logits: Tensor) -> Routing:
        """The routing that logits (B, T, E) lead to."""

    def _read(self, x: Tensor) -> Tensor:
        x = x.float()
        if self.training and self.jitter > 0:
            x = x * torch.empty_like(x).uniform_(1 - self.jitter, 1 + self.jitter)
        return x


class TopKRouter(Router):
    """Scores all experts, keeps the k best: what `SoftmaxRouter` and `SigmoidRouter` share.

    normalise: a token's weights are divided by their sum; weight_scale multiplies them after. With `n_groups`, experts
    are chosen from the n_groups_per_token best groups only; a group counts by its best expert ("max") or by the sum of
    its two best ("top2").
    """

    outside_groups: float
    """The score of experts whose group is not among the best."""

    def __init__(
        self,
        d_model: int,
        n_experts: int,
        n_experts_per_token: int,
        normalise: bool = True,
        weight_scale: float = 1.0,
        n_groups: int | None = None,
        n_groups_per_token: int | None = None,
        group_score: str = "max",
        jitter: float = 0.0,
    ):
        super().__init__(d_model, n_experts, n_experts_per_token, jitter)
        self.normalise, self.weight_scale = normalise, weight_scale
        self.n_groups, self.n_groups_per_token, self.group_score = n_groups, n_groups_per_token, group_score

    def choose(self, logits: Tensor) -> Routing:
        probs = self.score(logits)
        expert_ids = self._within_groups(self.preference(probs)).topk(self.n_experts_per_token, dim=-1).indices
        weights = probs.gather(-1, expert_ids)
        if self.normalise:
            weights = weights / (weights.sum(-1, keepdim=True) + SMALLEST_SUM)
        if self.weight_scale != 1.0:
            weights = weights * self.weight_scale
        return Routing(weights, expert_ids, probs, logits)

    @abstractmethod
    def score(self, logits: Tensor) -> Tensor:
        """Each expert's score, (B, T, E)."""

    def preference(self, probs: Tensor) -> Tensor:
        """What the choice goes by, (B, T, E)."""
        return probs

    def _within_groups(self, scores: Tensor) -> Tensor:
        if self.n_groups is None:
            return scores
        grouped = scores.unflatten(-1, (self.n_groups, -1))  # (B, T, groups, E / groups)
        counted = 1 if self.group_score == "max" else 2
        best = grouped.topk(counted, dim=-1).values.sum(-1).topk(self.n_groups_per_token, dim=-1).indices
        outside = torch.ones_like(grouped[..., 0], dtype=torch.bool).scatter(-1, best, 0)  # (B, T, groups)
        return grouped.masked_fill(outside[..., None], self.outside_groups).flatten(-2)  # (B, T, E)


class SoftmaxRouter(TopKRouter):
    """Softmax over all experts, then the k best (Mixtral, arXiv:2401.04088, section 2.1; Qwen3).

    Mixtral's softmax over the best logits is the same, normalised. DeepSeek-V2 (arXiv:2405.04434, section 2.2.2) limits
    the groups, does not normalise, and scales.
    """

    outside_groups = 0.0

    def score(self, logits: Tensor) -> Tensor:
        return logits.softmax(-1)


class SigmoidRouter(TopKRouter):
    """Each expert's sigmoid on its own, then the k best (DeepSeek-V3, arXiv:2412.19437, section 2.1.2).

    With `bias_update_rate`, a bias on each expert takes part in the choice but not in the weights; instead of a loss,
    `update_selection_bias` moves it against the load after each step (Wang et al. 2024, arXiv:2408.15664). It has no
    gradient and stays fp32.
    """

    outside_groups = float("-inf")

    def __init__(self, *args, bias_update_rate: float | None = None, **kwargs):
        super().__init__(*args, **kwargs)
        self.bias_update_rate = bias_update_rate
        self.selection_bias: Tensor | None
        bias = None if bias_update_rate is None else torch.zeros(self.n_experts, dtype=torch.float32)
        self.register_buffer("selection_bias", bias)

    def score(self, logits: Tensor) -> Tensor:
        return logits.sigmoid()

    def preference(self, probs: Tensor) -> Tensor:
        return probs if self.selection_bias is None else probs + self.selection_bias

    @torch.no_grad()
    def update_selection_bias(self, counts: Tensor) -> None:
        """Lower the bias of experts with more than the mean of `counts` (E,), tokens of one step; raise the others'."""
        counts = counts.float()
        self.selection_bias += self.bias_update_rate * (counts.mean() - counts).sign()

    def _apply(self, fn, recurse=True):
        # The steps are a thousandth of the scores: in bf16 they would be rounded away.
        exact = self.selection_bias
        super()._apply(fn, recurse)
        if exact is not None and self.selection_bias.dtype != exact.dtype:
            self.selection_bias = exact.to(self.selection_bias.device)
        return self


class TopKSoftmaxRouter(Router):
    """The k best logits, then softmax over those alone (Shazeer et al. 2017, arXiv:1701.06538, section 2.1, equation 3).

    `probs` is the softmax over all experts, which ranks them alike.
    """

    def __init__(
        self, d_model: int, n_experts: int, n_experts_per_token: int, weight_scale: float = 1.0, jitter: float = 0.0
    ):
        super().__init__(d_model, n_experts, n_experts_per_token, jitter)
        self.weight_scale = weight_scale

    def choose(self, logits: Tensor) -> Routing:
        best, expert_ids = logits.topk(self.n_experts_per_token, dim=-1)
        return Routing(best.softmax(-1) * self.weight_scale, expert_ids, logits.softmax(-1), logits)


class NoisyTopKRouter(TopKSoftmaxRouter):
    """`TopKSoftmaxRouter` on logits with normal noise of trained size, in training (Shazeer et al. 2017, equation 4)."""

    def __init__(self, d_model: int, n_experts: int, n_experts_per_token: int, **options):
        super().__init__(d_model, n_experts, n_experts_per_token, **options)
        self.noise_weight = nn.Parameter(torch.empty(n_experts, d_model))

    def forward(self, x: Tensor, tap: Callable[[Tensor], Tensor] = _untouched) -> Routing:
        if not self.training:
            return super().forward(x, tap)
        x = self._read(x)
        clean = scores(x, self.weight)
        size = F.softplus(scores(x, self.noise_weight))  # (B, T, E)
        routing = self.choose(tap(clean + torch.randn_like(clean) * size))
        chances = self._chances(clean, size, routing.logits)
        return replace(routing, chances=chances)

    def _chances(self, clean: Tensor, size: Tensor, noisy: Tensor) -> Tensor:
        """P(x, i) of appendix A: that expert i is among the best if its noise alone is drawn again."""
        k = self.n_experts_per_token
        if k == self.n_experts:
            return torch.ones_like(clean)
        best = noisy.topk(k + 1, dim=-1).values
        last_in, first_out = best[..., k - 1 : k], best[..., k:]  # (B, T, 1)
        to_beat = torch.where(noisy >= last_in, first_out, last_in)  # (B, T, E): the k-th best of the others
        return torch.special.ndtr((clean - to_beat) / size)


class SwitchRouter(Router):
    """The single best expert, weighted by its probability (Fedus et al. 2021, arXiv:2101.03961, section 2.1).

    An expert takes the first `capacity` tokens of each sequence that choose it; the others get nothing from this layer.
    A pass counts on its own: with a cache, tokens of earlier passes are not counted. Padding takes up room.
    """

    def __init__(self, d_model: int, n_experts: int, capacity: int | None = None, jitter: float = 0.0):
        super().__init__(d_model, n_experts, 1, jitter)
        self.capacity = capacity

    def choose(self, logits: Tensor) -> Routing:
        probs = logits.softmax(-1)
        weights, expert_ids = probs.max(-1, keepdim=True)  # (B, T, 1)
        if self.capacity is not None and logits.shape[1] > self.capacity:
            place = F.one_hot(expert_ids[..., 0], self.n_experts).cumsum(1).gather(-1, expert_ids)  # 1 is the first
            overflows = place > self.capacity
            weights, expert_ids = weights.masked_fill(overflows, 0.0), expert_ids.masked_fill(overflows, -1)
        return Routing(weights, expert_ids, probs, logits)


class DenseRouter(Router):
    """All experts, weighted by softmax (Jacobs et al. 1991, Adaptive Mixtures of Local Experts; LoRAMoE)."""

    def __init__(self, d_model: int, n_experts: int, weight_scale: float = 1.0, jitter: float = 0.0):
        super().__init__(d_model, n_experts, n_experts, jitter)
        self.weight_scale = weight_scale

    def choose(self, logits: Tensor) -> Routing:
        probs = logits.softmax(-1)
        expert_ids = torch.arange(self.n_experts, device=logits.device).expand(logits.shape)
        return Routing(probs * self.weight_scale, expert_ids, probs, logits)


def _top_k(kind: type[TopKRouter], d_model: int, moe: MixtureOfExperts, **options) -> TopKRouter:
    return kind(
        d_model,
        moe.n_experts,
        moe.n_experts_per_token,
        normalise=moe.normalise_weights,
        weight_scale=moe.weight_scale,
        n_groups=moe.n_groups,
        n_groups_per_token=moe.n_groups_per_token,
        group_score=moe.group_score,
        jitter=moe.jitter,
        **options,
    )


def _best_then_softmax(kind: type[TopKSoftmaxRouter], d_model: int, moe: MixtureOfExperts) -> TopKSoftmaxRouter:
    return kind(d_model, moe.n_experts, moe.n_experts_per_token, weight_scale=moe.weight_scale, jitter=moe.jitter)


ROUTERS: dict[str, Callable[[int, MixtureOfExperts], Router]] = {
    "softmax_topk": lambda d_model, moe: _top_k(SoftmaxRouter, d_model, moe),
    "topk_softmax": lambda d_model, moe: _best_then_softmax(TopKSoftmaxRouter, d_model, moe),
    "noisy_topk": lambda d_model, moe: _best_then_softmax(NoisyTopKRouter, d_model, moe),
    "switch": lambda d_model, moe: SwitchRouter(d_model, moe.n_experts, moe.capacity, moe.jitter),
    "sigmoid": lambda d_model, moe: _top_k(SigmoidRouter, d_model, moe, bias_update_rate=moe.bias_update_rate),
    "dense": lambda d_model, moe: DenseRouter(d_model, moe.n_experts, moe.weight_scale, moe.jitter),
}
