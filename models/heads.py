"""What reads the last layer: from a token's vector to scores."""

import torch
from torch import Tensor, nn

from models.parts.linear import project


class LMHead(nn.Module):
    """One score for each token of the vocabulary, x (B, T, D) → (B, T, V).

    Tied, it multiplies by the embedding table and has no weight of its own (Press & Wolf 2016, arXiv:1608.05859).
    """

    def __init__(self, d_model: int, vocab_size: int, tied: bool = False, bias: bool = False):
        super().__init__()
        self.weight = None if tied else nn.Parameter(torch.empty(vocab_size, d_model))
        self.bias = nn.Parameter(torch.zeros(vocab_size)) if bias else None

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """`embedding` (V, D) is the token table, used where the head is tied."""
        return project(x, embedding if self.weight is None else self.weight, self.bias)
