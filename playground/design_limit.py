"""What this machine does not run: told beside "Use this model" before anybody asks for it, and with a way out after."""

from models.config import ModelConfig
from models.errors import InputError
from playground import services
from playground.i18n import explain, say
from playground.preset_lists import near_presets
from playground.views.control_note import limit
from playground.views.numbers import exact


def limit_note(config: ModelConfig, lang: str) -> str:
    """HTML for the place under the button; empty for a design that runs here."""
    error = _refusal(config)
    if error is None:
        return ""
    if error.code == "model_too_large":
        return limit(say(lang, "build.limit.params", **error.params))
    return limit(say(lang, "build.limit.other", reason=explain(lang, error)))


def way_out(base: str, config: ModelConfig, error: InputError, lang: str) -> str:
    """Why a design cannot be taken in hand, and what can instead: a depth of this design, presets like its own."""
    names = say(lang, "build.limit.comma").join(near_presets(base))
    params = {"reason": explain(lang, error), "names": names}
    if n_layers := services.deepest(config):
        return say(lang, "build.limit.shallower", n_layers=exact(n_layers), **params)
    return say(lang, "build.limit.smaller", **params)


def _refusal(config: ModelConfig) -> InputError | None:
    if services.trained_name(config):
        return None
    try:
        services.check_size(config)
    except InputError as error:
        return error
    return None
