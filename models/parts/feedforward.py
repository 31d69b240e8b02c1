"""The feed-forward layer: each token on its own, through a wider hidden layer and back."""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.context import Context
from models.parts.linear import FusedLinear, Linear
from models.taps import Tap


def gelu_quick(x: Tensor) -> Tensor:
    """x · σ(1.702 x), the cheap approximation of GELU that CLIP uses (Hendrycks & Gimpel 2016, section 2)."""
    return x * torch.sigmoid(1.702 * x)


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "gelu": F.gelu,
    "gelu_tanh": partial(F.gelu, approximate="tanh"),
    "gelu_quick": gelu_quick,
    "silu": F.silu,
    "sigmoid": torch.sigmoid,
}


class PlainFeedForward(nn.Module):
    """down(act(up(x))): two matrices (Vaswani et al. 2017, section 3.3). Takes and gives (B, T, D)."""

    inputs = ("up_proj",)
    """The maps that the input goes through."""

    def __init__(self, d_model: int, d_ff: int, activation: str = "gelu_tanh", bias: bool = True):
        super().__init__()
        self.up_proj = Linear(d_model, d_ff, bias=bias)
        self.down_proj = Linear(d_ff, d_model, bias=bias)
        self.activation = ACTIVATIONS[activation]
        self.out = Tap("out")

    def forward(self, x: Tensor, ctx: Context | None = None) -> Tensor:
        return self.out(self.down_proj(self.hidden(self.widen(x))))

    def widen(self, x: Tensor) -> Tensor:
        """What `inputs` make of x (…, D), side by side: (…, d_ff)."""
        return self.up_proj(x)

    def hidden(self, wide: Tensor) -> Tensor:
        """The hidden layer, (…, d_ff), that `wide` gives."""
        return self.activation(wide)


class GatedFeedForward(nn.Module):
    """down(act(gate(x)) ⊙ up(x)): three matrices (Shazeer 2020, arXiv:2002.05202, equations 5 and 6).

    The activation gives it its name: GLU with sigmoid, ReGLU with relu, GeGLU with any of the GELUs, SwiGLU with silu.
    """

    inputs = ("gate_proj", "up_proj")
    """The maps that the input goes through."""

    def __init__(self, d_model: int, d_ff: int, activation: str = "silu", bias: bool = False):
        super().__init__()
        widths = {"gate_proj": d_ff, "up_proj": d_ff}
        self.gate_up_proj = FusedLinear(d_model, widths, biased=widths if bias else ())
        self.down_proj = Linear(d_ff, d_model, bias=bias)
        self.activation = ACTIVATIONS[activation]
        self.out = Tap("out")

    def forward(self, x: Tensor, ctx: Context | None = None) -> Tensor:
        return self.out(self.down_proj(self.hidden(self.widen(x))))

    def widen(self, x: Tensor) -> Tensor:
        """What `inputs` make of x (…, D), side by side: (…, 2·d_ff)."""
        return self.gate_up_proj(x)

    def hidden(self, wide: Tensor) -> Tensor:
        """The hidden layer, (…, d_ff), that `wide` gives."""
        return gated(wide, self.activation)


def gated(wide: Tensor, activation: Callable[[Tensor], Tensor]) -> Tensor:
    """act(gate) ⊙ up, where `wide` (…, 2·d_ff) holds gate and up side by side."""
    gate, up = wide.chunk(2, dim=-1)  # (…, d_ff) each
    return activation(gate) * up


FEEDFORWARDS: dict[str, type[nn.Module]] = {"plain": PlainFeedForward, "gated": GatedFeedForward}
