"""Reading GGUF, llama.cpp's format: configuration, tokenizer and weights in one file, the weights often quantised.

The `gguf` package reads the container and turns quantised blocks into numbers. llama.cpp turns neighbouring dimensions
of a head, (2j, 2j+1), so its files have the rows of q and k in that order; here they go back to the order of rotary layout
"half", which Hugging Face's files have.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.building import allocate
from models.config import ModelConfig, RopeScaling
from models.errors import InputError
from models.installed import GGUF_REQUIREMENT
from models.parts.rotary import inverse_frequencies, scale_frequencies
from models.tokenizers import Tokenizer
from models.tokenizers.gguf_bpe import from_gguf
from models.transformer import Transformer
from models.weights.layouts.layout import linear
from models.weights.layouts.llama import ATTENTION_BIASES, kind_of_attention
from models.weights.tensors import STACKED, Packing, Row, assign

SUFFIX = ".gguf"
ARCHITECTURE = "llama"  # what llama.cpp calls every model of the family, Mistral and SmolLM2 included

ROTARY_FACTORS = "rope_freqs.weight"
"""By how much each rotary frequency is slowed; the form in which files of Llama 3.1 and later carry their scaling."""

OUTPUT = "output.weight"
LINEAR_THERE = {"q": "attn_q", "k": "attn_k", "v": "attn_v", "o": "attn_output"}

ALLOWED: dict[str, tuple] = {
    "expert_count": (0,),
    "attention.causal": (True,),
    "attention.sliding_window": (0,),
    "use_parallel_residual": (False,),
    "rope.scaling.type": ("linear", "none"),
}
"""Settings that change the computation, with the values built here; the first is what an absent one means."""


def read_gguf(path: Path) -> tuple[Transformer, Tokenizer | InputError]:
    """The model of a GGUF file in fp32, and its tokenizer, or the reason why that one cannot be read here.

    Every number is exactly the one that the stored blocks stand for. Peak memory is twice the model. Raises `InputError`
    without the `gguf` package, for files that cannot be read, are damaged or split, for architectures, settings and
    quantisations that are not built here, and for tensors that are missing, unknown or of a wrong shape.
    """
    try:
        from gguf import GGUFReader
    except ImportError as error:  # the package, or one that it needs in turn
        raise InputError("gguf_no_package", file=str(path), command=f"pip install {GGUF_REQUIREMENT}") from error

    class PlainReader(GGUFReader):
        """Cuts a piece of the file for every string of the vocabulary: of an `np.memmap`, that takes three times as long."""

        data = property(lambda self: self._plain, lambda self, mapped: setattr(self, "_plain", np.asarray(mapped)))

    with _damage_named(path):
        reader = PlainReader(path)
        values = {name: field.contents() for name, field in reader.fields.items()}
        stored = {tensor.name: tensor for tensor in reader.tensors}
    settings = _Settings(values, path)
    factors = _numbers(stored.pop(ROTARY_FACTORS), path) if ROTARY_FACTORS in stored else None
    cfg = settings.config(set(stored), factors)
    model = allocate(cfg, device="meta")
    with torch.no_grad():
        assign(model, {name: _numbers(tensor, path) for name, tensor in stored.items()}, rows(cfg))
    try:
        return model, from_gguf(values, name=path.name)
    except InputError as problem:
        return model, problem


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError("file_unreadable", file=str(path), reason=error.strerror or str(error)) from error
    # What the package raises, according to where the file is cut off or which of its numbers is wrong.
    except (ValueError, IndexError, KeyError, TypeError, OverflowError) as error:
        raise InputError("gguf_damaged", file=str(path), reason=f"{type(error).__name__}: {error}") from error


def _numbers(tensor, path: Path) -> Tensor:
    from gguf.quants import dequantize

    try:
        with _damage_named(path):
            numbers = dequantize(tensor.data, tensor.tensor_type)
    except NotImplementedError as error:
        kind = tensor.tensor_type.name
        raise InputError("gguf_quantization", file=str(path), tensor=tensor.name, kind=kind) from error
    return torch.from_numpy(np.array(numbers, dtype=np.float32))


def _full(name: str) -> str:
    return f"{ARCHITECTURE}.{name}"


class _Settings:
    """What the metadata of a file say; raises `InputError` for a file of another architecture or with other parts."""

    def __init__(self, values: Mapping, path: Path):
        self.values = values
        self.path = path
        architecture = values.get("general.architecture", "–")
        if architecture != ARCHITECTURE:
            raise InputError("gguf_architecture", file=str(path), architecture=architecture, known=ARCHITECTURE)
        if values.get("split.count", 1) not in (0, 1):
            self._refuse("split.count", values["split.count"], (1,))
        for name, allowed in ALLOWED.items():
            if self.get(name, allowed[0]) not in allowed:
                self._refuse(_full(name), self.get(name), allowed)

    def config(self, names: set[str], factors: Tensor | None) -> ModelConfig:
        """The configuration; `names` of the tensors tell which biases there are and whether the head is tied."""
        n_heads = self.need("attention.head_count")
        n_kv_heads = self.get("attention.head_count_kv", n_heads)
        attention_biases = [map_ for map_, there in LINEAR_THERE.items() if f"blk.0.{there}.bias" in names]
        cfg = ModelConfig(
            vocab_size=self.get("vocab_size", len(self.values.get("tokenizer.ggml.tokens", ()))),
            max_seq_len=self.need("context_length"),
            d_model=self.need("embedding_length"),
            n_layers=self.need("block_count"),
            attention=kind_of_attention(n_heads, n_kv_heads),
            n_heads=n_heads,
            n_kv_heads=n_kv_heads,
            d_head=self.get("attention.key_length"),
            d_ff=self.need("feed_forward_length"),
            position="rotary",
            rope_theta=self.get("rope.freq_base", 10_000.0),
            norm="rmsnorm",
            norm_eps=self.need("attention.layer_norm_rms_epsilon"),
            ffn="gated",
            activation="silu",
            biases=(*attention_biases, *(("ffn",) if "blk.0.ffn_up.bias" in names else ())),
            tie_embeddings=OUTPUT not in names,
        )
        for name in ("attention.value_length", "rope.dimension_count"):
            if self.get(name, cfg.d_head) != cfg.d_head:
                self._refuse(_full(name), self.get(name), (cfg.d_head,))
        return cfg.replace(rope_scaling=self._scaling(factors, cfg))

    def get(self, name: str, default=None):
        """A setting of the file; of its numbers in 32 bits the shortest decimal, 1e-5 for 9.99999974737e-6."""
        value = self.values.get(_full(name), default)
        return float(str(np.float32(value))) if isinstance(value, float) else value

    def need(self, name: str):
        """A setting that every file has; raises `InputError` if this one has not."""
        value = self.get(name)
        if value is None:
            raise InputError("missing_field", field=_full(name))
        return value

    def _scaling(self, factors: Tensor | None, cfg: ModelConfig) -> RopeScaling | None:
        pre_training = self.get("rope.scaling.original_context_length")
        factor = self._linear_factor()
        if factor is not None:
            if factors is not None:
                self._refuse(ROTARY_FACTORS, tuple(factors.shape), ("none beside linear scaling",))
            return RopeScaling(kind="linear", factor=factor, original_max_seq_len=pre_training or cfg.max_seq_len)
        if factors is None:
            return None
        frequencies = inverse_frequencies(cfg.d_head, cfg.rope_theta)
        if factors.shape != frequencies.shape:
            self._refuse(ROTARY_FACTORS, tuple(factors.shape), (tuple(frequencies.shape),))
        # Files hold the factors and not what they were computed from; Llama 3.1, 3.2 and 3.3 share all but the largest.
        slowest = float(factors.max())
        scaling = RopeScaling(kind="llama3", factor=slowest, original_max_seq_len=pre_training or 8192)
        if not torch.allclose(factors, frequencies / scale_frequencies(cfg.d_head, cfg.rope_theta, scaling), rtol=1e-4):
            self._refuse(ROTARY_FACTORS, f"… {slowest:g}", ("low_freq_factor 1 and high_freq_factor 4",))
        return scaling

    def _linear_factor(self) -> float | None:
        """By how much all positions are divided, if they are. As in llama.cpp, a file that names no type means "linear",
        older ones write `rope.scale_linear`, and 0 means 1."""
        if self.get("rope.scaling.type", "linear") == "none":
            return None
        factor = self.get("rope.scaling.factor", self.get("rope.scale_linear", 0.0))
        return None if factor in (0.0, 1.0) else factor

    def _refuse(self, field: str, value: object, allowed: Iterable) -> None:
        raise InputError(
            "gguf_unsupported", file=str(self.path), field=field, value=value, allowed=", ".join(map(str, allowed))
        )


def rows(cfg: ModelConfig) -> Iterable[Row]:
    """Every tensor of a GGUF file that holds the model `cfg`."""
    yield Row("token_embd.weight", ("tok_embed.weight",))
    packings = {"q": neighbours_paired(cfg.n_heads), "k": neighbours_paired(cfg.n_kv_heads)}
    for i in range(cfg.n_layers):
        there, here = f"blk.{i}", f"layers.{i}"
        yield from linear(f"{there}.attn_norm", f"{here}.attn_norm", False)
        for name in ATTENTION_BIASES:
            maps = f"{there}.{LINEAR_THERE[name]}", f"{here}.attn.{name}_proj"
            yield from linear(*maps, name in cfg.biases, packings.get(name, STACKED))
        yield from linear(f"{there}.ffn_norm", f"{here}.ffn_norm", False)
        for name in ("gate", "up", "down"):
            yield from linear(f"{there}.ffn_{name}", f"{here}.ffn.{name}_proj", "ffn" in cfg.biases)
    yield from linear("output_norm", "final_norm", False)
    if not cfg.tie_embeddings:
        yield Row(OUTPUT, ("lm_head.weight",))


def neighbours_paired(n_heads: int) -> Packing:
    """Rows of `n_heads` heads, ours in the order of rotary layout "half", the file's in that of "interleaved"."""

    def pack(tensors: Iterable[Tensor]) -> Tensor:
        ours = torch.cat(list(tensors)).unflatten(0, (n_heads, 2, -1))  # (heads, 2, d_head/2, …)
        return ours.transpose(1, 2).flatten(0, 2)  # (heads · d_head, …)

    def unpack(packed: Tensor, widths: Iterable[int]) -> list[Tensor]:
        theirs = packed.unflatten(0, (n_heads, -1, 2))  # (heads, d_head/2, 2, …)
        return [theirs.transpose(1, 2).flatten(0, 2)]  # (heads · d_head, …)

    return Packing(pack, unpack)
