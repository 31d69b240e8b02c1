"""Running the core for visitors: models kept within bounds, each built once, never too large, computing in turns."""

import threading
import time
from bisect import bisect
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, lru_cache
from math import inf
from pathlib import Path

import models
from models.config import ModelConfig
from models.errors import InputError
from models.installed import INSTALLABLE, installed_config, installed_models
from playground.house_tokenizers import tokenizer_for
from playground.i18n import say
from playground.session import DEFAULT_MODEL, Design, design_string, parse_design
from playground.trained_here import Here, is_here, shelf
from playground.views.numbers import exact, short, short_bytes

MAX_PARAMS = 200_000_000
MAX_LAYERS = 200  # building takes time by the layer, however small its parameters
MAX_READ = 4_096  # tokens of prompt and text; the prompt is read in one pass that nothing interrupts
SHORTEST_READ = 1_024  # a model is refused whose memory for so many tokens (or its whole context) is too much
MAX_WORKING_BYTES = 1_000_000_000  # of one run: what a pass computes and the KV cache
MAX_CACHED_BYTES = 1_500_000_000
MAX_CACHED_MODELS = 16
COMPUTING = 2  # cores of the smallest machine that this runs on
PATIENCE = 30  # seconds that a visitor waits for a turn before being told that the machine is busy
GLANCE = 0.1  # seconds after which one who waits looks whether what is waited for is still wanted

_turns = threading.BoundedSemaphore(COMPUTING)


@dataclass(frozen=True)
class InHand:
    """What the header says of a model, known without building it. `origin_key` is under `shell.origin`.

    `weights` is the name under which its trained weights are known, None for random ones; `steps` are those of a training
    in the browser.
    """

    name: str
    changed: bool  # differs from the preset whose name it bears
    params: int
    trained: bool
    origin_key: str  # "zoo", "package", "here", "brought" or "random"
    config: ModelConfig
    weights: str | None = None
    steps: int | None = None


@cache
def trained_models() -> tuple[str, ...]:
    """Names of the presets whose trained weights ship with the project; asking needs no torch."""
    return tuple(sorted(name for name in models.presets() if models.preset_info(name).trained))


def models_with_weights() -> list[str]:
    """Names of the trained models that are here: the shipped ones, and those of installed packages."""
    return [*trained_models(), *installed_models()]


def presets_with_weights() -> list[str]:
    """Names of the presets that these models are of."""
    return [*trained_models(), *(INSTALLABLE[name].preset for name in installed_models())]


def title(name: str) -> str:
    """What a reader calls a preset or an installed model: "gpt2-mini" → "GPT-2 mini"."""
    return INSTALLABLE[name].title if name in INSTALLABLE else models.preset_info(name).title


def trained_name(config: ModelConfig) -> str | None:
    """The shipped or installed model that has exactly this configuration, if there is one."""
    shipped = next((name for name in trained_models() if models.preset(name) == config), None)
    return shipped or _installed_name(config)


def _installed_name(config: ModelConfig) -> str | None:
    alike = [name for name in INSTALLABLE if installed_config(name) == config]
    return next((name for name in alike if name in installed_models()), None)


def instruction(config: ModelConfig) -> str | None:
    """What a model that was trained to chat is told before the visitor's message; None for every other model."""
    name = _installed_name(config)
    return INSTALLABLE[name].system if name else None


def named(design: str) -> str:
    """The same model by the name of the installed one that it is, should it be one: what a link to it says, so that it
    is never taken for a random model of that architecture. Raises `InputError` where the string is no model."""
    parsed = _parsed(design)
    return design if is_here(parsed.trained) else _installed_name(parsed.config) or design


def _parsed(design: str) -> Design:
    """The design; raises `InputError`, also for a trained model whose package is not installed, or that was dropped."""
    parsed = parse_design(design)
    name = parsed.trained
    if name and not is_here(name) and name not in installed_models():
        raise InputError("model_not_installed", name=title(name), command=INSTALLABLE[name].command)
    return parsed


