"""Which head a request means, read and checked."""

from models.config import ModelConfig
from models.errors import InputError
from models.inspection.groups import groups_of


def place(wanted: object, config: ModelConfig) -> tuple[str, int, int]:
    """Group, layer and head of a request, such as "decoder.2.0": of one written for another model the nearest that there
    is, and for None the first. Raises `InputError` for what is no such text."""
    groups = {group.name: group for group in groups_of(config)}
    if wanted is None:
        return next(iter(groups)), 0, 0
    parts = wanted.split(".") if isinstance(wanted, str) else []
    if len(parts) != 3 or not all(part.isascii() and part.isdecimal() and len(part) < 6 for part in parts[1:]):
        raise InputError("not_a_choice", field="at", value=wanted, allowed=", ".join(f"{name}.0.0" for name in groups))
    group = groups.get(parts[0]) or next(iter(groups.values()))
    layer, head = map(int, parts[1:])
    return group.name, min(layer, group.n_layers - 1), min(head, group.config.n_heads - 1)
