"""What the script of the section "BERT, step by step" asks of the server."""

from playground.answering import answering
from playground.turns import turn

N_TOGETHER = 6  # likeliest tokens at each of two places
N_FILLED = 5  # and at each [MASK] that a visitor wrote


@answering
def mask_steps(asked: dict, lang: str) -> dict:
    """Every step of a text on its way through the model."""
    from playground import masking_pass, masking_payload
    from playground.masking_request import masked_text, two_places

    listed, loaded, made = masked_text(asked)
    with turn():
        run = masking_pass.run(loaded.model, made)
    reply = masking_payload.steps(listed, loaded.tokenizer, asked["text"], made, run, lang)
    return {**reply, "two": two_places(asked.get("two"), made, loaded.tokenizer)}


@answering
def mask_looks(asked: dict, lang: str) -> dict:
    """Each position that pays loss, seen, masked and replaced, in the text as fine-tuning has it: without any [MASK]."""
    from models.mask_filling import looks
    from playground import masking_payload
    from playground.masking_request import masked_text

    _, loaded, made = masked_text(asked)
    with turn():
        drawn = [one.fate.drawn for one in made.thrown]
        found = looks(loaded.model, made.ids, made.segments, made.positions, made.marks.mask, drawn)
    return masking_payload.looks(loaded.tokenizer, made, found)


@answering
def mask_joint(asked: dict, lang: str) -> dict:
    """Two masked positions, predicted alone and one after the other."""
    from models.errors import InputError
    from models.mask_filling import joint
    from playground import masking_payload
    from playground.masking_request import masked_text, two_places

    _, loaded, made = masked_text(asked)
    places = two_places(asked.get("two"), made, loaded.tokenizer)
    if places is None:
        raise InputError("mask_two_alike")
    with turn():
        found = joint(loaded.model, made.ids, made.segments, places, made.marks.mask, N_TOGETHER)
    return masking_payload.joint(loaded.tokenizer, made, places, found)


@answering
def mask_fill(asked: dict, lang: str) -> dict:
    """A text in which [MASK] is written, filled in."""
    from playground.mask_filled import filled

    return filled(asked.get("text"), asked.get("model"), N_FILLED)


ANSWERS = [mask_steps, mask_looks, mask_joint, mask_fill]
