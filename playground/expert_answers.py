"""What the scripts of the tab of experts ask of the server."""

from models.errors import InputError
from playground.answering import answering
from playground.expert_models import IN_HAND, in_hand, name_of, small_mixtures
from playground.expert_sizes import CONTEXT, published_sizes
from playground.i18n import words_under
from playground.objective_passages import passages
from playground.session import DEFAULTS
from playground.turns import turn


@answering
def experts_opening(asked: dict, lang: str) -> dict:
    """The words, passages and limits."""
    return {
        "words": words_under("experts.view.", lang),
        "passages": [{"title": one["title"], "text": one["text"]} for one in passages(lang)],
        "text": DEFAULTS["exp_text"],
    }


@answering
def experts_models(asked: dict, lang: str) -> dict:
    """The models to choose from, the one in hand first if it has experts; else `without` is its name."""
    design = asked.get("hand")
    hand = in_hand(design, lang)
    listed = [
        *([] if hand is None else [hand]),
        *(one for one in small_mixtures() if hand is None or one.design != hand.design),
    ]
    return {
        "models": [
            {"name": one.name, "title": one.title, "trained": one.trained, "design": one.design} for one in listed
        ],
        "in_hand": IN_HAND,
        "without": None if hand is not None else name_of(design, lang),
    }


@answering
def experts_look(asked: dict, lang: str) -> dict:
    """One pass: every sparse layer's logits, choice and weights."""
    from playground import expert_look, expert_payload

    checked = expert_look.asked_of(asked)
    return expert_payload.payload(expert_look.passed(checked), checked, lang)


@answering
def experts_habits(asked: dict, lang: str) -> dict:
    """What each expert of the layer number `of` gets most, against a random router."""
    from playground import expert_look, expert_payload

    run = expert_look.passed(expert_look.asked_of(asked))
    of = asked.get("of")
    if isinstance(of, bool) or not isinstance(of, int) or not 0 <= of < len(run.layers):
        raise InputError("out_of_range", field="layer", value=of, low=0, high=len(run.layers) - 1)
    with turn():
        return expert_payload.habits_payload(run, of)


@answering
def experts_costs(asked: dict, lang: str) -> dict:
    """What the sparse layers would hold and compute with each way to route."""
    from playground import expert_look, expert_payload

    return {"costs": expert_payload.costs(expert_look.passed(expert_look.asked_of(asked)))}


@answering
def experts_sizes(asked: dict, lang: str) -> dict:
    """The published mixtures."""
    return {"rows": list(published_sizes()), "context": CONTEXT}


ANSWERS = [experts_opening, experts_models, experts_look, experts_habits, experts_costs, experts_sizes]
