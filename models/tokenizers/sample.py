"""The texts that the shipped tokenizers are learnt from: half English, half Chinese, the same for all of them."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from models.errors import InputError
from models.tokenizers.interface import END_OF_TEXT

SEPARATOR = re.compile(rf"^{re.escape(END_OF_TEXT)}\s*$", re.MULTILINE)
MEASURED_BYTES = 50_000
"""Of each file, so many bytes of documents that were not learnt from are kept to measure on."""


@dataclass(frozen=True)
class Source:
    """A corpus file, and how many bytes of it are learnt from at most."""

    file: str
    language: str
    n_bytes: int
    title: str
    origin: str
    licence: str


SOURCES = (
    Source(
        "en/tinystories.txt",
        "en",
        1_000_000,
        "TinyStories, a slice",
        "Eldan & Li, 2023, TinyStories: How Small Can Language Models Be and Still Speak Coherent English? "
        "(arXiv:2305.07759)",
        "CDLA-Sharing-1.0",
    ),
    Source(
        "en/african_pratham_storybooks.txt",
        "en",
        500_000,
        "African Storybook and Pratham Books",
        "African Storybook Initiative (africanstorybook.org) and Pratham Books' StoryWeaver (storyweaver.org.in), whose "
        "books name their authors",
        "CC BY 4.0",
    ),
    Source(
        "en/fairytaleqa_stories.txt",
        "en",
        500_000,
        "The stories of FairytaleQA",
        "Xu et al., 2022, Fantastic Questions and Where to Find Them: FairytaleQA (arXiv:2203.13947)",
        "Apache-2.0",
    ),
    Source(
        "en/wikipedia_articles.txt",
        "en",
        1_000_000,
        "Articles of the English Wikipedia",
        "Wikipedia contributors (en.wikipedia.org)",
        "CC BY-SA",
    ),
    Source(
        "zh/cmrc_children_stories.txt",
        "zh",
        1_500_000,
        "Children's tales and fables in Chinese",
        "CMRC, the Chinese machine reading comprehension tasks of Cui et al.",
        "CC BY-SA 4.0, as its publisher declares",
    ),
    Source(
        "zh/zhwiki_slices.txt",
        "zh",
        1_500_000,
        "Pieces of the Chinese Wikipedia",
        "Wikipedia contributors (zh.wikipedia.org)",
        "CC BY-SA",
    ),
)


@dataclass(frozen=True)
class Sample:
    """Documents to learn from, and of each language some that were left out to measure on."""

    learnt: list[str]
    measured: dict[str, list[str]]
    bytes_learnt: dict[str, int]  # by file
    is_shipped: bool  # whether these are SOURCES, not a folder of other texts


def documents(text: str) -> list[str]:
    """The documents of a corpus file, which lines `<|endoftext|>` separate, without the blank lines around them."""
    return [document for part in SEPARATOR.split(text) if (document := part.strip())]


def draw(text: str, n_bytes: int) -> tuple[list[str], list[str]]:
    """Documents of at most `n_bytes` to learn from, and further ones of at most `MEASURED_BYTES`.

    They are drawn in the order of a hash of their text, which is the same everywhere and spreads over the file. A text
    that occurs twice is drawn once.
    """
    shuffled = sorted(set(documents(text)), key=lambda document: hashlib.sha256(document.encode()).digest())
    parts, rest = [], iter(shuffled)
    for budget in (n_bytes, MEASURED_BYTES):
        part, total = [], 0
        for document in rest:
            total += len(document.encode())
            if total > budget:
                break
            part.append(document)
        parts.append(part)
    return parts[0], parts[1]


def read_sample(folder: Path) -> Sample:
    """The sample from a folder with the files of `SOURCES`; of a folder without any of them, all `.txt` files whole.

    Raises InputError: "train_no_folder", "train_files_missing" where some of the files are there, "train_no_text".
    """
    wanted = ", ".join(source.file for source in SOURCES)
    if not folder.is_dir():
        raise InputError("train_no_folder", folder=folder, wanted=wanted)
    missing = [source.file for source in SOURCES if not (folder / source.file).is_file()]
    if len(missing) == len(SOURCES):
        return _whole_folder(folder, wanted)
    if missing:
        raise InputError("train_files_missing", folder=folder, missing=", ".join(missing), wanted=wanted)
    sample = Sample(learnt=[], measured={"en": [], "zh": []}, bytes_learnt={}, is_shipped=True)
    for source in SOURCES:
        learnt, measured = draw((folder / source.file).read_text(encoding="utf-8"), source.n_bytes)
        sample.learnt.extend(learnt)
        sample.measured[source.language].extend(measured)
        sample.bytes_learnt[source.file] = sum(len(document.encode()) for document in learnt)
    return sample


def _whole_folder(folder: Path, wanted: str) -> Sample:
    files = sorted(folder.rglob("*.txt"))
    if not files:
        raise InputError("train_no_text", folder=folder, wanted=wanted)
    texts = {file: file.read_text(encoding="utf-8", errors="replace") for file in files}
    return Sample(
        learnt=[document for text in texts.values() for document in documents(text)],
        measured={},
        bytes_learnt={str(file.relative_to(folder)): len(text.encode()) for file, text in texts.items()},
        is_shipped=False,
    )
