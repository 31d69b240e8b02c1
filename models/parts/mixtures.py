"""Feed-forward layers of many experts: what is mixed, and the choice between such a layer and a dense one."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from models.config import LayerConfig, ModelConfig
from models.context import Context
from models.parts.experts import Experts, LowRankExperts
from models.parts.feedforward import FEEDFORWARDS
from models.parts.routers import ROUTERS, DenseRouter, Router, Routing, scores
from models.taps import Tap

Dense = Callable[[int], nn.Module]
"""Makes a dense feed-forward layer of a given width."""


class Mixture(nn.Module):
    """What mixtures share: taps, and the feed-forward layer that every token uses, where there is one.

    DeepSeekMoE's shared experts (arXiv:2401.06066, section 3.2) are one layer as wide as all of them.
    """

    def __init__(self, shared: nn.Module | None = None):
        super().__init__()
        self.shared = shared
        self.router_in, self.out = Tap("router_in"), Tap("out")

    def _finish(self, mixed: Tensor, x: Tensor) -> Tensor:
        return self.out(mixed if self.shared is None else mixed + self.shared(x))


class RoutedMixture(Mixture):
    """A mixture whose router is linear, with its taps."""

    def __init__(self, router: Router, shared: nn.Module | None = None):
        super().__init__(shared)
        self.router = router
        self.router_logits, self.router_probs = Tap("router_logits"), Tap("router_probs")
        self.expert_ids, self.expert_weights = Tap("expert_ids"), Tap("expert_weights")

    def _show(self, routing: Routing) -> Routing:
        return replace(
            routing,
            probs=self.router_probs(routing.probs),
            expert_ids=self.expert_ids(routing.expert_ids),
            weights=self.expert_weights(routing.weights),
        )

    def _route(self, x: Tensor, ctx: Context | None) -> Routing:
        """The routing of each token; handed on to the pass, for the losses."""
        routing = self._show(self.router(self.router_in(x), self.router_logits))
        if ctx is not None:
            ctx.routings.append(routing)
        return routing


class SparseFeedForward(RoutedMixture):
    """Σ weight · expert(x) over the experts that the router chose for each token (Shazeer et al. 2017, arXiv:1701.06538).

    Maps x (B, T, D) to (B, T, D); with a context, hands on the routing, from which `models.parts.balancing` computes what
    training adds to the loss.
    """

    def __init__(self, router: Router, experts: Experts, shared: nn.Module | None = None):
        super().__init__(router, shared)
        self.experts = experts

    def forward(self, x: Tensor, ctx: Context | None = None) -> Tensor:
        routing = self._route(x, ctx)
        weights = routing.weights.flatten(0, 1).to(x.dtype)  # (B·T, k)
        mixed = self.experts(x.flatten(0, 1), weights, routing.expert_ids.flatten(0, 1))  # (B·T, D)
        return self._finish(mixed.view_as(x), x)


class LowRankMixture(RoutedMixture):
    """One common layer, whose linear maps the chosen experts change by products of low rank (LoRAMoE, arXiv:2312.09979).

    `base` is the common layer, (B, T, D) → (B, T, D) through d_ff; one router serves all its maps.
    """

    def __init__(
        self,
        router: Router,
        base: nn.Module,
        d_model: int,
        d_ff: int,
        rank: int,
        alpha: float,
        shared: nn.Module | None = None,
    ):
        super().__init__(router, shared)
        self.base = base
        change = partial(LowRankExperts, router.n_experts, rank=rank, alpha=alpha)
        maps = {name: change(d_model, d_ff) for name in base.inputs}
        self.experts = nn.ModuleDict({**maps, "down_proj": change(d_ff, d_model)})

    def forward(self, x: Tensor, ctx: Context | None = None) -> Tensor:
        routing = self._route(x, ctx)
        shares, chosen = self._shares(routing, x)
        changes = [self.experts[name](x, shares, chosen) for name in self.base.inputs]
        hidden = self.base.hidden(self.base.widen(x) + torch.cat(changes, dim=-1))  # (B, T, d_ff)
        return self._finish(self.base.down_proj(hidden) + self.experts["down_proj"](hidden, shares, chosen), x)

    def _shares(self, routing: Routing, x: Tensor) -> tuple[Tensor, Tensor | slice]:
        """How much each expert counts for each token, and which experts these are: for a single token, only the chosen."""
        weights, ids = routing.weights.to(x.dtype), routing.expert_ids
        if weights[..., 0].numel() == 1 and weights.shape[-1] < self.router.n_experts:
            return weights, ids[0, 0]
        shares = weights.new_zeros(routing.probs.shape)  # (B, T, E)
        return shares.scatter_add(-1, ids.clamp(min=0), weights), slice(None)


class MergedFeedForward(RoutedMixture):
    """One expert a sequence, merged from the weights of all (SMEAR, Muqeeth et al. 2023, arXiv:2306.03745, section 3).

    The router reads the mean of the sequence's tokens, padding left out, so that each token sees all others, later ones
    too. Taps repeat the sequence's routing for each token.
    """

    def __init__(self, router: DenseRouter, experts: Experts, shared: nn.Module | None = None):
        super().__init__(router, shared)
        self.experts = experts

    def forward(self, x: Tensor, ctx: Context | None = None) -> Tensor:
        n_tokens, read = x.shape[1], self.router_in(x)
        is_token = _is_token(ctx)
        if is_token is None:
            mean = read.mean(1, keepdim=True)  # (B, 1, D)
        else:
            counted = is_token[..., None].to(x.dtype)
            mean = (read * counted).sum(1, keepdim=True) / counted.sum(1, keepdim=True).clamp(min=1)

        def show(logits: Tensor) -> Tensor:
            return self.router_logits(logits.expand(-1, n_tokens, -1))

        routing = self._show(self.router(mean, show))
        return self._finish(self.experts.merged(x, routing.weights[:, 0].to(x.dtype)), x)


class SlotRouter(nn.Module):
    """How much each token gives to each slot, and takes from it: `slots` (E·slots_per_expert, D)."""

    def __init__(self, d_model: int, n_experts: int, slots_per_expert: int):
        super().__init__()
        self.slots = nn.Parameter(torch.empty(n_experts * slots_per_expert, d_model))

    def forward(self, x: Tensor, is_token: Tensor | None) -> tuple[Tensor, Tensor]:
        """x (B, T, D) gives dispatch (B, T, slots), whose columns sum to one, and combine, whose rows do; both fp32."""
        logits = scores(x, self.slots)  # (B, T, slots)
        given = logits
        if is_token is not None:
            given = logits.masked_fill(~is_token[..., None], torch.finfo(logits.dtype).min)
        return given.softmax(1), logits.softmax(-1)


class SlotFeedForward(Mixture):
    """Soft MoE: experts work on slots, each a mean of all tokens (Puigcerver et al. 2023, arXiv:2308.00951, algorithm 1).

    Slots are weighted means over the sequence, padding left out, so that each token sees all others, later ones too.
    """

    def __init__(self, router: SlotRouter, experts: Experts, shared: nn.Module | None = None):
        super().__init__(shared)
        self.router, self.experts = router, experts
        self.dispatch, self.combine = Tap("dispatch"), Tap("combine")

    def forward(self, x: Tensor, ctx: Context | None = None) -> Tensor:
        dispatch, combine = self.router(self.router_in(x), _is_token(ctx))
        dispatch, combine = self.dispatch(dispatch).to(x.dtype), self.combine(combine).to(x.dtype)
        filled = (dispatch.mT @ x).unflatten(1, (self.experts.n_experts, -1))  # (B, E, slots_per_expert, D)
        outputs = self.experts.batched(filled.transpose(0, 1).flatten(1, 2))  # (E, B·slots_per_expert, D)
        outputs = outputs.unflatten(1, (len(x), -1)).transpose(0, 1).flatten(1, 2)  # (B, slots, D)
        return self._finish(combine @ outputs, x)


def _is_token(ctx: Context | None) -> Tensor | None:
    return None if ctx is None else ctx.is_token


def _routed(cfg: ModelConfig, dense: Dense, shared: nn.Module | None) -> Mixture:
    moe = cfg.moe
    router = ROUTERS[moe.router](cfg.d_model, moe)
    if moe.expert == "lora":
        alpha = moe.lora_rank if moe.lora_alpha is None else moe.lora_alpha
        return LowRankMixture(router, dense(cfg.d_ff), cfg.d_model, cfg.d_ff, moe.lora_rank, alpha, shared)
    return SparseFeedForward(router, _experts(cfg), shared)


def _merged(cfg: ModelConfig, dense: Dense, shared: nn.Module | None) -> Mixture:
    return MergedFeedForward(ROUTERS[cfg.moe.router](cfg.d_model, cfg.moe), _experts(cfg), shared)


def _slots(cfg: ModelConfig, dense: Dense, shared: nn.Module | None) -> Mixture:
    router = SlotRouter(cfg.d_model, cfg.moe.n_experts, cfg.moe.slots_per_expert)
    return SlotFeedForward(router, _experts(cfg), shared)


def _experts(cfg: ModelConfig) -> Experts:
    return Experts(
        cfg.moe.n_experts,
        cfg.d_model,
        cfg.moe.d_expert,
        is_gated=cfg.ffn == "gated",
        activation=cfg.activation,
        bias="ffn" in cfg.biases,
    )


MIXTURES: dict[str, Callable[[ModelConfig, Dense, nn.Module | None], Mixture]] = {
    "routed": _routed,
    "merged": _merged,
    "slots": _slots,
}


def feed_forward(cfg: ModelConfig, layer: LayerConfig) -> nn.Module:
    """The feed-forward part of one layer, dense or of experts: maps (x (B, T, D), ctx) to (B, T, D)."""
    kind = FEEDFORWARDS[cfg.ffn]

    def dense(width: int) -> nn.Module:
        return kind(cfg.d_model, width, cfg.activation, bias="ffn" in cfg.biases)

    if not layer.sparse:
        return dense(cfg.d_ff)
    moe = cfg.moe
    shared = dense(moe.n_shared_experts * moe.d_expert) if moe.n_shared_experts else None
    return MIXTURES[moe.mixing](cfg, dense, shared)
