"""Sliding windows in a config.json: which layers have one, and how wide it is.

Mistral and Mixtral have one in all layers or none; Qwen in the layers from `max_window_layers` on; version 5 of
`transformers` lists the kind of each layer in `layer_types`.
"""

from collections.abc import Mapping

from models.config import ModelConfig
from models.weights.layouts.layout import needed, refuse, shortest_pattern

LAYER_TYPES = {"full_attention": "causal", "sliding_attention": "sliding"}


def all_layers(window: int | None) -> dict:
    """Fields of a model with this window in every layer, or, with None, in no layer."""
    return {"mask_pattern": ("causal",) if window is None else ("sliding",), "window": window}


def read_windows(values: Mapping, n_layers: int) -> dict:
    """Fields of a model of the Qwen family, where a window takes effect only if `use_sliding_window` says so."""
    window = values["sliding_window"] if values.get("use_sliding_window") else None
    kinds = values.get("layer_types")
    if kinds is None:
        first = n_layers if window is None else needed(values, "max_window_layers")
        kinds = ["full_attention" if index < first else "sliding_attention" for index in range(n_layers)]
    for kind in kinds:
        if kind not in LAYER_TYPES:
            refuse(values, "layer_types", kind, LAYER_TYPES)
    masks = [LAYER_TYPES[kind] for kind in kinds[:n_layers]]
    return {"mask_pattern": shortest_pattern(masks), "window": window if "sliding" in masks else None}


def write_window(cfg: ModelConfig) -> int | None:
    """The window of a model that has one in all layers; None for any other."""
    return cfg.window if _masks(cfg) == {"sliding"} else None


def write_windows(cfg: ModelConfig) -> dict:
    """`sliding_window` and its companions, for versions of `transformers` that know `layer_types` and for older ones."""
    masks = [cfg.layer(index).mask for index in range(cfg.n_layers)]
    if "sliding" not in masks:
        return {"use_sliding_window": False, "sliding_window": None, "max_window_layers": cfg.n_layers}
    kinds = {mask: kind for kind, mask in LAYER_TYPES.items()}
    return {
        "use_sliding_window": True,
        "sliding_window": cfg.window,
        "max_window_layers": masks.index("sliding"),
        "layer_types": [kinds.get(mask, "full_attention") for mask in masks],
    }


def _masks(cfg: ModelConfig) -> set[str]:
    return {cfg.layer(index).mask for index in range(cfg.n_layers)}
