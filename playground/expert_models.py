"""The models whose experts the page shows: the one in hand, if it has any, and the small mixtures of this project."""

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

import models
from models.config import ModelConfig
from models.errors import InputError
from playground import limits, model_facts, services

if TYPE_CHECKING:
    from models import Loaded

IN_HAND = "hand"
FIRST = "mixtral-mini"  # of those that are equally trained
SMALL = 20_000_000  # parameters of a mixture that is offered by name


@dataclass(frozen=True)
class ExpertModel:
    """A model as a list names it; `name` is a preset's, or `IN_HAND`."""

    name: str
    title: str
    trained: bool
    design: str
    config: ModelConfig


@cache
def _small_mixtures() -> tuple[str, ...]:
    found = [name for name in models.presets() if models.preset(name).moe is not None]
    return tuple(name for name in found if models.preset_info(name).params <= SMALL)


def small_mixtures() -> list[ExpertModel]:
    """The small mixtures, those first that were trained; the others have random weights."""
    listed = [_listed(name, name) for name in _small_mixtures()]
    return sorted(listed, key=lambda one: (not one.trained, one.name != FIRST))


def in_hand(design: object, lang: str) -> ExpertModel | None:
    """The model in hand, if it has experts and this machine holds it."""
    if not isinstance(design, str):
        return None
    try:
        limits.check_design(design)
        found = replace(_listed(IN_HAND, design), title=model_facts.called(model_facts.inhand(design), lang))
    except InputError:
        return None
    return None if found.config.moe is None else found


def name_of(design: object, lang: str) -> str | None:
    """What the model in hand is called; None if there is none."""
    try:
        return model_facts.called(model_facts.inhand(design), lang) if isinstance(design, str) else None
    except InputError:
        return None


def _listed(name: str, design: str) -> ExpertModel:
    known = model_facts.inhand(design)
    return ExpertModel(name, known.name, known.trained, design, known.config)


def find(design: object) -> ExpertModel:
    """The model of a design string; raises `InputError` where it is none, is too large here, or has no experts."""
    if not isinstance(design, str):
        raise InputError("not_a_text", field="model", value=design)
    limits.check_design(design)
    found = _listed(design, design)
    if found.config.moe is None:
        names = ", ".join(one.name for one in small_mixtures())
        raise InputError("experts_none", model=found.title, names=names)
    return found


def hold(found: ExpertModel) -> "Loaded":
    """That model, ready to run; take a `turn` to run it."""
    return services.hold(found.design)
