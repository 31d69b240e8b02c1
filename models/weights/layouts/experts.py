"""Experts in files: which layers have them, how their tensors are called, and the fused form of version 5.

On the hub each map of each expert is a tensor of its own. The models of `transformers` 5 keep all experts' maps in two
tensors, which a file has if it was saved without their conversion.
"""

import re
from collections.abc import Iterable, Mapping

from torch import Tensor

from models.config import ModelConfig
from models.weights.layouts.layout import Settle, Settled
from models.weights.layouts.llama import gated_rows
from models.weights.tensors import Row

PROJECTIONS = {"gate_proj": "gate_proj", "up_proj": "up_proj", "down_proj": "down_proj"}
FUSED = re.compile(r"(?:model\.)?(layers\.\d+)\.(?:mlp|block_sparse_moe)\.experts\.(gate_up_proj|down_proj)")


def sparse_rows(
    cfg: ModelConfig, there: str, here: str, names: Mapping[str, str] = PROJECTIONS, bias: bool = False
) -> Iterable[Row]:
    """The tensors of a sparse layer: router, experts, whose maps have `names` there, and shared experts.

    bias: whether the router has one for its choice.
    """
    yield Row(f"{there}.gate.weight", (f"{here}.router.weight",))
    if bias:
        yield Row(f"{there}.gate.e_score_correction_bias", (f"{here}.router.selection_bias",))
    for expert in range(cfg.moe.n_experts):
        for name, ours in names.items():
            yield Row(f"{there}.experts.{expert}.{name}.weight", (f"{here}.experts.{expert}.{ours}.weight",))
    if cfg.moe.n_shared_experts:
        yield from gated_rows(f"{there}.shared_experts", f"{here}.shared")


def settle_experts(settle: Settle, block: str = "mlp", names: Mapping[str, str] = PROJECTIONS) -> Settle:
    """`settle` on a file whose fused experts are taken apart, under the hub's names: model.layers.{i}.{block}.experts."""
    there = {ours: name for name, ours in names.items()}

    def separated(tensors: Mapping[str, Tensor], cfg: ModelConfig, values: Mapping) -> Settled:
        apart: dict[str, Tensor] = {}
        for name, tensor in tensors.items():
            if not tensor.numel():
                continue  # the maps of no shared experts
            found = FUSED.fullmatch(name)
            if found is None or tensor.dim() != 3:
                apart[_hub_name(name, block)] = tensor
                continue
            layer, maps = found.groups()
            for expert, matrix in enumerate(tensor):
                pieces = zip(("gate_proj", "up_proj"), matrix.chunk(2), strict=True)  # (2·d_expert, D), gate rows first
                for ours, piece in pieces if maps == "gate_up_proj" else (("down_proj", matrix),):
                    apart[f"model.{layer}.{block}.experts.{expert}.{there[ours]}.weight"] = piece
        return settle(apart, cfg, values)

    return separated


def _hub_name(name: str, block: str) -> str:
    """Version 5 calls the router `mlp.gate` in every family."""
    return re.sub(r"^(?:model\.)?(layers\.\d+)\.mlp\.gate\.weight$", rf"model.\1.{block}.gate.weight", name)
