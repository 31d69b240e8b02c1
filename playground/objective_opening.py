"""What the tab of objectives needs to begin: its words, the models that answer, passages to choose from."""

from playground.answering import answering
from playground.i18n import words_under
from playground.objective_models import masked_models
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
        "models": [
            {"name": one.name, "title": one.title, "trained": one.trained, "judges_pairs": one.judges_pairs}
            for one in masked_models()
        ],
        "passages": passages(lang),
        "limits": {"text": TEXTS["obj_text"], "seed": LIMITS["obj_seed"][1]},
    }


ANSWERS = [objective_opening]
