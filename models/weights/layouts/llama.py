"""LLaMA 1, 2 and 3 (Touvron et al. 2023, Dubey et al. 2024), as `LlamaForCausalLM` stores it; also its many relatives.

The q and k rows of these files are ordered for the rotary layout "half"; Meta's own files have "interleaved". Other
families of this kind read and write with the functions here, and say what they have otherwise.
"""

from collections.abc import Callable, Iterable, Mapping

from models.config import ModelConfig
from models.weights.layouts.heads import head_rows, settle_decoder
from models.weights.layouts.layout import (
    ACTIVATION_THERE,
    Layout,
    activation,
    decoder,
    first_of,
    linear,
    refuse,
)
from models.weights.layouts.rope import read_rope, read_rotary_dim, write_rope
from models.weights.layouts.windows import all_layers, write_window
from models.weights.tensors import Row

ATTENTION_BIASES = ("q", "k", "v", "o")
EMBEDDING = "model.embed_tokens.weight"
IGNORED = r"(model\.)?(layers\.\d+\.self_attn\.)?rotary_emb\.inv_freq"


def read_config(values: Mapping, **family) -> ModelConfig:
    """config.json, with the names of `transformers` 4 or 5, to `ModelConfig`; refuses rotary scalings unknown here.

    `family` has the fields of the configuration that a relative reads otherwise.
    """
    n_heads = first_of(values, "num_attention_heads", default=32)
    n_kv_heads = first_of(values, "num_key_value_heads", default=n_heads)
    max_seq_len = first_of(values, "max_position_embeddings", default=2048)
    theta, scaling = read_rope(values, max_seq_len)
    if "rotary_dim" not in family and read_rotary_dim(values, 100) != 100:
        refuse(values, "partial_rotary_factor", values.get("partial_rotary_factor"), (1.0,))
    attention_biases = ATTENTION_BIASES if first_of(values, "attention_bias", default=False) else ()
    usual = {
        "vocab_size": first_of(values, "vocab_size", default=32000),
        "max_seq_len": max_seq_len,
        "d_model": first_of(values, "hidden_size", default=4096),
        "n_layers": first_of(values, "num_hidden_layers", default=32),
        "attention": kind_of_attention(n_heads, n_kv_heads),
        "n_heads": n_heads,
        "n_kv_heads": n_kv_heads,
        "d_head": first_of(values, "head_dim"),
        "d_ff": first_of(values, "intermediate_size", default=11008),
        "position": "rotary",
        "rope_theta": theta,
        "rope_scaling": scaling,
        "norm": "rmsnorm",
        "norm_eps": first_of(values, "rms_norm_eps", default=1e-6),
        "ffn": "gated",
        "activation": activation(values, "hidden_act", "silu"),
        "biases": (*attention_biases, *(("ffn",) if first_of(values, "mlp_bias", default=False) else ())),
        "tie_embeddings": first_of(values, "tie_word_embeddings", default=False),
    }
    return ModelConfig(**{**usual, **family})


def read_mistral_config(values: Mapping) -> ModelConfig:
    """As `read_config`, with a window in all layers, unless the file says null."""
    values = {**MISTRAL_DEFAULTS, **values}
    return read_config(values, **all_layers(values["sliding_window"]))


def kind_of_attention(n_heads: int, n_kv_heads: int) -> str:
    """The name of attention with so many key-value heads."""
    if n_kv_heads == n_heads:
        return "mha"
    return "mqa" if n_kv_heads == 1 else "gqa"


def write_config(cfg: ModelConfig) -> dict:
    """The config.json of the LLaMA closest to `cfg`, in the names that every version of `transformers` reads."""
    return {
        "vocab_size": cfg.vocab_size,
        "max_position_embeddings": cfg.max_seq_len,
        "hidden_size": cfg.d_model,
        "num_hidden_layers": cfg.n_layers,
        "num_attention_heads": cfg.n_heads,
        "num_key_value_heads": cfg.n_kv_heads,
        "head_dim": cfg.d_head,
        "intermediate_size": cfg.d_ff,
        "hidden_act": ACTIVATION_THERE[cfg.activation],
        "rms_norm_eps": cfg.norm_eps,
        "attention_bias": set(ATTENTION_BIASES) <= set(cfg.biases),
        "mlp_bias": "ffn" in cfg.biases,
        **write_rope(cfg),
        "tie_word_embeddings": cfg.tie_embeddings,
    }


def write_mistral_config(cfg: ModelConfig) -> dict:
    """The config.json of the Mistral closest to `cfg`."""
    values = write_config(cfg)
    del values["attention_bias"], values["mlp_bias"]
    return {**values, "sliding_window": write_window(cfg)}


def rows(cfg: ModelConfig, layer_rows: Callable[[ModelConfig, int], Iterable[Row]] | None = None) -> Iterable[Row]:
    """Every tensor of the file; `layer_rows` gives those of one layer where a relative has others."""
    yield Row(EMBEDDING, ("tok_embed.weight",))
    for index in range(cfg.n_layers):
        yield from (layer_rows or dense_layer)(cfg, index)
    yield from linear("model.norm", "final_norm", False)
    yield from head_rows(cfg)


def dense_layer(cfg: ModelConfig, index: int) -> Iterable[Row]:
    """The tensors of one layer."""
    yield from norms_and_attention(cfg, f"model.layers.{index}", f"layers.{index}")
    yield from gated_rows(f"model.layers.{index}.mlp", f"layers.{index}.ffn", "ffn" in cfg.biases)


def norms_and_attention(cfg: ModelConfig, there: str, here: str) -> Iterable[Row]:
    """A layer without its feed-forward. Despite its name, post_attention_layernorm is the norm before that."""
    yield from linear(f"{there}.input_layernorm", f"{here}.attn_norm", False)
    for name in ("q", "k", "v", "o"):
        yield from linear(f"{there}.self_attn.{name}_proj", f"{here}.attn.{name}_proj", name in cfg.biases)
    for name in ("q_norm", "k_norm") if cfg.qk_norm else ():
        yield from linear(f"{there}.self_attn.{name}", f"{here}.attn.{name}", False)
    yield from linear(f"{there}.post_attention_layernorm", f"{here}.ffn_norm", False)


def gated_rows(there: str, here: str, biased: bool = False) -> Iterable[Row]:
    """The three maps of a gated feed-forward layer."""
    for name in ("gate", "up", "down"):
        yield from linear(f"{there}.{name}_proj", f"{here}.{name}_proj", biased)


MISTRAL_DEFAULTS = {
    "num_key_value_heads": 8,
    "intermediate_size": 14336,
    "max_position_embeddings": 131_072,
    "sliding_window": 4096,
}

LLAMA = Layout(
    model_type="llama",
    architecture=lambda cfg: "LlamaForCausalLM",
    prefix="model.",
    ignored=IGNORED,
    read_config=read_config,
    write_config=write_config,
    rows=rows,
    accepts=decoder,
    settle=settle_decoder(EMBEDDING),
)
MISTRAL = Layout(
    model_type="mistral",
    architecture=lambda cfg: "MistralForCausalLM",
    prefix="model.",
    ignored=IGNORED,
    read_config=read_mistral_config,
    write_config=write_mistral_config,
    rows=rows,
    accepts=decoder,
    settle=settle_decoder(EMBEDDING),
)
