"""Tokenizers that a visitor brings: a file, or the name of a repository on the hub."""

from pathlib import Path

from models.errors import InputError
from models.hub import is_hub_id, snapshot
from models.tokenizers.failures import unreadable
from models.tokenizers.files import READERS, load, load_file
from models.tokenizers.interface import Tokenizer

MAX_FILE_BYTES = 25_000_000
"""The largest published file, Mistral's tekken.json, has 19 million."""

HUB_FILES = (*READERS, "*.tiktoken", "vocab.json", "merges.txt", "tokenizer_config.json")


def open_file(path: str | Path, filename: str) -> Tokenizer:
    """The tokenizer of a file that was uploaded to `path` under the name `filename`.

    It is read as data: nothing in it is executed, and no pickle is opened. Raises InputError: "file_unreadable",
    "tokenizer_too_large", and what `files.load_file` raises.
    """
    shown = Path(filename).name
    try:
        n_bytes = Path(path).stat().st_size
    except OSError as error:
        raise unreadable(error, shown) from error
    if n_bytes > MAX_FILE_BYTES:
        raise InputError("tokenizer_too_large", file=shown, n_bytes=n_bytes, limit=MAX_FILE_BYTES)
    return load_file(path, shown=shown)


def open_hub(hub_id: str) -> Tokenizer:
    """The tokenizer of a repository on the Hugging Face hub, downloaded unless it is there already; never its weights.

    Raises InputError: "tokenizer_hub_id", "tokenizer_no_hub", "tokenizer_hub_failed", "tokenizer_too_large", and what
    `files.load` raises.
    """
    hub_id = hub_id.strip()
    if not is_hub_id(hub_id):
        raise InputError("tokenizer_hub_id", name=hub_id)
    folder = snapshot(hub_id, HUB_FILES, "tokenizer_no_hub", "tokenizer_hub_failed")
    for path in folder.iterdir():
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InputError("tokenizer_too_large", file=path.name, n_bytes=path.stat().st_size, limit=MAX_FILE_BYTES)
    tokenizer = load(folder)
    tokenizer.name = hub_id
    return tokenizer
