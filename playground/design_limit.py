"""What cannot be used: told beside "Use this model" before anybody asks for it, and with a way out after."""

from models.config import ModelConfig
from models.errors import InputError
from playground import limits
from playground.i18n import explain, say
from playground.preset_lists import near_presets
from playground.views.control_note import limit, limit_html
from playground.views.field_link import sentence_with_field
from playground.views.numbers import exact


def limit_note(config: ModelConfig, lang: str) -> str:
    """HTML for the place under the button; empty for a design that runs here and writes text."""
    error = limits.refusal(config)
    if error is None:
        return "" if writes(config) else limit(say(lang, silent_key(config)))
    if error.code == "model_too_large":
        return limit(say(lang, "build.limit.params", **error.params))
    return limit(say(lang, "build.limit.other", reason=explain(lang, error)))


def is_usable(config: ModelConfig) -> bool:
    """Whether this machine runs the design."""
    return limits.refusal(config) is None


def invalid_note(control: str | None, lang: str) -> str:
    """The same place while the form describes no model; `control` is the one to correct, if a single one is at fault."""
    if control is None:
        return limit(say(lang, "build.limit.nothing"))
    return limit_html(sentence_with_field("build.limit.invalid", control, lang))


def card_note(lang: str) -> str:
    """The same place while a card is shown."""
    return limit(say(lang, "build.used.card"))


def writes(config: ModelConfig) -> bool:
    """Whether the model gives the next token of a text, so that Generate can use it."""
    return config.head == "lm"


def silent_key(config: ModelConfig) -> str:
    """The key of the sentence on what a model does that does not write."""
    if config.structure == "two_towers":
        return "build.silent.towers"
    if config.image is not None:
        return "build.silent.image"
    return f"build.silent.{config.head}"


def way_out(base: str, config: ModelConfig, error: InputError, lang: str) -> str:
    """Why a design cannot be taken in hand, and what can instead: a depth of this design, presets like its own."""
    names = say(lang, "build.limit.comma").join(near_presets(base))
    params = {"reason": explain(lang, error), "names": names}
    if n_layers := limits.deepest(config):
        return say(lang, "build.limit.shallower", n_layers=exact(n_layers), **params)
    return say(lang, "build.limit.smaller", **params)
