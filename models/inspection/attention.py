"""Where the heads of a model look in one pass, by stack: probabilities, what was hidden, and how much each value carries."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.inspection.inputs import Inputs
from models.parts.global_attention import GlobalAttention
from models.parts.watched import WatchedAttention
from models.taps import capture

PROBS = re.compile(r"((?:encoder|decoder|text|vision)\.)?layers\.(\d+)\.(attn|cross_attn)\.probs")
PATTERNS = ("*.probs", "*.scores", "*.v")

# What a stack's attention is called, and which sequences of `Inputs` its queries and keys are.
SELF, ENCODER, DECODER, CROSS, TEXT, VISION = "self", "encoder", "decoder", "cross", "text", "vision"
READS = {
    SELF: ("text", "text"),
    ENCODER: ("source", "source"),
    DECODER: ("text", "text"),
    CROSS: ("text", "source"),
    TEXT: ("text", "text"),
    VISION: ("image", "image"),
}


@dataclass(frozen=True)
class AttentionGroup:
    """All heads of one stack, or of the cross-attention between two.

    name: "self" of a single stack, "encoder", "decoder", "cross", "text" or "vision". queries, keys: names of sequences of
    `Inputs`. probs (L, H, T, S): what the pass weighs values with, fp32. visible (L, H, T, S): what the mask left, boolean.
    value_norms (L, H, S): ‖v·W_O‖ of each key's value after the head's own columns of the output projection, so that
    probs times it is the length of what a key adds to the residual stream (Kobayashi et al. 2020, arXiv:2004.10102, eq. 6:
    ‖α·f(x)‖), before any norm after attention; None where no single value of a key is read by all (Longformer's global
    tokens read others). Query head h shares the key-value head ⌊h·n_kv_heads/H⌋.
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
    with capture(*PATTERNS) as trace:
        model(**inputs.arguments)
    return groups_of(model, trace, alone="image" if set(inputs.sequences) == {"image"} else "text")


def groups_of(model: nn.Module, trace: Mapping[str, Tensor], alone: str = "text") -> list[AttentionGroup]:
    """The groups of a trace that has seen `PATTERNS`; `alone` names the sequence that a single stack reads."""
    found: dict[str, dict[int, str]] = {}
    for name in trace:
        if match := PROBS.fullmatch(name):
            stack, layer, kind = match.groups()
            group = CROSS if kind == "cross_attn" else stack.removesuffix(".") if stack else SELF
            found.setdefault(group, {})[int(layer)] = name.removesuffix(".probs")
    return [_group(model, trace, name, layers, alone) for name, layers in found.items()]


def _group(
    model: nn.Module, trace: Mapping[str, Tensor], name: str, layers: dict[int, str], alone: str
) -> AttentionGroup:
    paths = [layers[index] for index in sorted(layers)]
    modules = [model.get_submodule(path) for path in paths]
    queries, keys = (alone, alone) if name == SELF else READS[name]
    norms = [_value_norms(module, trace[f"{path}.v"][0]) for module, path in zip(modules, paths, strict=True)]
    return AttentionGroup(
        name=name,
        queries=queries,
        keys=keys,
        probs=torch.stack([trace[f"{path}.probs"][0] for path in paths]).float(),
        visible=torch.stack([trace[f"{path}.scores"][0] > float("-inf") for path in paths]),
        value_norms=None if any(one is None for one in norms) else torch.stack(norms),
        n_kv_heads=getattr(modules[0], "n_kv_heads", modules[0].n_heads),
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
