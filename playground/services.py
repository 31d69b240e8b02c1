"""Models held for visitors: each built once, in a turn, never one too large, and kept within bounds."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import models
from models.config import ModelConfig
from playground import limits, model_facts
from playground.house_tokenizers import tokenizer_for
from playground.session import DEFAULT_MODEL, design_string
from playground.trained_here import is_here, shelf
from playground.turns import taken, turn

MAX_CACHED_BYTES = 1_500_000_000
MAX_CACHED_MODELS = 16


def hold(design: str, cancelled: threading.Event | None = None) -> "models.Loaded | None":
    """The model of a design string, from the cache or built now, in a turn; None if `cancelled` is set before that.

    A model trained here is the one that was kept. Else a shipped or installed model's configuration gets its trained
    weights, any other is initialised with seed 0 and reads with the house tokenizer if its vocabulary has room for it,
    else byte by byte; one that reads images has no tokenizer. Raises `InputError` for a model that is gone, not installed
    or has a `refusal`, for a vocabulary that has no room for bytes, and "busy" as `turn` does.
    """
    parsed = model_facts.read_design(design)
    if is_here(parsed.trained):
        return shelf.get(parsed.trained).loaded
    if error := limits.refusal(parsed.config):
        raise error
    trained = model_facts.trained_name(parsed.config)
    key = trained or design_string(parsed.base, parsed.config)
    return _shelf.get(key, lambda: _make(parsed.config, trained), cancelled)


def hold_folder(folder: Path) -> "models.Loaded":
    """The model of a folder, from the cache or read now, in a turn. Raises `InputError` as `models.load` does."""
    return _shelf.get(f"folder:{folder}", lambda: models.load(folder))


def warm_up() -> None:
    """Loads torch and the model that a page opens with, in the background, so that the first visitor need not wait."""
    threading.Thread(target=hold, args=(DEFAULT_MODEL,), name="warm-up", daemon=True).start()


def _make(config: ModelConfig, trained: str | None) -> "models.Loaded":
    if trained:
        return models.load(trained)
    tokenizer = None if config.image else tokenizer_for(config)
    return models.Loaded(models.build(config, seed=0), tokenizer, config, "random")


@dataclass
class _Building:
    """One model being built, and how many threads are building it or waiting for it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    threads: int = 0


class Shelf:
    """Models by key, least recently used first out; each built by one thread, in a turn, while others wait for it without
    one: a model that takes long must not keep those from computing who want another."""

    def __init__(self, max_bytes: int, max_models: int = MAX_CACHED_MODELS):
        self.max_bytes = max_bytes
        self.max_models = max_models
        self._models: OrderedDict[str, tuple[models.Loaded, int]] = OrderedDict()
        self._building: dict[str, _Building] = {}
        self._lock = threading.Lock()

    def get(
        self, key: str, make: Callable[[], "models.Loaded"], cancelled: threading.Event | None = None
    ) -> "models.Loaded | None":
        """The model under `key`; `make()` builds it if it is not there. None if `cancelled` is set while this waits."""
        with self._lock:
            building = self._building.setdefault(key, _Building())
            building.threads += 1
        try:
            with taken(building.lock, cancelled) as mine:
                return self._kept_or_made(key, make, cancelled) if mine else None
        finally:
            with self._lock:
                building.threads -= 1
                if not building.threads:
                    del self._building[key]

    def _kept_or_made(
        self, key: str, make: Callable[[], "models.Loaded"], cancelled: threading.Event | None
    ) -> "models.Loaded | None":
        if kept := self._kept(key):
            return kept
        with turn(cancelled) as mine:
            return self._keep(key, make()) if mine else None

    def _kept(self, key: str) -> "models.Loaded | None":
        with self._lock:
            if key not in self._models:
                return None
            self._models.move_to_end(key)
            return self._models[key][0]

    def _keep(self, key: str, loaded: "models.Loaded") -> "models.Loaded":
        with self._lock:
            self._models[key] = (loaded, _bytes(loaded))
            self._drop_oldest()
        return loaded

    def keys(self) -> list[str]:
        """What is kept, the next to go first."""
        with self._lock:
            return list(self._models)

    def _drop_oldest(self) -> None:
        while len(self._models) > 1 and self._is_overfull():
            self._models.popitem(last=False)

    def _is_overfull(self) -> bool:
        too_many = len(self._models) > self.max_models
        return too_many or sum(size for _, size in self._models.values()) > self.max_bytes


def _bytes(loaded: "models.Loaded") -> int:
    size = sum(tensor.numel() * tensor.element_size() for tensor in loaded.model.parameters())
    return 2 * size if loaded.config.head == "lm" else size  # what writes holds its weights in a second layout, too


_shelf = Shelf(MAX_CACHED_BYTES)
