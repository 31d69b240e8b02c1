"""What stands under each control of Build: what its choice means, the preset's value where it differs, a refusal."""

from models.config import ModelConfig
from playground.design_applies import applies
from playground.design_controls import CHOICE_OF, FIELDS, FLAGS, OPTIONS, Values, masks_of
from playground.design_form import values_of
from playground.i18n import say
from playground.views.control_note import control_note
from playground.views.design_changes import value_words


def notes(lang: str, values: Values, base: ModelConfig, problems: dict[str | None, str]) -> dict[str, str]:
    """HTML of every note, by control; `problems` holds sentences of refusal by control."""
    preset = values_of(base)
    shown, shown_before = applies(values), applies(preset)
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
    """The sentence and the source of a chosen option; of a list of masks, those of the only one or of taking turns."""
    option, choice = value, CHOICE_OF.get(name)
    if name == "mask_pattern":
        kinds = set(masks_of({name: value}))
        if not kinds <= set(OPTIONS[name]):
            return "", ""
        option = kinds.pop() if len(kinds) == 1 else "mixed" if kinds else None
    elif option not in OPTIONS.get(name, ()):
        return "", ""
    if choice is None or option is None:
        return "", ""
    return say(lang, f"part.about.{choice}.{option}"), say(lang, f"part.paper.{choice}.{option}")
