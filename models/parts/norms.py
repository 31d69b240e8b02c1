"""Normalisation: bring each token's vector to a common scale, over its last dimension."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class LayerNorm(nn.Module):
    """(x - mean) / √(variance + eps) · weight + bias (Ba et al. 2016, arXiv:1607.06450); the variance is the biased one."""

    def __init__(self, width: int, eps: float = 1e-5, bias: bool = True):
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)


class RMSNorm(nn.Module):
    """x / √(mean(x²) + eps) · weight: no mean is taken out, and there is no bias (Zhang & Sennrich 2019, arXiv:1910.07467).

    Computed as √D · x / √(‖x‖² + D·eps) · weight, in fp32 or better: four operations, where `F.rms_norm` takes a dozen on a
    processor. For a single token their number is the cost.
    """

    def __init__(self, width: int, eps: float = 1e-5, bias: bool = False):
        super().__init__()
        assert not bias, "ModelConfig refuses a bias on RMSNorm"
        self.weight = nn.Parameter(torch.ones(width))
        self.root_width = width**0.5
        # Zero-dimensional tensors of the processor mix with tensors of any device.
        self.root_eps = torch.tensor((width * eps) ** 0.5, device="cpu")
        self.zero = torch.tensor(0.0, device="cpu")

    def forward(self, x: Tensor) -> Tensor:
        precise = torch.promote_types(x.dtype, torch.float32)
        length = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=precise)  # (..., 1)
        normed = torch.addcdiv(self.zero, x, torch.hypot(length, self.root_eps), value=self.root_width)
        return normed.type_as(x) * self.weight


NORMS: dict[str, type[nn.Module]] = {"layernorm": LayerNorm, "rmsnorm": RMSNorm}
