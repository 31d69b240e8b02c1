"""What designs are trained on in the browser: the bundled texts, and a visitor's own."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from models.errors import InputError
from models.tokenizers.interface import check_text
from models.training.corpora import documents

FOLDER = Path(__file__).resolve().parents[1] / "assets" / "texts" / "training"
BUNDLED = {"stories-en": "Uncle Wiggily", "prose-zh": "母亲"}
"""The bundled texts, each with what its samples begin with."""
OWN = "own"
LEAST_CHARACTERS, MOST_BYTES = 1_000, 400_000
PIECE = 600  # characters of a piece into which a text without documents is cut
LEAST_PIECES = 4
PROMPT = 24  # characters


@dataclass(frozen=True)
class Text:
    """Documents, in order, and what a sample begins with."""

    name: str
    documents: tuple[str, ...]
    prompt: str
    is_english: bool


@cache
def bundled(name: str) -> Text:
    """A bundled text."""
    found = documents((FOLDER / f"{name}.txt").read_text(encoding="utf-8"))
    return Text(name, tuple(found), BUNDLED[name], name.endswith("-en"))


def own(text: object) -> Text:
    """A visitor's text: its documents, if it marks any, else pieces of about `PIECE` characters. Raises `InputError`."""
    if not isinstance(text, str):
        raise InputError("not_a_text", field="text", value=text)
    size = len(check_text(text).encode("utf-8"))
    if size > MOST_BYTES:
        raise InputError("train_text_long", size=size, most=MOST_BYTES)
    found = documents(text)
    if sum(map(len, found)) < LEAST_CHARACTERS:
        raise InputError("train_text_short", size=sum(map(len, found)), least=LEAST_CHARACTERS)
    if len(found) < LEAST_PIECES:
        found = [piece for document in found for piece in _pieces(document)]
    longest = max(found, key=len)
    if all(piece in longest for piece in found):
        raise InputError("train_text_repeats", least=LEAST_CHARACTERS)
    return Text(OWN, tuple(found), _beginning(found[0]), is_english(text))


def is_english(text: str) -> bool:
    """Whether a tokenizer that learnt from English suits it: nearly all of it is ASCII."""
    return sum(character.isascii() for character in text) > 0.8 * len(text)


def read(name: object, text: object = None) -> Text:
    """The text of a name: a bundled one, or `OWN`, which `text` gives. Raises `InputError`."""
    if name == OWN:
        return own(text)
    if not isinstance(name, str) or name not in BUNDLED:
        raise InputError("not_a_choice", field="text", value=name, allowed=", ".join([*BUNDLED, OWN]))
    return bundled(name)


def _pieces(document: str) -> list[str]:
    """Stretches that end with a line or a sentence where they can."""
    parts = re.split(r"(?<=\n)|(?<=[。！？])|(?<=[.!?] )", document)
    short = [part[start : start + PIECE] for part in parts for start in range(0, len(part), PIECE)]
    pieces = [""]
    for part in short:
        if pieces[-1] and len(pieces[-1]) + len(part) > PIECE:
            pieces.append("")
        pieces[-1] += part
    return [piece for piece in map(str.strip, pieces) if piece]


def _beginning(document: str) -> str:
    """The first words, or the first characters of a text without spaces."""
    first = document[:PROMPT].split("\n")[0]
    words = first.rsplit(" ", 1)
    return words[0] if len(document) > PROMPT and len(words) > 1 else first[: PROMPT // 4]
