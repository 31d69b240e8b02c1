"""GPT (Radford et al. 2018), as `OpenAIGPTLMHeadModel` stores it."""

from collections.abc import Iterable, Mapping

from models.config import ModelConfig
from models.weights.layouts.gpt2 import layer_rows
from models.weights.layouts.heads import head_rows, settle_decoder
from models.weights.layouts.layout import Layout, decoder, first_of, refuse
from models.weights.tensors import Row

BIASES = ("q", "k", "v", "o", "ffn", "norm")
ACTIVATIONS = {"gelu": "gelu_tanh", "relu": "relu", "silu": "silu", "swish": "silu"}
"""What `afn` means: this class calls the approximation with tanh "gelu"."""

EMBEDDING = "transformer.tokens_embed.weight"


def read_config(values: Mapping) -> ModelConfig:
    """config.json to `ModelConfig`."""
    activation = first_of(values, "afn", default="gelu")
    if activation not in ACTIVATIONS:
        refuse(values, "afn", activation, ACTIVATIONS)
    d_model = first_of(values, "n_embd", "hidden_size", default=768)
    return ModelConfig(
        vocab_size=first_of(values, "vocab_size", default=40_478),
        max_seq_len=first_of(values, "n_positions", "max_position_embeddings", default=512),
        d_model=d_model,
        n_layers=first_of(values, "n_layer", "num_hidden_layers", default=12),
        n_heads=first_of(values, "n_head", "num_attention_heads", default=12),
        d_ff=4 * d_model,
        position="learned",
        norm="layernorm",
        norm_eps=first_of(values, "layer_norm_epsilon", default=1e-5),
        block="post",
        final_norm=False,
        ffn="plain",
        activation=ACTIVATIONS[activation],
        biases=BIASES,
        tie_embeddings=first_of(values, "tie_word_embeddings", default=True),
    )


def write_config(cfg: ModelConfig) -> dict:
    """The config.json of the GPT that is closest to `cfg`."""
    names = {ours: name for name, ours in reversed(ACTIVATIONS.items())}
    return {
        "vocab_size": cfg.vocab_size,
        "n_positions": cfg.max_seq_len,
        "n_embd": cfg.d_model,
        "n_layer": cfg.n_layers,
        "n_head": cfg.n_heads,
        "afn": names.get(cfg.activation, "gelu"),
        "layer_norm_epsilon": cfg.norm_eps,
        "tie_word_embeddings": cfg.tie_embeddings,
    }


def rows(cfg: ModelConfig) -> Iterable[Row]:
    """Every tensor of the file: GPT-2's layers, other names around them, and no norm at the end."""
    yield Row(EMBEDDING, ("tok_embed.weight",))
    yield Row("transformer.positions_embed.weight", ("position.weight",))
    for index in range(cfg.n_layers):
        yield from layer_rows(index)
    yield from head_rows(cfg)


GPT1 = Layout(
    model_type="openai-gpt",
    architecture=lambda cfg: "OpenAIGPTLMHeadModel",
    prefix="transformer.",
    ignored=r"(transformer\.)?(h\.\d+\.attn\.bias|position_ids)",
    read_config=read_config,
    write_config=write_config,
    rows=rows,
    accepts=decoder,
    settle=settle_decoder(EMBEDDING),
)
