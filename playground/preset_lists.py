"""The presets as two lists to choose from: families in order of age, then the models of one family.

Nothing has to be kept up by hand: a family is called what the titles of its models begin with.
"""

from functools import cache
from itertools import takewhile
from os.path import commonprefix

import models
from models.errors import InputError
from models.presets import PresetInfo
from playground import services
from playground.views.numbers import short


def family_of(name: str) -> str:
    """The key of a preset's family."""
    return models.preset_info(name).family


def family_choices() -> list[tuple[str, str]]:
    """Name with year, and key, of every family: the oldest first; ★ where one of its models has trained weights."""
    first_year = {family: min(info.year for info in members) for family, members in _families().items()}
    ordered = sorted(_families().items(), key=lambda item: (first_year[item[0]], item[0]))
    return [(f"{_star(members)}{_called(members)} · {first_year[family]}", family) for family, members in ordered]


def preset_choices(family: str) -> list[tuple[str, str]]:
    """Name with size, and key, of a family's presets: those with trained weights first, then from small to large.

    ◌ marks a preset that is too large to run here.
    """
    members = _families()[family]
    return [(f"{_star([info]) or _hollow(info)}{info.title} · {short(info.params)}", info.name) for info in members]


def first_of(family: str) -> str:
    """The preset that a family opens with."""
    return _families()[family][0].name


@cache
def runs_here(name: str) -> bool:
    """Whether this machine builds the preset."""
    try:
        services.check_design(name)
    except InputError:
        return False
    return True


def near_presets(name: str) -> list[str]:
    """Titles of presets to take instead of one that is too large: those of its family that run here, else the trained."""
    own = [info.title for info in _families()[family_of(name)] if runs_here(info.name)]
    return own or [services.title(trained) for trained in services.presets_with_weights()]


@cache
def _families() -> dict[str, list[PresetInfo]]:
    infos = sorted(map(models.preset_info, models.presets()), key=lambda info: (not info.trained, info.params))
    families: dict[str, list[PresetInfo]] = {}
    for info in infos:
        families.setdefault(info.family, []).append(info)
    return families


def _called(members: list[PresetInfo]) -> str:
    """What the published titles have in common at their beginning, in whole words: "LLaMA-3", "GPT-2"."""
    titles = [info.title for info in members if info.published_params] or [info.title for info in members]
    common = commonprefix(titles)
    if any(title[len(common) :][:1].isalnum() for title in titles):
        ending = "".join(takewhile(str.isalnum, reversed(common)))
        common = common[: len(common) - len(ending)].rstrip(" -.(") or common
    return common.rstrip(" -.(")


def _hollow(info: PresetInfo) -> str:
    return "" if runs_here(info.name) else "◌ "


def _star(members: list[PresetInfo]) -> str:
    return "★ " if {info.name for info in members} & set(services.presets_with_weights()) else ""
