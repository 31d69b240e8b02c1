"""What decoding gives back of a text, and what was normalised away on the way."""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from os.path import commonprefix
from typing import NamedTuple

from models.tokenizers.interface import Encoding, Tokenizer
from models.tokenizers.offsets import groups

FORMS = ("NFC", "NFD", "NFKC", "NFKD")


@dataclass(frozen=True)
class Change:
    """A place where the text that comes back differs.

    start, end: code points of the original text (equal where something was put in). kind: "unknown" (no token for it),
    "spaces", "lower-cased", "accents" (left out, or put in), "unicode form" (the same written otherwise) or "other".
    """

    start: int
    end: int
    original: str
    became: str
    kind: str


@dataclass(frozen=True)
class RoundTrip:
    """decode(encode(text)), and the places where it is not the text, in order: with each `original` replaced by its
    `became`, the text is what came back."""

    exact: bool
    became: str
    changes: list[Change]


def round_trip(tokenizer: Tokenizer, text: str) -> RoundTrip:
    """What is left of `text` after encoding and decoding. Raises `InputError` as `encode` does."""
    encoding = tokenizer.encode_with_offsets(text)
    became = tokenizer.decode(encoding.ids)
    if became == text:
        return RoundTrip(True, became, [])
    changes: list[Change] = []
    for edit in _joined(_edits(tokenizer, encoding, text)):
        for change in _changes(edit):
            last = changes[-1] if changes else None
            if last and last.end == change.start and not last.original and not change.became:
                # A space put in, and the character before which it was put left out: it became the space.
                kind = _kind(change.original, last.became)
                changes[-1] = Change(change.start, change.end, change.original, last.became, kind)
            else:
                changes.append(change)
    return RoundTrip(False, became, changes)


class _Edit(NamedTuple):
    """A stretch of the text and what it became, before it is known what changed in it."""

    start: int
    original: str
    became: str
    sort: str  # SPACES, LETTERS or LOST

    @property
    def end(self) -> int:
        return self.start + len(self.original)


SPACES, LETTERS, LOST = "spaces", "letters", "lost"


def _edits(tokenizer: Tokenizer, encoding: Encoding, text: str) -> Iterator[_Edit]:
    """Stretches that differ, in order: of each group of tokens the spaces around it and its letters apart, and what lies
    between two groups, for which there is no token."""
    shares = tokenizer.shares(encoding.ids)
    done = 0
    for first, end, start, stop in groups(encoding.char_spans):
        start, stop = max(start, done), max(stop, done)
        share = b"".join(shares[first:end]).decode("utf-8", errors="replace")
        if share == text[done:stop]:
            done = stop
            continue
        before, letters, after = _parted(share)
        left, dropped, gap = _parted(text[done:start])
        if not dropped:
            left, gap = "", left + gap
        own_before, own_letters, own_after = _parted(text[start:stop])
        lost = any(tokenizer.kind_of(token_id) == "unknown" for token_id in encoding.ids[first:end])
        for original, became, sort in (
            (left, "", SPACES),
            (dropped, "", LETTERS),
            (gap + own_before, before, SPACES),
            (own_letters, letters, LOST if lost else LETTERS),
            (own_after, after, SPACES),
        ):
            if original != became:
                yield _Edit(done, original, became, sort)
            done += len(original)
    if done < len(text):
        yield _Edit(done, text[done:], "", LETTERS if text[done:].strip() else SPACES)


def _parted(text: str) -> tuple[str, str, str]:
    """The spaces before, the rest, and the spaces after it; a text of spaces counts as those before."""
    rest = text.lstrip()
    letters = rest.rstrip()
    return text[: len(text) - len(rest)], letters, rest[len(letters) :]


def _joined(edits: Iterator[_Edit]) -> Iterator[_Edit]:
    """Edits of one sort that touch, as one; one that takes back another is none."""
    held: _Edit | None = None
    for edit in edits:
        if held and edit.sort == held.sort != LOST and edit.start == held.end:
            held = held._replace(original=held.original + edit.original, became=held.became + edit.became)
            continue
        if held:
            yield held
        held = edit
    if held:
        yield held


def _changes(edit: _Edit) -> Iterator[Change]:
    """What changed in a stretch: character by character where it kept its length, else between its equal ends."""
    start, original, became, sort = edit
    if sort == LOST:
        yield Change(start, edit.end, original, became, "unknown")
    elif sort == LETTERS and len(original) == len(became):
        pairs = ((start + i, *pair) for i, pair in enumerate(zip(original, became, strict=True)))
        alike = groupby(pairs, key=lambda pair: pair[1] != pair[2] and _kind(pair[1], pair[2]))
        for kind, run in alike:
            places, old, new = zip(*run, strict=True)
            if kind:
                yield Change(places[0], places[-1] + 1, "".join(old), "".join(new), kind)
    else:
        same = len(commonprefix([original, became]))
        start, original, became = start + same, original[same:], became[same:]
        same = len(commonprefix([original[::-1], became[::-1]]))
        original, became = original[: len(original) - same], became[: len(became) - same]
        if original or became:
            yield Change(start, start + len(original), original, became, _kind(original, became))


def _kind(original: str, became: str) -> str:
    if _without_spaces(original) == _without_spaces(became):
        return "spaces"
    if any(unicodedata.normalize(form, original) == unicodedata.normalize(form, became) for form in FORMS):
        return "unicode form"
    if original.lower() == became:
        return "lower-cased"
    if _bare(original) == _bare(became):
        return "accents"
    return "other"


def _without_spaces(text: str) -> str:
    return "".join(text.split())


def _bare(text: str) -> str:
    """Text without case, accents and spaces."""
    parts = unicodedata.normalize("NFD", text.lower())
    return "".join(
        character for character in parts if unicodedata.category(character) != "Mn" and not character.isspace()
    )
