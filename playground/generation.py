"""A visitor's prompt through a model: what of it is read, and the tokens that follow with all that is shown of them.

Knows the core but not Gradio; the Generate tab, its API endpoint and the recordings all run through here.
"""

import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

import models
from models.errors import InputError
from models.sampling_settings import Sampling
from models.tokenizers import Tokenizer
from models.tokenizers.chatml import around_message, chat_ids
from playground.services import GLANCE
from playground.session import LIMITS, MAX_PROMPT, as_text
from playground.views.numbers import exact

STAGES = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty")
SETTINGS = (*STAGES, "seed", "max_new_tokens")
WHOLE = ("top_k", "seed", "max_new_tokens")
N_TOP = 10  # candidates that accompany a step whose logits are not kept

Made = TypeVar("Made")
_makers = ThreadPoolExecutor(max_workers=32, thread_name_prefix="make-ready")


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a model reads of a prompt.

    `ids` are read; `text` is what they stand for, of the `n_tokens` that the prompt has. Of a message in a chat, `ids`
    hold `n_around` tokens more, which are spelled `before` and `after` the text. `n_dropped` characters were no text;
    `n_clipped` more came after the limit; an empty prompt is read as the end-of-text token alone.
    """

    ids: tuple[int, ...]
    text: str
    n_tokens: int
    n_dropped: int = 0
    n_clipped: int = 0
    from_nothing: bool = False
    n_around: int = 0
    before: str = ""
    after: str = ""

    @property
    def n_read(self) -> int:
        """Tokens of the prompt that are read."""
        return len(self.ids) - self.n_around

    @property
    def is_cut(self) -> bool:
        return self.n_tokens > self.n_read


@dataclass(frozen=True)
class Observed:
    """A step and what is shown of it: `rank` of the token among the raw logits (1 is the best), the logits (V,), and,
    only where asked for, the best candidates as (id, raw probability, probability after the stages)."""

    step: "models.Step"
    rank: int
    logits: np.ndarray
    top: tuple[tuple[int, float, float], ...] = ()


def read_prompt(tokenizer: Tokenizer, prompt: str, max_seq_len: int, max_new_tokens: int) -> Reading:
    """The part of `prompt` that a model with `max_seq_len` positions reads, if `max_new_tokens` are to follow.

    Of a prompt that is too long the end is read: as much as leaves room for the new tokens, but at least half of the
    context. Raises `InputError` for what is no text, and for an empty one if the tokenizer has no end-of-text token.
    """
    text, counts = _clean(prompt)
    if not text:
        if tokenizer.eos_id is None:
            raise InputError("prompt_empty")
        return Reading(ids=(tokenizer.eos_id,), text="", n_tokens=1, from_nothing=True, **counts)
    ids = tokenizer.encode(text)
    read = tuple(ids[-_room(max_seq_len, max_new_tokens) :])
    if len(read) < len(ids):
        text = _text_of(tokenizer, read)
    return Reading(ids=read, text=text, n_tokens=len(ids), **counts)


def read_message(tokenizer: Tokenizer, system: str, prompt: str, max_seq_len: int, max_new_tokens: int) -> Reading:
    """What a model that chats reads of the message `prompt`: the instruction `system`, then the message, as a chat.

    Of a message that is too long the end is read, with the same room as in `read_prompt`; what is around it always is.
    Since tokens may form across the message's ends, its own are counted as those that it adds to an empty one. Raises
    `InputError` for what is no text, and for a tokenizer without the marks of a chat.
    """

    def ids_with(message: str) -> list[int]:
        return chat_ids(tokenizer, [("system", system), ("user", message)])

    text, counts = _clean(prompt)
    n_around = len(ids_with(""))
    room = _room(max_seq_len - n_around, max_new_tokens)
    ids = ids_with(text)
    n_tokens = len(ids) - n_around
    own = tokenizer.encode(text)
    n_kept = min(room, len(own))
    while len(ids) > n_around + room:
        text = _text_of(tokenizer, own[len(own) - n_kept :])
        ids = ids_with(text)
        n_kept -= max(len(ids) - n_around - room, 0)
    before, after = around_message(system)
    around = {"n_around": n_around, "before": before, "after": after}
    return Reading(ids=tuple(ids), text=text, n_tokens=n_tokens, **around, **counts)


def _clean(prompt: str) -> tuple[str, dict[str, int]]:
    """What of a prompt is text and within the limit, and how many characters of it are not."""
    clipped = as_text("prompt", prompt)[:MAX_PROMPT]
    text = "".join(character for character in clipped if character != "\0" and not "\ud800" <= character <= "\udfff")
    return text, {"n_dropped": len(clipped) - len(text), "n_clipped": len(prompt) - len(clipped)}


def _room(max_seq_len: int, max_new_tokens: int) -> int:
    """How many tokens of prompt are read: what leaves room for the new ones, but at least half of the context."""
    return max(max_seq_len - max_new_tokens, max_seq_len // 2, 1)


def _text_of(tokenizer: Tokenizer, ids: Sequence[int]) -> str:
    """The text of tokens of which the first may begin inside a character."""
    encoded = b"".join(map(tokenizer.bytes_of, ids))
    start = next((at for at, byte in enumerate(encoded[:4]) if byte & 0xC0 != 0x80), 0)
    return encoded[start:].decode("utf-8", errors="replace")


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
    stop_ids = () if loaded.tokenizer.eos_id is None else (loaded.tokenizer.eos_id,)
    seen = set(reading.ids)
    config = loaded.config
    n_read = 1 if config.structure == "encoder_decoder" else len(reading.ids)
    room = config.max_seq_len - n_read + 1  # the last token is written, and need not be read
    most = min(max_new_tokens, room)
    for step in models.generate(loaded.model, list(reading.ids), sampling, most, stop_ids, keep_logits=True):
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
