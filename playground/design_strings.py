"""A design as one string, "gpt2~norm=rmsnorm~moe.n_experts=8", for addresses and endpoints; there and back exactly.

A preset's name, then what differs from it. Fields of a group have dotted names; a group that the design has not is empty
("moe="). Tuples are comma-separated, flags true or false, an empty value means none.
"""

from dataclasses import dataclass, fields

import models
from models.config import GROUPS, OF_POSITION, ModelConfig
from models.errors import InputError
from models.installed import INSTALLABLE
from models.nearest import nearest
from playground.trained_here import HERE, shelf

MAX_DESIGN = 6_000  # characters; an address of more than about 8 000 is refused on its way

DERIVED = ("n_encoder_layers", "n_kv_heads", "d_head", "rotary_dim", "n_positions", "residual_alpha")
"""Fields that a configuration can work out from others."""

_TYPES = {kind: {field.name: str(field.type) for field in fields(kind)} for kind in (ModelConfig, *GROUPS.values())}
_NESTED: dict[str, type] = {**GROUPS, "vision_tower": ModelConfig}


@dataclass(frozen=True)
class Design:
    """A configuration and the preset that it started from; `trained` names the installable model, or the one trained
    here, that was asked for."""

    base: str
    config: ModelConfig
    trained: str | None = None


def parse_design(text: str) -> Design:
    """The design of a string like "gpt2~norm=rmsnorm~n_layers=6~biases=q,k,v".

    A preset's name, an installable model's, or that of a model trained here ("here:…"), then what differs from it; a
    design that does differ is no trained one. Raises `InputError`.
    """
    if len(as_text("model", text)) > MAX_DESIGN:
        raise InputError("design_too_long", length=len(text), limit=MAX_DESIGN)
    base, *parts = text.split("~")
    if not base.strip():
        raise InputError("design_empty")
    changes: dict = {}
    for part in parts:
        name, separator, value = part.partition("=")
        if not separator:
            raise InputError("design_not_readable", part=part)
        _put(changes, name, value)
    preset, start = _start(base)
    config = changed(start, changes)
    has_weights = base in INSTALLABLE or base.startswith(HERE)
    return Design(preset, config, base if has_weights and config == start else None)


def _start(base: str) -> tuple[str, ModelConfig]:
    """The preset that a design string's first part stands for, and the configuration that the rest of it changes."""
    if base.startswith(HERE):
        kept = shelf.get(base)
        return kept.base, kept.config
    preset = INSTALLABLE[base].preset if base in INSTALLABLE else base
    return preset, models.preset(preset)


def changed(start: ModelConfig, changes: dict) -> ModelConfig:
    """`start` with `changes`, in which a dict for a group (or the vision tower) changes some of its fields.

    A group that `start` has not is made of the dict alone. Raises `InputError`.
    """
    values = dict(changes)
    for name, kind in _NESTED.items():
        inside = values.get(name)
        if isinstance(inside, dict):
            values[name] = _changed_group(getattr(start, name), kind, name, inside)
    return start.replace(**values)


def _changed_group(old: object, kind: type, name: str, changes: dict) -> object:
    if kind is ModelConfig:
        return changed(old, changes) if old else ModelConfig.from_dict(changes)
    values = old.to_dict() if old else {}
    if name == "moe" and old and "every" in changes and old.offset == old.every - 1:
        values["offset"] = None  # the last of each `every`, unless the changes say otherwise
    return kind.from_dict({**values, **changes})


def design_string(base: str, config: ModelConfig) -> str:
    """The inverse of `parse_design`: `base` and what differs from it; `InputError` if that is too long to be read."""
    start = models.preset(base)
    changes = _differences(start, config)
    text = "~".join([base, *(line for name, value in changes.items() for line in _lines(name, value, start))])
    if len(text) > MAX_DESIGN:
        raise InputError("design_too_long", length=len(text), limit=MAX_DESIGN)
    return text