def inhand(design: str) -> InHand:
    """The model of a design string, described; raises `InputError` where the string is no model, or one not installed."""
    parsed = _parsed(design)
    if is_here(parsed.trained):
        return _inhand_here(shelf.get(parsed.trained))
    config = parsed.config
    trained = trained_name(config)
    return InHand(
        name=title(trained or parsed.base),
        changed=trained is None and config != models.preset(parsed.base),
        params=_count(config),
        trained=trained is not None,
        origin_key=_origin_key(trained),
        config=config,
        weights=trained,
    )


def called(known: InHand, lang: str) -> str:
    """What a reader calls a model: like its preset, with what sets it apart from the shipped one of that name."""
    if known.origin_key in ("here", "brought"):
        return say(lang, f"shell.model.{known.origin_key}", base=known.name)
    return say(lang, "shell.model.changed", base=known.name) if known.changed else known.name


def _inhand_here(kept: Here) -> InHand:
    return InHand(
        name=title(kept.base),
        changed=kept.config != models.preset(kept.base),
        params=kept.params,
        trained=True,
        origin_key="brought" if kept.is_brought else "here",
        config=kept.config,
        weights=kept.name,
        steps=kept.steps,
    )


def _origin_key(trained: str | None) -> str:
    if trained is None:
        return "random"
    return "package" if trained in INSTALLABLE else "zoo"


def hold(design: str, cancelled: threading.Event | None = None) -> "models.Loaded | None":
    """The model of a design string, from the cache or built now, in a turn; None if `cancelled` is set before that.

    A model trained here is the one that was kept. Else a shipped or installed model's configuration gets its trained
    weights, any other is initialised with seed 0 and reads with the house tokenizer if its vocabulary has room for it,
    else byte by byte; one that reads images has no tokenizer. Raises `InputError` for a model that is gone, not installed
    or has a `refusal`, for a vocabulary that has no room for bytes, and "busy" as `turn` does.
    """
    parsed = _parsed(design)
    if is_here(parsed.trained):
        return shelf.get(parsed.trained).loaded
    if error := refusal(parsed.config):
        raise error
    trained = trained_name(parsed.config)
    key = trained or design_string(parsed.base, parsed.config)
    return _shelf.get(key, lambda: _make(parsed.config, trained), cancelled)


def hold_folder(folder: Path) -> "models.Loaded":
    """The model of a folder, from the cache or read now, in a turn. Raises `InputError` as `models.load` does."""
    return _shelf.get(f"folder:{folder}", lambda: models.load(folder))


def warm_up() -> None:
    """Loads torch and the model that a page opens with, in the background, so that the first visitor need not wait."""
    threading.Thread(target=hold, args=(DEFAULT_MODEL,), name="warm-up", daemon=True).start()


def check_design(design: str) -> None:
    """Raises `InputError` if the string is no model, or one that cannot be held here."""
    if error := refusal(_parsed(design).config):
        raise error


def refusal(config: ModelConfig) -> InputError | None:
    """Why this machine does not hold the model, if it does not; a trained one that is here it does, whatever its size."""
    if trained_name(config):
        return None
    try:
        check_size(config)
    except InputError as error:
        return error
    return None


def check_size(config: ModelConfig) -> None:
    """Raises `InputError` if this machine should not build the model."""
    if (size := _count(config)) > MAX_PARAMS:
        raise InputError("model_too_large", size=short(size), limit=short(MAX_PARAMS))
    if (n_layers := _n_layers(config)) > MAX_LAYERS:
        raise InputError("model_too_deep", n_layers=n_layers, limit=MAX_LAYERS)
    n_tokens = min(config.max_seq_len, SHORTEST_READ)
    if (size := working_bytes(config, n_tokens)) > MAX_WORKING_BYTES:
        limit = short_bytes(MAX_WORKING_BYTES)
        raise InputError("model_too_wide", n_tokens=exact(n_tokens), size=short_bytes(size), limit=limit)


def _n_layers(config: ModelConfig) -> int:
    """Layers of all stacks together."""
    tower = config.vision_tower.n_layers if config.vision_tower else 0
    return config.n_layers + (config.n_encoder_layers or 0) + tower


