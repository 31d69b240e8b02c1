"""What the section "Before transformers" of the tab of attention (static/attention_before.js) asks of the server."""

import re

from models.errors import InputError
from models.forerunners.recipe import RECIPES
from playground.answering import answering, read_whole
from playground.session import TEXTS
from playground.turns import turn

MAX_LIST = 24  # entries of the list that target attention looks over
COMMA = re.compile("[,，、]")


@answering
def before_translation(asked: dict, lang: str) -> dict:
    """A sentence, translated by a recurrent model, with its weights; and what its card says of it."""
    from models.forerunners.files import scores_of, shipped
    from playground import before_payload

    kind = _kind(asked)
    text = _text(asked, "before_text")
    translator = shipped(kind)
    with turn():
        found = translator.translate(text)
    return before_payload.translation(kind, translator, found, scores_of(kind))


@answering
def before_step(asked: dict, lang: str) -> dict:
    """One weight taken apart: the terms that each energy of a step is the sum of, energies, softmax, context."""
    from models.forerunners.files import shipped
    from playground import before_payload

    kind = _kind(asked)
    text = _text(asked, "before_text")
    translator = shipped(kind)
    with turn():
        found = translator.translate(text)
        step = read_whole("step", asked.get("step", 0), 0, 99)
        step = min(step, len(found.characters) - 1)
        terms = translator.terms(text, found, step)
    return before_payload.step(found, step, terms)


@answering
def before_ours(asked: dict, lang: str) -> dict:
    """The same sentence in a transformer that translates: its cross-attention."""
    from playground import before_ours

    return before_ours.compared(_text(asked, "before_text"), lang)


@answering
def before_target(asked: dict, lang: str) -> dict:
    """One query over a list of words: the activation unit's weights, their softmax, and scaled dot products."""
    from playground import before_payload

    query = _text(asked, "din_query").strip()
    entries = [entry for part in COMMA.split(_text(asked, "din_list")) if (entry := part.strip())]
    if not query or not entries:
        raise InputError("before_empty_list")
    if len(entries) > MAX_LIST:
        raise InputError("before_long_list", n_entries=len(entries), limit=MAX_LIST)
    with turn():
        return before_payload.target(query, entries)


def _kind(asked: dict) -> str:
    kind = asked.get("kind", "bahdanau")
    if not isinstance(kind, str) or kind not in RECIPES:
        raise InputError("not_a_choice", field="kind", value=kind, allowed=", ".join(RECIPES))
    return kind


def _text(asked: dict, name: str) -> str:
    text = asked.get(name)
    if not isinstance(text, str):
        raise InputError("not_a_text", field=name, value=text)
    return text[: TEXTS[name]]


ANSWERS = [before_translation, before_step, before_ours, before_target]
