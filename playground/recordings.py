"""Texts that the shipped models wrote beforehand: the first screen of Generate is never empty.

`python -m playground.recordings` lets each model write one with the page's default settings and keeps it, logits
included, in assets/recorded/<model>.json. To be run again whenever the weights change.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import models
from models.installed import INSTALLABLE, installed_file
from playground import limits, model_facts, transcript
from playground.design_limit import silent_key, writes
from playground.generation import SETTINGS, observe, read_settings
from playground.house_tokenizers import tokenizer_of
from playground.i18n import LANGUAGES, in_every_language
from playground.prompt_reading import read_marked
from playground.prompt_ways import opening_prompt, way_in_hand
from playground.session import DEFAULTS
from playground.subject import subject_of
from playground.trained_here import is_here
from playground.views import generation as payload

FOLDER = Path(__file__).resolve().parents[1] / "assets" / "recorded"
PLACE = "recorded/"  # below the page's address


def record(name: str) -> dict:
    """What the shipped model `name` writes with the prompt and settings that the controls open with."""
    loaded = models.load(name)
    settings = {"prompt": opening_prompt(way_in_hand(name)), **{name: DEFAULTS[name] for name in SETTINGS}}
    sampling, most = read_settings(settings)
    readable = limits.readable(loaded.config)
    reading = read_marked(loaded.config, loaded.tokenizer, settings["prompt"], readable, most)
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
    return {"model": name, "settings": settings, "text": text, "finish": finish, "steps": steps}


def first_screen(design: str) -> str:
    """What Generate opens with for the model in hand: where its recording is, or a sentence that there is none."""
    model = model_facts.inhand(design)
    if not writes(model.config):
        return payload.opening(transcript.note_only(silent_key(model.config), "generate.note.silent"))
    name = model.weights
    if is_here(name):
        return payload.opening(transcript.note_only("generate.note.unrecorded"))
    if name is None:
        return payload.opening(transcript.note_only("generate.note.none"))
    if not _file(name).is_file():
        code = "unrecorded" if _is_prepared(name) else "unprepared"
        return payload.opening(transcript.note_only(f"generate.note.{code}"))
    return payload.opening(f"{PLACE}{_file_name(name, _told)}")


def served(file_name: str) -> bytes | None:
    """The recording at `PLACE` under this name, as the browser reads it; None if there is none."""
    name = file_name.rpartition("-")[0]
    if name not in model_facts.trained_models() or not _file(name).is_file():
        return None
    return next((told(name) for told in (_told, _late) if _file_name(name, told) == file_name), None)


@cache
def _file_name(name: str, told: Callable[[str], bytes]) -> str:
    """Changes with what it names, so that browsers may keep it for ever."""
    return f"{name}-{hashlib.sha256(told(name)).hexdigest()[:16]}.jsonl"


@cache
def _told(name: str) -> bytes:
    """The text, with the logits of its last token, whose distribution is the first that is seen."""
    recorded = json.loads(_file(name).read_text(encoding="utf-8"))
    cfg = models.preset(name)
    title = models.preset_info(name).title
    subject = subject_of(dict.fromkeys(LANGUAGES, title), True, cfg, tokenizer_of(name))
    sampling, most = read_settings(recorded["settings"])
    reading = read_marked(cfg, subject.tokenizer, recorded["settings"]["prompt"], subject.readable, most)
    told = [way] if (way := transcript.way_note(reading)) else []
    notes = [in_every_language(f"generate.note.{code}") for code in (*told, "recorded")]
    more = {"scale": payload.code_scale(), "later": f"{PLACE}{_file_name(name, _late)}"}
    lines = [transcript.start("recorded", subject, reading, sampling, most, notes, **more)]
    *earlier, last = recorded["steps"]
    lines += [payload.step(**{key: step[key] for key in step if key not in payload.CODED}) for step in earlier]
    lines.append(payload.step(**last))
    whole = transcript.filled(reading, subject.tokenizer, [step["token_id"] for step in recorded["steps"]])
    lines.append(transcript.end(recorded["finish"], subject, whole))
    return "".join(lines).encode("utf-8")


@cache
def _late(name: str) -> bytes:
    """The logits of the tokens before the last, most of a recording: fetched when one of these is looked at."""
    recorded = json.loads(_file(name).read_text(encoding="utf-8"))
    coded = [{key: step[key] for key in payload.CODED} for step in recorded["steps"][:-1]]
    return payload.line("codes", steps=coded).encode("utf-8")


def _is_prepared(name: str) -> bool:
    """Whether the first run finds the model's weights as they are kept, and need not convert them."""
    if name not in INSTALLABLE:
        return True
    # Imported here: no other first screen needs torch.
    from models.weights.converted import is_converted

    return is_converted(installed_file(name))


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
    main(name for name in model_facts.trained_models() if writes(models.preset(name)))
