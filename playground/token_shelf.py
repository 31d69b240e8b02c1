"""Tokenizers by the name that a page has for them: those of the catalogue, and those that visitors brought or trained.

What a visitor brought has a name that nobody can guess; it is kept for a while, the least recently used first out.
"""

import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass

from models.errors import InputError
from models.tokenizers.catalogue import Entry, catalogue, load_named
from models.tokenizers.interface import Tokenizer
from playground.session import TOKENIZERS
from playground.token_figures import LEAST, MOST

OWN = "own-"  # what the names of visitors' tokenizers begin with
MAX_KEPT = 48
MAX_KEPT_TOKENS = 3_000_000  # ids of all kept vocabularies together: some hundred bytes each


@dataclass(frozen=True)
class Named:
    """A tokenizer, the page's name for it, and what a reader calls it."""

    name: str
    title: str
    tokenizer: Tokenizer


class OwnTokenizers:
    """What visitors brought or trained, by secret name, within bounds."""

    def __init__(self, most: int = MAX_KEPT, most_tokens: int = MAX_KEPT_TOKENS):
        self.most, self.most_tokens = most, most_tokens
        self._kept: OrderedDict[str, Named] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, title: str, tokenizer: Tokenizer) -> Named:
        """Keeps a tokenizer under a new name."""
        named = Named(OWN + secrets.token_urlsafe(12), title, tokenizer)
        with self._lock:
            self._kept[named.name] = named
            while len(self._kept) > 1 and self._is_overfull():
                self._kept.popitem(last=False)
        return named

    def get(self, name: str) -> Named:
        """The tokenizer of that name; raises `InputError` once it has been dropped."""
        with self._lock:
            if name not in self._kept:
                raise InputError("token_own_gone")
            self._kept.move_to_end(name)
            return self._kept[name]

    def _is_overfull(self) -> bool:
        n_tokens = sum(named.tokenizer.vocab_size for named in self._kept.values())
        return len(self._kept) > self.most or n_tokens > self.most_tokens


own = OwnTokenizers()


def entries() -> dict[str, Entry]:
    """The catalogue by name."""
    return {entry.name: entry for entry in catalogue()}


def find(name: object) -> Named:
    """The tokenizer of a name; raises `InputError` for an unknown name, one that is not installed, and one dropped."""
    if isinstance(name, str) and name.startswith(OWN):
        return own.get(name)
    known = entries()
    if not isinstance(name, str) or name not in known:
        raise InputError("not_a_choice", field="tokenizer", value=name, allowed=", ".join(known))
    return Named(name, known[name].title, load_named(name))


def licence_entry(name: str) -> tuple[str, str]:
    """The catalogue's name of a tokenizer and its licence; "yours" and none for what a visitor brought."""
    entry = entries().get(name)
    return ("yours", "") if entry is None else (entry.name, entry.licence)


def warm_up() -> None:
    """Opens the tokenizers that the tab begins with, in the background, so that the first visitor need not wait."""
    threading.Thread(
        target=lambda: [find(name) for name in TOKENIZERS.split(",")], name="tokenizers", daemon=True
    ).start()


def read_names(names: object) -> list[str]:
    """The names of tokenizers to compare, each once; raises `InputError` if they are too few or too many."""
    listed = list(dict.fromkeys(names)) if isinstance(names, list) and all(isinstance(n, str) for n in names) else None
    if listed is None or not LEAST <= len(listed) <= MOST:
        raise InputError("token_how_many", least=LEAST, most=MOST)
    return listed
