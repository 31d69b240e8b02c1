"""Loading a model wherever it is: shipped, in an installed package, a folder of ours or Hugging Face's, GGUF, the hub."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from models.building import allocate
from models.config import ModelConfig
from models.errors import InputError
from models.hub import is_hub_id
from models.installed import INSTALLABLE, installed_file
from models.tokenizers import Tokenizer
from models.tokenizers import load as load_tokenizer
from models.transformer import Transformer
from models.weights.converted import converted, tokenizer_problem
from models.weights.files import CONFIG, FORMAT, PICKLES, own_config, read_config, read_tensors
from models.weights.gguf_file import SUFFIX as GGUF
from models.weights.hub import fetch
from models.weights.layouts import LAYOUTS, layout_of
from models.weights.layouts.layout import Layout
from models.weights.tensors import assign
from models.weights.zoo import ZOO, zoo


@dataclass(frozen=True)
class Loaded:
    """A model ready to use, in eval mode.

    origin: "zoo" (shipped), "package" (installed), "folder", "gguf", "hub" or "random". tokenizer is None where there is
    none that this core can read; `tokenizer_problem` then says why.
    """

    model: Transformer
    tokenizer: Tokenizer | None
    config: ModelConfig
    origin: str
    tokenizer_problem: InputError | None = None


def load(name_or_folder: str | Path, dtype: torch.dtype = torch.float32) -> Loaded:
    """A model by the name of a shipped or installable one, a folder's or GGUF file's path, or a hub id (in this order).

    A folder is one that `save` wrote, or a plain Hugging Face folder (config.json and safetensors) of a family in
    `LAYOUTS`. A GGUF file is of the LLaMA family; it is converted once, into the user's cache (see `converted`). Weights
    are copied into parameters of type `dtype`. Raises `InputError` with what is wrong otherwise; nothing is downloaded
    but for a hub id.
    """
    name = str(name_or_folder)
    if name in zoo():
        return _load_folder(ZOO / name, "zoo", dtype)
    if name in INSTALLABLE:
        return _load_gguf(installed_file(name), "package", dtype)
    folder = Path(os.path.expanduser(name))
    if name and folder.is_dir():
        return _load_folder(folder, "folder", dtype)
    if folder.is_file() and folder.suffix in PICKLES:
        raise InputError("weights_pickle", file=name)
    if folder.is_file() and folder.suffix == GGUF:
        return _load_gguf(folder, "gguf", dtype)
    if isinstance(name_or_folder, Path) or folder.suffix == GGUF or not is_hub_id(name):
        raise InputError("weights_no_folder", folder=name)
    return _load_folder(fetch(name), "hub", dtype)


def _load_folder(folder: Path, origin: str, dtype: torch.dtype) -> Loaded:
    values = read_config(folder)
    read = _read_own if values.get("format") == FORMAT else _read_hugging_face
    with torch.inference_mode(False), torch.no_grad():
        model = read(folder, values, dtype)
    tokenizer, problem = None, None
    try:
        tokenizer = load_tokenizer(folder)
    except InputError as error:
        problem = error
    return Loaded(model, tokenizer, model.config, origin, problem)


def _load_gguf(path: Path, origin: str, dtype: torch.dtype) -> Loaded:
    folder = converted(path)
    loaded = _load_folder(folder, origin, dtype)
    return replace(loaded, tokenizer_problem=tokenizer_problem(folder) or loaded.tokenizer_problem)


def _read_own(folder: Path, values: dict, dtype: torch.dtype) -> Transformer:
    model = allocate(own_config(values), device="meta")
    assign(model, read_tensors(folder), dtype=dtype)
    return model


def _config(layout: Layout, values: dict, folder: Path) -> ModelConfig:
    """The configuration of a folder; raises `InputError` for a config.json whose values are of a wrong kind."""
    try:
        layout.check_class(values)
        return layout.read_config(values)
    except InputError:
        raise
    # What reading a setting raises that is no number, list or object where one belongs, or a zero to divide by.
    except (TypeError, ValueError, AttributeError, LookupError, ArithmeticError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise InputError("weights_bad_config", file=str(folder / CONFIG), reason=reason) from error


def _read_hugging_face(folder: Path, values: dict, dtype: torch.dtype) -> Transformer:
    layout = layout_of(values)
    if layout is None:
        known = ", ".join(sorted({layout.model_type for layout in LAYOUTS}))
        model_type = values.get("model_type") or "–"
        raise InputError("weights_unknown_type", folder=str(folder), model_type=model_type, known=known)
    if values.get("quantization_config"):
        raise InputError("weights_quantized", folder=str(folder))
    cfg = _config(layout, values, folder)
    tensors = layout.spell(read_tensors(folder), cfg)
    if layout.settle is not None:
        tensors, cfg = layout.settle(tensors, cfg, values)
    model = allocate(cfg, device="meta")
    assign(model, tensors, layout.rows(cfg), dtype)
    return model
