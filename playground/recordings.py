"""Texts that the shipped models wrote beforehand: the first screen of Generate is never empty.

`python -m playground.recordings` lets each model write one with the page's default settings and keeps it, logits
included, in assets/recorded/<model>.json. To be run again whenever the weights change.
"""

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import models
from models.tokenizers import Tokenizer
from models.tokenizers import load as load_tokenizer
from models.weights.zoo import ZOO
from playground import services, transcript
from playground.generation import SETTINGS, observe, read_prompt, read_settings
from playground.i18n import LANGUAGES
from playground.session import DEFAULTS
from playground.views import generation as payload

FOLDER = Path(__file__).resolve().parents[1] / "assets" / "recorded"
RECORDED_WITH = {name: DEFAULTS[name] for name in ("prompt", *SETTINGS)}  # what the controls say when the page opens


def record(name: str) -> dict:
    """What the shipped model `name` writes with the session's default prompt and settings."""
    loaded = models.load(name)
    sampling, most = read_settings(RECORDED_WITH)
    reading = read_prompt(loaded.tokenizer, RECORDED_WITH["prompt"], services.readable(loaded.config), most)
    steps, finish = [], "length"
    for observed in observe(loaded, reading, sampling, most):
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
    return {"model": name, "settings": RECORDED_WITH, "text": text, "finish": finish, "steps": steps}


def first_screen(design: str) -> str:
    """What Generate opens with for the model in hand, compressed: its recording, or a sentence that there is none."""
    name = services.trained_name(services.inhand(design).config)
    if name is None:
        return payload.compressed(transcript.note_only("generate.note.none"))
    if not _file(name).is_file():
        return payload.compressed(transcript.note_only("generate.note.unrecorded"))
    return _told(name)


@cache
def _told(name: str) -> str:
    recorded = json.loads(_file(name).read_text(encoding="utf-8"))
    cfg = models.preset(name)
    title = models.preset_info(name).title
    subject = transcript.subject_of(dict.fromkeys(LANGUAGES, title), True, cfg, _tokenizer(name))
    sampling, most = read_settings(recorded["settings"])
    reading = read_prompt(subject.tokenizer, recorded["settings"]["prompt"], subject.readable, most)
    notes = [transcript.in_every_language("generate.note.recorded")]
    scale = {"scale": payload.code_scale()}
    lines = [transcript.start("recorded", subject, reading, sampling, most, notes, **scale)]
    lines += [payload.step(**step) for step in recorded["steps"]]
    lines.append(transcript.end(recorded["finish"], subject))
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
        sent = len(_told(name))
        print(f"{name}: {_file(name).stat().st_size:,} bytes on disk, {sent:,} to the browser")
        print(f"{recorded['settings']['prompt']}{recorded['text']}\n")


if __name__ == "__main__":
    main(services.trained_models())
