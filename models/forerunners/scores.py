"""How well a decoder's state and an encoder's annotation fit: the two ways to score them."""

import torch
from torch import Tensor, nn


class AdditiveScore(nn.Module):
    """e_j = vᵀ tanh(W s + U h_j): a small network that is trained with the rest (Bahdanau et al. 2014, appendix A.1.2).

    d_state and d_memory: widths of s and h_j; d_score: of the hidden layer.
    """

    def __init__(self, d_state: int, d_memory: int, d_score: int):
        super().__init__()
        self.of_state = nn.Linear(d_state, d_score, bias=False)
        self.of_memory = nn.Linear(d_memory, d_score, bias=False)
        self.v = nn.Parameter(torch.randn(d_score) * d_score**-0.5)

    def prepare(self, memory: Tensor) -> Tensor:
        """U h for the whole memory (B, S, d_memory), which no step changes: (B, S, d_score)."""
        return self.of_memory(memory)

    def terms(self, state: Tensor, prepared: Tensor) -> Tensor:
        """What the energies are sums of, v_n · tanh(W s + U h_j)_n: (B, S, d_score)."""
        return self.v * torch.tanh(self.of_state(state)[:, None] + prepared)

    def forward(self, state: Tensor, prepared: Tensor) -> Tensor:
        """state (B, d_state) and what `prepare` gave: energies (B, S)."""
        return torch.tanh(self.of_state(state)[:, None] + prepared) @ self.v


class MultiplicativeScore(nn.Module):
    """e_j = sᵀ W h_j: one matrix product, the "general" score of Luong et al. 2015, eq. 8; transformers scale it."""

    def __init__(self, d_state: int, d_memory: int):
        super().__init__()
        self.of_memory = nn.Linear(d_memory, d_state, bias=False)

    def prepare(self, memory: Tensor) -> Tensor:
        """W h for the whole memory (B, S, d_memory): (B, S, d_state)."""
        return self.of_memory(memory)

    def terms(self, state: Tensor, prepared: Tensor) -> Tensor:
        """What the energies are sums of, s_n · (W h_j)_n: (B, S, d_state)."""
        return state[:, None] * prepared

    def forward(self, state: Tensor, prepared: Tensor) -> Tensor:
        """state (B, d_state) and what `prepare` gave: energies (B, S)."""
        return (prepared @ state[:, :, None]).squeeze(-1)
