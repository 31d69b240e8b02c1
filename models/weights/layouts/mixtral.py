"""Mixtral (Jiang et al. 2024), as `MixtralForCausalLM` stores it: Mistral with experts in every layer."""

from collections.abc import Iterable, Mapping

from models.config import MixtureOfExperts, ModelConfig
from models.weights.layouts import llama
from models.weights.layouts.experts import settle_experts, sparse_rows
from models.weights.layouts.heads import settle_decoder
from models.weights.layouts.layout import Layout, first_of, sparse_decoder
from models.weights.layouts.windows import all_layers, write_window
from models.weights.tensors import Row

BLOCK = "block_sparse_moe"
NAMES = {"w1": "gate_proj", "w3": "up_proj", "w2": "down_proj"}
DEFAULTS = {
    "num_key_value_heads": 8,
    "intermediate_size": 14_336,
    "max_position_embeddings": 131_072,
    "rms_norm_eps": 1e-5,
    "rope_theta": 1e6,
}


def read_config(values: Mapping) -> ModelConfig:
    """config.json to `ModelConfig`; `intermediate_size` is the width of an expert."""
    values = {**DEFAULTS, **values}
    moe = MixtureOfExperts(
        n_experts=first_of(values, "num_local_experts", "num_experts", default=8),
        n_experts_per_token=first_of(values, "num_experts_per_tok", default=2),
        d_expert=values["intermediate_size"],
        router="softmax_topk",
        jitter=first_of(values, "router_jitter_noise", default=0.0),
        aux_loss_coef=first_of(values, "router_aux_loss_coef", default=0.001),
    )
    return llama.read_config(values, moe=moe, **all_layers(values.get("sliding_window")))


def write_config(cfg: ModelConfig) -> dict:
    """The config.json of the Mixtral closest to `cfg`."""
    moe, values = cfg.moe, llama.write_config(cfg)
    del values["attention_bias"], values["mlp_bias"]
    return {
        **values,
        "sliding_window": write_window(cfg),
        "intermediate_size": moe.d_expert,
        "num_local_experts": moe.n_experts,
        "num_experts_per_tok": moe.n_experts_per_token,
        "router_jitter_noise": moe.jitter,
        "router_aux_loss_coef": moe.aux_loss_coef,
    }


def rows(cfg: ModelConfig) -> Iterable[Row]:
    """Every tensor of the file; of an expert's three maps, w1 is the gate, w3 goes up and w2 down."""
    return llama.rows(cfg, _layer)


def _layer(cfg: ModelConfig, index: int) -> Iterable[Row]:
    there, here = f"model.layers.{index}", f"layers.{index}"
    yield from llama.norms_and_attention(cfg, there, here)
    yield from sparse_rows(cfg, f"{there}.{BLOCK}", f"{here}.ffn", NAMES)


MIXTRAL = Layout(
    model_type="mixtral",
    architecture=lambda cfg: "MixtralForCausalLM",
    prefix="model.",
    ignored=llama.IGNORED,
    read_config=read_config,
    write_config=write_config,
    rows=rows,
    accepts=sparse_decoder,
    settle=settle_experts(settle_decoder(llama.EMBEDDING), BLOCK, NAMES),
)
