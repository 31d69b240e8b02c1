"""The text of the tab Generate, to be looked at: its prompt, and what was or is written after it."""

import threading
import time
from typing import TYPE_CHECKING

from models.errors import InputError
from playground.generation import SETTINGS, in_chunks, observe, read_settings
from playground.session import DEFAULTS, as_text
from playground.subject import read, take
from playground.turns import turn

if TYPE_CHECKING:
    import models

MAX_WRITTEN = 512  # ids of a text that a model wrote
MAX_SECONDS = 6.0  # of writing it again
CHUNK_SECONDS = 0.5


def written_text(asked: dict, design: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Ids of the prompt as the model read it, and of what followed.

    Those of a run that the page has (`prompt_ids`, `written`), else the run is made again from `prompt` and the settings of
    the address: the same seed gives the same text. Raises `InputError`, also for a model that does not write.
    """
    if asked.get("prompt_ids") is not None:
        return ids_of(asked["prompt_ids"]), ids_of(asked.get("written"))
    subject, loaded = take(design)
    sampling, most = read_settings({name: _number(asked.get(name), DEFAULTS[name]) for name in SETTINGS})
    reading = read(subject, as_text("prompt", asked.get("prompt", DEFAULTS["prompt"])), asked.get("chat", True), most)
    return reading.ids, _again(loaded, reading, sampling, most)


def ids_of(ids: object) -> tuple[int, ...]:
    """Token ids of a request; raises `InputError` for what is no list of them."""
    if ids is None:
        return ()
    if not isinstance(ids, list) or any(isinstance(one, bool) or not isinstance(one, int) or one < 0 for one in ids):
        raise InputError("attention_written")
    return tuple(ids[: 8 * MAX_WRITTEN])


def _again(loaded: "models.Loaded", reading, sampling, most: int) -> tuple[int, ...]:
    """What the model writes, for as long as it may take."""
    ids: list[int] = []
    begun = time.monotonic()
    steps = observe(loaded, reading, sampling, most)
    for chunk, _ in in_chunks(steps, CHUNK_SECONDS, turn, threading.Event()):
        ids += [one.step.token_id for one in chunk]
        if time.monotonic() - begun > MAX_SECONDS:
            break
    return tuple(ids[:MAX_WRITTEN])


def _number(value: object, default: float) -> object:
    return default if value is None else value
