"""Models that visitors trained here or brought: each under a name that nobody can guess, kept for a while.

Such a name, "here:…", stands wherever a design string does. Needs no torch.
"""

import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.config import ModelConfig
from models.errors import InputError

if TYPE_CHECKING:
    import models

HERE = "here:"
MAX_KEPT = 16
MAX_KEPT_PARAMS = 60_000_000  # of all together, four bytes each


@dataclass(frozen=True)
class Here:
    """A model of a visitor's: the preset that its design started from, and how it was trained, as far as that is known.

    `is_brought`: it came as a file; `steps` and `tokens` are then what the file says, or None.
    """

    name: str
    base: str
    config: ModelConfig
    loaded: "models.Loaded"
    params: int
    steps: int | None
    tokens: int | None
    is_brought: bool = False


class HereShelf:
    """The models by name, within bounds; the least recently used goes first."""

    def __init__(self, most: int = MAX_KEPT, most_params: int = MAX_KEPT_PARAMS):
        self.most, self.most_params = most, most_params
        self._kept: OrderedDict[str, Here] = OrderedDict()
        self._lock = threading.Lock()

    def keep(
        self, base: str, loaded: "models.Loaded", steps: int | None, tokens: int | None, is_brought: bool = False
    ) -> Here:
        """Keeps a model under a new name."""
        params = sum(parameter.numel() for parameter in loaded.model.parameters())
        kept = Here(HERE + secrets.token_urlsafe(12), base, loaded.config, loaded, params, steps, tokens, is_brought)
        with self._lock:
            self._kept[kept.name] = kept
            while len(self._kept) > 1 and self._is_overfull():
                self._kept.popitem(last=False)
        return kept

    def get(self, name: str) -> Here:
        """The model of that name; raises `InputError` once it has been dropped."""
        with self._lock:
            if name not in self._kept:
                raise InputError("model_here_gone")
            self._kept.move_to_end(name)
            return self._kept[name]

    def _is_overfull(self) -> bool:
        return len(self._kept) > self.most or sum(kept.params for kept in self._kept.values()) > self.most_params


shelf = HereShelf()


def is_here(name: object) -> bool:
    """Whether this is the name of a model of a visitor's, kept or gone."""
    return isinstance(name, str) and name.startswith(HERE) and "~" not in name
