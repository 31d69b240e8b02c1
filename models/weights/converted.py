"""Models of foreign files, converted once to folders of our own format in the user's cache.

Reading a GGUF file takes seconds, mostly to turn its blocks into numbers; reading the converted folder takes a fraction.
The cache is `LINEAGE_CACHE`, or else `lineage` in `XDG_CACHE_HOME` or ~/.cache; deleting it loses nothing but time.
"""

import hashlib
import json
import os
import shutil
import tempfile
import time
from pathlib import Path

from filelock import FileLock
from safetensors import SafetensorError

from models.errors import InputError
from models.weights.files import CONFIG, write_json
from models.weights.gguf_file import read_gguf
from models.weights.saving import save

VERSION = 1  # to be raised when conversion changes, so that folders of the old one are not read
PROBLEM = "tokenizer_problem.json"
SOURCE = "source"  # beside the conversions of a file: the file's path
DRAFT, LOCK = ".draft-", ".lock"
LONGEST_WRITING = 3600  # seconds after which a draft belongs to nobody any more; writing one takes some ten


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

    A file that was changed since is converted again. What nobody needs any more is then removed: conversions of files that
    are gone or were changed, and drafts of programs that were ended. Raises `InputError` for what `read_gguf` refuses, and
    if the cache cannot be written.
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
    root = cache_root() / "gguf"
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=DRAFT, dir=root, ignore_cleanup_errors=True) as draft:
            complete = Path(draft) / folder.name
            if isinstance(tokenizer, InputError):
                write_json(complete / PROBLEM, {"code": tokenizer.code, "params": tokenizer.params})
                tokenizer = None
            save(model, tokenizer, complete, dtype="fp32")
            # One program at a time, so that none removes what another is just putting in its place.
            with FileLock(root / LOCK):
                _publish(complete, folder, path)
                _clean(root, keep=folder.parent)
    except (OSError, SafetensorError) as error:
        raise InputError("cache_not_writable", folder=str(root), reason=str(error)) from error


def _publish(complete: Path, folder: Path, path: Path) -> None:
    """Move a whole folder to its place at once, unless another program put the same one there meanwhile."""
    if (folder / CONFIG).is_file():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    (folder.parent.parent / SOURCE).write_bytes(os.fsencode(path.resolve()))
    os.rename(complete, folder)


def _clean(root: Path, keep: Path) -> None:
    """Remove from all of the cache what nobody needs any more; `keep` is what is about to be read."""
    for states in filter(Path.is_dir, root.iterdir()):
        if states.name.startswith(DRAFT):
            if time.time() - states.stat().st_mtime > LONGEST_WRITING:
                shutil.rmtree(states, ignore_errors=True)
            continue
        needed = {SOURCE, keep.name} if states == keep.parent else {SOURCE}
        needed |= _present(states)
        for former in set(os.listdir(states)) - needed:
            shutil.rmtree(states / former, ignore_errors=True)
        if os.listdir(states) == [SOURCE]:
            shutil.rmtree(states, ignore_errors=True)


def _present(states: Path) -> set[str]:
    """The name of the state that the file of these conversions is in now; none if the file is gone."""
    try:
        return {_place(Path(os.fsdecode((states / SOURCE).read_bytes()))).parent.name}
    except OSError:
        return set()
