"""BERTs that visitors bring to the tab of objectives: from a folder of this machine, or from the Hugging Face hub."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from models.config import ModelConfig
from models.errors import InputError
from models.hub import is_hub_id
from playground import limits, services, turns
from playground.house_tokenizers import MASKED_HEADS
from playground.objective_models import MaskedModel, absent_models, find_masked, keep_brought, known_model

LONGEST = 200  # characters of a hub id or a path
MARKS = ("mask", "cls", "sep")
THIS_MACHINE = (None, "127.0.0.1", "localhost", "::1")  # hosts under which nobody else reaches the page

_folders = {"open": True}
_one_at_a_time = threading.Lock()  # so that two visitors who ask for the same model download it once


def serve(host: str | None) -> None:
    """Tells to whom the page is served: folders of this machine are for those who sit at it."""
    _folders["open"] = host in THIS_MACHINE


def bring(source: object) -> MaskedModel:
    """The model of a hub id or a folder, which `find_masked` then finds under what was typed.

    Of a hub id config.json is read first, so that nothing large is downloaded for a model that cannot be used. Raises
    `InputError` for what is no such model, has no head for masked words, or is too large.
    """
    if not isinstance(source, str):
        raise InputError("not_a_text", field="model", value=source)
    name = source.strip()
    if (known := known_model(name)) or name in absent_models():
        return known or find_masked(name)  # which tells how to install it
    if not name or len(name) > LONGEST:
        raise InputError("brought_source", name=name[:LONGEST] or "“”")
    with _turn_to_bring():
        folder = _folder(name)
        loaded = services.hold_folder(folder)
        _check_head(name, loaded.config)
        if loaded.tokenizer is None:
            raise loaded.tokenizer_problem
        _check_marks(loaded.tokenizer)
        return keep_brought(MaskedModel(name, name, True, loaded.config, folder))


@contextmanager
def _turn_to_bring() -> Iterator[None]:
    """Waits as long as for a turn to compute: a download may take minutes, and each who waits holds one of the server's
    threads. Raises `InputError` "busy" after that."""
    if not _one_at_a_time.acquire(timeout=turns.PATIENCE):
        raise InputError("busy")
    try:
        yield
    finally:
        _one_at_a_time.release()


def _folder(name: str) -> Path:
    """Where the files of a model are, whose config.json was found to be of a usable one."""
    from models.weights.hub import fetch
    from models.weights.loading import config_of

    folder = Path(os.path.expanduser(name))
    if not is_hub_id(name) and not _folders["open"]:
        raise InputError("brought_folder_closed")
    if _folders["open"] and folder.is_dir():
        _check_config(name, config_of(folder))
        return folder
    if not is_hub_id(name):
        raise InputError("brought_source", name=name)
    _check_config(name, config_of(fetch(name, ("config.json",))))
    return fetch(name)


def _check_config(name: str, config: ModelConfig) -> None:
    if config.structure != "encoder" or config.image is not None:
        raise InputError("brought_no_masks", name=name)
    limits.check_size(config)


def _check_head(name: str, config: ModelConfig) -> None:
    if config.head not in MASKED_HEADS:
        raise InputError("brought_no_masks", name=name)


def _check_marks(tokenizer) -> None:
    from models.objectives import marks_of

    marks_of(tokenizer).need(*MARKS)
