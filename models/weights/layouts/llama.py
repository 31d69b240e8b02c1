"""LLaMA 1, 2 and 3 (Touvron et al. 2023, Dubey et al. 2024), as `LlamaForCausalLM` stores it; also its many relatives.

The q and k rows of these files are ordered for the rotary layout "half"; Meta's own files have "interleaved".
"""

from collections.abc import Iterable, Mapping

from models.config import ModelConfig, RopeScaling
from models.errors import InputError
from models.weights.layouts.layout import ACTIVATION_THERE, Layout, activation, demand, first_of, linear, refuse
from models.weights.tensors import Row

ATTENTION_BIASES = ("q", "k", "v", "o")


def read_config(values: Mapping) -> ModelConfig:
    """config.json, with the names of `transformers` 4 or 5, to `ModelConfig`; refuses rotary scalings unknown here."""
    n_heads = first_of(values, "num_attention_heads", default=32)
    n_kv_heads = first_of(values, "num_key_value_heads", default=n_heads)
    max_seq_len = first_of(values, "max_position_embeddings", default=2048)
    theta, scaling = read_rope(values, max_seq_len)
    attention_biases = ATTENTION_BIASES if first_of(values, "attention_bias", default=False) else ()
    return ModelConfig(
        vocab_size=first_of(values, "vocab_size", default=32000),
        max_seq_len=max_seq_len,
        d_model=first_of(values, "hidden_size", default=4096),
        n_layers=first_of(values, "num_hidden_layers", default=32),
        attention=kind_of_attention(n_heads, n_kv_heads),
        n_heads=n_heads,
        n_kv_heads=n_kv_heads,
        d_head=first_of(values, "head_dim"),
        d_ff=first_of(values, "intermediate_size", default=11008),
        position="rotary",
        rope_theta=theta,
        rope_scaling=scaling,
        norm="rmsnorm",
        norm_eps=first_of(values, "rms_norm_eps", default=1e-6),
        ffn="gated",
        activation=activation(values, "hidden_act", "silu"),
        biases=(*attention_biases, *(("ffn",) if first_of(values, "mlp_bias", default=False) else ())),
        tie_embeddings=first_of(values, "tie_word_embeddings", default=False),
    )


def kind_of_attention(n_heads: int, n_kv_heads: int) -> str:
    """The name of attention with so many key-value heads."""
    if n_kv_heads == n_heads:
        return "mha"
    return "mqa" if n_kv_heads == 1 else "gqa"


def read_rope(values: Mapping, max_seq_len: int) -> tuple[float, RopeScaling | None]:
    """Rotary base and scaling, from `rope_parameters` (version 5) or `rope_theta` and `rope_scaling` (hub files)."""
    rope = values.get("rope_scaling") or values.get("rope_parameters") or {}
    if not isinstance(rope, Mapping):
        refuse(values, "rope_scaling", rope, ("null", "an object with rope_type"))
    theta = first_of(rope, "rope_theta", default=first_of(values, "rope_theta", default=10_000.0))
    part = first_of(rope, "partial_rotary_factor", default=values.get("partial_rotary_factor"))
    demand({**values, "partial_rotary_factor": part}, "partial_rotary_factor", 1.0)
    kind = first_of(rope, "rope_type", "type", default="default")
    if kind == "default":
        return theta, None
    if kind not in ("linear", "llama3"):
        refuse(values, "rope_type", kind, ("default", "linear", "llama3"))
    needed = ("factor", "low_freq_factor", "high_freq_factor") if kind == "llama3" else ("factor",)
    for name in needed:
        if rope.get(name) is None:
            raise InputError("missing_field", field=f"rope_scaling.{name}")
    original = first_of({**rope, **values}, "original_max_position_embeddings", default=max_seq_len)
    return theta, RopeScaling(kind=kind, original_max_seq_len=original, **{name: rope[name] for name in needed})


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
        "rope_theta": cfg.rope_theta,
        "rope_scaling": write_scaling(cfg.rope_scaling),
        "tie_word_embeddings": cfg.tie_embeddings,
    }


def write_scaling(scaling: RopeScaling | None) -> dict | None:
    """`rope_scaling` as config.json has it."""
    if scaling is None:
        return None
    if scaling.kind == "linear":
        return {"rope_type": "linear", "factor": float(scaling.factor)}
    return {
        "rope_type": scaling.kind,
        "factor": float(scaling.factor),
        "low_freq_factor": float(scaling.low_freq_factor),
        "high_freq_factor": float(scaling.high_freq_factor),
        "original_max_position_embeddings": scaling.original_max_seq_len,
    }


def rows(cfg: ModelConfig) -> Iterable[Row]:
    """Every tensor of the file. Despite its name, post_attention_layernorm is the norm before the feed-forward."""
    yield Row("model.embed_tokens.weight", ("tok_embed.weight",))
    for i in range(cfg.n_layers):
        there, here = f"model.layers.{i}", f"layers.{i}"
        yield from linear(f"{there}.input_layernorm", f"{here}.attn_norm", False)
        for name in ("q", "k", "v", "o"):
            yield from linear(f"{there}.self_attn.{name}_proj", f"{here}.attn.{name}_proj", name in cfg.biases)
        yield from linear(f"{there}.post_attention_layernorm", f"{here}.ffn_norm", False)
        for name in ("gate", "up", "down"):
            yield from linear(f"{there}.mlp.{name}_proj", f"{here}.ffn.{name}_proj", "ffn" in cfg.biases)
    yield from linear("model.norm", "final_norm", False)
    if not cfg.tie_embeddings:
        yield Row("lm_head.weight", ("lm_head.weight",))


LLAMA = Layout(
    model_type="llama",
    architecture="LlamaForCausalLM",
    prefix="model.",
    ignored=r"(model\.)?layers\.\d+\.self_attn\.rotary_emb\.inv_freq",
    read_config=read_config,
    write_config=write_config,
    rows=rows,
)