def _differences(start: ModelConfig, config: ModelConfig) -> dict:
    """The fewest fields of `config` with which `start.replace` gives it."""
    changes = {name: new for name, _, new in models.diff(start, config)}
    fewer = {
        name: value for name, value in changes.items() if name not in OF_POSITION
    }  # details that are the usual ones
    for enough in (fewer, changes):
        if _leads_to(start, enough, config):
            return enough
    # What usually follows from the other fields does not here, so it is written out.
    values = {field.name: getattr(config, field.name) for field in fields(ModelConfig)}
    return {name: value for name, value in values.items() if name in DERIVED or value != getattr(start, name)}


def _leads_to(start: ModelConfig, changes: dict, config: ModelConfig) -> bool:
    try:
        return start.replace(**changes) == config
    except InputError:
        return False


def _lines(name: str, value: object, start: object) -> list[str]:
    """The parts of a design string that change one field; of a group, one for each of its fields that differs."""
    field = name.rpartition(".")[2]
    kind = _NESTED.get(field)
    if kind is None or value is None:
        return [f"{name}={_config_text(value)}"]
    old = getattr(start, field, None)
    inside = _inside(old, value, kind, field)
    return [line for inner, now in inside.items() for line in _lines(f"{name}.{inner}", now, old)]


def _inside(old: object, new: object, kind: type, name: str) -> dict:
    """The fields of a group, or of the vision tower, that lead from `old` (None: there is none) to `new`."""
    if kind is ModelConfig and old is not None:
        return _differences(old, new)
    before = {field.name: getattr(old, field.name) if old else field.default for field in fields(kind)}
    inside = {field: getattr(new, field) for field in before if getattr(new, field) != before[field]}
    if name != "moe":
        return inside
    shorter = {field: value for field, value in inside.items() if field != "offset"}
    return shorter if _changed_group(old, kind, name, shorter) == new else {**inside, "offset": new.offset}


def _put(changes: dict, name: str, value: str) -> None:
    """Writes the text of a field, with dotted names in dicts of their own, read as the field's type asks."""
    kind, place = ModelConfig, changes
    *groups, field = name.split(".")
    for group in groups:
        if group not in _NESTED or kind is not ModelConfig or (group == "vision_tower" and place is not changes):
            raise InputError("unknown_field", field=name, similar=nearest(name, _TYPES[ModelConfig]))
        kind = _NESTED[group]
        if not isinstance(place.setdefault(group, {}), dict):
            place[group] = {}
        place = place[group]
    if field not in _TYPES[kind]:
        known = [".".join([*groups, inner]) for inner in _TYPES[kind]]
        raise InputError("unknown_field", field=name, similar=nearest(name, known))
    place[field] = _read_value(_TYPES[kind][field], value)


def _read_value(kind: str, value: str):
    if "tuple" in kind:
        entries = [part for part in value.split(",") if part]
        if "int" in kind:
            return tuple(_number(part, whole=True) for part in entries) or None
        return tuple(entries)
    if not value:
        return None
    if "bool" in kind:
        return {"true": True, "false": False}.get(value, value)
    if "int" in kind or "float" in kind:
        return _number(value, whole="float" not in kind)
    return value


def _number(text: str, whole: bool):
    """The number, or the text as it stands: the configuration's own check then names the field and the value."""
    try:
        return int(text) if whole else float(text)
    except ValueError:
        return text


def _config_text(value) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return as_written(value)


def as_written(value) -> str:
    """A number, flag or name as an address holds it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    return str(value)


def as_text(field: str, value: object) -> str:
    """`value`, which must be a text: callers of the API can send anything. Raises `InputError` that names `field`."""
    if not isinstance(value, str):
        raise InputError("not_a_text", field=field, value=value)
    return value


def as_flag(field: str, value: object) -> bool:
    """`value`, which must be True or False, likewise."""
    if not isinstance(value, bool):
        raise InputError("not_a_flag", field=field, value=value)
    return value
