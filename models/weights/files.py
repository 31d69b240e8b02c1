"""Reading and writing a model folder's files: config.json and safetensors, whole or in shards.

Only safetensors are read: a file of numbers that cannot do anything. A pickle can run any program when it is opened, so
`pytorch_model.bin` and its like are refused.
"""

import json
import os
import tempfile
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from models.config import ModelConfig
from models.errors import InputError

FORMAT = "lineage"
CONFIG = "config.json"
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
TOKENIZER = "tokenizer.json"
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


def read_json(path: Path) -> dict:
    """The object in a JSON file; raises `InputError` if it is unreadable, not JSON or not an object."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError("weights_bad_json", file=str(path), reason=str(error)) from error
    if not isinstance(values, dict):
        raise InputError("weights_bad_json", file=str(path), reason=type(values).__name__)
    return values


def read_config(folder: Path) -> dict:
    """The object in the folder's config.json; raises `InputError` for a folder that is absent or has none."""
    if not folder.is_dir():
        raise InputError("weights_no_folder", folder=str(folder))
    if not (folder / CONFIG).is_file():
        raise InputError("weights_no_config", folder=str(folder))
    return read_json(folder / CONFIG)


def own_config(values: dict) -> ModelConfig:
    """The configuration in a config.json of our own format; raises `InputError` for wrong and missing fields."""
    return ModelConfig.from_dict({name: value for name, value in values.items() if name != "format"})


def read_tensors(folder: Path) -> dict[str, Tensor]:
    """All tensors of a folder by name, mapped from the files: nothing is read before it is used.

    model.safetensors, or else the shards that model.safetensors.index.json lists. Raises `InputError` for a folder
    without either, for pickles, and for files that are cut off or damaged.
    """
    if (folder / WEIGHTS).is_file():
        return _open(folder / WEIGHTS)
    if (folder / INDEX).is_file():
        return _read_shards(folder)
    pickles = sorted(path.name for path in folder.iterdir() if path.suffix in PICKLES)
    if pickles:
        raise InputError("weights_pickle", file=str(folder / pickles[0]))
    raise InputError("weights_no_tensors", folder=str(folder))


def _read_shards(folder: Path) -> dict[str, Tensor]:
    file_of = read_json(folder / INDEX).get("weight_map")
    if not isinstance(file_of, dict) or not all(isinstance(name, str) for name in file_of.values()):
        raise InputError("weights_bad_json", file=str(folder / INDEX), reason="weight_map")
    tensors: dict[str, Tensor] = {}
    for name in sorted(set(file_of.values())):
        if Path(name).suffix in PICKLES:
            raise InputError("weights_pickle", file=str(folder / name))
        if Path(name).name != name or not (folder / name).is_file():
            raise InputError("weights_no_shard", file=name, index=str(folder / INDEX))
        tensors.update(_open(folder / name))
    return tensors


def _open(path: Path) -> dict[str, Tensor]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (the file is no mapping)
    except (SafetensorError, OSError) as error:
        raise InputError("weights_damaged", file=str(path), reason=str(error)) from error


def write_json(path: Path, values: dict) -> None:
    """Write an object as readable JSON; a reader sees the old file or the new one, never half of it."""
    text = json.dumps(values, indent=2, ensure_ascii=False) + "\n"
    _replace(path, lambda draft: draft.write_text(text, encoding="utf-8"))


def write_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write one safetensors file; a reader sees the old file or the new one, never half of it."""
    _replace(path, lambda draft: save_file(tensors, draft, metadata={"format": "pt"}))


def _replace(path: Path, write) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    try:
        write(Path(draft))
        os.chmod(draft, 0o644)
        os.replace(draft, path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
