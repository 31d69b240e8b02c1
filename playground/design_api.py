"""The endpoint /build: any design's configuration, parameters and costs in one answer."""

import gradio as gr

import models
from models.account import Figure
from models.config import CHOICES, ModelConfig
from models.errors import InputError
from playground.i18n import LANGUAGES, explain
from playground.session import design_string

CHOICES_OF = {"mask_pattern": CHOICES["mask"], "biases": CHOICES["biases"]}


def build_design(
    preset: str = "llama-mini",
    overrides: dict | None = None,
    context: int | None = None,
    batch: int = 1,
    dtype: str = "bf16",
    lang: str = "en",
) -> dict:
    """Describes a model without building it: configuration, parameters by part, KV cache, FLOPs, memory.

    Args:
        preset: the design to start from, by name: "gpt2", "llama3-8b", "gpt3-175b", …; an unknown name is answered with
            the nearest ones
        overrides: fields to change and their new values, for example {"norm": "rmsnorm", "n_layers": 6,
            "biases": ["q", "k", "v"]}; names are those of the answer's config
        context: tokens in the KV cache; null for the design's whole context
        batch: sequences in the KV cache
        dtype: number format of the KV cache: "fp32", "bf16" or "int8"
        lang: "en" or "zh", the language of error messages

    Returns:
        design: the design as one string, as page addresses and /generate take it
        config: every field that has a value
        params, active_params: parameters of the model, and those that one token meets
        parts: for each part its key, kind, count, copies, formula, and worked, the formula with the values put in
        figures: by name, value, unit ("params", "bytes" or "flops"), formula and worked
        diff: what differs from the preset: field, old and new value
    """
    lang = lang if lang in LANGUAGES else "en"
    try:
        start = models.preset(preset)
        config = with_overrides(start, overrides or {})
        account = models.account(config, context=context, batch=batch, dtype=dtype)
    except InputError as error:
        raise gr.Error(explain(lang, error), print_exception=False) from error
    return {
        "design": design_string(preset, config),
        "config": config.to_dict(),
        "params": account.params,
        "active_params": account.active_params,
        "parts": [
            {name: getattr(part, name) for name in ("key", "kind", "count", "copies", "formula", "worked")}
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
    changes = dict(overrides)
    for name in ("mask_pattern", "biases"):
        if not isinstance(changes.get(name, []), list | str):
            raise InputError("not_a_choice", field=name, value=changes[name], allowed=", ".join(CHOICES_OF[name]))
    scaling = changes.get("rope_scaling")
    if scaling is not None:
        if not isinstance(scaling, dict):
            raise InputError("not_an_object", field="rope_scaling")
        rotary = {**start.to_dict(), "position": "rotary", "rope_scaling": scaling}
        changes["rope_scaling"] = ModelConfig.from_dict(rotary).rope_scaling
    return start.replace(**changes)


def _figure(figure: Figure) -> dict:
    return {name: getattr(figure, name) for name in ("value", "unit", "formula", "worked")}


def _plain(value: object) -> object:
    """A field's value as JSON can hold it."""
    if isinstance(value, tuple):
        return list(value)
    return vars(value) if hasattr(value, "kind") else value
