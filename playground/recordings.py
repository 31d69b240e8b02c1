"""Texts that the shipped models wrote beforehand: the first screen of Generate is never empty.

`python -m playground.recordings` lets each model write one with the page's default settings and keeps it, logits
included, in assets/recorded/<model>.json. To be run again whenever the weights change.
"""

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import models
from models.sampling import Sampling
from models.tokenizers import Tokenizer
from models.tokenizers import load as load_tokenizer
from models.weights.zoo import ZOO
from playground import services, transcript
from playground.generation import observe, read_prompt
from playground.i18n import say
from playground.session import DEFAULTS
from playground.views import generation as payload

FOLDER = Path(__file__).resolve().parents[1] / "assets" / "recorded"
LENGTH = 40  # tokens: a recording is loaded with the page, so it is short
DRAWN_WITH = {name: DEFAULTS[name] for name in (*transcript.STAGES, "seed")}


def record(name: str) -> dict:
    """What the shipped model `name` writes with the default prompt, settings and seed."""
    loaded = models.load(name)
    prompt, most = DEFAULTS["prompt"], LENGTH
    reading = read_prompt(loaded.tokenizer, prompt, services.readable(loaded.config), most)
    steps, finish = [], "length"
    for observed in observe(loaded, reading, Sampling(**DRAWN_WITH), most):
        step = observed.step
        steps.append(
            {
                "token_id": step.token_id,
                "raw": round(step.raw_probability, 7),
                "probability": round(step.probability, 7),
                "rank": observed.rank,
                **payload.encode_codes(observed.logits),
            }
        )
        finish = step.finish or finish
    text = loaded.tokenizer.decode([step["token_id"] for step in steps])
    settings = {"prompt": prompt, "max_new_tokens": most, **DRAWN_WITH}
    return {"model": name, "settings": settings, "text": text, "finish": finish, "steps": steps}


def first_screen(lang: str, design: str) -> str:
    """The payload that Generate opens with for the model in hand: its recording, or a sentence that there is none."""
    name = services.trained_name(services.inhand(design).config)
    if name is None:
        return transcript.sentence_only(lang, note=say(lang, "generate.note.none"))
    if not _file(name).is_file():
        return transcript.sentence_only(lang, note=say(lang, "generate.note.unrecorded"))
    return _told(lang, name)


@cache
def _told(lang: str, name: str) -> str:
    recorded = json.loads(_file(name).read_text(encoding="utf-8"))
    cfg = models.preset(name)
    title = models.preset_info(name).title
    subject = transcript.subject_of(title, True, cfg, _tokenizer(name))
    settings = dict(recorded["settings"])
    prompt, most = settings.pop("prompt"), settings.pop("max_new_tokens")
    reading = read_prompt(subject.tokenizer, prompt, subject.readable, most)
    notes = [say(lang, "generate.note.recorded")]
    scale = {"scale": payload.code_scale()}
    lines = [transcript.start(lang, "recorded", subject, reading, Sampling(**settings), most, notes, **scale)]
    lines += [payload.step(**step) for step in recorded["steps"]]
    lines.append(transcript.end(lang, recorded["finish"], subject))
    return payload.compressed("".join(lines))


def _tokenizer(name: str) -> Tokenizer:
    return load_tokenizer(ZOO / name)


def _file(name: str) -> Path:
    return FOLDER / f"{name}.json"


def main(names: Iterable[str]) -> None:
    """Records the named models."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in names:
        recorded = record(name)
        _file(name).write_text(json.dumps(recorded, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        sent = len(_told("en", name))
        print(f"{name}: {_file(name).stat().st_size:,} bytes on disk, {sent:,} to the browser")
        print(f"{recorded['settings']['prompt']}{recorded['text']}\n")


if __name__ == "__main__":
    main(services.trained_models())
