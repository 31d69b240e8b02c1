"""From the Transformer of 2017 to the models after it, one change at a time: the steps of `lineage_steps.toml`, computed.

Every step is a real configuration, checked like any other; what it did to parameters and cache is counted, not written.
"""

import tomllib
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

import models
from models.account import Account
from models.config import ModelConfig
from playground.comparison import Difference, differences
from playground.design_strings import changed

FILE = Path(__file__).with_name("lineage_steps.toml")


@dataclass(frozen=True)
class Paper:
    """Where a step was described; `pair` says that `authors` names all of them, so that no "et al." follows."""

    authors: str
    year: int
    work: str
    at: str = ""
    pair: bool = False


@dataclass(frozen=True)
class Step:
    """One change on the way; `config` is the model after it.

    `chosen` names the fields that the step sets (dotted within a group); other fields that change follow from them.
    `sentences` and `together` map a language to a text; `together` says why several fields had to change at once, and is
    empty where only one is set. `reached` names the preset that this step completes; empty on the way.
    """

    config: ModelConfig
    account: Account
    chosen: tuple[str, ...]
    changes: tuple[Difference, ...]
    sentences: dict[str, str]
    together: dict[str, str]
    paper: Paper | None
    reached: str = ""


@dataclass(frozen=True)
class Route:
    """A series of presets and the steps between them; step 0 is the first preset itself, without a change."""

    name: str
    stops: tuple[str, ...]
    steps: tuple[Step, ...]

    def stop_of(self, preset: str) -> int:
        """The number of the step that completes `preset`."""
        return next(number for number, step in enumerate(self.steps) if step.reached == preset)


@cache
def route_names() -> tuple[str, ...]:
    """The routes, in the order in which they are offered."""
    return tuple(_read()["routes"])


@cache
def route_end(name: str) -> str:
    """The preset that a route leads to."""
    return _read()["routes"][name][-1]


@cache
def longest() -> int:
    """The number of the last step of the longest route."""
    written = {(part["from"], part["to"]): len(part["steps"]) for part in _read()["segments"]}
    return max(sum(written[pair] for pair in pairwise(stops)) for stops in _read()["routes"].values())


@cache
def route(name: str) -> Route:
    """A route with all its steps. Raises `KeyError` for a name that is not in `route_names`."""
    stops = _read()["routes"][name]
    start = models.preset(stops[0])
    steps = [Step(start, models.account(start), (), (), {}, {}, None, stops[0])]
    for before, after in pairwise(stops):
        steps += _segment(before, after)
    return Route(name, tuple(stops), tuple(steps))


@cache
def _segment(before: str, after: str) -> tuple[Step, ...]:
    written = next(part for part in _read()["segments"] if (part["from"], part["to"]) == (before, after))["steps"]
    config, steps = models.preset(before), []
    for number, entry in enumerate(written, 1):
        fresh = changed(config, entry["set"])
        steps.append(
            Step(
                config=fresh,
                account=models.account(fresh),
                chosen=tuple(_named(entry["set"])),
                changes=tuple(differences(config, fresh)),
                sentences={lang: entry[lang] for lang in ("en", "zh")},
                together=dict(entry.get("together", {})),
                paper=_paper(entry["paper"]),
                reached=after if number == len(written) else "",
            )
        )
        config = fresh
    return tuple(steps)


def _named(changes: dict) -> list[str]:
    """The fields that a step sets: those of a group dotted, after the group itself."""
    names = []
    for name, value in changes.items():
        names.append(name)
        if isinstance(value, dict):
            names += [f"{name}.{inner}" for inner in value]
    return names


def _paper(name: str) -> Paper:
    return Paper(**_read()["papers"][name])


@cache
def _read() -> dict:
    return tomllib.loads(FILE.read_text(encoding="utf-8"))
