"""Where the heads of a model look in one pass, by stack: probabilities, what was hidden, and how much each value carries."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.inspection.groups import Group, groups_of
from models.inspection.inputs import Inputs
from models.parts.global_attention import GlobalAttention
from models.parts.watched import WatchedAttention
from models.taps import capture

POINTS = ("probs", "scores", "v")


@dataclass(frozen=True)
class AttentionGroup:
    """All heads of one group in one pass.

    name, queries, keys: those of `Group`. probs (L, H, T, S): what the pass weighs values with, fp32. visible (L, H, T, S):
    what the mask left, boolean. value_norms (L, H, S): ‖v·W_O‖ of each key's value after the head's own columns of the
    output projection, so that probs times it is the length of what a key adds to the residual stream (Kobayashi et al. 2020,
    arXiv:2004.10102, eq. 6: ‖α·f(x)‖), before any norm after attention; None where no single value of a key is read by all
    (Longformer's global tokens read others). Query head h shares the key-value head ⌊h·n_kv_heads/H⌋.
    """

    name: str
    queries: str
    keys: str
    probs: Tensor
    visible: Tensor
    value_norms: Tensor | None
    n_kv_heads: int


@torch.inference_mode()
def attention_of(model: nn.Module, inputs: Inputs) -> list[AttentionGroup]:
    """One pass over `inputs` with someone looking; groups in the order in which they run."""
    groups = groups_of(model.config)
    with capture(*(f"{path}.{point}" for group in groups for path in group.paths() for point in POINTS)) as trace:
        model(**inputs.arguments)
    return [_seen(model, trace, group) for group in groups]


def _seen(model: nn.Module, trace: Mapping[str, Tensor], group: Group) -> AttentionGroup:
    paths = group.paths()
    modules = [model.get_submodule(path) for path in paths]
    norms = [_value_norms(module, trace[f"{path}.v"][0]) for module, path in zip(modules, paths, strict=True)]
    return AttentionGroup(
        name=group.name,
        queries=group.queries,
        keys=group.keys,
        probs=torch.stack([trace[f"{path}.probs"][0] for path in paths]).float(),
        visible=torch.stack([trace[f"{path}.scores"][0] > float("-inf") for path in paths]),
        value_norms=None if any(one is None for one in norms) else torch.stack(norms),
        n_kv_heads=trace[f"{paths[0]}.v"].shape[1],
    )


def _value_norms(attention: WatchedAttention, v: Tensor) -> Tensor | None:
    """‖v·W_O‖ (H, S) of values v (K, S, d_value), by way of the d_value × d_value products of W_O's columns."""
    if isinstance(attention, GlobalAttention) and attention.n_global:
        return None
    weight = attention.o_proj.weight.float()  # (D, H·d_value)
    by_head = weight.unflatten(1, (attention.n_heads, -1)).permute(1, 2, 0)  # (H, d_value, D)
    products = by_head @ by_head.mT  # (H, d_value, d_value)
    values = v.float().repeat_interleave(attention.n_heads // v.shape[0], dim=0)  # (H, S, d_value)
    return ((values @ products) * values).sum(dim=-1).clamp_min(0.0).sqrt()  # (H, S)
