"""The published architectures, one TOML file each: the configuration at the top, its origin in `[about]`.

The files are data: every structural choice is spelled out, so that two of them can be read side by side. They are read
when first asked for, and need no torch. `families.toml` gives the order and the titles of the families;
`unpublished.toml` has the models that have no file of their own, as cards.
"""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from models.config import ModelConfig
from models.errors import InputError
from models.nearest import nearest

FOLDER = Path(__file__).parent
ZOO = FOLDER.parents[1] / "assets" / "zoo"
NOT_PRESETS = ("families", "unpublished")


@dataclass(frozen=True)
class PresetInfo:
    """Where a preset comes from.

    `params` is the exact count of the configuration, `active_params` what of it one token meets; `published_params` and
    `published_active` are the figures that its authors print (None where they print none). `assumed` names the fields
    that the source does not give. `notes` maps a language ("en", "zh") to what a reader should know about the figures.
    `also_called` are further names under which `preset` finds it. `trained` says whether weights are shipped under this
    name.
    """

    name: str
    title: str
    family: str
    year: int
    source: str
    notes: dict[str, str]
    published_params: int | None
    params: int
    published_active: int | None
    active_params: int
    assumed: tuple[str, ...]
    also_called: tuple[str, ...]
    trained: bool


@dataclass(frozen=True)
class Family:
    """Presets of one lineage; `title` maps a language to its heading, `year` is that of its first member."""

    name: str
    title: dict[str, str]
    year: int
    presets: tuple[str, ...]


@dataclass(frozen=True)
class Card:
    """A model that has no file of its own, without numbers.

    `known` and `unknown` map a language ("en", "zh") to what is published of it and what is not (empty where nothing is
    missing). `shares` names the preset whose configuration it has to the last field, under which `preset` finds it; `like`
    one with the same kind of layers in other sizes; None where there is no such preset.
    """

    name: str
    title: str
    year: int
    family: str
    known: dict[str, str]
    unknown: dict[str, str]
    source: str
    shares: str | None
    like: str | None


def presets() -> list[str]:
    """All names: by family in the order of `families`, within a family by year and size."""

    def place(name: str) -> tuple:
        about = _read(name)["about"]
        return _family_order().index(about["family"]), about["year"], about["params"], name

    return sorted(_names(), key=place)


def families() -> list[Family]:
    """The families in the order in which they appeared, with their presets."""
    members: dict[str, list[str]] = {}
    for name in presets():
        members.setdefault(_read(name)["about"]["family"], []).append(name)
    return [
        Family(name, dict(values["title"]), values["year"], tuple(members.get(name, ())))
        for name, values in _read_file("families").items()
    ]


def cards() -> list[Card]:
    """The models without a file of their own, by year."""
    found = [
        Card(
            name=name,
            title=values["title"],
            year=values["year"],
            family=values["family"],
            known=dict(values["known"]),
            unknown=dict(values.get("unknown", {})),
            source=values["source"],
            shares=values.get("shares"),
            like=values.get("like"),
        )
        for name, values in _read_file("unpublished").items()
    ]
    return sorted(found, key=lambda card: (card.year, card.title))


@cache
def preset(name: str) -> ModelConfig:
    """The configuration of a published architecture, also under a further name of it ("deepseek-r1").

    Raises `InputError` with the nearest names for an unknown one.
    """
    values = dict(_read(name))
    values.pop("about")
    return ModelConfig.from_dict(values)


def preset_info(name: str) -> PresetInfo:
    """Title, family, year, source and parameter counts of a preset; `InputError` for an unknown name."""
    name = _aliases().get(name, name)
    about = _read(name)["about"]
    return PresetInfo(
        name=name,
        title=about["title"],
        family=about["family"],
        year=about["year"],
        source=about["source"],
        notes=dict(about["notes"]),
        published_params=about.get("published_params"),
        params=about["params"],
        published_active=about.get("published_active"),
        active_params=about.get("active_params", about["params"]),
        assumed=tuple(about["assumed"]),
        also_called=tuple(sorted(alias for alias, meant in _aliases().items() if meant == name)),
        trained=(ZOO / name / "config.json").is_file(),
    )


@cache
def _names() -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml") if path.stem not in NOT_PRESETS))


@cache
def _aliases() -> dict[str, str]:
    """Further names, each with the preset that it means."""
    called = {alias: name for name in _names() for alias in _read_file(name)["about"].get("also_called", ())}
    shared = {name: card["shares"] for name, card in _read_file("unpublished").items() if "shares" in card}
    return called | shared


@cache
def _family_order() -> tuple[str, ...]:
    return tuple(_read_file("families"))


def _read(name: str) -> dict:
    if name in _names():
        return _read_file(name)
    if name in _aliases():
        return _read_file(_aliases()[name])
    raise InputError("unknown_preset", name=name, similar=nearest(name, (*_names(), *_aliases())))


@cache
def _read_file(name: str) -> dict:
    return tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
