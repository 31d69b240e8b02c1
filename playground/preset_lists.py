"""The presets as two lists to choose from: families in order of age, then the models of one family.

Models without a file of their own (`models.cards`) stand at the end of their family; a few have a family to themselves.
"""

from functools import cache

import models
from models.errors import InputError
from models.presets import Card, PresetInfo
from playground import limits, model_facts
from playground.i18n import say
from playground.views.numbers import short

ALL = "all"  # in the list of families: every model, to be found by typing
CARD_FAMILIES = ("gpt4", "sparse")  # families without presets


def family_of(name: str) -> str:
    """The key of a preset's family, or of a card's."""
    card = card_of(name)
    return card.family if card else models.preset_info(name).family


def card_of(name: str) -> Card | None:
    """The card of this name, if it is one."""
    return _cards().get(name)


def title_of(name: str) -> str:
    """What a preset or a card is called."""
    card = card_of(name)
    return card.title if card else models.preset_info(name).title


def family_choices(lang: str) -> list[tuple[str, str]]:
    """`ALL`, then name with year, and key, of every family: the oldest first; ★ where a model has trained weights."""
    named = [(family.year, family.title[lang], family.name) for family in models.families()]
    for key in CARD_FAMILIES:
        year = min(card.year for card in _cards().values() if card.family == key)
        named.append((year, say(lang, f"build.family_of.{key}"), key))
    named.sort(key=lambda entry: entry[0])
    families = [(f"{_star(_members(key))}{title} · {year}", key) for year, title, key in named]
    return [(say(lang, "build.all_families"), ALL), *families]


def preset_choices(family: str, lang: str) -> list[tuple[str, str]]:
    """Name with size, and key, of a family's presets: those with trained weights first, then from small to large.

    ◌ marks a preset that is too large to run here; a model known by name alone says so in place of its size.
    """
    if family == ALL:
        return [choice for _, key in family_choices(lang)[1:] for choice in preset_choices(key, lang)]
    members = [
        (f"{_star([info]) or _hollow(info)}{info.title} · {short(info.params)}", info.name) for info in _members(family)
    ]
    return members + [(_card_line(card, lang), card.name) for card in _cards().values() if card.family == family]


def first_of(family: str) -> str:
    """The preset that a family opens with."""
    members = _members(family)
    return members[0].name if members else next(card.name for card in _cards().values() if card.family == family)


@cache
def runs_here(name: str) -> bool:
    """Whether this machine builds the preset."""
    try:
        limits.check_design(name)
    except InputError:
        return False
    return True


def near_presets(name: str) -> list[str]:
    """Titles of presets to take instead of one that is too large: those of its family that run here, else the trained."""
    own = [info.title for info in _members(family_of(name)) if runs_here(info.name)]
    return own or [model_facts.title(trained) for trained in model_facts.presets_with_weights()]


@cache
def _members(family: str) -> tuple[PresetInfo, ...]:
    names = next((known.presets for known in models.families() if known.name == family), ())
    return tuple(sorted(map(models.preset_info, names), key=lambda info: (not info.trained, info.params)))


@cache
def _cards() -> dict[str, Card]:
    return {card.name: card for card in models.cards()}


def _card_line(card: Card, lang: str) -> str:
    if card.shares:
        return f"{card.title} · {say(lang, 'build.card.like', title=models.preset_info(card.shares).title)}"
    return f"{card.title} · {say(lang, 'build.card.without')}"


def _hollow(info: PresetInfo) -> str:
    return "" if runs_here(info.name) else "◌ "


def _star(members: tuple[PresetInfo, ...] | list[PresetInfo]) -> str:
    return "★ " if {info.name for info in members} & set(model_facts.presets_with_weights()) else ""
