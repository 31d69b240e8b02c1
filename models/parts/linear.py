"""Linear maps: several of one input as one matrix product, and the product of a single row by several threads."""

from collections.abc import Collection

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WORTH_SPLITTING = 250_000  # weights; below, threads cost more than they save


def project(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x (..., d_in) times weightᵀ (d_in, d_out), plus bias: `F.linear`, also where it is slow.

    A product with a single row is bound by reading the weights, and the processor's library does it in one thread
    when numbers are fp32. As a batch of products with slices of the weight, each thread reads its own.
    """
    n_threads = torch.get_num_threads()
    d_out, d_in = weight.shape
    if (
        n_threads == 1
        or x.numel() != d_in
        or weight.numel() < WORTH_SPLITTING
        or x.dtype != torch.float32
        or x.device.type != "cpu"
        or torch.is_grad_enabled()
        or torch.is_autocast_enabled("cpu")
    ):
        return F.linear(x, weight, bias)
    n_rows = d_out // n_threads * n_threads
    slices = weight[:n_rows].view(n_threads, -1, d_in).transpose(1, 2)  # (threads, d_in, d_out / threads)
    out = torch.bmm(x.reshape(1, 1, d_in).expand(n_threads, 1, d_in), slices).flatten()  # (d_out,)
    if n_rows < d_out:
        out = torch.cat((out, torch.mv(weight[n_rows:], x.reshape(d_in))))
    if bias is not None:
        out = out + bias
    return out.view(*x.shape[:-1], d_out)


class Linear(nn.Linear):
    """x·Wᵀ + b, computed by `project`."""

    def forward(self, x: Tensor) -> Tensor:
        return project(x, self.weight, self.bias)


class FusedLinear(nn.Module):
    """Linear maps of the same input whose weights are stacked along the output: one product instead of several.

    widths: output width of each map, in order, for example {"q_proj": 192, "k_proj": 64, "v_proj": 64}; biased: the
    names of those that have a bias. `bias` holds the biased maps' rows only. Files name each map on its own; `parts`
    gives them as views.
    """

    def __init__(self, d_in: int, widths: dict[str, int], biased: Collection[str] = ()):
        super().__init__()
        self.widths = widths
        self.biased = tuple(name for name in widths if name in biased)
        self.weight = nn.Parameter(torch.empty(sum(widths.values()), d_in))
        self.bias = nn.Parameter(torch.zeros(sum(widths[name] for name in self.biased))) if self.biased else None

    def forward(self, x: Tensor) -> Tensor:
        return project(x, self.weight, self._full_bias())

    def parts(self) -> dict[str, tuple[Tensor, Tensor | None]]:
        """Views of (weight, bias or None) of each map, under its own name."""
        weights = self.weight.split(list(self.widths.values()))
        biases = dict(zip(self.biased, self._bias_rows(), strict=True))
        return {name: (weight, biases.get(name)) for name, weight in zip(self.widths, weights, strict=True)}

    def _bias_rows(self) -> tuple[Tensor, ...]:
        return self.bias.split([self.widths[name] for name in self.biased]) if self.biased else ()

    def _full_bias(self) -> Tensor | None:
        if self.bias is None or len(self.biased) == len(self.widths):
            return self.bias
        rows = dict(zip(self.biased, self._bias_rows(), strict=True))
        return torch.cat([rows.get(name, self.bias.new_zeros(width)) for name, width in self.widths.items()])
