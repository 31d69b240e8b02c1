"""A model trained here as one zip file: config.json, model.safetensors, the tokenizer's files, and how long it was trained.

What visitors bring is read as data alone: safetensors, JSON and tokenizer files, of known names and bounded size.
"""

import io
import json
import tempfile
import zipfile
import zlib
from pathlib import Path

import models
from models.errors import InputError
from playground import limits
from playground.trained_here import Here, shelf
from playground.views.numbers import short, short_bytes

MAX_BROUGHT = 24_000_000  # bytes of the zip file
MAX_UNPACKED = 48_000_000
MAX_PARAMS = 12_000_000
TRAINING = "training.json"
NEEDED = ("config.json", "model.safetensors")
KNOWN = (
    *NEEDED,
    TRAINING,
    "tokenizer.json",
    "tokenizer.model",
    "vocab.txt",
    "special_tokens.json",
    "tokenizer_config.json",
)
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


def packed(kept: Here) -> bytes:
    """The files of a model, zipped; weights as bf16, like those of the shipped models."""
    archive = io.BytesIO()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        models.save(kept.loaded.model, kept.loaded.tokenizer, folder)
        told = {"base": kept.base, "steps": kept.steps, "tokens": kept.tokens}
        (folder / TRAINING).write_text(json.dumps(told) + "\n", encoding="utf-8")
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as files:
            for path in sorted(folder.iterdir()):
                files.write(path, path.name)
    return archive.getvalue()


def brought(data: bytes) -> Here:
    """Puts the model of such a zip file on the shelf; raises `InputError` with what is wrong."""
    if len(data) > MAX_BROUGHT:
        raise InputError("brought_too_large", size=short_bytes(len(data)), limit=short_bytes(MAX_BROUGHT))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _unpack(data, folder)
        base, steps, tokens = _told(folder)
        try:
            _check_config(folder)
            loaded = models.load(folder)
        except InputError as error:  # whose sentence would name a folder that the visitor does not know
            named = {key: Path(str(error.params[key])).name for key in ("file", "folder") if key in error.params}
            raise InputError(error.code, **{**error.params, **named}) from error
        if loaded.tokenizer is None:
            raise loaded.tokenizer_problem
        if loaded.tokenizer.vocab_size > loaded.config.vocab_size:
            raise InputError("brought_foreign")
    return shelf.keep(base, loaded, steps, tokens, is_brought=True)


def _unpack(data: bytes, folder: Path) -> None:
    """Writes the known files of the archive; raises `InputError` for pickles, what is too large, and no archive."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as files:
            entries = {Path(entry.filename).name: entry for entry in files.infolist() if not entry.is_dir()}
            if pickle := next((found for found in entries if Path(found).suffix in PICKLES), None):
                raise InputError("weights_pickle", file=pickle)
            for needed in NEEDED:
                if needed not in entries:
                    raise InputError("brought_without", file=needed)
            room = MAX_UNPACKED
            for known in set(KNOWN) & set(entries):
                with files.open(entries[known]) as file:
                    content = file.read(room + 1)  # what an archive says of its sizes may be wrong
                room -= len(content)
                if room < 0:
                    limit = short_bytes(MAX_UNPACKED)
                    raise InputError("brought_too_large", size=f"> {limit}", limit=limit)
                (folder / known).write_bytes(content)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, zlib.error) as error:
        raise InputError("brought_not_a_zip") from error


def _check_config(folder: Path) -> None:
    """Raises `InputError` unless config.json describes a model of ours that is small enough."""
    from models.weights.files import FORMAT, own_config, read_config

    values = read_config(folder)
    if values.get("format") != FORMAT:
        raise InputError("brought_foreign")
    config = own_config(values)
    limits.check_size(config)
    if (size := models.account(config).params) > MAX_PARAMS:
        raise InputError("model_too_large", size=short(size), limit=short(MAX_PARAMS))


def _told(folder: Path) -> tuple[str, int | None, int | None]:
    """The preset that the design started from, steps and tokens, as far as the archive says so."""
    try:
        told = json.loads((folder / TRAINING).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        told = {}
    told = told if isinstance(told, dict) else {}
    base = told.get("base") if told.get("base") in models.presets() else "llama-mini"
    steps, tokens = (
        value
        if isinstance(value := told.get(name), int) and not isinstance(value, bool) and 0 <= value < 10**12
        else None
        for name in ("steps", "tokens")
    )
    return base, steps, tokens
