"""The tokenizers that have a name here: those that are shipped, and published ones where they are installed.

Nothing is imported to find out which are there. A published vocabulary is looked for in the package that brings it, and in
a folder of its name: under the folder that LINEAGE_TOKENIZERS names, else under shared/tokenizers beside the repository.
"""

import os
import threading
from collections import OrderedDict
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from models.errors import InputError
from models.presets import presets
from models.tokenizers.interface import Tokenizer
from models.tokenizers.published import INSTALL_COMMAND, PUBLISHED, Published

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "assets" / "tokenizers"
ZOO = ROOT / "assets" / "zoo"
FOLDER_VARIABLE = "LINEAGE_TOKENIZERS"
BESIDE = ROOT.parent / "shared" / "tokenizers"

SIZES = {"4k": 4_096, "8k": 8_192, "16k": 16_384}
ALGORITHMS = {
    "byte-bpe": ("Byte-level BPE", "byte-level BPE"),
    "sp-bpe": ("SentencePiece BPE", "SentencePiece BPE"),
    "unigram": ("Unigram", "Unigram"),
    "wordpiece": ("WordPiece", "WordPiece"),
    "characters": ("Characters", "characters"),
}
"""What is shipped in each of the sizes: name, title, algorithm."""
OWN_SOURCE = "trained for this project on public English and Chinese texts, see assets/tokenizers/CARD.md"
OWN_LICENCE = "of the texts: CDLA-Sharing-1.0, CC BY 4.0, Apache-2.0, CC BY-SA (see CARD.md)"
STORY_LICENCE = "of the texts: CDLA-Sharing-1.0, CC BY 4.0, Apache-2.0, public domain (see CARD.md)"

STORIES = "stories-4k"
STORY_MODELS = ("gpt2-mini", "llama-mini")

MAX_LOADED = 12

__all__ = ["INSTALL_COMMAND", "Entry", "available", "catalogue", "load_named"]


@dataclass(frozen=True)
class Entry:
    """A tokenizer with a name.

    vocab_size counts every id, special ones too. source: who made the vocabulary, and what text it is from. licence: the
    vocabulary's. command: what brings it where it is absent; None for what is shipped. models: the presets that use it.
    """

    name: str
    title: str
    algorithm: str
    vocab_size: int | None
    source: str
    licence: str
    command: str | None
    models: tuple[str, ...]


@cache
def _entries() -> dict[str, Entry]:
    entries = [
        Entry(f"{key}-{size}", f"{title} {size}", algorithm, n_ids, OWN_SOURCE, OWN_LICENCE, None, ())
        for key, (title, algorithm) in ALGORITHMS.items()
        for size, n_ids in SIZES.items()
    ]
    entries.append(Entry("bytes", "Bytes", "bytes", 257, "every byte of UTF-8 is a token", "none needed", None, ()))
    stories = "trained for the shipped models on short stories, see assets/zoo/gpt2-mini/CARD.md"
    entries.append(
        Entry(STORIES, "Lineage stories 4k", "byte-level BPE", 4_096, stories, STORY_LICENCE, None, STORY_MODELS)
    )
    entries += [
        Entry(
            name,
            published.title,
            published.algorithm,
            published.vocab_size,
            published.source,
            published.licence,
            published.command(name),
            _presets(published.used_by),
        )
        for name, published in PUBLISHED.items()
    ]
    return {entry.name: entry for entry in entries}


def _presets(patterns: tuple[str, ...]) -> tuple[str, ...]:
    """The presets that a pattern matches; the house's own small ones have vocabularies of their own."""
    published = (name for name in presets() if not name.endswith(("-mini", "-mini-zh")))
    return tuple(name for name in published if any(fnmatch(name, pattern) for pattern in patterns))


def catalogue() -> list[Entry]:
    """All entries, shipped ones first."""
    return list(_entries().values())


def available(entry: Entry) -> bool:
    """Whether `load_named` can load it now; nothing is imported to find out."""
    if entry.name in PUBLISHED:
        return _place(entry.name, PUBLISHED[entry.name]) is not None
    return _shipped(entry.name).is_dir()


def _shipped(name: str) -> Path:
    return ZOO / STORY_MODELS[0] if name == STORIES else SHIPPED / name


def _place(name: str, published: Published) -> tuple[Path, str | None] | None:
    """Where a published vocabulary is, and in which file of it; None where it is absent."""
    package = published.package
    spec = find_spec(package.name) if package else None
    for root in (spec.submodule_search_locations if spec is not None else None) or ():
        if (Path(root) / package.file).exists():
            return Path(root) / package.file, None
    folder = _folder() / name
    return (folder, published.file) if folder.is_dir() else None


def _folder() -> Path:
    named = os.environ.get(FOLDER_VARIABLE)
    return Path(named).expanduser() if named else BESIDE


_loaded: OrderedDict[str, Tokenizer] = OrderedDict()
_loading: dict[str, threading.Lock] = {}
_guard = threading.Lock()


def load_named(name: str) -> Tokenizer:
    """The tokenizer of an entry; the last `MAX_LOADED` that were used stay loaded, each is loaded once at a time.

    Raises InputError: "tokenizer_unknown", "tokenizer_not_installed" with the command that brings it, and what
    `files.load` raises.
    """
    if name not in _entries():
        raise InputError("tokenizer_unknown", name=name, known=", ".join(_entries()))
    with _guard:
        lock = _loading.setdefault(name, threading.Lock())
    with lock:
        with _guard:
            if name in _loaded:
                _loaded.move_to_end(name)
                return _loaded[name]
        tokenizer = _load(_entries()[name])
        with _guard:
            _loaded[name] = tokenizer
            while len(_loaded) > MAX_LOADED:
                _loaded.popitem(last=False)
        return tokenizer


def _load(entry: Entry) -> Tokenizer:
    from models.tokenizers.files import load, load_any

    if entry.name not in PUBLISHED:
        tokenizer = load(_shipped(entry.name))
    else:
        place = _place(entry.name, PUBLISHED[entry.name])
        if place is None:
            raise InputError("tokenizer_not_installed", name=entry.title, command=entry.command)
        tokenizer = load_any(*place)
    tokenizer.name = entry.name
    return tokenizer
