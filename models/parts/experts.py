"""Experts: many small feed-forward layers in one set of tensors, of which each token uses a few.

An expert does not know which router chose it. Tokens are sorted by expert, so that each expert multiplies one contiguous
slice, and an expert that nobody chose is not read.
"""

from itertools import accumulate

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.parts.feedforward import ACTIVATIONS, gated
from models.parts.linear import project


class Experts(nn.Module):
    """E feed-forward layers of width d_expert, plain or gated, on tokens that somebody has routed.

    Weights: `gate_up_proj` (E, 2·d_expert, D), gate rows first, or `up_proj` (E, d_expert, D); `down_proj`
    (E, D, d_expert); with bias, each has one called `…_bias`.
    """

    def __init__(
        self,
        n_experts: int,
        d_model: int,
        d_expert: int,
        is_gated: bool = True,
        activation: str = "silu",
        bias: bool = False,
    ):
        super().__init__()
        self.n_experts, self.is_gated = n_experts, is_gated
        self.activation = ACTIVATIONS[activation]
        self._input = "gate_up_proj" if is_gated else "up_proj"
        width = 2 * d_expert if is_gated else d_expert
        self.register_parameter(self._input, nn.Parameter(torch.empty(n_experts, width, d_model)))
        self.down_proj = nn.Parameter(torch.empty(n_experts, d_model, d_expert))
        zeros = (lambda *shape: nn.Parameter(torch.zeros(shape))) if bias else (lambda *shape: None)
        self.register_parameter(f"{self._input}_bias", zeros(n_experts, width))
        self.register_parameter("down_proj_bias", zeros(n_experts, d_model))

    def forward(self, x: Tensor, weights: Tensor, expert_ids: Tensor) -> Tensor:
        """Σ weight · expert(x) over the experts of each token.

        x (N, D); weights and expert_ids (N, k), -1 for no expert. Gives (N, D).
        """
        if expert_ids.shape[1] == self.n_experts:
            return self._all(x, weights, expert_ids)
        if len(x) == 1:
            return self._of_one_token(x, weights, expert_ids)
        return self._grouped(x, weights, expert_ids)

    def batched(self, x: Tensor) -> Tensor:
        """Expert e on its own tokens x[e]: (E, N, D) gives (E, N, D)."""
        return self._products(x, *self._input_map(), self.down_proj, self.down_proj_bias)

    def merged(self, x: Tensor, shares: Tensor) -> Tensor:
        """One expert a sequence, whose weights are the mean of all, weighted by shares (B, E): x (B, T, D) → (B, T, D)."""
        maps = (*self._input_map(), self.down_proj, self.down_proj_bias)
        means = [None if tensor is None else torch.tensordot(shares, tensor, dims=1) for tensor in maps]
        return self._products(x, *means)

    def parts(self) -> dict[str, tuple[Tensor, Tensor | None]]:
        """Views of (weight, bias or None) of each map of each expert, as "experts.3.gate_proj"."""
        names = ("gate_proj", "up_proj") if self.is_gated else ("up_proj",)
        weight, bias = self._input_map()
        maps = {}
        for e in range(self.n_experts):
            weights = weight[e].chunk(len(names))
            biases = [None] * len(names) if bias is None else bias[e].chunk(len(names))
            for name, *pair in zip(names, weights, biases, strict=True):
                maps[f"experts.{e}.{name}"] = tuple(pair)
            maps[f"experts.{e}.down_proj"] = (self.down_proj[e], None if bias is None else self.down_proj_bias[e])
        return maps

    def _input_map(self) -> tuple[Tensor, Tensor | None]:
        return getattr(self, self._input), getattr(self, f"{self._input}_bias")

    def _hidden(self, wide: Tensor) -> Tensor:
        return gated(wide, self.activation) if self.is_gated else self.activation(wide)

    def _products(self, x: Tensor, w_in: Tensor, b_in: Tensor | None, w_out: Tensor, b_out: Tensor | None) -> Tensor:
        hidden = self._hidden(_batched_linear(x, w_in, b_in))
        return _batched_linear(hidden, w_out, b_out)

    def _all(self, x: Tensor, weights: Tensor, expert_ids: Tensor) -> Tensor:
        """Every token meets every expert: nothing to sort. Where one was full, -1, its weight is 0."""
        shares = torch.zeros_like(weights).scatter_add(1, expert_ids.clamp(min=0), weights)  # (N, E)
        outputs = self.batched(x.expand(self.n_experts, -1, -1))  # (E, N, D)
        return torch.einsum("ne,end->nd", shares, outputs)

    def _of_one_token(self, x: Tensor, weights: Tensor, expert_ids: Tensor) -> Tensor:
        """Reads the weights of the chosen experts only, where they lie."""
        if torch.jit.is_tracing():
            ids = expert_ids[0].unbind()  # as numbers they would be the same in every replay
        else:
            ids = [0] * expert_ids.shape[1] if x.is_meta else expert_ids[0].tolist()
            if -1 in ids:
                return torch.zeros_like(x)  # only a router of one expert a token leaves one out
        (w_in, b_in), b_out = self._input_map(), self.down_proj_bias
        wide = torch.cat([project(x, w_in[expert]) for expert in ids])  # (k, width)
        hidden = self._hidden(wide if b_in is None else wide + b_in[expert_ids[0]])
        outputs = [project(hidden[i : i + 1], self.down_proj[expert]) for i, expert in enumerate(ids)]
        outputs = torch.cat(outputs)  # (k, D)
        return weights @ (outputs if b_out is None else outputs + b_out[expert_ids[0]])

    def _grouped(self, x: Tensor, weights: Tensor, expert_ids: Tensor) -> Tensor:
        n_chosen, flat = expert_ids.shape[1], expert_ids.flatten()  # (N·k,)
        ends, n_left_out = self._ends(flat)
        order = flat.argsort()[n_left_out:]  # those without an expert, -1, come first
        tokens, experts = order // n_chosen, flat[order]
        wide = _linear_by_expert(x[tokens], ends, experts, *self._input_map())
        outputs = _linear_by_expert(self._hidden(wide), ends, experts, self.down_proj, self.down_proj_bias)
        outputs = outputs * weights.flatten()[order, None]
        return torch.zeros_like(x).index_add(0, tokens, outputs)

    def _ends(self, expert_ids: Tensor) -> tuple[list[int], int]:
        """Where each expert's rows end once sorted, and how many rows no expert takes."""
        if expert_ids.is_meta:
            return [len(expert_ids)] * self.n_experts, 0  # who chose whom is unknown; the work is the same
        n_left_out, *counts = torch.bincount(expert_ids + 1, minlength=self.n_experts + 1).tolist()
        return list(accumulate(counts)), n_left_out


