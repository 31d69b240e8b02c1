"""A visitor's prompt through a model: the tokens that follow it, with all that is shown of them.

Knows the core but not Gradio; the Generate tab, its API endpoint and the recordings all run through here.
"""

import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

import models
from models.errors import InputError
from models.sampling_settings import Sampling
from playground.prompt_reading import Reading
from playground.session import LIMITS
from playground.turns import GLANCE
from playground.views.numbers import exact

STAGES = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty")
SETTINGS = (*STAGES, "seed", "max_new_tokens")
WHOLE = ("top_k", "seed", "max_new_tokens")
N_TOP = 10  # candidates that accompany a step whose logits are not kept

Made = TypeVar("Made")
_makers = ThreadPoolExecutor(max_workers=32, thread_name_prefix="make-ready")


@dataclass(frozen=True)
class Observed:
    """A step and what is shown of it: `rank` of the token among the raw logits (1 is the best), the logits (V,), and,
    only where asked for, the best candidates as (id, raw probability, probability after the stages)."""

    step: "models.Step"
    rank: int
    logits: np.ndarray
    top: tuple[tuple[int, float, float], ...] = ()


def read_settings(settings: dict, limits: dict[str, tuple[float, float]] = LIMITS) -> tuple[Sampling, int]:
    """`Sampling` and the length in tokens of a value for each of `SETTINGS`, as widgets or an API call give them.

    A number field gives whole numbers as floats, and None once it has been emptied. Raises `InputError`; what `limits`
    leaves open may be all that `Sampling` takes.
    """
    values = {name: _read_number(name, settings[name]) for name in SETTINGS}
    for name, (low, high) in limits.items():
        if name in values and not low <= values[name] <= high:
            raise InputError("out_of_range", field=name, value=values[name], low=exact(low), high=exact(high))
    length = values.pop("max_new_tokens")
    return Sampling(**values), length


def _read_number(name: str, value) -> int | float:
    if value is None:
        low, high = map(exact, LIMITS[name])
        raise InputError("number_empty", field=name, low=low, high=high)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError("not_a_number", field=name, value=value)
    if name in WHOLE:
        if value != value // 1:
            raise InputError("not_an_integer", field=name, value=value)
        return int(value)
    return value


def made_ready(make: Callable[[], Made], cancelled: threading.Event) -> Generator[None, None, Made | None]:
    """Runs `make` beside the caller and returns what it makes; until then yields every `GLANCE` seconds.

    Building a model cannot be interrupted: once `cancelled` is set, None is returned at once and the building goes on by
    itself. Raises what `make` raises.
    """
    making = _makers.submit(make)
    while not cancelled.is_set():
        if wait([making], timeout=GLANCE).done:
            return making.result()
        yield
    return None


def observe(
    loaded: "models.Loaded", reading: Reading, sampling: Sampling, max_new_tokens: int, with_top: bool = False
) -> Iterator[Observed]:
    """The steps that follow the prompt, each with its rank and logits; `with_top` adds the best candidates.

    The text ends with the context that the model was made for, also where its positions would reach further: what it
    writes there it has not learnt.
    """
    seen, blank = set(reading.begun), reading.blank
    n_read = len(reading.begun) + (blank is not None)
    room = loaded.config.max_seq_len - n_read + 1  # the last token is written, and need not be read
    most = min(max_new_tokens, room)
    stop_ids = reading.stop_ids or [one for one in [loaded.tokenizer.eos_id] if one is not None]
    for step in models.generate(
        loaded.model, list(reading.ids), sampling, most, stop_ids, keep_logits=True, blank=blank
    ):
        if step.finish == "length" and most < max_new_tokens:
            step = replace(step, finish="context")
        rank = 1 + int((step.logits > step.logits[step.token_id]).sum())
        top = _top(step, sampling, seen) if with_top else ()
        seen.add(step.token_id)
        yield Observed(step, rank, step.logits.float().numpy(), top)


def _top(step: "models.Step", sampling: Sampling, seen: set[int]) -> tuple[tuple[int, float, float], ...]:
    # Imported here: the first screen, which reads prompts and settings too, does without torch.
    import torch

    from models.sampling import shape

    raw = step.logits.float().softmax(dim=-1)
    left = shape(step.logits, sampling, torch.tensor(sorted(seen))).softmax(dim=-1)
    best = raw.topk(min(N_TOP, len(raw))).indices.tolist()
    return tuple((token_id, float(raw[token_id]), float(left[token_id])) for token_id in best)


def in_chunks(
    steps: Iterator[Observed],
    seconds: float,
    turn: Callable[[threading.Event], AbstractContextManager],
    cancelled: threading.Event,
) -> Iterator[tuple[list[Observed], str | None]]:
    """Steps gathered over `seconds`, as (steps, why the text ends after them: a step's `finish`, "cancelled" or None).

    Each chunk is computed in a turn of its own, so that long texts do not keep other visitors waiting; before each
    token the run looks whether it is `cancelled`. `turn(cancelled)` stops waiting, without a turn, when it is.
    """
    finish = None
    while not finish:
        chunk: list[Observed] = []
        with turn(cancelled):
            begun = time.monotonic()
            while not finish and (not chunk or time.monotonic() - begun < seconds):
                if cancelled.is_set():
                    finish = "cancelled"
                else:
                    chunk.append(next(steps))
                    finish = chunk[-1].step.finish
        yield chunk, finish


@dataclass
class Run:
    """One text being generated. `cancelled`: no further token is wanted; `forgotten`: nor is its end to be told."""

    cancelled: threading.Event = field(default_factory=threading.Event)
    forgotten: bool = False


class Runs:
    """The texts being generated, at most one a visitor."""

    def __init__(self):
        self._running: dict[str, Run] = {}
        self._lock = threading.Lock()

    @contextmanager
    def begin(self, visitor: str) -> Iterator[Run]:
        """A run of the visitor; one that still goes on is stopped."""
        run = Run()
        with self._lock:
            if former := self._running.get(visitor):
                former.cancelled.set()
            self._running[visitor] = run
        try:
            yield run
        finally:
            run.cancelled.set()
            with self._lock:
                if self._running.get(visitor) is run:
                    del self._running[visitor]

    def stop(self, visitor: str, forget: bool = False) -> None:
        """Lets the visitor's run, if there is one, compute no further token."""
        with self._lock:
            if run := self._running.get(visitor):
                run.forgotten |= forget
                run.cancelled.set()
