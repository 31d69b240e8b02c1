"""Loading a model wherever it is: shipped, in an installed package, a folder of ours or Hugging Face's, GGUF, the hub."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from models.building import allocate
from models.config import ModelConfig
from models.errors import InputError
from models.hub import is_hub_id
from models.installed import HEADS, INSTALLABLE, installed_config, installed_file
from models.tokenizers import Tokenizer
from models.tokenizers import load as load_tokenizer
from models.transformer import Transformer
from models.weights.converted import converted, tokenizer_problem
from models.weights.files import CONFIG, FORMAT, PICKLES, own_config, read_config, read_tensors
from models.weights.gguf_file import SUFFIX as GGUF
from models.weights.hub import fetch
from models.weights.layouts import LAYOUTS, layout_of
from models.weights.layouts.layout import Layout
from models.weights.tensors import assign, named_tensors
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
        return _load_installed(name, dtype)
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


def _load_installed(name: str, dtype: torch.dtype) -> Loaded:
    file = installed_file(name)
    if INSTALLABLE[name].is_gguf:
        return _load_gguf(file, "package", dtype)
    return load_with_heads(name, read_tensors(HEADS / name), dtype)


def load_with_heads(name: str, heads: Mapping[str, Tensor], dtype: torch.dtype = torch.float32) -> Loaded:
    """The encoder that an installed package brings, under its name in `INSTALLABLE`, with heads by our names of tensors.

    Raises `InputError` where the package is not installed, and for heads that do not fit.
    """
    loaded = _load_folder(installed_file(name).parent, "package", dtype)
    model = allocate(installed_config(name), device="meta")
    with torch.inference_mode(False), torch.no_grad():
        assign(model, {**named_tensors(loaded.model), **heads}, dtype=dtype)
    return replace(loaded, model=model, config=model.config)


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


def config_of(folder: Path) -> ModelConfig:
    """The configuration of a folder whose weights need not be there: `load` may find other heads than those of its class.

    Raises `InputError` as `load` does.
    """
    values = read_config(folder)
    if values.get("format") == FORMAT:
        return own_config(values)
    return _config(_layout(values, folder), values, folder)


def _layout(values: dict, folder: Path) -> Layout:
    layout = layout_of(values)
    if layout is None:
        known = ", ".join(sorted({layout.model_type for layout in LAYOUTS}))
        model_type = values.get("model_type") or "–"
        raise InputError("weights_unknown_type", folder=str(folder), model_type=model_type, known=known)
    return layout


def _read_hugging_face(folder: Path, values: dict, dtype: torch.dtype) -> Transformer:
    layout = _layout(values, folder)
    if values.get("quantization_config"):
        raise InputError("weights_quantized", folder=str(folder))
    cfg = _config(layout, values, folder)
    tensors = layout.spell(read_tensors(folder), cfg)
    if layout.settle is not None:
        tensors, cfg = layout.settle(tensors, cfg, values)
    model = allocate(cfg, device="meta")
    assign(model, tensors, layout.rows(cfg), dtype)
    return model
