"""Positions as a bias on the attention scores: how far a key lies from the query."""

import math

import torch
from torch import Tensor, nn

from models.parts.no_position import NoPosition


class ALiBi(NoPosition):
    """A penalty on the score that grows with the distance, steeper in some heads (Press et al. 2021, arXiv:2108.12409).

    It is −slope · |q − k|, so that an encoder's later keys count as far away, too. Distances count places:
    padding between two tokens takes up room, where BLOOM of `transformers` counts tokens alone. Padding before or
    after a text changes nothing in either.
    """

    def __init__(self, n_heads: int):
        super().__init__()
        self.slopes = alibi_slopes(n_heads)  # (H,)

    def bias(self, q_pos: range, k_pos: range, device: torch.device) -> Tensor:
        queries = torch.arange(q_pos.start, q_pos.stop, dtype=torch.float32, device=device)
        keys = torch.arange(k_pos.start, k_pos.stop, dtype=torch.float32, device=device)
        return self.slopes.to(device)[:, None, None] * -(keys[None, :] - queries[:, None]).abs()  # (H, T, S)


class RelativeBias(NoPosition):
    """A trained bias for each head and bucket of distances k − q (Raffel et al. 2019, arXiv:1910.10683, section 2.1).

    Near distances have a bucket each, farther ones share buckets that widen up to `max_distance`, and all beyond it share
    the last. Where queries see both ways (not `causal`) half of the buckets are for keys after the query.
    """

    def __init__(self, n_heads: int, n_buckets: int = 32, max_distance: int = 128, causal: bool = True):
        super().__init__()
        self.n_buckets, self.max_distance, self.causal = n_buckets, max_distance, causal
        self.weight = nn.Parameter(torch.empty(n_buckets, n_heads))

    def bias(self, q_pos: range, k_pos: range, device: torch.device) -> Tensor:
        # The bias depends on k − q alone: each query's row is a window of one line over all distances.
        distances = torch.arange(k_pos.start - (q_pos.stop - 1), k_pos.stop - q_pos.start, device=device)
        line = self.weight[self.buckets(distances)].T  # (H, T + S − 1)
        return line.unfold(1, len(k_pos), 1).flip(1)  # (H, T, S); unfolded, the last query comes first

    def buckets(self, distances: Tensor) -> Tensor:
        """The bucket of each distance k − q, of any shape."""
        n_buckets, first = self.n_buckets, 0
        if self.causal:
            distances = -distances.clamp(max=0)
        else:
            n_buckets //= 2
            first = (distances > 0).long() * n_buckets
            distances = distances.abs()
        n_near = n_buckets // 2
        # The order of these operations is that of transformers, so that rounding decides alike at a bucket's edge.
        widening = torch.log(distances.float() / n_near) / math.log(self.max_distance / n_near) * (n_buckets - n_near)
        # A distance of 0 has no logarithm; it is near, and its widening is not read.
        far = (n_near + widening.clamp(min=0).long()).clamp(max=n_buckets - 1)
        return first + torch.where(distances < n_near, distances, far)


def alibi_slopes(n_heads: int) -> Tensor:
    """One slope a head, (H,): a geometric series from 2^(-8/H); for H that is no power of two, every second slope of the
    next one fills up (as in the authors' code)."""
    power = 2 ** int(math.log2(n_heads))
    slopes = [2 ** (-8 * (i + 1) / power) for i in range(power)]
    finer = [2 ** (-8 * (i + 1) / (2 * power)) for i in range(0, 2 * power, 2)]
    return torch.tensor(slopes + finer[: n_heads - power], dtype=torch.float32, device="cpu")
