"""BLOOM (BigScience Workshop 2022), as `BloomForCausalLM` stores it."""

from collections.abc import Iterable, Mapping

from models.config import ModelConfig
from models.weights.layouts.heads import head_rows, settle_decoder
from models.weights.layouts.layout import Layout, decoder, demand, first_of, linear
from models.weights.tensors import Row, per_head

BIASES = ("q", "k", "v", "o", "ffn", "norm")
EMBEDDING = "transformer.word_embeddings.weight"


def read_config(values: Mapping) -> ModelConfig:
    """config.json to `ModelConfig`. `seq_length` is the context of training, which ALiBi may exceed."""
    demand(values, "apply_residual_connection_post_layernorm", False)
    if first_of(values, "pretraining_tp", default=1) > 1:
        demand(values, "slow_but_exact", False)  # which adds up slices without the biases of the two maps
    d_model = first_of(values, "n_embed", "hidden_size", default=64)
    return ModelConfig(
        vocab_size=first_of(values, "vocab_size", default=250_880),
        max_seq_len=first_of(values, "seq_length", default=2048),
        d_model=d_model,
        n_layers=first_of(values, "n_layer", "num_hidden_layers", default=2),
        n_heads=first_of(values, "n_head", "num_attention_heads", default=8),
        d_ff=4 * d_model,
        position="alibi",
        norm="layernorm",
        norm_eps=first_of(values, "layer_norm_epsilon", default=1e-5),
        embed_norm=True,
        ffn="plain",
        activation="gelu_tanh",
        biases=BIASES,
        tie_embeddings=first_of(values, "tie_word_embeddings", default=True),
    )


def write_config(cfg: ModelConfig) -> dict:
    """The config.json of the BLOOM that is closest to `cfg`."""
    return {
        "vocab_size": cfg.vocab_size,
        "seq_length": cfg.max_seq_len,
        "hidden_size": cfg.d_model,
        "n_layer": cfg.n_layers,
        "n_head": cfg.n_heads,
        "layer_norm_epsilon": cfg.norm_eps,
        "tie_word_embeddings": cfg.tie_embeddings,
    }


def rows(cfg: ModelConfig) -> Iterable[Row]:
    """Every tensor of the file."""
    yield Row(EMBEDDING, ("tok_embed.weight",))
    yield from linear("transformer.word_embeddings_layernorm", "embed_norm", True)
    for i in range(cfg.n_layers):
        there, here = f"transformer.h.{i}", f"layers.{i}"
        yield from linear(f"{there}.input_layernorm", f"{here}.attn_norm", True)
        qkv = tuple(f"{here}.attn.{name}_proj" for name in ("q", "k", "v"))
        yield from linear(f"{there}.self_attention.query_key_value", qkv, True, packing=per_head(cfg.n_heads))
        yield from linear(f"{there}.self_attention.dense", f"{here}.attn.o_proj", True)
        yield from linear(f"{there}.post_attention_layernorm", f"{here}.ffn_norm", True)
        yield from linear(f"{there}.mlp.dense_h_to_4h", f"{here}.ffn.up_proj", True)
        yield from linear(f"{there}.mlp.dense_4h_to_h", f"{here}.ffn.down_proj", True)
    yield from linear("transformer.ln_f", "final_norm", True)
    yield from head_rows(cfg)


BLOOM = Layout(
    model_type="bloom",
    architecture=lambda cfg: "BloomForCausalLM",
    prefix="transformer.",
    ignored=r"$^",
    read_config=read_config,
    write_config=write_config,
    rows=rows,
    accepts=decoder,
    settle=settle_decoder(EMBEDDING),
)
