"""The heads of one pass for the page's script, which takes their weights apart: vectors, scales, masks, probabilities.

Numbers are single precision, as the pass had them, in base64; a layer's arrays begin with its heads.
"""

from base64 import b64encode
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

import models
from models.inspection.groups import Group, groups_of
from models.inspection.weights import LayerAttention, layer_attention, position_of, positions_of, taps
from models.parts.score_biases import ALiBi, RelativeBias
from models.reading import TWO_DIMENSIONAL

if TYPE_CHECKING:
    from models.inspection.inputs import Inputs

MAX_BYTES = 500_000  # of numbers in one answer: all layers if they fit, else one, else one head
EMBEDDED = ("learned", "learned_2d", "sinusoidal", "axial")


def heads(loaded: "models.Loaded", inputs: "Inputs", at: tuple[str, int, int]) -> dict:
    """What one pass has around `at` (group, layer, head): as many heads as an answer has room for, and how positions enter.

    The caller has a turn.
    """
    found = {group.name: group for group in groups_of(loaded.config)}
    name, index, head = at
    every = [(group, layer) for group in found.values() for layer in range(group.n_layers)]
    wanted = [(found[name], index)]
    only = None
    if sum(_nbytes(group, inputs) for group, _ in every) <= MAX_BYTES:
        wanted = every
    elif _nbytes(found[name], inputs) > MAX_BYTES:
        only = head
    with (
        torch.inference_mode(),
        models.capture(*(tap for group, layer in wanted for tap in taps(group.path(layer)))) as trace,
    ):
        loaded.model(**inputs.arguments)
    position_ids = inputs.arguments.get("position_ids")

    def seen(group: Group, layer: int) -> LayerAttention:
        return layer_attention(loaded.model, trace, group.path(layer), position_ids=position_ids)

    layers = {f"{group.name}.{layer}": _layer(seen(group, layer), only) for group, layer in wanted}
    return {
        "groups": [_group(group) for group in found.values()],
        "layers": layers,
        "positions": {group.name: _position(loaded.model, group, inputs) for group, _ in wanted},
    }


def _nbytes(group: Group, inputs: "Inputs") -> int:
    """Bytes of the numbers of one layer."""
    cfg, n_queries = group.config, len(inputs.sequences[group.queries])
    n_keys = len(inputs.sequences[group.keys])
    d_value = cfg.mla.v_head_dim if cfg.mla else cfg.d_head
    of_queries = cfg.n_heads * n_queries * (cfg.d_head + n_keys + d_value)
    return 4 * (of_queries + cfg.n_kv_heads * n_keys * (cfg.d_head + d_value))


def _group(group: Group) -> dict:
    cfg = group.config
    masks = ["cross"] if group.name == "cross" else [group.layer(index).mask for index in range(group.n_layers)]
    windows = [] if group.name == "cross" else [group.layer(index).window for index in range(group.n_layers)]
    return {
        "name": group.name,
        "queries": group.queries,
        "keys": group.keys,
        "n_layers": group.n_layers,
        "n_heads": cfg.n_heads,
        "n_kv_heads": cfg.n_kv_heads,
        "attention": cfg.attention,
        "masks": masks,
        "windows": windows,
    }


def _layer(layer: LayerAttention, only: int | None) -> dict:
    """One layer, or of it the head `only`."""
    n_heads, n_kv_heads = layer.q.shape[0], layer.k.shape[0]
    some = slice(None) if only is None else slice(only, only + 1)
    some_kv = slice(None) if only is None else slice(layer.kv_head(only), layer.kv_head(only) + 1)
    sizes = {"first_head": some.start or 0, "first_kv_head": some_kv.start or 0}
    allowed = layer.allowed[some]
    if bool((allowed == allowed[:1]).all()):
        allowed = allowed[:1]
    return {
        **sizes,
        "heads_per_kv": n_heads // n_kv_heads,
        "n_queries": layer.scores.shape[1],
        "n_keys": layer.scores.shape[2],
        "d_head": layer.q.shape[2],
        "d_value": layer.v.shape[2],
        "d_nope": layer.d_nope,
        "scale": layer.scale,
        "q": floats(layer.q[some]),
        "k": floats(layer.k[some_kv]),
        "v": floats(layer.v[some_kv]),
        "probs": floats(layer.probs[some]),
        "out": floats(layer.head_out[some]),
        "allowed": bits(allowed),
        "same_mask": allowed.shape[0] == 1,
        "counts": None if layer.counts is None else floats(layer.counts[some]),
        "of_global": None if layer.of_global is None else _of_global(layer, some),
    }


def _of_global(layer: LayerAttention, some: slice) -> dict:
    rows, q, k, v = layer.of_global
    return {"rows": int(rows.sum()), "q": floats(q[some]), "k": floats(k[some]), "v": floats(v[some])}


def _position(model: torch.nn.Module, group: Group, inputs: "Inputs") -> dict:
    """How positions enter the scores of a group: by turning, by a bias, through the embedding, or not at all."""
    if group.part == "cross_attn":
        return {"kind": "cross"}
    part = position_of(model, group.path(0))
    kind = group.config.position
    n_keys = len(inputs.sequences[group.keys])
    position_ids = inputs.arguments.get("position_ids")
    positions = positions_of(n_keys, None if position_ids is None else position_ids[0])
    if isinstance(part, ALiBi):
        return {"kind": kind, "slopes": part.slopes.tolist()}
    if isinstance(part, RelativeBias):
        distances = torch.arange(-part.max_distance - 8, part.max_distance + 9)
        reach = torch.arange(-n_keys, n_keys + 1)
        distances = distances if len(distances) > len(reach) else reach
        return {
            "kind": kind,
            "start": int(distances[0]),
            "buckets": part.buckets(distances).tolist(),
            "values": part.weight.detach().T.tolist(),
            "max_distance": part.max_distance,
        }
    if group.config.has_rotary:
        return {"kind": kind, **_rotary(model, group, positions)}
    if kind in EMBEDDED:
        return {"kind": kind, "alike": floats(_alike(part, group.config, positions))}
    return {"kind": kind}


def _rotary(model: torch.nn.Module, group: Group, positions: Tensor) -> dict:
    from models.inspection.turning import turning

    cfg = group.config
    start = cfg.mla.qk_nope_head_dim if cfg.mla else 0
    turns = turning(position_of(model, group.path(0)), positions, start)
    return {
        "first": turns.first.tolist(),
        "second": turns.second.tolist(),
        "frequencies": turns.frequencies.tolist(),
        "rows": turns.rows.tolist(),
        "places": turns.positions.tolist(),
        "factor": turns.factor,
        "theta": cfg.rope_theta,
        "layout": cfg.rope_layout,
    }


@torch.no_grad()
def _alike(part: torch.nn.Module, config: models.ModelConfig, positions: Tensor) -> Tensor:
    """The cosine of the vectors that are added at two places, (S, S), of tokens at `positions` (2, S)."""
    positions = positions if config.position in TWO_DIMENSIONAL else positions[0]
    added = part.embed(torch.zeros(1, positions.shape[-1], config.d_model), positions[None])[0]
    added = F.normalize(added.double(), dim=-1)
    return added @ added.T


def floats(values: Tensor) -> str:
    """Single precision, little-endian, in base64."""
    return b64encode(values.detach().float().contiguous().numpy().astype("<f4").tobytes()).decode()


def bits(values: Tensor) -> str:
    """Booleans, eight a byte, the first in the highest bit, in base64."""
    import numpy as np

    return b64encode(np.packbits(values.numpy().reshape(-1)).tobytes()).decode()
