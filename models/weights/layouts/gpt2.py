"""GPT-2 (Radford et al. 2019), as `GPT2LMHeadModel` stores it; also GPT-3 sizes and their like."""

from collections.abc import Iterable, Mapping

from models.config import ModelConfig
from models.weights.layouts.heads import head_rows, settle_decoder
from models.weights.layouts.layout import (
    ACTIVATION_THERE,
    Layout,
    activation,
    decoder,
    demand,
    first_of,
    linear,
)
from models.weights.tensors import TRANSPOSED, Row

BIASES = ("q", "k", "v", "o", "ffn", "norm")


def read_config(values: Mapping) -> ModelConfig:
    """config.json to `ModelConfig`; refuses settings that change the computation in ways not built here."""
    demand(values, "scale_attn_by_inverse_layer_idx", False)
    demand(values, "add_cross_attention", False)
    d_model = first_of(values, "n_embd", "hidden_size", default=768)
    return ModelConfig(
        vocab_size=first_of(values, "vocab_size", default=50257),
        max_seq_len=first_of(values, "n_positions", "max_position_embeddings", default=1024),
        d_model=d_model,
        n_layers=first_of(values, "n_layer", "num_hidden_layers", default=12),
        n_heads=first_of(values, "n_head", "num_attention_heads", default=12),
        d_ff=first_of(values, "n_inner", default=4 * d_model),
        scale_scores=first_of(values, "scale_attn_weights", default=True),
        position="learned",
        norm="layernorm",
        norm_eps=first_of(values, "layer_norm_epsilon", default=1e-5),
        ffn="plain",
        activation=activation(values, "activation_function", "gelu_new"),
        biases=BIASES,
        tie_embeddings=first_of(values, "tie_word_embeddings", default=True),
    )


def write_config(cfg: ModelConfig) -> dict:
    """The config.json of the GPT-2 that is closest to `cfg`."""
    return {
        "vocab_size": cfg.vocab_size,
        "n_positions": cfg.max_seq_len,
        "n_embd": cfg.d_model,
        "n_layer": cfg.n_layers,
        "n_head": cfg.n_heads,
        "n_inner": cfg.d_ff,
        "activation_function": ACTIVATION_THERE[cfg.activation],
        "layer_norm_epsilon": cfg.norm_eps,
        "scale_attn_weights": cfg.scale_scores,
        "tie_word_embeddings": cfg.tie_embeddings,
    }


def rows(cfg: ModelConfig) -> Iterable[Row]:
    """Every tensor of the file."""
    yield Row("transformer.wte.weight", ("tok_embed.weight",))
    yield Row("transformer.wpe.weight", ("position.weight",))
    for index in range(cfg.n_layers):
        yield from layer_rows(index)
    yield from linear("transformer.ln_f", "final_norm", True)
    yield from head_rows(cfg)


def layer_rows(index: int) -> Iterable[Row]:
    """The tensors of one layer. `Conv1D` keeps its weight as (in, out), and c_attn is q, k and v in one."""
    there, here = f"transformer.h.{index}", f"layers.{index}"
    yield from linear(f"{there}.ln_1", f"{here}.attn_norm", True)
    qkv = tuple(f"{here}.attn.{name}" for name in ("q_proj", "k_proj", "v_proj"))
    yield from linear(f"{there}.attn.c_attn", qkv, True, packing=TRANSPOSED)
    yield from linear(f"{there}.attn.c_proj", f"{here}.attn.o_proj", True, packing=TRANSPOSED)
    yield from linear(f"{there}.ln_2", f"{here}.ffn_norm", True)
    yield from linear(f"{there}.mlp.c_fc", f"{here}.ffn.up_proj", True, packing=TRANSPOSED)
    yield from linear(f"{there}.mlp.c_proj", f"{here}.ffn.down_proj", True, packing=TRANSPOSED)


GPT2 = Layout(
    model_type="gpt2",
    architecture=lambda cfg: "GPT2LMHeadModel",
    prefix="transformer.",
    ignored=r"(transformer\.)?h\.\d+\.attn\.(bias|masked_bias)",
    read_config=read_config,
    write_config=write_config,
    rows=rows,
    accepts=decoder,
    settle=settle_decoder("transformer.wte.weight"),
)
