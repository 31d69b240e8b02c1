"""What the tab of objectives needs to begin: its words, the models that answer, passages to choose from."""

from models.installed import INSTALLABLE
from playground import model_facts
from playground.answering import answering
from playground.i18n import words_under
from playground.objective_brought import bring
from playground.objective_models import MaskedModel, absent_models, known_model, masked_models
from playground.objective_passages import passages
from playground.session import LIMITS, TEXTS

WORDS = {  # by section, and what the keys of each begin with
    "objectives": "objectives.view.",
    "masking": "masking.view.",
    "pairs": "pairs.view.",
    "sides": "sides.view.",
}


@answering
def objective_opening(asked: dict, lang: str) -> dict:
    """Words by section, the models, the passages, and how long a text may be."""
    return {
        "words": {section: words_under(prefix, lang) for section, prefix in WORDS.items()},
        "models": [_listed(one) for one in masked_models()],
        "absent": [
            {"title": model_facts.title(name), "command": INSTALLABLE[name].command} for name in absent_models()
        ],
        "passages": passages(lang),
        "limits": {"text": TEXTS["obj_text"], "seed": LIMITS["obj_seed"][1]},
    }


@answering
def objective_bring(asked: dict, lang: str) -> dict:
    """The model of a hub id or folder, as `objective_opening` lists models; the page lists it then."""
    return _listed(bring(asked.get("source")))


@answering
def objective_known(asked: dict, lang: str) -> dict:
    """In `models` the model of that name, as `objective_opening` lists them, where it was brought or trained here."""
    found = known_model(asked.get("name"), lang)
    return {"models": [_listed(found)] if found else []}


def _listed(one: MaskedModel) -> dict:
    return {"name": one.name, "title": one.title, "trained": one.trained, "judges_pairs": one.judges_pairs}


ANSWERS = [objective_opening, objective_bring, objective_known]
