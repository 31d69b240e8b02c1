"""GLM-4 (Team GLM 2024) and GLM-4-0414, as `GlmForCausalLM` and `Glm4ForCausalLM` store them.

LLaMA's layout with gate and up in one matrix; only a part of each head turns, in pairs of neighbours. GLM-4-0414 has two
more norms a layer.
"""

from collections.abc import Iterable, Mapping

from models.config import ModelConfig
from models.weights.layouts import llama
from models.weights.layouts.heads import settle_decoder
from models.weights.layouts.layout import Layout, decoder, demand, first_of, linear
from models.weights.layouts.rope import read_rotary_dim, write_part
from models.weights.tensors import Row

DEFAULTS = {
    "vocab_size": 151_552,
    "hidden_size": 4096,
    "intermediate_size": 13_696,
    "num_hidden_layers": 40,
    "num_attention_heads": 32,
    "num_key_value_heads": 2,
    "head_dim": 128,
    "max_position_embeddings": 131_072,
    "rms_norm_eps": 1.5625e-7,
}
BIASES = ("q", "k", "v")


def read_config(values: Mapping, block: str = "pre") -> ModelConfig:
    """config.json to `ModelConfig`."""
    values = {**DEFAULTS, **values}
    demand(values, "mlp_bias", False)
    biased = first_of(values, "attention_bias", default=True)
    d_head = first_of(values, "head_dim", default=values["hidden_size"] // values["num_attention_heads"])
    return llama.read_config(
        values,
        block=block,
        rope_layout="interleaved",
        rotary_dim=read_rotary_dim(values, d_head, default=0.5),
        biases=BIASES if biased else (),
    )


def write_config(cfg: ModelConfig) -> dict:
    """The config.json of the GLM-4 closest to `cfg`."""
    values = llama.write_config(cfg)
    del values["mlp_bias"]
    return {
        **values,
        "attention_bias": set(BIASES) <= set(cfg.biases),
        "partial_rotary_factor": write_part(cfg),
        "pad_token_id": None,
    }


def rows(cfg: ModelConfig) -> Iterable[Row]:
    """Every tensor of the file."""
    return llama.rows(cfg, _layer)


def _layer(cfg: ModelConfig, index: int) -> Iterable[Row]:
    there, here = f"model.layers.{index}", f"layers.{index}"
    yield from llama.norms_and_attention(cfg, there, here)
    yield from linear(f"{there}.mlp.gate_up_proj", (f"{here}.ffn.gate_proj", f"{here}.ffn.up_proj"), False)
    yield from linear(f"{there}.mlp.down_proj", f"{here}.ffn.down_proj", False)
    if cfg.block == "sandwich":
        yield from linear(f"{there}.post_self_attn_layernorm", f"{here}.attn_post_norm", False)
        yield from linear(f"{there}.post_mlp_layernorm", f"{here}.ffn_post_norm", False)


GLM = Layout(
    model_type="glm",
    architecture=lambda cfg: "GlmForCausalLM",
    prefix="model.",
    ignored=llama.IGNORED,
    read_config=read_config,
    write_config=write_config,
    rows=rows,
    accepts=decoder,
    recognises=lambda values: "block_position_encoding" not in values,  # GLM-10B has the same name
    settle=settle_decoder(llama.EMBEDDING),
)
GLM4 = Layout(
    model_type="glm4",
    architecture=lambda cfg: "Glm4ForCausalLM",
    prefix="model.",
    ignored=llama.IGNORED,
    read_config=lambda values: read_config(values, block="sandwich"),
    write_config=write_config,
    rows=rows,
    accepts=decoder,
    settle=settle_decoder(llama.EMBEDDING),
)
