"""Writing a model folder, in our own format or in one that `transformers` reads."""

from pathlib import Path

import torch

from models.errors import InputError
from models.tokenizers import Tokenizer
from models.transformer import Transformer
from models.weights.files import CONFIG, FORMAT, WEIGHTS, write_json, write_tensors
from models.weights.layouts import LAYOUTS
from models.weights.layouts.layout import Layout
from models.weights.tensors import pack, same_names

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def save(model: Transformer, tokenizer: Tokenizer | None, folder: str | Path, dtype: str = "bf16") -> None:
    """Write config.json, model.safetensors and the tokenizer's files into `folder`, for `load` to read.

    dtype: "bf16" (half the size; weights are rounded to 8 significant bits) or "fp32" (exact).
    """
    folder = Path(folder)
    write_tensors(folder / WEIGHTS, pack(model, same_names(model), _dtype(dtype)))
    if tokenizer is not None:
        tokenizer.save(folder)
    write_json(folder / CONFIG, {"format": FORMAT, **model.config.to_dict()})


def save_parts(model: Transformer, parts: tuple[str, ...], folder: str | Path, dtype: str = "bf16") -> None:
    """Write model.safetensors with those tensors alone whose names begin with one of `parts`."""
    rows = [row for row in same_names(model) if row.there.startswith(parts)]
    write_tensors(Path(folder) / WEIGHTS, pack(model, rows, _dtype(dtype)))


def export_hf(model: Transformer, tokenizer: Tokenizer | None, folder: str | Path, dtype: str = "fp32") -> None:
    """Write a folder that `transformers` loads as the same function, with `AutoModelForCausalLM.from_pretrained`.

    The family is the one of `LAYOUTS` that can hold the configuration. Raises `InputError` that names each field which
    stands in the way, and what the nearest family has there.
    """
    folder = Path(folder)
    layout = _nearest_layout(model)
    values = {
        "architectures": [layout.architecture(model.config)],
        "model_type": layout.model_type,
        **layout.write_config(model.config),
        "torch_dtype": {"fp32": "float32", "bf16": "bfloat16"}.get(dtype),
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_id if tokenizer is not None else None,
    }
    write_tensors(folder / WEIGHTS, pack(model, layout.rows(model.config), _dtype(dtype)))
    if tokenizer is not None:
        tokenizer.save(folder)
        write_json(folder / "tokenizer_config.json", _tokenizer_config(model, tokenizer))
    write_json(folder / CONFIG, values)


def _nearest_layout(model: Transformer) -> Layout:
    found = ((layout, layout.losses(model.config)) for layout in LAYOUTS if layout.architecture(model.config))
    near = [(layout, lost) for layout, lost in found if lost is not None]
    if not near:
        raise InputError("weights_no_family", structure=model.config.structure)
    nearest, losses = min(near, key=lambda pair: len(pair[1]))
    if losses:
        raise InputError(
            "weights_not_exportable",
            architecture=nearest.architecture(model.config),
            losses="; ".join(f"{field} = {_plain(mine)} → {_plain(theirs)}" for field, mine, theirs in losses),
        )
    return nearest


def _plain(value: object) -> str:
    return (", ".join(map(str, value)) or "–") if isinstance(value, tuple) else str(value)


def _tokenizer_config(model: Transformer, tokenizer: Tokenizer) -> dict:
    end = tokenizer.token(tokenizer.eos_id) if tokenizer.eos_id is not None else None
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": end,
        "model_max_length": model.config.max_seq_len,
        "clean_up_tokenization_spaces": False,
    }


def _dtype(name: str) -> torch.dtype:
    if name not in DTYPES:
        raise InputError("not_a_choice", field="dtype", value=name, allowed=", ".join(DTYPES))
    return DTYPES[name]