def deepest(config: ModelConfig) -> int | None:
    """The most layers, up to its own, with which this machine builds the model; None if even one is too many."""

    def shallower(n_layers: int) -> ModelConfig | None:
        try:
            return config.replace(n_layers=n_layers)
        except InputError:  # so few layers are no such model: none of them would have experts
            return None

    def too_deep(n_layers: int) -> bool:
        try:
            if fewer := shallower(n_layers):
                check_size(fewer)
        except InputError:
            return True
        return False

    n_layers = bisect(range(1, config.n_layers + 1), False, key=too_deep)
    return n_layers if n_layers and shallower(n_layers) else None


def readable(config: ModelConfig) -> int:
    """How many tokens of prompt and text together a model reads here: its context, or what the machine has room for."""
    n_tokens = min(config.max_seq_len, MAX_READ)
    while n_tokens > SHORTEST_READ and working_bytes(config, n_tokens) > MAX_WORKING_BYTES:
        n_tokens = max(n_tokens // 2, SHORTEST_READ)
    return n_tokens


def working_bytes(config: ModelConfig, n_tokens: int) -> int:
    """Memory in bytes that reading `n_tokens` in one fp32 pass takes beside the weights, rounded up generously.

    The KV cache; the widest layer's residual stream, heads and feed-forward, or the experts that a token is sent to; with
    ALiBi or relative positions a score bias for every head and pair of tokens, once made and once added; with random masks
    several whole numbers for every pair.
    """
    kv_cache = 2 * _n_layers(config) * config.n_kv_heads * config.d_head
    heads = 2 * (config.n_heads + config.n_kv_heads) * config.d_head
    bias = 2 * config.n_heads * n_tokens if config.position in ("alibi", "relative") else 0
    lots = 8 * n_tokens if {"random", "bigbird"} & set(config.mask_pattern) else 0
    moe = config.moe
    d_ff = max(config.d_ff, (moe.n_experts_per_token + moe.n_shared_experts) * moe.d_expert if moe else 0)
    return 4 * n_tokens * (kv_cache + 4 * config.d_model + heads + 3 * d_ff + bias + lots)


@contextmanager
def turn(cancelled: threading.Event | None = None, patience: float | None = None) -> Iterator[bool]:
    """Waits for one of `COMPUTING` turns, which everything that computes with a model takes, and gives True; or False,
    without a turn, once `cancelled` is set. Raises `InputError` "busy" after `patience` (else `PATIENCE`) seconds.

    Gradio's queue cannot do this: it would hold a stream's place from its first token to its last.
    """
    with _taken(_turns, cancelled, PATIENCE if patience is None else patience) as mine:
        yield mine


@contextmanager
def _taken(
    lock: "threading.Lock | threading.BoundedSemaphore", cancelled: threading.Event | None, patience: float = inf
) -> Iterator[bool]:
    """Waits for the lock and gives True; or False, without it, once `cancelled` is set. After `patience` seconds "busy"."""
    mine = _wait_for(lock, cancelled, patience)
    try:
        yield mine
    finally:
        if mine:
            lock.release()


def _wait_for(
    lock: "threading.Lock | threading.BoundedSemaphore", cancelled: threading.Event | None, patience: float
) -> bool:
    until = time.monotonic() + patience
    while not (cancelled and cancelled.is_set()):
        left = until - time.monotonic()
        if lock.acquire(timeout=max(0.0, min(GLANCE, left))):
            return True
        if left <= 0:
            raise InputError("busy")
    return False


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
            with _taken(building.lock, cancelled) as mine:
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


_shelf = Shelf(MAX_CACHED_BYTES)


def _make(config: ModelConfig, trained: str | None) -> "models.Loaded":
    if trained:
        return models.load(trained)
    tokenizer = None if config.image else tokenizer_for(config)
    return models.Loaded(models.build(config, seed=0), tokenizer, config, "random")


@lru_cache(maxsize=512)
def _count(config: ModelConfig) -> int:
    return models.account(config).params


def _bytes(loaded: "models.Loaded") -> int:
    size = sum(tensor.numel() * tensor.element_size() for tensor in loaded.model.parameters())
    return 2 * size if loaded.config.head == "lm" else size  # what writes holds its weights in a second layout, too
