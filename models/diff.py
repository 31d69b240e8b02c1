"""What distinguishes one architecture from another, field by field: "LLaMA is GPT-2 with these changes"."""

from dataclasses import fields

from models.config import OF_POSITION, ModelConfig
from models.errors import InputError

Change = tuple[str, object, object]

_DERIVABLE = ("n_encoder_layers", "n_kv_heads", "d_head", "rotary_dim", "n_positions", "residual_alpha")


def diff(a: ModelConfig, b: ModelConfig) -> list[Change]:
    """The fields in which `b` differs from `a`, as (field, value in a, value in b), in the order of the fields.

    Left out is what only follows from other changes: a derived value (`d_head`, …) that is the usual one in both, and
    the details of a kind of position that `b` has not. Where `a` has no such details, their old value is None. A group
    (`moe`, …) is one field.
    """
    changes = []
    for field in fields(ModelConfig):
        old, new = getattr(a, field.name), getattr(b, field.name)
        if old != new and not _only_follows(a, b, field.name):
            changes.append((field.name, old, new))
    return changes


def _only_follows(a: ModelConfig, b: ModelConfig, field: str) -> bool:
    if field in OF_POSITION and getattr(b, field) is None:
        return True
    return field in _DERIVABLE and _is_usual(a, field) and _is_usual(b, field)


def _is_usual(cfg: ModelConfig, field: str) -> bool:
    try:
        return cfg.replace(**{field: None}) == cfg
    except InputError:  # this model has no usual value: gqa without n_kv_heads, widths that heads do not divide
        return False
