"""The published architectures, one TOML file each: the configuration at the top, its origin in `[about]`.

The files are data: every structural choice is spelled out, so that two of them can be read side by side. They are read
when first asked for, and need no torch.
"""

import tomllib
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from models.config import ModelConfig
from models.errors import InputError

FOLDER = Path(__file__).parent
ZOO = FOLDER.parents[1] / "assets" / "zoo"


@dataclass(frozen=True)
class PresetInfo:
    """Where a preset comes from.

    `params` is the exact count of the configuration, `published_params` the figure that its authors print (None for the
    models of this project). `assumed` names the fields that the source does not give. `notes` maps a language ("en",
    "zh") to what a reader should know about the figures. `trained` says whether weights are shipped under this name.
    """

    name: str
    title: str
    family: str
    year: int
    source: str
    notes: dict[str, str]
    published_params: int | None
    params: int
    assumed: tuple[str, ...]
    trained: bool


def presets() -> list[str]:
    """All names: by year, within a year by family and size."""

    def place(name: str) -> tuple:
        about = _read(name)["about"]
        return about["year"], about["family"], about["params"], name

    return sorted(_names(), key=place)


@cache
def preset(name: str) -> ModelConfig:
    """The configuration of a published architecture; `InputError` with the nearest names for an unknown one."""
    values = dict(_read(name))
    values.pop("about")
    return ModelConfig.from_dict(values)


def preset_info(name: str) -> PresetInfo:
    """Title, family, year, source and parameter counts of a preset; `InputError` for an unknown name."""
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
        assumed=tuple(about["assumed"]),
        trained=(ZOO / name / "config.json").is_file(),
    )


@cache
def _names() -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


@cache
def _read(name: str) -> dict:
    if name not in _names():
        similar = get_close_matches(str(name), _names(), n=5, cutoff=0.5) or _names()
        raise InputError("unknown_preset", name=name, similar=", ".join(similar))
    return tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
