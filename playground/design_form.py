"""The form of Build as plain values: what its controls hold, and the configuration that they describe.

A form's values are a dict from control name to what the control holds: numbers as typed (None where emptied), choices
by name. Controls that do not apply keep their values but say nothing to the configuration.
"""

from dataclasses import MISSING, fields

from models.combinations import NEEDS_OF_SPARSE
from models.config import GROUPS as CONFIG_GROUPS
from models.config import (
    RANGES,
    ImageInput,
    LatentAttention,
    MixtureOfExperts,
    ModelConfig,
    RopeScaling,
    SparsePattern,
)
from models.errors import InputError
from playground.design_applies import SPARES_SOME, applies
from playground.design_controls import (
    FIELDS,
    FLAGS,
    IMAGE,
    NONE,
    OPTIONAL,
    OPTIONS,
    REALS,
    TEXT,
    TUPLES,
    Values,
    group_of,
    masks_of,
    reads_image,
)
from playground.views.numbers import exact

LONGEST_LIST = 100  # characters of a typed list of numbers


def values_of(cfg: ModelConfig, kept: Values | None = None) -> Values:
    """What the controls hold for a configuration; those that do not apply hold what was `kept`, or a sensible value."""
    kept = {name: value for name, value in (kept or {}).items() if value is not DERIVED}
    fallback = {**usual_values(cfg), **kept}
    said = _said_by(cfg)
    values = {name: said[name] if name in said else fallback.get(name) for name in FIELDS}
    return {**values, "vision_tower": cfg.vision_tower or fallback.get("vision_tower")}


def _said_by(cfg: ModelConfig) -> Values:
    """The values of the controls that `cfg` has something to say about."""
    tower = cfg.vision_tower
    groups = {**{name: getattr(cfg, name) for name in CONFIG_GROUPS}, "": cfg, "vision_tower": tower}
    groups["image"] = cfg.image or (tower.image if tower else None)
    said: Values = {}
    for name in FIELDS:
        group, field = group_of(name)
        value = getattr(groups[group], field, None)
        if value is not None or (name in OPTIONAL and groups[group] is not None):
            said[name] = ", ".join(map(str, value)) if name in TUPLES else value
    said["mask_pattern"] = ",".join(cfg.mask_pattern)
    said["norm_bias"] = "norm" in cfg.biases
    said["biases"] = [name for name in cfg.biases if name != "norm"]
    said["rope_scaling.kind"] = cfg.rope_scaling.kind if cfg.rope_scaling else NONE
    said["experts"] = _experts_of(cfg.moe)
    said["reads"] = IMAGE if cfg.image else TEXT
    if cfg.image:  # its vocabulary is empty and its context that of the image: neither was chosen
        del said["vocab_size"], said["max_seq_len"], said["n_positions"]
    return said


def _experts_of(moe: MixtureOfExperts | None) -> str:
    if moe is None:
        return NONE
    return "lora" if moe.expert == "lora" else moe.mixing


