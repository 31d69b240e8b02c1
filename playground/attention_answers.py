"""What the tab of attention asks of the server for all its sections: words, and how the model in hand reads a text."""

import base64

from playground import model_facts
from playground.answering import answering
from playground.attention_openings import suited_text
from playground.attention_subject import Looked, looked_at, most_tokens
from playground.i18n import say, words_under
from playground.objective_passages import passages
from playground.session import LIMITS, TEXTS
from playground.views.numbers import exact

WORDS = {  # by section, and what the keys of each begin with
    "attention": "attention.view.",
    "maps": "maps.view.",
    "weight": "weight.view.",
    "flash": "flash.view.",
    "whatif": "whatif.view.",
    "before": "before.view.",
}

PICTURE_SIZE = 64  # pixels of a side, on the page


@answering
def attention_opening(asked: dict, lang: str) -> dict:
    """Words by section, passages to choose from, how long a text may be, and the models that are trained."""
    return {
        "words": {section: words_under(prefix, lang) for section, prefix in WORDS.items()},
        "passages": [{"title": one["title"], "text": one["text"]} for one in passages(lang)],
        "limits": {"text": TEXTS["att_text"], "part": LIMITS["att_part"][1]},
        "trained": [{"name": name, "title": model_facts.title(name)} for name in model_facts.models_with_weights()],
    }


@answering
def attention_read(asked: dict, lang: str) -> dict:
    """How the model in hand reads the text: its sequences of tokens, its structure, and what is odd about them; `text` is
    the one that was read, which for an untouched box is what suits the model."""
    text, design = asked.get("text"), asked.get("design")
    if isinstance(text, str) and isinstance(design, str):
        asked = asked | {"text": suited_text(text, design)}
    return reading(looked_at(asked), lang) | {"text": asked.get("text")}


def reading(looked: Looked, lang: str) -> dict:
    """A read request as plain values: `sequences` by name ("text", "source", "image"), each with tokens, texts, ids, kinds
    (a letter a token: t text, d punctuation, s special, p patch) and segments; `picture` is what it is shown; `notes` are
    sentences with a way on."""
    config, inputs = looked.loaded.config, looked.inputs
    return {
        "title": model_facts.called(looked.known, lang),
        "trained": looked.known.trained,
        "structure": config.structure,
        "takes_second": config.structure in ("encoder_decoder", "prefix_decoder") or config.n_segments > 1,
        "writes": config.head == "lm" and config.image is None,
        "takes_text": config.image is None,
        "takes_picture": config.image is not None or config.vision_tower is not None,
        "most": most_tokens(config),
        "own": looked.own,
        "written_from": inputs.written_from,
        "part": {"index": inputs.part, "count": inputs.parts},
        "sequences": {
            name: {
                "tokens": sequence.tokens,
                "texts": sequence.texts,
                "ids": sequence.ids,
                "kinds": sequence.kinds,
                "segments": sequence.segments,
            }
            for name, sequence in inputs.sequences.items()
        },
        "picture": _picture(looked),
        "notes": notes(looked, lang),
    }


def _picture(looked: Looked) -> dict | None:
    """What a model of images is shown, as a page draws it: RGB bytes, row by row, in base64; None for other models."""
    from models.inspection.pictures import picture

    seen = looked.loaded.config if looked.loaded.config.image is not None else looked.loaded.config.vision_tower
    if seen is None:
        return None
    pixels = picture(looked.picture, PICTURE_SIZE, seen.image.n_channels).expand(3, -1, -1)  # from −1 to 1
    shown = (127.5 * (pixels + 1.0)).round().byte().permute(1, 2, 0)
    return {"size": PICTURE_SIZE, "pixels": base64.b64encode(shown.contiguous().numpy().tobytes()).decode()}


def notes(looked: Looked, lang: str) -> list[dict]:
    """What is odd about a text or its model, a sentence each; in `way` what the page offers: "part", "model", or None."""
    inputs, found = looked.inputs, []
    if not looked.known.trained:
        found.append(("random", "model", {"title": looked.known.name}))
    if looked.cut:
        found.append(("cut", None, {"limit": exact(TEXTS["att_text"])}))
    if inputs.parts > 1:
        values = {"tokens": exact(inputs.n_tokens), "most": exact(most_tokens(looked.loaded.config))}
        found.append(("part", "part", {**values, "part": inputs.part + 1, "parts": exact(inputs.parts)}))
    if looked.generated:
        found += [(code, None, values) for code, values in _of_the_run(looked)]
    if looked.own:
        found.append(("own", None, {}))
    if inputs.parts == 1 and len(next(iter(inputs.sequences.values()))) == 1:
        found.append(("one_token", None, {}))
    return [{"sentence": say(lang, f"attention.note.{code}", **values), "way": way} for code, way, values in found]


def _of_the_run(looked: Looked) -> list[tuple[str, dict]]:
    """What to say of a text of Generate: how much of it is looked at."""
    inputs, n_text = looked.inputs, len(looked.inputs.sequences["text"])
    begin = n_text if inputs.written_from is None else inputs.written_from
    n_shown = n_text - begin
    found = [("generated", {"written": exact(n_shown)})]
    if n_shown < looked.n_written:
        found.append(("written_cut", {"written": exact(looked.n_written), "shown": exact(n_shown)}))
    if looked.loaded.config.structure == "decoder" and n_shown > 0 and begin < inputs.n_tokens:
        found.append(("prompt_cut", {"tokens": exact(inputs.n_tokens), "shown": exact(begin)}))
    return found


ANSWERS = [attention_opening, attention_read]
