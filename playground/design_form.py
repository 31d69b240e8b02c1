"""The form of Build as plain values: what its controls hold, which of them apply, and the configuration they describe.

A form's values are a dict from control name to what the control holds: numbers as typed (None where emptied), choices
by name. Controls that do not apply keep their values but say nothing to the configuration.
"""

from itertools import permutations

from models.config import CHOICES, RANGES, ModelConfig, RopeScaling
from models.errors import InputError
from playground.views.numbers import exact

NO_SCALING = "none"

# What a group of controls changes, in the order of the form. The names are those of ModelConfig, except: `norm_bias` is
# the entry "norm" of `biases`, `rope_scaling` the kind of scaling, and its numbers are controls of their own.
GROUPS: dict[str, tuple[str, ...]] = {
    "size": ("n_layers", "d_model", "vocab_size", "max_seq_len"),
    "attention": ("attention", "n_heads", "n_kv_heads", "d_head", "qk_norm", "mask_pattern", "window"),
    "position": ("position", "rope_theta", "rope_layout", "rotary_dim", "rope_scaling")
    + ("factor", "original_max_seq_len", "low_freq_factor", "high_freq_factor"),
    "norm": ("norm", "block", "norm_eps", "norm_bias", "final_norm", "embed_norm"),
    "ffn": ("ffn", "activation", "d_ff"),
    "rest": ("biases", "tie_embeddings"),
}
FIELDS = tuple(field for group in GROUPS.values() for field in group)
FLAGS = ("qk_norm", "norm_bias", "final_norm", "embed_norm", "tie_embeddings")
REALS = ("rope_theta", "norm_eps", "factor", "low_freq_factor", "high_freq_factor")
SCALING_NUMBERS = ("factor", "original_max_seq_len", "low_freq_factor", "high_freq_factor")

# The options of every choice, by control. Mask patterns are written as a list, and any other list may be typed.
OPTIONS: dict[str, tuple[str, ...]] = {
    **{name: CHOICES[name] for name in ("attention", "position", "rope_layout", "norm", "block", "ffn", "activation")},
    "rope_scaling": (NO_SCALING, *CHOICES["rope_scaling"]),
    "mask_pattern": (*CHOICES["mask"], *(",".join(pair) for pair in permutations(CHOICES["mask"], 2))),
    "biases": tuple(name for name in CHOICES["biases"] if name != "norm"),
}

Values = dict[str, object]


