"""What distinguishes one architecture from another, field by field: "LLaMA is GPT-2 with these changes"."""

from dataclasses import fields

from models.config import ModelConfig
from models.errors import InputError

Change = tuple[str, object, object]

_ROTARY_ONLY = ("rope_theta", "rope_layout")
_DERIVABLE = ("n_kv_heads", "d_head", "rotary_dim")


def diff(a: ModelConfig, b: ModelConfig) -> list[Change]:
    """The fields in which `b` differs from `a`, as (field, value in a, value in b), in the order of the fields.

    Left out is what only follows from other changes: a derived value (`d_head`, …) that is the usual one in both, and
    the details of rotary positions where `b` has none. Where `a` has none, their old value is None.
    """
    changes = []
    for field in fields(ModelConfig):
        old, new = getattr(a, field.name), getattr(b, field.name)
        if old == new or _only_follows(a, b, field.name):
            continue
        unused = field.name in _ROTARY_ONLY and a.position != "rotary"
        changes.append((field.name, None if unused else old, new))
    return changes


def _only_follows(a: ModelConfig, b: ModelConfig, field: str) -> bool:
    if field in _ROTARY_ONLY:
        return b.position != "rotary"
    return field in _DERIVABLE and _is_usual(a, field) and _is_usual(b, field)


def _is_usual(cfg: ModelConfig, field: str) -> bool:
    try:
        return cfg.replace(**{field: None}) == cfg
    except InputError:  # this model has no usual value: gqa without n_kv_heads, widths that heads do not divide
        return False
