"""What designs that learn are called: by their preset, and in a race by what they differ in."""

import models
from models.config import ModelConfig
from playground.i18n import say
from playground.views.design_changes import field_name, value_words

MOST = 2  # differences that a name tells
PARTS = ("norm", "block", "position", "attention", "ffn", "activation", "moe", "mask_pattern")
"""Choices that tell designs apart better than sizes do, which often follow from them."""


def design_words(base: str, config: ModelConfig, lang: str) -> str:
    """A preset's title, or that it was changed."""
    title = models.preset_info(base).title
    return title if config == models.preset(base) else say(lang, "shell.model.changed", base=title)


def race_words(designs: list[tuple[str, ModelConfig]], lang: str) -> list[str]:
    """A name for each of several (preset, configuration): the preset where these differ, else what differs."""
    if len(designs) == 1:
        return [design_words(*designs[0], lang)]
    titles = [models.preset_info(base).title for base, _ in designs]
    if len(set(titles)) == len(titles):
        return titles
    fields = _differing([config for _, config in designs])
    names = [_values(config, fields, lang) or title for (_, config), title in zip(designs, titles, strict=True)]
    if len(set(names)) == len(names):
        return names
    return [f"{number}. {name}" for number, name in enumerate(names, start=1)]


def _differing(configs: list[ModelConfig]) -> list[str]:
    found: list[str] = []
    for other in configs[1:]:
        found += [name for name, _, _ in models.diff(configs[0], other) if "." not in name and name not in found]
    telling = [name for name in found if name in PARTS]
    return (telling or found)[:MOST]


def _values(config: ModelConfig, fields: list[str], lang: str) -> str:
    told = []
    for name in fields:
        value = getattr(config, name)
        if name == "moe":
            told.append(
                say(lang, "train.dense") if value is None else say(lang, "train.n_experts", count=value.n_experts)
            )
        elif isinstance(value, int | float) or value is None:
            told.append(f"{field_name(name, lang)} {value_words(name, value, lang)}")
        else:
            told.append(value_words(name, value, lang))
    return say(lang, "train.comma").join(told)
