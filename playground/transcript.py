"""A run told to the visitor: the payload of views/generation.py with its sentences, each in every language: a visitor who
switches goes on with the text that is there."""

import secrets
import time
from collections import deque
from dataclasses import asdict
from functools import lru_cache

from models.errors import InputError
from models.sampling_settings import Sampling
from models.tokenizers import Tokenizer
from playground import model_facts
from playground.design_limit import writes
from playground.generation import SETTINGS, STAGES, Observed
from playground.i18n import LANGUAGES, catalogue, explain, in_every_language, say
from playground.prompt_reading import Reading, in_characters
from playground.session import MAX_PROMPT
from playground.subject import Subject
from playground.views import generation as payload
from playground.views.numbers import exact, short_bytes

_VIEW = "generate.view."
Texts = dict[str, str]  # one sentence or name by language
REMOVED = ("removed_top_k", "removed_top_p", "removed_min_p", "removed_greedy")  # in the order of sampling.js
MAX_FILLED = 400  # characters of a prompt that is shown with its blanks filled in
BLANK_MARKS = ("<extra_id_", "[MASK]", "[gMASK]")
MANY_BYTES = 2.0  # tokens per character from which on a prompt counts as read byte by byte


class Transcript:
    """The payload of one run; `text` grows with each call."""

    def __init__(self, subject: Subject, reading: Reading, sampling: Sampling, most: int):
        self.subject = subject
        self._reading = reading
        self._written: list[int] = []
        self.all_kept = payload.steps_kept(subject.vocab_size) >= most
        self._newest: deque[dict] = deque(maxlen=payload.steps_kept(subject.vocab_size))
        self._count = 0
        self._begun = time.monotonic()
        bars = None if self.all_kept else self._bars()
        self.text = start("live", subject, reading, sampling, most, self._notes(reading), bars=bars)

    def add(self, chunk: list[Observed]) -> None:
        """The steps of one chunk, and how far the run is."""
        lines = []
        for observed in chunk:
            self._count += 1
            halves = payload.halves(observed.logits)
            if not self.all_kept:
                self._newest.append(halves)
            step = observed.step
            self._written.append(step.token_id)
            shown = halves if self.all_kept else payload.top(observed.top)
            lines.append(payload.step(step.token_id, step.raw_probability, step.probability, observed.rank, **shown))
        seconds = round(time.monotonic() - self._begun, 3)
        self.text += "".join(lines) + payload.line("progress", tokens=self._count, seconds=seconds)

    def end(self, finish: str) -> None:
        """The end: "length", "stop", "context" or "cancelled"; before it the logits that were held back."""
        if self._newest:
            self.text += payload.line("logits", first=self._count - len(self._newest), steps=list(self._newest))
        self.text += end(finish, self.subject, filled(self._reading, self.subject.tokenizer, self._written))

    def fail(self, error: InputError) -> None:
        """The run broke off for a reason that the visitor is told."""
        self.text += payload.line("end", finish="refused", sentence=_explained(error))

    def _notes(self, reading: Reading) -> list[Texts]:
        subject = self.subject
        notes = [] if (way := way_note(reading)) is None else [(way, {})]
        notes += self._notes_on_prompt(reading)
        if not subject.trained:
            offered = model_facts.models_with_weights()
            titles = [model_facts.title(name) for name in offered if writes(model_facts.inhand(name).config)]
            notes.append(("random", {"trained": " / ".join(titles)}))
        known = subject.tokenizer.vocab_size
        if subject.vocab_size > known:
            notes.append(("no_text_ids", {"known": exact(known), "vocabulary": exact(subject.vocab_size)}))
        return [in_every_language(f"generate.note.{code}", **values) for code, values in notes]

    def _bars(self) -> dict[str, str]:
        """What the browser says where a token is chosen whose whole distribution it does not have."""
        size = short_bytes(payload.bytes_per_step(self.subject.vocab_size))
        return {"vocabulary": exact(self.subject.vocab_size), "size": size, "kept": exact(self._newest.maxlen)}

    def _notes_on_prompt(self, reading: Reading) -> list[tuple[str, dict]]:
        notes: list[tuple[str, dict]] = []
        if reading.n_clipped:
            notes.append(("clipped", {"limit": exact(MAX_PROMPT)}))
        if reading.n_dropped:
            notes.append(("dropped", {"count": exact(reading.n_dropped)}))
        n_blanks = sum(reading.text.count(mark) for mark in BLANK_MARKS)
        if reading.way == "blank" and n_blanks > 1:
            notes.append(("more_blanks", {"count": exact(n_blanks)}))
        if reading.from_nothing:
            notes.append(("from_nothing", {"token": self.subject.tokenizer.token(reading.ids[0])}))
        if reading.is_cut:
            code = "cut" if self.subject.readable == self.subject.max_seq_len else "cut_here"
            counts = {"all": reading.n_tokens, "context": self.subject.readable, "read": reading.n_read}
            notes.append((code, {name: exact(count) for name, count in counts.items()}))
        elif reading.n_read >= MANY_BYTES * len(reading.text) > 0 and self.subject.trained:
            counts = {"tokens": exact(reading.n_read), "characters": exact(len(reading.text))}
            notes.append(("bytes", counts))
        return notes


