"""What designs that learn are called: by their preset, and in a race by what sets them apart."""

from itertools import combinations

import models
from models.config import ModelConfig
from playground.design_diff import differences
from playground.i18n import say
from playground.views.design_changes import field_name, value_words

MOST = 2  # differences that a name tells, where they are enough to tell designs apart
PARTS = ("norm", "block", "position", "attention", "ffn", "activation", "moe", "mask_pattern")
"""Choices that tell designs apart better than sizes do, which often follow from them."""


def design_words(base: str, config: ModelConfig, lang: str) -> str:
    """A preset's title, or that it was changed."""
    title = models.preset_info(base).title
    return title if config == models.preset(base) else say(lang, "shell.model.changed", base=title)


def race_words(designs: list[tuple[str, ModelConfig]], lang: str) -> list[str]:
    """A name for each of several (preset, configuration): the preset, and what sets those of one preset apart."""
    titles = [models.preset_info(base).title for base, _ in designs]
    names = [design_words(*design, lang) for design in designs]
    for title in dict.fromkeys(titles):
        places = [place for place, other in enumerate(titles) if other == title]
        if len(places) == 1:
            continue
        apart = _apart([designs[place][1] for place in places], [names[place] for place in places], lang)
        for place, what in zip(places, apart, strict=True):
            is_only_preset = len(places) == len(designs)
            names[place] = what if is_only_preset else say(lang, "train.of_preset", preset=title, what=what)
    return names


def unlike_words(names: list[str], objectives: list[str], tokenizers: list[str], lang: str) -> str:
    """Why the losses of a race cannot be compared; empty where they can."""
    if len(set(objectives)) > 1:
        learns = [
            say(lang, "train.learns", name=name, objective=say(lang, f"train.objective.{objective}"))
            for name, objective in zip(names, objectives, strict=True)
        ]
        return say(lang, "train.unlike_objectives", learns=say(lang, "train.semicolon").join(learns))
    if len(set(tokenizers)) > 1:
        return say(lang, "train.unlike_tokenizers", tokenizers=say(lang, "train.comma").join(tokenizers))
    return ""


def _apart(configs: list[ModelConfig], names: list[str], lang: str) -> list[str]:
    """What tells several designs of one preset apart, in as few words as do; numbers where nothing does."""
    telling, others = _differing(configs)
    found = telling + others
    for count in range(min(MOST, len(telling or others)), len(found) + 1):
        told = [_values(config, found[:count], lang) for config in configs]
        if len(set(told)) == len(told):
            return [words or name for words, name in zip(told, names, strict=True)]
    return [f"{number}. {name}" for number, name in enumerate(names, start=1)]


def _differing(configs: list[ModelConfig]) -> tuple[list[str], list[str]]:
    """The fields in which they differ by choice: those that tell most, and the others."""
    changes = [change for pair in combinations(configs, 2) for change in differences(*pair)]
    found = list(dict.fromkeys(change.field for change in changes if not change.follows))
    telling = [name for name in found if name.partition(".")[0] in PARTS]
    return telling, [name for name in found if name not in telling]


def _values(config: ModelConfig, fields: list[str], lang: str) -> str:
    told = []
    for name in fields:
        group, _, inner = name.rpartition(".")
        holder = getattr(config, group) if group else config
        if holder is None:
            continue
        value = getattr(holder, inner)
        if name == "moe":
            told.append(
                say(lang, "train.dense") if value is None else say(lang, "train.n_experts", count=value.n_experts)
            )
        elif isinstance(value, int | float) or value is None:
            told.append(f"{field_name(name, lang)} {value_words(name, value, lang)}")
        else:
            told.append(value_words(name, value, lang))
    return say(lang, "train.comma").join(told)
