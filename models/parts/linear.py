"""Linear maps: several of one input as one matrix product."""

from collections.abc import Collection

import torch
from torch import Tensor, nn

from models.memory_layouts import products_in_force, times_rows


def project(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x (..., d_in) times weightᵀ (d_in, d_out), plus bias; while a text is written, in the layout that is read fastest."""
    products = products_in_force()
    if products is not None and (out := products.product(x, weight, bias)) is not None:
        return out
    return times_rows(x, weight, bias)


class Linear(nn.Linear):
    """x·Wᵀ + b, computed by `project`. Its weights, like those of every part, are for `building` or a loader to fill."""

    def reset_parameters(self) -> None:
        pass

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
