"""What a design changes in its preset: what was chosen, and what only follows from it."""

from dataclasses import dataclass, fields

import models
from models.config import GROUPS, OF_POSITION, ModelConfig
from models.errors import InputError
from playground.design_strings import DERIVED


@dataclass(frozen=True)
class Difference:
    """One field that differs; a field of a group has a dotted name. `follows` says from what, empty where it was chosen.

    `follows` is "derived" (a value worked out from others), "usual" (what a newly chosen part has unless told otherwise) or
    "structure" (the old value does not go with the new structure).
    """

    field: str
    old: object
    new: object
    follows: str = ""


def differences(start: ModelConfig, config: ModelConfig) -> list[Difference]:
    """All differences, those that were chosen first."""
    found = [difference for change in models.diff(start, config) for difference in _of_change(start, config, *change)]
    named = {difference.field for difference in found}
    for name in DERIVED:
        old, new = getattr(start, name), getattr(config, name)
        if name not in named and new not in (old, None) and old is not None:
            found.append(Difference(name, old, new, "derived"))
    return sorted(found, key=lambda difference: bool(difference.follows))


def _of_change(start: ModelConfig, config: ModelConfig, field: str, old: object, new: object) -> list[Difference]:
    if old is not None and new is not None and field in (*GROUPS, "vision_tower"):
        names = [known.name for known in fields(new) if getattr(old, known.name) != getattr(new, known.name)]
        within = [_of_change(start, config, name, getattr(old, name), getattr(new, name)) for name in names]
        return [Difference(f"{field}.{one.field}", one.old, one.new) for several in within for one in several]
    if field in OF_POSITION and old is None and _is_usual(config, field):
        return [Difference(field, old, new, "usual")]
    if start.structure != config.structure and field != "structure" and not _can_stay(config, field, old):
        return [Difference(field, old, new, "structure")]
    return [Difference(field, old, new)]


def _is_usual(config: ModelConfig, field: str) -> bool:
    return _can_stay(config, field, None) and config.replace(**{field: None}) == config


def _can_stay(config: ModelConfig, field: str, value: object) -> bool:
    try:
        config.replace(**{field: value})
    except InputError:
        return False
    return True
