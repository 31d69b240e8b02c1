"""Small GGUF files for tests, written with the `gguf` package as llama.cpp's converter writes them."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import models
from models import tokenizers
from models.config import ModelConfig
from models.installed import GGUF_REQUIREMENT
from models.weights import named_tensors

gguf = pytest.importorskip("gguf", reason=f"GGUF files need their package: pip install {GGUF_REQUIREMENT}")

WORDS = "Once upon a time there was a little dog. The dog's name was 12 or 345, it's said.\n\n"

CFG = models.preset("smollm2-135m").replace(
    d_model=96,
    d_head=16,
    n_heads=6,
    n_kv_heads=2,
    attention="gqa",
    n_layers=2,
    d_ff=256,
    vocab_size=300,
    max_seq_len=64,
)
"""The architecture of SmolLM2, small; its rows are whole blocks of 32."""


def metadata(cfg: ModelConfig) -> dict:
    """What the converter writes about a model."""
    return {
        "llama.vocab_size": cfg.vocab_size,
        "llama.context_length": cfg.max_seq_len,
        "llama.embedding_length": cfg.d_model,
        "llama.block_count": cfg.n_layers,
        "llama.feed_forward_length": cfg.d_ff,
        "llama.attention.head_count": cfg.n_heads,
        "llama.attention.head_count_kv": cfg.n_kv_heads,
        "llama.attention.key_length": cfg.d_head,
        "llama.attention.value_length": cfg.d_head,
        "llama.rope.dimension_count": cfg.d_head,
        "llama.rope.freq_base": cfg.rope_theta,
        "llama.attention.layer_norm_rms_epsilon": cfg.norm_eps,
    }


def tokenizer_metadata(folder: Path, vocab_size: int = 300, cutting: str = "smollm") -> dict:
    """A byte-level BPE as the converter writes it: the first three tokens are control tokens."""
    trained = tokenizers.train_byte_bpe([WORDS] * 4, vocab_size - 2)
    trained.save(folder)
    merges = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["merges"]
    plain = [trained.token(i) for i in range(1, trained.vocab_size)]
    tokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *plain]
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": cutting,
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [3, 3, 3, *[1] * len(plain)],
        "tokenizer.ggml.merges": [" ".join(merge) for merge in merges],
        "tokenizer.ggml.eos_token_id": 2,
    }


def permuted(weight: np.ndarray, n_heads: int) -> np.ndarray:
    """`permute` of llama.cpp's convert_hf_to_gguf.py: rows of q and k from Hugging Face's order to llama.cpp's."""
    shape = weight.shape
    return weight.reshape(n_heads, 2, shape[0] // n_heads // 2, *shape[1:]).swapaxes(1, 2).reshape(shape)


def as_stored(state: dict[str, torch.Tensor], cfg: ModelConfig) -> dict[str, np.ndarray]:
    """Tensors under Hugging Face's names to those of a GGUF file, by the name map of the `gguf` package."""
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, cfg.n_layers)
    stored = {}
    for name, tensor in state.items():
        array = tensor.detach().float().numpy()
        if ".q_proj." in name or ".k_proj." in name:
            array = permuted(array, cfg.n_heads if ".q_proj." in name else cfg.n_kv_heads)
        stored[names.get_name(name, try_suffixes=(".weight", ".bias"))] = array
    return stored


def write(path: Path, values: dict, stored: dict, kind: str = "F32", architecture: str = "llama") -> Path:
    """Write a file; matrices are stored as `kind`, vectors in 32 bits, and pairs (bytes, kind) as they are."""
    writer = gguf.GGUFWriter(path, architecture)
    for key, value in values.items():
        writer.add_key_value(key, value, gguf.GGUFValueType.get_type(value))
    for name, array in stored.items():
        if isinstance(array, tuple):
            writer.add_tensor(name, array[0], raw_dtype=gguf.GGMLQuantizationType[array[1]])
        elif array.ndim == 1 or kind == "F32":
            writer.add_tensor(name, np.ascontiguousarray(array, dtype=np.float32))
        else:
            quantised = gguf.quants.quantize(np.ascontiguousarray(array), gguf.GGMLQuantizationType[kind])
            writer.add_tensor(name, quantised, raw_dtype=gguf.GGMLQuantizationType[kind])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def as_read(stored: dict[str, np.ndarray], kind: str) -> dict[str, np.ndarray]:
    """The numbers that are left of `stored` in a file of that kind."""
    number = gguf.GGMLQuantizationType[kind]
    return {
        name: array if array.ndim == 1 else gguf.quants.dequantize(gguf.quants.quantize(array, number), number)
        for name, array in stored.items()
    }


def llama3_factors(d_head: int, theta: float, factor: float, low=1.0, high=4.0, original=8192) -> np.ndarray:
    """`rope_freqs.weight` as llama.cpp's converter computes it."""
    factors = []
    for j in range(0, d_head, 2):
        wavelength = 2 * np.pi * theta ** (j / d_head)
        if wavelength < original / high:
            factors.append(1)
        elif wavelength > original / low:
            factors.append(factor)
        else:
            smooth = (original / wavelength - low) / (high - low)
            factors.append(1 / ((1 - smooth) / factor + smooth))
    return np.array(factors, dtype=np.float32)


def assert_same(loaded, model, **tolerance):
    found, expected = named_tensors(loaded.model), named_tensors(model)
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, **({"rtol": 0, "atol": 0} | tolerance), msg=name)
