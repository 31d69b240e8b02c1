"""softmax(q·kᵀ · scale + bias) · v, computed fused, or explicitly when someone is looking (Vaswani et al. 2017, eq. 1)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from models.blockwise import causal_attention
from models.parts.masks import Visibility
from models.taps import Tap


def attend(
    q: Tensor, k: Tensor, v: Tensor, visibility: Visibility, scale: float, scores_tap: Tap, probs_tap: Tap
) -> Tensor:
    """q (B, H, T, d_head) and k, v (B, K, S, d_head), with K dividing H, give (B, H, T, d_head).

    Query head h reads key-value head ⌊h·K/H⌋. The fused pass never holds the (T, S) probabilities; the explicit one is
    taken only when a tap asks for them. A query that may see nothing, as at padding before the text, reads nothing: zeros.
    """
    if scores_tap.watched or probs_tap.watched:
        return _explicit(q, k, v, visibility, scale, scores_tap, probs_tap)
    n_heads, n_new, n_groups = q.shape[1], q.shape[2], k.shape[1]
    is_grouped = bool(n_groups < n_heads)  # while a pass is being recorded, sizes are tensors
    if is_grouped and n_new == 1 and visibility.mask is None:
        # One new token that sees everything: the query heads of a group are as good as rows of one head,
        # and the group's keys need no copies.
        rows = q.reshape(q.shape[0], n_groups, n_heads // n_groups, q.shape[3])  # (B, K, H/K, d_head)
        return F.scaled_dot_product_attention(rows, k, v, scale=scale).reshape(q.shape)
    if n_new == 1 and q.dtype == torch.bfloat16 and q.device.type == "cpu" and not q.requires_grad:
        # With a single row a head, the fused kernel's bf16 products are several times as slow as its fp32 ones.
        return _fused(q.float(), k.float(), v.float(), visibility, scale).to(q.dtype)
    if q.requires_grad and torch.is_autocast_enabled("cpu"):
        if visibility.is_causal and visibility.mask is None:
            with torch.autocast("cpu", enabled=False):
                half = torch.get_autocast_dtype("cpu")
                return causal_attention(q.to(half), k.to(half), v.to(half), scale)
        # The fused kernel's way back takes a processor twice as long in bf16 as in fp32.
        with torch.autocast("cpu", enabled=False):
            return _fused(q.float(), k.float(), v.float(), visibility, scale)
    return _fused(q, k, v, visibility, scale)


def _fused(q: Tensor, k: Tensor, v: Tensor, visibility: Visibility, scale: float) -> Tensor:
    mask = visibility.mask
    if mask is not None:
        mask = mask.to(q.dtype) if mask.is_floating_point() else mask
        mask = mask[None] if mask.dim() == 3 else mask  # with (H, T, S) the fused kernel is not taken
    return F.scaled_dot_product_attention(
        q,
        k,
        v,
        attn_mask=mask,
        is_causal=visibility.is_causal,
        scale=scale,
        enable_gqa=bool(k.shape[1] < q.shape[1]),
    )


def _explicit(
    q: Tensor, k: Tensor, v: Tensor, visibility: Visibility, scale: float, scores_tap: Tap, probs_tap: Tap
) -> Tensor:
    repeats = q.shape[1] // k.shape[1]
    k = k.repeat_interleave(repeats, dim=1)  # (B, H, S, d_head)
    v = v.repeat_interleave(repeats, dim=1)  # (B, H, S, d_head)
    scores = q @ k.transpose(-2, -1) * scale  # (B, H, T, S)
    scores = scores_tap(visibility.apply(scores))
    probs = probs_tap(probabilities(scores))  # (B, H, T, S)
    return probs @ v


def probabilities(scores: Tensor) -> Tensor:
    """softmax over the keys of scores (…, T, S); a row that may see nothing, all -inf, is 0, as in the fused pass."""
    sees_nothing = (scores == float("-inf")).all(dim=-1, keepdim=True)
    # Its softmax would be 0/0; taken out before, that reaches the gradient neither.
    return scores.masked_fill(sees_nothing, 0.0).softmax(dim=-1).masked_fill(sees_nothing, 0.0)
