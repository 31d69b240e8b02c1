"""Rotary positions taken apart: which dimensions turn together, by how much, and what the product would be without."""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.parts.rotary import Rotary, Rotary2d


@dataclass(frozen=True)
class Turning:
    """How a rotary part turns the heads of one pass (Su et al. 2021, arXiv:2104.09864, section 3.2).

    Pair j are the dimensions `first[j]` and `second[j]` of a head, (pairs,) each; from one position to the next they turn
    by `frequencies[j]` radians, positions being counted by row `rows[j]` of `positions` (2, S): those in the text, or those
    within a block, which are 0 but for what is written for a blank. Turned queries and keys are `factor` times as long. Of
    a latent attention's head only the dimensions from `start` on turn.
    """

    first: Tensor
    second: Tensor
    frequencies: Tensor
    rows: Tensor
    positions: Tensor
    factor: float
    start: int

    def angles(self) -> Tensor:
        """The angle of each pair at each place, in radians, (S, pairs)."""
        return self.positions[self.rows].T.float() * self.frequencies  # as the pass has rounded them

    def turned_back(self, x: Tensor) -> Tensor:
        """Queries or keys (…, S, d_head) as they were before the rotation."""
        phase = self.angles().to(x.dtype)
        cos, sin = phase.cos() / self.factor, phase.sin() / self.factor
        first, second = x[..., self.first], x[..., self.second]  # (…, S, pairs)
        back = x.clone()
        back[..., self.first] = first * cos + second * sin
        back[..., self.second] = second * cos - first * sin
        return back

    def products(self, q: Tensor, k: Tensor, distances: Tensor, in_block: int = 0) -> Tensor:
        """q·k, with q and k (d_head,) not turned, if the key were so many places before the query in the text, and
        `in_block` before it in the block: (distances,).

        A pair's share of the product is |q_j|·|k_j|·cos(distance · frequency + angle between them): it depends on nothing
        else.
        """
        q1, q2, k1, k2 = q[self.first], q[self.second], k[self.first], k[self.second]
        apart = torch.where(self.rows == 0, distances[:, None], in_block)  # (distances, pairs)
        phase = apart.to(q.dtype) * self.frequencies.to(q.dtype)
        paired = (q1 * k1 + q2 * k2) * phase.cos() + (q1 * k2 - q2 * k1) * phase.sin()
        still = torch.ones(len(q), dtype=torch.bool)
        still[self.first] = still[self.second] = False
        return self.factor**2 * paired.sum(dim=-1) + (q * k)[still].sum()


def turning(position: Rotary, positions: Tensor, start: int = 0) -> Turning:
    """How `position` turns heads in a pass over tokens at `positions` (2, S), in the text and in their block; `start`: where
    the turning slice begins."""
    n_pairs = position.turning // 2
    first, second, rows = [], [], []
    for row in range(position.n_dimensions):
        begin = start + row * position.turning
        if position.interleaved:
            first += range(begin, begin + position.turning, 2)
            second += range(begin + 1, begin + position.turning, 2)
        else:
            first += range(begin, begin + n_pairs)
            second += range(begin + n_pairs, begin + position.turning)
        rows += [row] * n_pairs
    assert position.n_dimensions == 1 or isinstance(position, Rotary2d)
    return Turning(
        first=torch.tensor(first),
        second=torch.tensor(second),
        frequencies=position.frequencies(positions[0]).repeat(position.n_dimensions),
        rows=torch.tensor(rows),
        positions=positions,
        factor=position.factor,
        start=start,
    )
