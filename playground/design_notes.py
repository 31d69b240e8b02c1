"""What stands under each control of Build: what its choice means, the preset's value where it differs, a refusal."""

from models.config import ModelConfig
from playground.design_form import FIELDS, FLAGS, OPTIONS, Values, applies, values_of
from playground.i18n import say
from playground.views.control_note import control_note
from playground.views.design_changes import value_words

EXPLAINED = tuple(name for name in OPTIONS if name != "biases")  # choices with a sentence and a source for each option


def notes(lang: str, values: Values, base: ModelConfig, problems: dict[str | None, str]) -> dict[str, str]:
    """HTML of every note, by control; `problems` holds sentences of refusal by control."""
    preset, shown, shown_before = values_of(base), applies(values), applies(values_of(base))
    texts = {}
    for name in FIELDS:
        if not shown[name]:
            texts[name] = ""
            continue
        # A switch that the preset does not have is off there; any other control has no value there.
        before = preset[name] if shown_before[name] else False if name in FLAGS else None
        was = value_words(name, before, lang) if values[name] != before else None
        about, paper = _explained(lang, name, values[name])
        texts[name] = control_note(about, paper, was, problems.get(name), lang)
    return texts


def _explained(lang: str, name: str, value: object) -> tuple[str, str]:
    if name not in EXPLAINED or not value:
        return "", ""
    option = value
    if name == "mask_pattern":
        kinds = {part.strip() for part in str(value).split(",")}
        option = kinds.pop() if len(kinds) == 1 else "mixed"
        if option not in (*OPTIONS[name], "mixed"):
            return "", ""
    return say(lang, f"part.about.{name}.{option}"), say(lang, f"part.paper.{name}.{option}")
