"""Models of foreign files, converted once to folders of our own format in the user's cache.

Reading a GGUF file takes seconds, mostly to turn its blocks into numbers; reading the converted folder takes a fraction.
The cache is `LINEAGE_CACHE`, or else `lineage` in `XDG_CACHE_HOME` or ~/.cache; deleting it loses nothing but time.
"""

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path

from safetensors import SafetensorError

from models.errors import InputError
from models.weights.files import CONFIG, write_json
from models.weights.gguf_file import read_gguf
from models.weights.saving import save

VERSION = 1  # to be raised when conversion changes, so that folders of the old one are not read
PROBLEM = "tokenizer_problem.json"


def cache_root() -> Path:
    """The folder that this project may keep files in for the user; it need not exist."""
    if named := os.environ.get("LINEAGE_CACHE"):
        return Path(named).expanduser()
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".cache") / "lineage"


def is_converted(path: Path) -> bool:
    """Whether `converted` has nothing left to do for this file."""
    return (_place(path) / CONFIG).is_file()


def converted(path: Path) -> Path:
    """The folder of our own format with the model of a GGUF file, in fp32; written by the first call.

    A file that was changed since is converted again, and its former conversion removed. Raises `InputError` for what
    `read_gguf` refuses, and if the cache cannot be written.
    """
    folder = _place(path)
    if not is_converted(path):
        _convert(path, folder)
    return folder


def tokenizer_problem(folder: Path) -> InputError | None:
    """Why a converted folder has no tokenizer, if it has none."""
    if not (folder / PROBLEM).is_file():
        return None
    problem = json.loads((folder / PROBLEM).read_text(encoding="utf-8"))
    return InputError(problem["code"], **problem["params"])


def _place(path: Path) -> Path:
    """Where the conversion of this state of the file belongs: cache/gguf/<which file>/<which state>/<its name>."""
    source = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]
    state = path.stat()
    return cache_root() / "gguf" / source / f"{state.st_size}-{state.st_mtime_ns}-v{VERSION}" / path.stem


def _convert(path: Path, folder: Path) -> None:
    model, tokenizer = read_gguf(path)
    states = folder.parent.parent
    try:
        states.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".draft-", dir=states) as draft:
            complete = Path(draft) / folder.name
            if isinstance(tokenizer, InputError):
                write_json(complete / PROBLEM, {"code": tokenizer.code, "params": tokenizer.params})
                tokenizer = None
            save(model, tokenizer, complete, dtype="fp32")
            _publish(complete, folder)
    except (OSError, SafetensorError) as error:
        raise InputError("cache_not_writable", folder=str(states), reason=str(error)) from error
    for former in states.iterdir():
        if former != folder.parent and not former.name.startswith(".draft-"):
            shutil.rmtree(former, ignore_errors=True)


def _publish(complete: Path, folder: Path) -> None:
    """Move a whole folder to its place at once, unless somebody else put the same one there meanwhile."""
    folder.parent.mkdir(exist_ok=True)
    try:
        os.rename(complete, folder)
    except OSError:
        if not (folder / CONFIG).is_file():
            raise
