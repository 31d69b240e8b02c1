"""Running the core for visitors: models kept within bounds, each built once, never too large, computing in turns."""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import models
from models.config import ModelConfig
from models.errors import InputError
from playground.session import design_string, parse_design
from playground.views.numbers import short

MAX_PARAMS = 200_000_000
MAX_CACHED_BYTES = 1_500_000_000
COMPUTING = 2  # cores of the smallest machine that this runs on
PATIENCE = 30  # seconds that a visitor waits for a turn before being told that the machine is busy

_turns = threading.BoundedSemaphore(COMPUTING)


@dataclass(frozen=True)
class InHand:
    """What the header says of a model, known without building it. `origin_key` is under `shell.origin`."""

    name: str
    changed: bool  # differs from the preset whose name it bears
    params: int
    trained: bool
    origin_key: str  # "zoo" or "random"
    config: ModelConfig


def trained_models() -> list[str]:
    """Names of the models with trained weights that ship with the project."""
    return models.zoo()


def title(name: str) -> str:
    """A preset's name as a reader meets it: "gpt2-mini" → "GPT-2 mini"."""
    return models.preset_info(name).title


def trained_name(config: ModelConfig) -> str | None:
    """The shipped model that has exactly this configuration, if there is one."""
    return next((name for name in trained_models() if models.preset(name) == config), None)


def inhand(design: str) -> InHand:
    """The model of a design string, described; raises `InputError` where the string is no model."""
    parsed = parse_design(design)
    config = parsed.config
    trained = trained_name(config)
    return InHand(
        name=title(trained or parsed.base),
        changed=trained is None and config != models.preset(parsed.base),
        params=_count(config),
        trained=trained is not None,
        origin_key="zoo" if trained else "random",
        config=config,
    )


def hold(design: str) -> "models.Loaded":
    """The model of a design string, from the cache or built now.

    A shipped model's configuration gets its trained weights, any other is initialised with seed 0 and reads with the
    house tokenizer if its vocabulary has room for it, else byte by byte. Raises `InputError` for more than
    `MAX_PARAMS` parameters, and for a vocabulary that has no room for bytes.
    """
    parsed = parse_design(design)
    trained = trained_name(parsed.config)
    if not trained:
        check_size(parsed.config)
    return _shelf.get(trained or design_string(parsed.base, parsed.config), lambda: _make(parsed.config, trained))


def check_design(design: str) -> None:
    """Raises `InputError` if the string is no model, or one too large to be held here."""
    config = parse_design(design).config
    if not trained_name(config):
        check_size(config)


def check_size(config: ModelConfig) -> None:
    """Raises `InputError` if this machine should not build the model."""
    if (size := _count(config)) > MAX_PARAMS:
        raise InputError("model_too_large", size=short(size), limit=short(MAX_PARAMS))


@contextmanager
def turn() -> Iterator[None]:
    """Waits for one of `COMPUTING` turns; raises `InputError` "busy" after `PATIENCE` seconds.

    Events on Gradio's queue are limited by `page.CPU`; this is for API calls and server functions, which pass it by.
    """
    if not _turns.acquire(timeout=PATIENCE):
        raise InputError("busy")
    try:
        yield
    finally:
        _turns.release()


class Shelf:
    """Models by key, least recently used first out; each built by one thread while others wait for it."""

    def __init__(self, max_bytes: int):
        self.max_bytes = max_bytes
        self._models: OrderedDict[str, tuple[models.Loaded, int]] = OrderedDict()
        self._building: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, key: str, make) -> "models.Loaded":
        """The model under `key`; `make()` builds it if it is not there."""
        with self._lock:
            building = self._building.setdefault(key, threading.Lock())
        with building:
            with self._lock:
                if key in self._models:
                    self._models.move_to_end(key)
                    return self._models[key][0]
            try:
                loaded = make()
                with self._lock:
                    self._models[key] = (loaded, _bytes(loaded))
                    self._drop_oldest()
            finally:
                with self._lock:
                    self._building.pop(key, None)
            return loaded

    def keys(self) -> list[str]:
        """What is kept, the next to go first."""
        with self._lock:
            return list(self._models)

    def _drop_oldest(self) -> None:
        while len(self._models) > 1 and sum(size for _, size in self._models.values()) > self.max_bytes:
            self._models.popitem(last=False)


_shelf = Shelf(MAX_CACHED_BYTES)


def _make(config: ModelConfig, trained: str | None) -> "models.Loaded":
    if trained:
        return models.load(trained)
    tokenizer = _tokenizer_for(config)
    return models.Loaded(models.build(config, seed=0), tokenizer, config, "random")


def _tokenizer_for(config: ModelConfig):
    bytes_only = models.tokenizers.bytes_tokenizer()
    house = _house_tokenizer()
    if house and config.vocab_size >= house.vocab_size:
        return house
    if config.vocab_size >= bytes_only.vocab_size:
        return bytes_only
    raise InputError("vocabulary_too_small", vocab_size=config.vocab_size, smallest=bytes_only.vocab_size)


@cache
def _house_tokenizer():
    """The tokenizer that the shipped models share."""
    names = trained_models()
    return models.load(names[0]).tokenizer if names else None


@cache
def _count(config: ModelConfig) -> int:
    return models.account(config).params


def _bytes(loaded: "models.Loaded") -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in loaded.model.parameters())
