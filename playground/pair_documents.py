"""The documents of sentence pairs: those in `assets/texts/pairs/`, which no training read, and a visitor's own."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from models.errors import InputError
from models.tokenizers.interface import Tokenizer, check_text
from playground.session import TEXTS

FOLDER = Path(__file__).resolve().parents[1] / "assets" / "texts" / "pairs"
SEPARATOR = re.compile(r"\n\s*<\|endoftext\|>\s*\n")
GAP = re.compile(r"\n\s*(?:(?:<\|endoftext\|>|---+)?\s*\n)+")  # between documents that a visitor typed
CHINESE = re.compile(r"[\u3400-\u9fff]")
GROUPS = {"en": ("en-stories", "en-books"), "zh": ("zh-stories", "zh-books")}
"""The held-out files by language: simple stories like those of the trainings, and books unlike them."""

OWN = "own"
COLLECTIONS: dict[str, tuple[str, slice]] = {
    "stories": ("en-stories", slice(0, 5)),
    "books": ("en-books", slice(0, 3)),
    "chinese": ("zh-stories", slice(0, 5)),
}
"""What a visitor may build pairs from besides own documents: a file, and which of its documents."""

COMPANIONS = 2  # documents that stand by where a visitor gave only one


@dataclass(frozen=True)
class Document:
    """Sentences with their ids, and where in its sentence each id is from; own: typed by the visitor."""

    sentences: tuple[str, ...]
    ids: tuple[tuple[int, ...], ...]
    spans: tuple[tuple[tuple[int, int], ...], ...]
    own: bool = False

    def text(self, start: int, end: int, cut_front: int = 0, cut_end: int = 0) -> str:
        """The text of sentences `start` to `end`, without so many tokens at its front and its end."""
        places = [(index, span) for index in range(start, end) for span in self.spans[index]]
        kept = places[cut_front : len(places) - cut_end]
        pieces = []
        for index in sorted({index for index, _ in kept}):
            spans = [span for of, span in kept if of == index]
            pieces.append(self.sentences[index][spans[0][0] : spans[-1][1]])
        return join(pieces)


def join(pieces: Sequence[str]) -> str:
    """Pieces of a text as one: with a space between, but where Chinese meets Chinese."""
    joined = ""
    for piece in pieces:
        no_space = not joined or (is_chinese(joined[-8:]) and is_chinese(piece[:8]))
        joined += piece if no_space else f" {piece}"
    return joined


def is_chinese(text: str) -> bool:
    """Whether a text is Chinese rather than English: a fifth of its characters are."""
    return 5 * len(CHINESE.findall(text)) > len(text)


@cache
def texts_of(file: str) -> tuple[str, ...]:
    """The documents of one of the files."""
    return tuple(SEPARATOR.split((FOLDER / f"{file}.txt").read_text(encoding="utf-8").strip()))


def read(text: str, tokenizer: Tokenizer, own: bool = False) -> Document | None:
    """A text as sentences; None where no sentence has a token."""
    from models.objectives.sentences import sentences

    found = []
    for sentence in sentences(text):
        encoding = tokenizer.encode_with_offsets(sentence)
        if encoding.ids:
            found.append((sentence, tuple(encoding.ids), tuple(encoding.char_spans)))
    if not found:
        return None
    return Document(*(tuple(part) for part in zip(*found, strict=True)), own=own)


def own_documents(text: object, tokenizer: Tokenizer) -> list[Document]:
    """A visitor's documents, which an empty line separates; with one alone, some of ours in its language come after it.

    Raises `InputError` for what is no text, too long, or has no sentence.
    """
    if not isinstance(text, str):
        raise InputError("not_a_text", field="text", value=text)
    if len(check_text(text)) > TEXTS["obj_text"]:
        raise InputError("token_text_too_long", size=len(text), limit=TEXTS["obj_text"])
    parts = GAP.split(text.replace("\r\n", "\n"))
    own = [document for part in parts if (document := read(part, tokenizer, own=True))]
    if not own:
        raise InputError("pair_no_sentence")
    if len(own) > 1:
        return own
    file = "zh-stories" if is_chinese(text) else "en-stories"
    return [*own, *(read(other, tokenizer) for other in texts_of(file)[:COMPANIONS])]


def documents_of(collection: object, text: object, tokenizer: Tokenizer) -> list[Document]:
    """The documents of one of `COLLECTIONS`, or, for "own", of a visitor's `text`."""
    if collection == OWN:
        return own_documents(text, tokenizer)
    if not isinstance(collection, str) or collection not in COLLECTIONS:
        raise InputError("not_a_choice", field="documents", value=collection, allowed=", ".join((*COLLECTIONS, OWN)))
    file, part = COLLECTIONS[collection]
    return [read(one, tokenizer) for one in texts_of(file)[part]]
