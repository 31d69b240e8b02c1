"""Training on a visitor's text: in the background, a few at once, with progress, and stopped when nobody asks any more."""

import io
import secrets
import tempfile
import threading
import time
import zipfile
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

from models.errors import InputError
from models.tokenizers.interface import Tokenizer
from models.tokenizers.train import train_on_text
from playground.i18n import say
from playground.session import LIMITS, TRAINED
from playground.token_shelf import Named, own
from playground.turns import turn
from playground.views.numbers import exact

MAX_JOBS = 16  # that are remembered, finished ones included
FORSAKEN = 10.0  # seconds without a question after which a training stops


class Stopped(Exception):
    """The visitor left, or wanted it no more."""


@dataclass
class Job:
    """One training. `named` is there when it is done, `error` when it failed; `share` of the work is done."""

    lang: str
    share: float = 0.0
    named: Named | None = None
    error: InputError | None = None
    asked: float = field(default_factory=time.monotonic)
    stopped: threading.Event = field(default_factory=threading.Event)

    def progress(self, share: float, stage: str) -> None:
        """Takes the trainer's word, and stops it if nobody wants the outcome."""
        self.share = share
        if self.stopped.is_set() or time.monotonic() - self.asked > FORSAKEN:
            raise Stopped


class Jobs:
    """Trainings by secret name."""

    def __init__(self, most: int = MAX_JOBS):
        self.most = most
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, lang: str, algorithm: object, text: str, vocab_size: object) -> str:
        """Begins a training and returns its name; raises `InputError` for what cannot be trained, "busy" if too many are.

        The tokenizer's title is in `lang`, with the size that it came to: a short text gives fewer ids than were wanted.
        """
        low, high = LIMITS["train_size"]
        if algorithm not in TRAINED:
            raise InputError("not_a_choice", field="algorithm", value=algorithm, allowed=", ".join(TRAINED))
        if not isinstance(vocab_size, int) or isinstance(vocab_size, bool):
            raise InputError("not_an_integer", field="vocab_size", value=vocab_size)
        if not low <= vocab_size <= high:
            raise InputError("train_size", value=vocab_size, low=low, high=high)
        if not text.strip():
            raise InputError("token_text_empty")
        job, name = Job(lang), secrets.token_urlsafe(12)
        with self._lock:
            if sum(1 for known in self._jobs.values() if known.named is None and known.error is None) >= self.most // 2:
                raise InputError("busy")
            self._jobs[name] = job
            while len(self._jobs) > self.most:
                self._jobs.popitem(last=False)
        threading.Thread(target=_run, args=(job, algorithm, text, vocab_size), name="train", daemon=True).start()
        return name

    def get(self, name: object) -> Job:
        """The training of that name; asking keeps it going."""
        with self._lock:
            if not isinstance(name, str) or name not in self._jobs:
                raise InputError("token_own_gone")
            job = self._jobs[name]
        job.asked = time.monotonic()
        return job


def _run(job: Job, algorithm: str, text: str, vocab_size: int) -> None:
    try:
        with turn(job.stopped) as mine:
            if not mine:
                raise Stopped
            job.asked = time.monotonic()
            tokenizer = train_on_text(algorithm, text, vocab_size, job.progress)
        called = say(job.lang, f"tokenizers.view.train_{algorithm.replace('-', '_')}")
        title = say(job.lang, "tokenizers.trained_title", algorithm=called, size=exact(tokenizer.vocab_size))
        job.named = own.keep(title, tokenizer)
    except Stopped:
        job.error = InputError("token_training_stopped")
    except InputError as error:
        job.error = error
    finally:
        # Whatever else ended this thread is in the server's log; the page must not wait for it, nor its place be kept.
        if job.named is None and job.error is None:
            job.error = InputError("token_training_failed")


jobs = Jobs()


def packed(tokenizer: Tokenizer) -> bytes:
    """The files of a tokenizer as a zip archive."""
    archive = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save(folder)
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as files:
            for path in sorted(Path(folder).rglob("*")):
                if path.is_file():
                    files.write(path, path.relative_to(folder))
    return archive.getvalue()