def start(
    source: str, subject: Subject, reading: Reading, sampling: Sampling, most: int, notes: list[Texts], **more
) -> str:
    """The first line of a run; `source` is "live" or "recorded". A recording is the same run whenever it is told."""
    drawn_with = {name: getattr(sampling, name) for name in STAGES}
    return payload.line(
        "start",
        run=secrets.token_hex(8) if source == "live" else source,
        source=source,
        empty=False,
        meta={lang: _settings_line(lang, subject, sampling) for lang in LANGUAGES},
        notes=notes,
        words=words(),
        prompt=reading.before + ("…" if reading.is_cut else "") + reading.text + reading.after + _arrow(reading),
        prompt_ids=reading.ids,
        begun_ids=reading.begun,
        drawn_with=drawn_with,
        most=most,
        **_vocabulary(subject.tokenizer),
        **more,
    )


def _arrow(reading: Reading) -> str:
    """What stands between a prompt and a text that does not go on from its end."""
    return "" if reading.way == "continue" else " → "


def _settings_line(lang: str, subject: Subject, sampling: Sampling) -> str:
    names = {name: say(lang, f"generate.meta.{name}") for name in (*STAGES, "seed")}
    return payload.settings_line(names, subject.name[lang], asdict(sampling))


@lru_cache(maxsize=4)
def _vocabulary(tokenizer: Tokenizer) -> dict:
    ids = range(tokenizer.vocab_size)
    pieces = [tokenizer.bytes_of(token_id) for token_id in ids]
    special = {token_id: tokenizer.token(token_id) for token_id in ids if not pieces[token_id]}
    return payload.vocabulary(pieces, special)


def way_note(reading: Reading) -> str | None:
    """The note that says what the model does with its prompt, where it does not simply go on with it."""
    if reading.way == "continue":
        return None
    has_blank = reading.way not in ("spans", "blank") or any(mark in reading.text for mark in BLANK_MARKS)
    return f"way_{reading.way}" if has_blank else f"way_{reading.way}_none"


def filled(reading: Reading, tokenizer: Tokenizer, written: list[int]) -> str | None:
    """The prompt with what was written, as ids, in place of its blanks, where it has any."""
    if reading.way not in ("spans", "blank"):
        return None
    from models.objectives import marks_of
    from models.prompts import with_blanks_filled

    ids = with_blanks_filled(reading.way, marks_of(tokenizer), reading.ids, written)
    return None if ids is None else in_characters(tokenizer, ids)[:MAX_FILLED]


def end(finish: str, subject: Subject, whole: str | None) -> str:
    """The last line of a run; whole: the prompt with its blanks `filled`."""
    key = "generate.view.stopped" if finish == "cancelled" else f"generate.end.{finish}"
    sentence = in_every_language(key, context=exact(subject.max_seq_len))
    if whole is not None:
        inserted = in_every_language("generate.end.filled", text=whole)
        sentence = {lang: f"{sentence[lang]} {inserted[lang]}" for lang in LANGUAGES}
    return payload.line("end", finish=finish, sentence=sentence)


def note_only(*keys: str) -> str:
    """A payload without a text: why there is none yet, or never will be."""
    blank = {"prompt": "", "begun_ids": [], "vocabulary": [], "specials": {}, "drawn_with": {}, "most": 0}
    identity = {"run": secrets.token_hex(8), "source": "none", "empty": True, "meta": dict.fromkeys(LANGUAGES, "")}
    return payload.line("start", **identity, notes=[in_every_language(key) for key in keys], words=words(), **blank)


def refused(error: InputError) -> str:
    """A payload of a run that could not begin: what was wrong. The text that is there stays."""
    return payload.line("refused", run=secrets.token_hex(8), sentence=_explained(error))


def _explained(error: InputError) -> Texts:
    """The refusal's sentence; a setting is called what its label says."""
    field = error.params.get("field")
    if field not in SETTINGS:
        return {lang: explain(lang, error) for lang in LANGUAGES}
    labels = in_every_language(f"generate.setting.{field}")
    return {
        lang: explain(lang, InputError(error.code, **{**error.params, "field": labels[lang]})) for lang in LANGUAGES
    }


def words() -> dict[str, dict]:
    """What the browser's part writes, by language; it fills in the braces itself."""
    keys = [key for key in catalogue() if key.startswith(_VIEW)]
    found = {lang: {key.removeprefix(_VIEW): catalogue()[key][lang] for key in keys} for lang in LANGUAGES}
    return {lang: {**own, "next_removed": [own[name] for name in REMOVED]} for lang, own in found.items()}