def usual_values(cfg: ModelConfig) -> Values:
    """A sensible value for every control that `cfg` itself may leave without one."""
    even_head = cfg.d_head - cfg.d_head % 2 or 2
    context = 512 if cfg.image else cfg.max_seq_len
    rows = 1 << (context.bit_length() // 2)
    usual: Values = {
        "vocab_size": 32_000,
        "max_seq_len": context,
        "n_encoder_layers": cfg.n_layers,
        "n_classes": 1000 if cfg.image else 2,
        "d_projection": min(cfg.d_model, 512),
        "window": max(1, context // 4),
        "rope_theta": 10_000.0,
        "rope_layout": "half",
        "rotary_dim": even_head,
        "sinusoid_layout": "interleaved",
        "n_positions": context,
        "relative_buckets": 32,
        "relative_max_distance": 128,
        "axial_shape": f"{rows}, {-(-context // rows)}",
        "axial_dims": f"{cfg.d_model // 4}, {cfg.d_model - cfg.d_model // 4}",
        "residual_alpha": (2 * cfg.n_layers) ** 0.5,
        "mla.kv_lora_rank": 4 * even_head,
        "mla.qk_nope_head_dim": even_head,
        "mla.qk_rope_head_dim": max(2, even_head // 2 - even_head // 2 % 2),
        "mla.v_head_dim": even_head,
        "rope_scaling.factor": 2.0,
        "rope_scaling.original_max_seq_len": max(1, context // 2),
        "moe.n_experts": 8,
        "moe.n_experts_per_token": 2,
        "moe.d_expert": cfg.d_ff,
        "moe.offset": 0,
        "moe.n_groups_per_token": 1,
        "moe.slots_per_expert": 1,
        "moe.lora_rank": 8,
        "image.image_size": 224,
        "image.patch_size": 16,
    }
    return {**_defaults_of_groups(), **usual}


def _defaults_of_groups() -> Values:
    defaults = {}
    for name in FIELDS:
        group, field = group_of(name)
        if group in CONFIG_GROUPS:
            known = {known.name: known.default for known in fields(CONFIG_GROUPS[group])}
            if known[field] is not MISSING:
                defaults[name] = known[field]
    return defaults


def config_of(values: Values) -> ModelConfig:
    """The configuration that the controls describe; raises `InputError`, whose `field` names the control concerned."""
    shown = applies(values)
    read: Values = {}
    tables: dict[str, Values] = {}
    for name in FIELDS:
        if shown[name]:
            group, field = group_of(name)
            (tables.setdefault(group, {}) if group else read)[field] = _read(name, values[name])
    if read["attention"] == "mqa":
        read["n_kv_heads"] = 1
    read["biases"] = (*read["biases"], *(["norm"] if read.pop("norm_bias", False) else []))
    if tables.get("rope_scaling", {}).get("kind", NONE) != NONE:
        read["rope_scaling"] = RopeScaling(**tables["rope_scaling"])
    if "mla" in tables:
        read["mla"] = LatentAttention(**tables["mla"])
    if "sparse" in tables:
        read["sparse"] = _sparse(masks_of(values), tables["sparse"])
    read["moe"] = _mixture(read.pop("experts"), tables.get("moe", {}), values)
    read.pop("reads", None)
    if "image" in tables:
        image = ImageInput(**tables["image"])
        if reads_image(values):
            read |= {"image": image, "vocab_size": 0, "max_seq_len": image.n_patches + 1, "position": "learned"}
        else:
            read["vision_tower"] = _tower(values["vision_tower"], image, tables["vision_tower"])
    return ModelConfig(**read)


def _sparse(masks: tuple[str, ...], numbers: Values) -> SparsePattern | None:
    """None where no mask needs the numbers and they are those that a pattern has anyway."""
    pattern = SparsePattern(**numbers)
    return None if pattern == SparsePattern() and not set(masks) & set(NEEDS_OF_SPARSE) else pattern


def _mixture(experts: object, numbers: Values, values: Values) -> MixtureOfExperts | None:
    if experts == NONE:
        return None
    numbers = {"n_experts_per_token": 1 if values["moe.router"] == "switch" else numbers["n_experts"], **numbers}
    if experts not in SPARES_SOME:
        numbers |= {"mixing": experts, "router": "dense", "n_experts_per_token": numbers["n_experts"]}
    return MixtureOfExperts(expert="lora" if experts == "lora" else "ffn", **numbers)


def _tower(tower: ModelConfig, image: ImageInput, sizes: Values) -> ModelConfig:
    context = {"max_seq_len": image.n_patches + 1, "n_positions": image.n_patches + 1}
    changed = {name: value for name, value in sizes.items() if value != getattr(tower, name)}
    return tower if not changed and image == tower.image else tower.replace(image=image, **context, **changed)


# What a refusal of the core calls by another name than the form does.
_CONTROL_OF = {
    "image": "reads",
    "mla": "attention",
    "sparse": "mask_pattern",
    "vision_tower": "structure",
    "moe": "experts",
    "mixing": "experts",
    "moe.mixing": "experts",
}
_CONTROL_OF_CODE = {"llama3_frequencies": "rope_scaling.low_freq_factor", "yarn_betas": "rope_scaling.beta_fast"}


def control_of(error: InputError) -> str | None:
    """The control beside which a refusal belongs; None where the error names none of them."""
    field = _CONTROL_OF_CODE.get(error.code) or error.params.get("field")
    field = _CONTROL_OF.get(field, field)
    if field in FIELDS:
        return field
    within = [name for name in FIELDS if group_of(name)[1] == field]
    return within[0] if len(within) == 1 else None


def _read(name: str, value: object) -> object:
    if name == "mask_pattern":
        return masks_of({name: value})
    if name == "biases":
        return tuple(value or ())
    if name in TUPLES:
        return _whole_numbers(name, value)
    if name in OPTIONS or name in FLAGS:
        return value
    if value is DERIVED or (value is None and name in OPTIONAL):
        return None
    return _number(name, value)


def _whole_numbers(name: str, value: object) -> tuple[int, ...]:
    texts = [part.strip() for part in str(value or "")[:LONGEST_LIST].split(",")]
    if not all(text.isdecimal() for text in texts):
        raise InputError("numbers_not_listed", field=name, value=value)
    return tuple(map(int, texts))


def _number(name: str, value: object) -> int | float:
    """A typed number within its range; a whole one as int where the field counts something."""
    field = group_of(name)[1]
    low, high = RANGES[field]
    if value is None or isinstance(value, str):
        raise InputError("number_empty", field=name, low=exact(low), high=exact(high))
    if not low <= value <= high:
        raise InputError("out_of_range", field=name, value=exact(value), low=exact(low), high=exact(high))
    return float(value) if name in REALS else int(value) if is_whole(value) else value


class _Derived:
    """Stands where the configuration shall compute a value itself, because the form could not."""

    def __repr__(self) -> str:
        return "derived"


DERIVED = _Derived()


def is_whole(value: object) -> bool:
    """Whether a control holds a whole number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and float(value).is_integer()
