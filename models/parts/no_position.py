"""The ports that every kind of position has; each kind uses some of them."""

import torch
from torch import Tensor, nn

Angles = tuple[Tensor, Tensor]


class NoPosition(nn.Module):
    """No positions at all: only the causal mask tells order (Kazemnejad et al. 2023, arXiv:2305.19466).

    Positions are whole numbers (B or 1, T). Kinds with two dimensions take (B or 1, 2, T): the place in the text, and the
    place within a block (GLM, arXiv:2103.10360, section 2.3); given (B or 1, T), the second is 0 everywhere.
    """

    limit: int | None = None
    """Positions from here on do not exist; None where any number is a position."""

    def embed(self, x: Tensor, positions: Tensor) -> Tensor:
        """x (B, T, D) with position information added."""
        return x

    def angles(self, positions: Tensor, dtype: torch.dtype) -> Angles | None:
        """Cosines and signed sines of `positions`, (B or 1, 1, T, rotary_dim), computed once a pass for all layers."""
        return None

    def rotate(self, x: Tensor, angles: Angles | None) -> Tensor:
        """Queries or keys x (B, heads, T, d_head), turned by their positions."""
        return x

    def bias(self, q_pos: range, k_pos: range, device: torch.device) -> Tensor | None:
        """What is added to the scores of queries at places q_pos and keys at k_pos, (H, T, S)."""
        return None


def in_two_dimensions(positions: Tensor) -> tuple[Tensor, Tensor]:
    """Positions (B, 2, T) or (B, T) as two times (B, T): in the text, and in the block."""
    if positions.dim() == 3:
        return positions[:, 0], positions[:, 1]
    return positions, torch.zeros_like(positions)
