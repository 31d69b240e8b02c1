"""Qwen (Bai et al. 2023), the first, as its own code stores it; `transformers` has no class for it."""

from collections.abc import Iterable, Mapping

from models.config import ModelConfig
from models.weights.layouts.heads import head_rows
from models.weights.layouts.layout import Layout, demand, first_of, linear, settle_head
from models.weights.tensors import Row

EMBEDDING = "transformer.wte.weight"


def read_config(values: Mapping) -> ModelConfig:
    """config.json to `ModelConfig`. `intermediate_size` counts gate and up together.

    The context is `seq_length`, that of training: up to there the code's dynamic base and logn scaling change nothing.
    """
    demand(values, "rotary_pct", 1.0)
    demand(values, "scale_attn_weights", True)
    others = () if first_of(values, "no_bias", default=True) else ("o", "ffn")
    return ModelConfig(
        vocab_size=first_of(values, "vocab_size", default=151_936),
        max_seq_len=first_of(values, "seq_length", "max_position_embeddings", default=8192),
        d_model=first_of(values, "hidden_size", default=4096),
        n_layers=first_of(values, "num_hidden_layers", default=32),
        n_heads=first_of(values, "num_attention_heads", default=32),
        d_head=first_of(values, "kv_channels", default=128),
        d_ff=first_of(values, "intermediate_size", default=22_016) // 2,
        position="rotary",
        rope_theta=first_of(values, "rotary_emb_base", default=10_000.0),
        norm="rmsnorm",
        norm_eps=first_of(values, "layer_norm_epsilon", default=1e-6),
        ffn="gated",
        activation="silu",
        biases=("q", "k", "v", *others),
        tie_embeddings=first_of(values, "tie_word_embeddings", default=False),
    )


def rows(cfg: ModelConfig) -> Iterable[Row]:
    """Every tensor of the file; of the feed-forward's maps, w2 is the gate."""
    yield Row(EMBEDDING, ("tok_embed.weight",))
    for i in range(cfg.n_layers):
        there, here = f"transformer.h.{i}", f"layers.{i}"
        yield from linear(f"{there}.ln_1", f"{here}.attn_norm", False)
        qkv = tuple(f"{here}.attn.{name}_proj" for name in ("q", "k", "v"))
        yield from linear(f"{there}.attn.c_attn", qkv, True)
        yield from linear(f"{there}.attn.c_proj", f"{here}.attn.o_proj", "o" in cfg.biases)
        yield from linear(f"{there}.ln_2", f"{here}.ffn_norm", False)
        for name, ours in {"w2": "gate_proj", "w1": "up_proj", "c_proj": "down_proj"}.items():
            yield from linear(f"{there}.mlp.{name}", f"{here}.ffn.{ours}", "ffn" in cfg.biases)
    yield from linear("transformer.ln_f", "final_norm", False)
    yield from head_rows(cfg)


QWEN1 = Layout(
    model_type="qwen",
    prefix="transformer.",
    ignored=r"(transformer\.)?(h\.\d+\.attn\.)?(rotary_emb\.inv_freq|masked_bias|bias)",
    read_config=read_config,
    rows=rows,
    settle=settle_head(EMBEDDING),
)
