"""What is known of a model without building it: its name, its size, and where its weights are from. Needs no torch."""

from dataclasses import dataclass
from functools import cache, lru_cache

import models
from models.config import ModelConfig
from models.errors import InputError
from models.installed import INSTALLABLE, installed_config, installed_models
from playground.i18n import say
from playground.session import Design, parse_design
from playground.trained_here import Here, is_here, shelf


@dataclass(frozen=True)
class InHand:
    """What the header says of a model, known without building it. `origin_key` is under `shell.origin`.

    `weights` is the name under which its trained weights are known, None for random ones; `steps` are those of a training
    in the browser.
    """

    name: str
    changed: bool  # differs from the preset whose name it bears
    params: int
    trained: bool
    origin_key: str  # "zoo", "package", "here", "brought" or "random"
    config: ModelConfig
    weights: str | None = None
    steps: int | None = None


def inhand(design: str) -> InHand:
    """The model of a design string, described; raises `InputError` where the string is no model, or one not installed."""
    parsed = read_design(design)
    if is_here(parsed.trained):
        return _inhand_here(shelf.get(parsed.trained))
    config = parsed.config
    trained = trained_name(config)
    return InHand(
        name=title(trained or parsed.base),
        changed=trained is None and config != models.preset(parsed.base),
        params=n_params(config),
        trained=trained is not None,
        origin_key=_origin_key(trained),
        config=config,
        weights=trained,
    )


def _inhand_here(kept: Here) -> InHand:
    return InHand(
        name=title(kept.base),
        changed=kept.config != models.preset(kept.base),
        params=kept.params,
        trained=True,
        origin_key="brought" if kept.is_brought else "here",
        config=kept.config,
        weights=kept.name,
        steps=kept.steps,
    )


def _origin_key(trained: str | None) -> str:
    if trained is None:
        return "random"
    return "package" if trained in INSTALLABLE else "zoo"


@lru_cache(maxsize=512)
def n_params(config: ModelConfig) -> int:
    """How many parameters a model of the configuration has."""
    return models.account(config).params


def called(known: InHand, lang: str) -> str:
    """What a reader calls a model: like its preset, with what sets it apart from the shipped one of that name."""
    if known.origin_key in ("here", "brought"):
        return say(lang, f"shell.model.{known.origin_key}", base=known.name)
    return say(lang, "shell.model.changed", base=known.name) if known.changed else known.name


def read_design(design: str) -> Design:
    """The design; raises `InputError`, also for a trained model whose package is not installed, or that was dropped."""
    parsed = parse_design(design)
    name = parsed.trained
    if name and not is_here(name) and name not in installed_models():
        raise InputError("model_not_installed", name=title(name), command=INSTALLABLE[name].command)
    return parsed


def named(design: str) -> str:
    """The same model by the name of the installed one that it is, should it be one: what a link to it says, so that it
    is never taken for a random model of that architecture. Raises `InputError` where the string is no model."""
    parsed = read_design(design)
    return design if is_here(parsed.trained) else _installed_name(parsed.config) or design


def title(name: str) -> str:
    """What a reader calls a preset or an installed model: "gpt2-mini" → "GPT-2 mini"."""
    return INSTALLABLE[name].title if name in INSTALLABLE else models.preset_info(name).title


def trained_name(config: ModelConfig) -> str | None:
    """The shipped or installed model that has exactly this configuration, if there is one."""
    shipped = next((name for name in trained_models() if models.preset(name) == config), None)
    return shipped or _installed_name(config)


def _installed_name(config: ModelConfig) -> str | None:
    alike = [name for name in INSTALLABLE if installed_config(name) == config]
    return next((name for name in alike if name in installed_models()), None)


def instruction(config: ModelConfig) -> str | None:
    """What a model that was trained to chat is told before the visitor's message; None for every other model."""
    name = _installed_name(config)
    return INSTALLABLE[name].system if name else None


@cache
def trained_models() -> tuple[str, ...]:
    """Names of the presets whose trained weights ship with the project; asking needs no torch."""
    return tuple(sorted(name for name in models.presets() if models.preset_info(name).trained))


def models_with_weights() -> list[str]:
    """Names of the trained models that are here: the shipped ones, and those of installed packages."""
    return [*trained_models(), *installed_models()]


def presets_with_weights() -> list[str]:
    """Names of the presets that these models are of."""
    return [*trained_models(), *(INSTALLABLE[name].preset for name in installed_models())]