def values_of(cfg: ModelConfig, kept: Values | None = None) -> Values:
    """What the controls hold for a configuration; those that do not apply hold what was `kept`, or a sensible value."""
    fallback = {
        "window": max(1, cfg.max_seq_len // 4),
        "rotary_dim": cfg.d_head - cfg.d_head % 2 or 2,
        "factor": 2.0,
        "original_max_seq_len": max(1, cfg.max_seq_len // 2),
        "low_freq_factor": RopeScaling.low_freq_factor,
        "high_freq_factor": RopeScaling.high_freq_factor,
        **(kept or {}),
    }
    values: Values = {name: getattr(cfg, name) for name in FIELDS if hasattr(cfg, name)}
    values["mask_pattern"] = ",".join(cfg.mask_pattern)
    values["norm_bias"] = "norm" in cfg.biases
    values["biases"] = [name for name in cfg.biases if name != "norm"]
    values["rope_scaling"] = cfg.rope_scaling.kind if cfg.rope_scaling else NO_SCALING
    if cfg.rope_scaling:
        values |= {name: getattr(cfg.rope_scaling, name) for name in SCALING_NUMBERS}
    return {name: fallback.get(name) if values.get(name) is None else values[name] for name in FIELDS}


def applies(values: Values) -> dict[str, bool]:
    """Which controls say something to the configuration; the others are hidden."""
    rotary = values["position"] == "rotary"
    scaled = rotary and values["rope_scaling"] != NO_SCALING
    there = {
        "n_kv_heads": values["attention"] == "gqa",
        "window": "sliding" in str(values["mask_pattern"] or ""),
        "qk_norm": values["norm"] == "rmsnorm",
        "norm_bias": values["norm"] == "layernorm",
        **dict.fromkeys(("rope_theta", "rope_layout", "rotary_dim", "rope_scaling"), rotary),
        **dict.fromkeys(("factor", "original_max_seq_len"), scaled),
        **dict.fromkeys(("low_freq_factor", "high_freq_factor"), scaled and values["rope_scaling"] == "llama3"),
    }
    return {name: there.get(name, True) for name in FIELDS}


def follow(values: Values, before: Values | None) -> Values:
    """`values` with what follows from a change since `before`, the last values that made a model.

    A head's width and the rotated part of it follow when they had their usual value; on a switch to grouped-query
    attention the key-value heads move to the nearest count that divides the query heads.
    """
    if not before:
        return values
    values = dict(values)
    moved = {name for name in FIELDS if values[name] != before[name]}
    if "d_head" not in moved and moved & {"d_model", "n_heads"} and before["d_head"] == _usual_d_head(before):
        # None asks the configuration to derive it, and to say so where heads do not divide the width.
        values["d_head"] = _usual_d_head(values)
    if "rotary_dim" not in moved and values["d_head"] != before["d_head"] == before["rotary_dim"]:
        values["rotary_dim"] = values["d_head"]
    if "attention" in moved and values["attention"] == "gqa":
        values["n_kv_heads"] = nearest_divisor(values["n_heads"], values["n_kv_heads"])
    return values


def nearest_divisor(n_heads: object, wished: object) -> object:
    """The count of key-value heads nearest to `wished` that grouping can take; `wished` where there is none."""
    if not _is_whole(n_heads) or not 1 <= n_heads <= RANGES["n_heads"][1]:
        return wished
    counts = [count for count in range(2, int(n_heads)) if n_heads % count == 0]
    if not _is_whole(wished):
        wished = n_heads
    return min(counts, key=lambda count: (abs(count - wished), count)) if counts else wished


def config_of(values: Values) -> ModelConfig:
    """The configuration that the controls describe; raises `InputError`, whose `field` names the control concerned."""
    shown = applies(values)
    read = {name: _read(name, values[name]) for name in FIELDS if shown[name]}
    derived = {"mha": read["n_heads"], "mqa": 1}
    if read["attention"] in derived:
        read["n_kv_heads"] = derived[read["attention"]]
    read["biases"] = (*read["biases"], *(["norm"] if read.pop("norm_bias", False) else []))
    scaling = {name: read.pop(name) for name in SCALING_NUMBERS if name in read}
    kind = read.pop("rope_scaling", NO_SCALING)
    if kind != NO_SCALING:
        read["rope_scaling"] = RopeScaling(kind=kind, **scaling)
    return ModelConfig(**read)


def control_of(error: InputError) -> str | None:
    """The control beside which a refusal belongs; None where the error names none of them."""
    if error.code == "llama3_frequencies":
        return "low_freq_factor"
    field = error.params.get("field")
    return field if field in FIELDS else None


def _read(name: str, value: object) -> object:
    if name == "mask_pattern":
        return tuple(part.strip() for part in str(value or "").split(",") if part.strip())
    if name == "biases":
        return tuple(value or ())
    if name in OPTIONS or name in FLAGS:
        return value
    if value is DERIVED:
        return None
    return _number(name, value)


def _number(name: str, value: object) -> int | float:
    """A typed number within its range; a whole one as int where the field counts something."""
    low, high = RANGES[name]
    if value is None or isinstance(value, str):
        raise InputError("number_empty", field=name, low=exact(low), high=exact(high))
    if not low <= value <= high:
        raise InputError("out_of_range", field=name, value=exact(value), low=exact(low), high=exact(high))
    return float(value) if name in REALS else int(value) if _is_whole(value) else value


class _Derived:
    """Stands where the configuration shall compute a value itself, because the form could not."""

    def __repr__(self) -> str:
        return "derived"


DERIVED = _Derived()


def _usual_d_head(values: Values) -> object:
    d_model, n_heads = values["d_model"], values["n_heads"]
    if _is_whole(d_model) and _is_whole(n_heads) and n_heads and d_model % n_heads == 0:
        return int(d_model // n_heads)
    return DERIVED


def _is_whole(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and float(value).is_integer()
