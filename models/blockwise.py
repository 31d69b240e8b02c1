"""Causal attention for training on a processor that multiplies bf16: block by block of queries, with the keys before them.

PyTorch's fused kernel never holds the probabilities, and computes them a second time on the way back, in small pieces: of
a training step of gpt2-mini it takes a third. Here they are kept, in blocks of queries that meet only the keys up to their
own, so that little more than the half of them that is not zero is ever computed.
"""

import torch
from torch import Tensor

BLOCK = 128  # queries


class _CausalAttention(torch.autograd.Function):
    """softmax(q·kᵀ · scale, causal) · v and its gradients; all (B, H, T, width), of one type."""

    @staticmethod
    def forward(ctx, q: Tensor, k: Tensor, v: Tensor, scale: float, block: int) -> Tensor:
        scaled = (k * scale).mT  # (B, H, d_head, T)
        outputs, kept = [], []
        for start, end in _blocks(q.shape[2], block):
            scores = q[:, :, start:end] @ scaled[..., :end]  # (B, H, block, end)
            later = torch.ones(end - start, end - start, dtype=torch.bool, device=q.device).triu(1)
            scores[..., start:].masked_fill_(later, float("-inf"))
            probs = scores.softmax(dim=-1)
            outputs.append(probs @ v[:, :, :end])
            kept.append(probs)
        ctx.save_for_backward(q, k, v, *kept)
        ctx.scale, ctx.block = scale, block
        return torch.cat(outputs, dim=2)

    @staticmethod
    def backward(ctx, above: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, *kept = ctx.saved_tensors
        to_k, to_v = (torch.zeros(x.shape, dtype=torch.float32, device=x.device) for x in (k, v))
        to_q = []
        for (start, end), probs in zip(_blocks(q.shape[2], ctx.block), kept, strict=True):
            own = above[:, :, start:end]
            to_v[:, :, :end] += probs.mT @ own
            to_probs = own @ v[:, :, :end].mT  # (B, H, block, end)
            to_scores = torch._softmax_backward_data(to_probs, probs, -1, probs.dtype).mul_(ctx.scale)
            to_q.append(to_scores @ k[:, :, :end])
            to_k[:, :, :end] += to_scores.mT @ q[:, :, start:end]
        return torch.cat(to_q, dim=2), to_k.to(k.dtype), to_v.to(v.dtype), None, None


def causal_attention(q: Tensor, k: Tensor, v: Tensor, scale: float, block: int = BLOCK) -> Tensor:
    """q (B, H, T, d_head), k (B, K, T, d_head) and v (B, K, T, width), with K dividing H, of one type, give
    (B, H, T, width); each token sees itself and those before."""
    repeats = q.shape[1] // k.shape[1]
    if repeats > 1:
        k, v = (x.repeat_interleave(repeats, dim=1) for x in (k, v))  # (B, H, T, width)
    return _CausalAttention.apply(q, k, v, scale, block)


def _blocks(n_tokens: int, block: int) -> list[tuple[int, int]]:
    return [(start, min(start + block, n_tokens)) for start in range(0, n_tokens, block)]
