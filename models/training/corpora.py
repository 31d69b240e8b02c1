"""From text files to documents: read, clean, and hold some out.

A corpus is a UTF-8 text file whose documents are separated by a line `<|endoftext|>`. Whether a document is held
out for validation hangs on its own text only: neither its place in the file, nor other files, nor a seed can move it
from one side to the other, and a story that occurs twice is on the same side both times.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from models.errors import InputError
from models.tokenizers import END_OF_TEXT

HELD_OUT_FRACTION = 0.015

# UTF-8 quotes once read as Windows-1252, and invisible characters.
BROKEN = (
    ("â€œ", '"'), ("â€™", "'"), ("â€˜", "'"), ("â€\x9d", '"'), ("â€“", "-"), ("â€”", "--"), ("â€¦", "..."), ("â€", '"'),
    ("\u00a0", " "), ("\ufeff", ""),
)  # fmt: skip
# Of English a small vocabulary has better uses for its entries than three spellings of one mark.
TYPOGRAPHIC = (
    ("“", '"'), ("”", '"'), ("‘", "'"), ("’", "'"), ("´", "'"), ("—", "--"), ("―", "--"), ("–", "-"), ("…", "..."),
)  # fmt: skip
SEPARATOR = re.compile(rf"^{re.escape(END_OF_TEXT)}\s*$", re.MULTILINE)
TRAILING_SPACE = re.compile(r"[ \t]+$", re.MULTILINE)


@dataclass(frozen=True)
class Corpus:
    """The documents of one file, in the order of the file."""

    file: str
    training: tuple[str, ...]
    validation: tuple[str, ...]


def clean(text: str, plain_marks: bool = True) -> str:
    """No spaces at line ends, no blank lines around the text; with `plain_marks`, straight quotes and plain dashes, which
    Chinese does not use: there “ ” and —— are the marks of the language."""
    for old, new in (*BROKEN, *TYPOGRAPHIC) if plain_marks else BROKEN:
        text = text.replace(old, new)
    return TRAILING_SPACE.sub("", text).strip()


def held_out(document: str, fraction: float = HELD_OUT_FRACTION) -> bool:
    """Whether this document belongs to the validation part; decided by a hash of its text alone."""
    digest = hashlib.sha256(document.encode("utf-8", errors="surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") < fraction * 2**64


def documents(text: str, plain_marks: bool = True) -> list[str]:
    """The documents of a corpus text, each as `clean` leaves it; empty ones are dropped."""
    return [document for part in SEPARATOR.split(text) if (document := clean(part, plain_marks))]


def read_corpus(folder: Path, file: str, plain_marks: bool = True) -> Corpus:
    """Read one file. Raises InputError("corpus_empty") where nothing is left to train on."""
    parts: dict[bool, list[str]] = {False: [], True: []}
    for document in documents((folder / file).read_text(encoding="utf-8", errors="replace"), plain_marks):
        parts[held_out(document)].append(document)
    if not parts[False]:
        raise InputError("corpus_empty", file=file)
    return Corpus(file=file, training=tuple(parts[False]), validation=tuple(parts[True]))


def find_files(folder: Path, wanted: list[str]) -> list[str]:
    """The files to train on: the wanted ones, or every `.txt` of a folder that has none of them.

    Raises InputError, naming the wanted files: "corpus_folder_missing", "corpus_no_text", or "corpus_files_missing"
    where some of the wanted files are there and some are not.
    """
    names = ", ".join(wanted)
    if not folder.is_dir():
        raise InputError("corpus_folder_missing", folder=folder, wanted=names)
    missing = [file for file in wanted if not (folder / file).is_file()]
    if not missing:
        return list(wanted)
    if len(missing) < len(wanted):
        raise InputError("corpus_files_missing", folder=folder, missing=", ".join(missing), wanted=names)
    others = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.txt"))
    if not others:
        raise InputError("corpus_no_text", folder=folder, wanted=names)
    return others
