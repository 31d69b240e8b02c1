"""Rotary settings in a config.json: base, scaling, and the part of a head that turns.

Hub files have `rope_theta`, `rope_scaling` and `partial_rotary_factor` side by side; version 5 of `transformers` has all
three in `rope_parameters`.
"""

from collections.abc import Mapping

from models.config import ModelConfig, RopeScaling
from models.errors import InputError
from models.weights.layouts.layout import demand, first_of, refuse

NEEDED = {
    "linear": ("factor",),
    "dynamic": ("factor",),
    "yarn": (),
    "llama3": ("factor", "low_freq_factor", "high_freq_factor"),
}
"""Kind of scaling → the settings without which it means nothing."""

OPTIONAL_YARN = ("beta_fast", "beta_slow", "mscale", "mscale_all_dim", "attention_factor")


def read_rope(values: Mapping, max_seq_len: int) -> tuple[float, RopeScaling | None]:
    """Rotary base and scaling; refuses scalings unknown here."""
    rope = _settings(values)
    theta = first_of(rope, "rope_theta", default=first_of(values, "rope_theta", default=10_000.0))
    kind = first_of(rope, "rope_type", "type", default="default")
    if kind == "default":
        return theta, None
    if kind not in NEEDED:
        refuse(values, "rope_type", kind, ("default", *NEEDED))
    for name in NEEDED[kind]:
        if rope.get(name) is None:
            raise InputError("missing_field", field=f"rope_scaling.{name}")
    if kind != "yarn" and rope.get("mscale_all_dim"):
        refuse(values, "mscale_all_dim", rope["mscale_all_dim"], ("none, unless rope_type is yarn",))
    options = {name: rope[name] for name in NEEDED[kind]}
    # Outside the object, the original length counts for more: so `transformers` reads files of either kind.
    original = first_of({**rope, **values}, "original_max_position_embeddings", default=max_seq_len)
    if kind == "dynamic":
        original = max_seq_len
    if kind == "yarn":
        demand({**values, "truncate": rope.get("truncate")}, "truncate", True)
        options["factor"] = first_of(rope, "factor", default=max_seq_len / original)
        options |= {name: rope[name] for name in OPTIONAL_YARN if rope.get(name)}
    return theta, RopeScaling(kind=kind, original_max_seq_len=original, **options)


def read_rotary_dim(values: Mapping, d_head: int, default: float = 1.0) -> int:
    """How many dimensions of a head turn."""
    part = first_of(_settings(values), "partial_rotary_factor", default=values.get("partial_rotary_factor"))
    return int(d_head * (default if part is None else part))


def write_rope(cfg: ModelConfig) -> dict:
    """Base and scaling under the names that every version of `transformers` reads."""
    return {"rope_theta": cfg.rope_theta, "rope_scaling": _write_scaling(cfg.rope_scaling)}


def write_part(cfg: ModelConfig) -> float:
    """The share of a head that turns, such that rounding down gives `rotary_dim` again."""
    rotary_dim = cfg.rotary_dim or 0
    part = rotary_dim / cfg.d_head
    return part if int(cfg.d_head * part) == rotary_dim else (rotary_dim + 0.5) / cfg.d_head


def _settings(values: Mapping) -> Mapping:
    rope = values.get("rope_scaling") or values.get("rope_parameters") or {}
    if not isinstance(rope, Mapping) or any(isinstance(value, Mapping) for value in rope.values()):
        refuse(values, "rope_scaling", rope, ("null", "an object with rope_type"))
    return rope


def _write_scaling(scaling: RopeScaling | None) -> dict | None:
    if scaling is None:
        return None
    values = {"rope_type": scaling.kind, "factor": float(scaling.factor)}
    if scaling.kind in ("linear", "dynamic"):
        return values
    names = ("low_freq_factor", "high_freq_factor") if scaling.kind == "llama3" else OPTIONAL_YARN
    values |= {name: float(getattr(scaling, name)) for name in names if getattr(scaling, name) is not None}
    return {**values, "original_max_position_embeddings": scaling.original_max_seq_len}
