"""Who may look at whom: predicates over (query position, key position), and what a pass makes of them.

A predicate takes two integer tensors that broadcast against each other and answers True where a query may look at a key.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from models.config import LayerConfig

Predicate = Callable[[Tensor, Tensor], Tensor]


def causal() -> Predicate:
    """A token looks at itself and at what came before (GPT)."""
    return lambda q_pos, k_pos: k_pos <= q_pos


def sliding(window: int) -> Predicate:
    """A token looks at itself and at the `window - 1` tokens before (Mistral, arXiv:2310.06825, section 2)."""
    return lambda q_pos, k_pos: (k_pos <= q_pos) & (k_pos > q_pos - window)


@dataclass(frozen=True)
class Mask:
    """A mask of the catalogue: its predicate for a layer, and up to how many tokens in all it is the causal one.

    Within that length attention takes its shortcuts; 0 is a mask that has none.
    """

    predicate: Callable[[LayerConfig], Predicate]
    causal_up_to: Callable[[LayerConfig], float]


MASKS: dict[str, Mask] = {
    "causal": Mask(lambda layer: causal(), lambda layer: math.inf),
    "sliding": Mask(lambda layer: sliding(layer.window), lambda layer: layer.window),
}


@dataclass(frozen=True)
class Visibility:
    """What the queries of one pass may see, in the form that attention takes it.

    `mask` is None, boolean (True = may look) or float (added to the scores), and broadcasts to (B, H, T, S). With
    `is_causal`, and `mask` None, each of the T = S tokens looks at itself and before.
    """

    mask: Tensor | None = None
    is_causal: bool = False

    def apply(self, scores: Tensor) -> Tensor:
        """`scores` (B, H, T, S) with the bias added and what may not be seen at -inf."""
        if self.is_causal:
            n_tokens = scores.shape[-1]
            hidden = torch.ones(n_tokens, n_tokens, dtype=torch.bool, device=scores.device).triu(1)
            return scores.masked_fill(hidden, float("-inf"))
        if self.mask is None:
            return scores
        if self.mask.dtype == torch.bool:
            return scores.masked_fill(~self.mask, float("-inf"))
        return scores + self.mask


def visibility(
    layer: LayerConfig, n_past: int, n_new: int, attention_mask: Tensor | None, bias: Tensor | None, device: torch.device
) -> Visibility:
    """What `n_new` tokens after `n_past` cached ones see in a layer.

    attention_mask: (B, S) with 1 = token and 0 = padding; or (B, 1, T, S), boolean or float, which replaces the layer's
    own mask; bias: (H, T, S), added to the scores. S = n_past + n_new.
    """
    if attention_mask is not None and attention_mask.dim() == 4:
        return Visibility(_with_bias(attention_mask, bias))
    mask = MASKS[layer.mask]
    if attention_mask is None and bias is None and n_past + n_new <= mask.causal_up_to(layer):
        if n_new == 1:
            return Visibility()
        if n_past == 0:
            return Visibility(is_causal=True)
    q_pos = torch.arange(n_past, n_past + n_new, device=device)[:, None]  # (T, 1)
    k_pos = torch.arange(n_past + n_new, device=device)[None, :]  # (1, S)
    allowed = mask.predicate(layer)(q_pos, k_pos)  # (T, S)
    if attention_mask is not None:
        is_token = attention_mask.to(torch.bool)[:, None, None, :]  # (B, 1, 1, S)
        # A padding query sees itself, so that its softmax has something to sum over.
        allowed = (allowed & is_token) | (q_pos == k_pos)  # (B, 1, T, S)
    return Visibility(_with_bias(allowed, bias))


def _with_bias(mask: Tensor, bias: Tensor | None) -> Tensor:
    if bias is None:
        return mask
    if mask.dtype == torch.bool:
        return torch.where(mask, bias, float("-inf"))
    return mask + bias
