"""The endpoint /build: any design's configuration, parameters and costs in one answer."""

import models
from models.account import Figure
from models.config import ModelConfig
from models.errors import InputError
from playground.design_strings import as_text, changed, design_string
from playground.tab import asked_in, refusals


def build_design(
    preset: str = "llama-mini",
    overrides: dict | None = None,
    context: int | None = None,
    batch: int = 1,
    dtype: str = "bf16",
    ranks: int = 1,
    lang: str = "en",
) -> dict:
    """Describes a model without building it: configuration, parameters by part, KV cache, FLOPs, memory.

    Args:
        preset: the design to start from, by name: "gpt2", "llama3-8b", "gpt3-175b", …; an unknown name is answered with
            the nearest ones
        overrides: fields to change and their new values, for example {"norm": "rmsnorm", "n_layers": 6,
            "biases": ["q", "k", "v"]}; names are those of the answer's config. In a group only what changes need be said,
            {"moe": {"n_experts": 16}}; {"moe": null} takes it away
        context: tokens in the KV cache; null for the design's whole context
        batch: sequences in the KV cache
        dtype: number format of the KV cache: "fp32", "bf16" or "int8"
        ranks: devices that ZeRO shares training among
        lang: "en" or "zh", the language of error messages

    Returns:
        design: the design as one string, as page addresses and /generate take it
        config: every field that has a value
        params, active_params: parameters of the model, and those that one token meets
        parts: for each part its key, kind, count, active, copies, formula, and worked, the formula with the values put in
        figures: by name, value, unit ("params", "bytes" or "flops"), formula and worked
        diff: what differs from the preset: field, old and new value
    """
    with refusals(asked_in(lang)):
        start = models.preset(as_text("preset", preset))
        config = with_overrides(start, {} if overrides is None else overrides)
        account = models.account(config, context=context, batch=batch, dtype=as_text("dtype", dtype), ranks=ranks)
        design = design_string(preset, config)
    return {
        "design": design,
        "config": config.to_dict(),
        "params": account.params,
        "active_params": account.active_params,
        "parts": [
            {name: getattr(part, name) for name in ("key", "kind", "count", "active", "copies", "formula", "worked")}
            for part in account.parts
        ],
        "figures": {key: _figure(figure) for key, figure in account.figures.items()},
        "diff": [
            {"field": field, "old": _plain(old), "new": _plain(new)} for field, old, new in models.diff(start, config)
        ],
    }


def with_overrides(start: ModelConfig, overrides: dict) -> ModelConfig:
    """`start` with the fields of a JSON object changed; what follows from them (`n_kv_heads`, `d_head`) moves along."""
    if not isinstance(overrides, dict):
        raise InputError("not_an_object", field="overrides")
    return changed(start, overrides)


def _figure(figure: Figure) -> dict:
    return {name: getattr(figure, name) for name in ("value", "unit", "formula", "worked")}


def _plain(value: object) -> object:
    """A field's value as JSON can hold it."""
    if isinstance(value, tuple):
        return list(value)
    return value.to_dict() if hasattr(value, "to_dict") else value