class LowRankExperts(nn.Module):
    """What E experts change in one linear map: Σ share_e · scale · b_e a_e x (LoRAMoE, arXiv:2312.09979, section 3).

    Weights: `a` (E, rank, d_in), `b` (E, d_out, rank). scale is alpha / rank as in LoRA (Hu et al. 2021, arXiv:2106.09685,
    section 4.1). While b is zero, as both papers start, nothing is changed.
    """

    def __init__(self, n_experts: int, d_in: int, d_out: int, rank: int, alpha: float):
        super().__init__()
        self.scale = alpha / rank
        self.a = nn.Parameter(torch.empty(n_experts, rank, d_in))
        self.b = nn.Parameter(torch.zeros(n_experts, d_out, rank))

    def forward(self, x: Tensor, shares: Tensor, experts: Tensor | slice = slice(None)) -> Tensor:
        """x (B, T, d_in) gives (B, T, d_out); shares (B, T, n): how much each of the n `experts` (default: all) counts."""
        a, b = self.a[experts], self.b[experts]
        low = F.linear(x, a.flatten(0, 1)).unflatten(-1, a.shape[:2])  # (B, T, n, rank)
        return torch.einsum("btnr,nor->bto", low * (self.scale * shares)[..., None], b)


def _batched_linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """x (E, N, d_in), weight (E, d_out, d_in), bias (E, d_out) give (E, N, d_out)."""
    if bias is None:
        return torch.bmm(x, weight.mT)
    return torch.baddbmm(bias[:, None], x, weight.mT)


def _linear_by_expert(rows: Tensor, ends: list[int], experts: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Rows (S, d_in), sorted by expert, through their experts' maps, weight (E, d_out, d_in): (S, d_out).

    ends: where each expert's rows end; experts (S,): whose each row is.
    """
    if _can_be_one_product(rows, weight):
        result = F.grouped_mm(rows, weight.mT, offs=torch.tensor(ends, dtype=torch.int32, device=rows.device))
    else:
        weights = weight.unbind()  # one node of the graph, whose gradient is one tensor for all experts
        runs = zip([0, *ends[:-1]], ends, weights, strict=True)
        pieces = [F.linear(rows[start:end], own) for start, end, own in runs if end > start]
        result = torch.cat(pieces) if pieces else rows.new_zeros(0, weight.shape[1])
    return result if bias is None else result + bias[experts]


def _can_be_one_product(rows: Tensor, weight: Tensor) -> bool:
    """Whether torch's grouped product takes these: it wants each matrix and each row to begin at a multiple of 16 bytes.

    Its gradient is not asked for: it refuses some layouts of what comes from above.
    """
    if torch.is_grad_enabled() or rows.is_meta or len(rows) == 0 or rows.dtype not in (torch.float32, torch.bfloat16):
        return False
    aligned = all(width * rows.element_size() % 16 == 0 for width in weight.shape[1:])
    return aligned and weight.data_ptr() % 16 == 0 and rows.data_ptr() % 16 == 0
