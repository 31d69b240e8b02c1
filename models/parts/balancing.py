"""What keeps experts evenly used: losses for training, from the routings of the sparse layers of one stack.

None is multiplied by a coefficient yet. is_token (B, T) is False at padding, which counts for nothing but in
Switch: there it takes up room, and `transformers` counts it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from models.config_groups import MixtureOfExperts
from models.parts.routers import Routing


@dataclass(frozen=True, slots=True)
class RouterLosses:
    """What the routers of one stack ask for, scalars: `balance` goes with aux_loss_coef, `z` with z_loss_coef.

    `balance_by_layer` is the balance loss of each layer alone, summed. Where `balance` counts all layers together, one
    layer's neglected expert may be made up for by another's overused one; training asks every layer.
    """

    balance: Tensor
    balance_by_layer: Tensor
    z: Tensor


def router_losses(routings: Sequence[Routing], moe: MixtureOfExperts, is_token: Tensor | None = None) -> RouterLosses:
    """The losses of one stack whose sparse layers (at least one) routed as `routings` say."""
    if moe.router == "switch":
        is_token = None
    loss = BALANCE_LOSSES[moe.router]
    by_layer = torch.stack([loss([routing], is_token) for routing in routings]).sum()
    return RouterLosses(loss(routings, is_token), by_layer, z_loss(routings, is_token))


def z_loss(routings: Sequence[Routing], is_token: Tensor | None = None) -> Tensor:
    """Mean over tokens and layers of logsumexp(logits)², which keeps logits small (ST-MoE, arXiv:2202.08906, equation 5)."""
    weight = routings[0].token_weights(is_token)
    total = sum((routing.logits.logsumexp(-1, keepdim=True).square() * weight).sum() for routing in routings)
    return total / (weight.sum() * len(routings))


def load_balancing_loss(routings: Sequence[Routing], is_token: Tensor | None = None) -> Tensor:
    """E · Σ_e f_e P_e over the tokens of all layers together, as `transformers` computes it for Mixtral and Qwen3-MoE.

    f_e: how many of a token's k best choices are expert e, on average; P_e: its mean probability. k if balanced. The loss
    of Switch (arXiv:2101.03961, equations 4 to 6) for k experts a token.
    """
    chosen, probs, n_tokens = _sums(routings, is_token)
    share, probability = chosen.sum(0) / n_tokens.sum(), probs.sum(0) / n_tokens.sum()  # (E,)
    return chosen.shape[-1] * (share * probability).sum()


def switch_loss(routings: Sequence[Routing], is_token: Tensor | None = None) -> Tensor:
    """The mean over sequences of E · Σ_e f_e P_e, each over the tokens of all layers (arXiv:2101.03961, equation 4).

    f counts what the router would choose if no expert were ever full. 1 if balanced.
    """
    chosen, probs, n_tokens = _sums(routings, is_token)
    return chosen.shape[-1] * ((chosen / n_tokens) * (probs / n_tokens)).sum(-1).mean()


def sequence_loss(routings: Sequence[Routing], is_token: Tensor | None = None) -> Tensor:
    """DeepSeek-V3's complementary loss (arXiv:2412.19437, equations 17 to 20), summed over layers, mean over sequences.

    Σ_e f_e P_e with f_e = E / (k·T) · how often e is among the k best scores, bias and groups aside, and P_e the mean of
    its score divided by the token's sum of scores. 1 a layer if balanced.
    """
    layers = []
    for routing in routings:
        weight = routing.token_weights(is_token)
        n_tokens = weight.sum(1)  # (B, 1)
        normalised = routing.probs / routing.probs.sum(-1, keepdim=True)
        probability = (normalised * weight).sum(1) / n_tokens  # (B, E)
        n_chosen, n_experts = routing.expert_ids.shape[-1], routing.probs.shape[-1]
        share = _choices(routing, is_token) * n_experts / (n_chosen * n_tokens)  # (B, E)
        layers.append((share * probability).sum(-1).mean())
    return torch.stack(layers).sum()


def importance_and_load_loss(routings: Sequence[Routing], is_token: Tensor | None = None) -> Tensor:
    """CV²(importance) + CV²(load), summed over layers (Shazeer et al. 2017, arXiv:1701.06538, section 4 and appendix A).

    An expert's importance is the sum of its weights over the batch, its load how many tokens it is expected to get under
    new noise; without noise, how many chose it. CV² is variance / mean². 0 if balanced.
    """
    layers = [importance_loss(routings, is_token)]
    for routing in routings:
        if routing.chances is None:
            load = routing.counts(is_token)
        else:
            load = (routing.chances * routing.token_weights(is_token)).sum((0, 1))  # (E,)
        layers.append(_squared_variation(load))
    return torch.stack(layers).sum()


def importance_loss(routings: Sequence[Routing], is_token: Tensor | None = None) -> Tensor:
    """CV²(importance), summed over layers (arXiv:1701.06538, section 4): all that can be uneven if everybody is chosen."""
    return torch.stack([_squared_variation(routing.importance(is_token).sum(0)) for routing in routings]).sum()


def localised_balancing_loss(importance: Tensor, sample_types: Tensor, expert_types: Tensor, delta: float) -> Tensor:
    """LoRAMoE's localised balancing constraint of one layer: σ²(Z) / μ(Z) (arXiv:2312.09979, section 3.3).

    Z = I ⊙ Q, with Q importance (B, E), as `Routing.importance` gives it, and I 1 + delta where the expert is of the
    sample's type, 1 − delta elsewhere: small where experts of one type share the samples of their type. Types are whole
    numbers, (B,) and (E,); delta from 0 to 1.
    """
    same = sample_types[:, None] == expert_types[None, :]  # (B, E)
    z = importance * torch.where(same, 1 + delta, 1 - delta)
    return z.var(correction=0) / z.mean()


def _choices(routing: Routing, is_token: Tensor | None) -> Tensor:
    """How often each expert is among a token's k best scores, (B, E)."""
    best = routing.probs.topk(routing.expert_ids.shape[-1], dim=-1).indices  # (B, T, k)
    return routing.per_expert(torch.ones_like(best, dtype=routing.probs.dtype), best, is_token)


def _sums(routings: Sequence[Routing], is_token: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Over tokens and layers: how often each expert is among the k best (B, E), its scores (B, E), the tokens (B, 1)."""
    weight = routings[0].token_weights(is_token)
    chosen = sum(_choices(routing, is_token) for routing in routings)
    probs = sum((routing.probs * weight).sum(1) for routing in routings)
    return chosen, probs, weight.sum(1) * len(routings)


def _squared_variation(value: Tensor) -> Tensor:
    return value.var(correction=0) / value.mean().square()


BALANCE_LOSSES: dict[str, Callable[[Sequence[Routing], Tensor | None], Tensor]] = {
    "softmax_topk": load_balancing_loss,
    "topk_softmax": load_balancing_loss,
    "noisy_topk": importance_and_load_loss,
    "switch": switch_loss,
    "sigmoid": sequence_loss,
    "dense": importance_loss,
}
"""What balances the experts of each router."""
