"""Qwen 2, 2.5 and 3 (Yang et al. 2024, 2025), dense and with experts, as their classes in `transformers` store them.

LLaMA's layout with biases on queries, keys and values (2, 2.5) or norms on each head's queries and keys (3).
"""

from collections.abc import Iterable, Mapping

from models.config import MixtureOfExperts, ModelConfig
from models.weights.layouts import llama
from models.weights.layouts.experts import settle_experts, sparse_rows
from models.weights.layouts.heads import settle_decoder
from models.weights.layouts.layout import Layout, decoder, first_of, refuse, sparse_decoder, sparse_rule
from models.weights.layouts.windows import all_layers, read_windows, write_window, write_windows
from models.weights.tensors import Row

BIASES = ("q", "k", "v")
DEFAULTS = {
    "vocab_size": 151_936,
    "max_position_embeddings": 32_768,
    "intermediate_size": 22_016,
    "num_key_value_heads": 32,
    "sliding_window": 4096,
    "max_window_layers": 28,
}
QWEN3_DEFAULTS = {**DEFAULTS, "head_dim": 128}
MOE_DEFAULTS = {
    **DEFAULTS,
    "hidden_size": 2048,
    "num_hidden_layers": 24,
    "num_key_value_heads": 4,
    "intermediate_size": 6144,
}


def read_qwen2_config(values: Mapping) -> ModelConfig:
    """config.json of Qwen 2 and 2.5."""
    values = {**DEFAULTS, **values}
    return llama.read_config(values, biases=BIASES, **_windows(values))


def read_qwen3_config(values: Mapping) -> ModelConfig:
    """config.json of a dense Qwen 3."""
    values = {**QWEN3_DEFAULTS, **values}
    return llama.read_config(values, qk_norm=True, **_windows(values))


def read_qwen3_moe_config(values: Mapping) -> ModelConfig:
    """config.json of a Qwen 3 with experts; refuses lists of dense layers that follow no rule."""
    values = {**MOE_DEFAULTS, **values}
    window = values["sliding_window"] if values.get("use_sliding_window") else None
    return llama.read_config(values, qk_norm=True, moe=_read_experts(values), **all_layers(window))


def _windows(values: Mapping) -> dict:
    return read_windows(values, first_of(values, "num_hidden_layers", default=32))


def _read_experts(values: Mapping) -> MixtureOfExperts | None:
    n_layers, step = values["num_hidden_layers"], first_of(values, "decoder_sparse_step", default=1)
    dense = first_of(values, "mlp_only_layers", default=[])
    n_experts = first_of(values, "num_experts", "num_local_experts", default=128)
    sparse = [index for index in range(n_layers) if n_experts and index not in dense and (index + 1) % step == 0]
    if not sparse:
        return None
    rule = sparse_rule(sparse, n_layers)
    if rule is None:
        refuse(values, "mlp_only_layers", dense, ("the first layers", "every n-th layer"))
    return MixtureOfExperts(
        n_experts=n_experts,
        n_experts_per_token=first_of(values, "num_experts_per_tok", default=8),
        d_expert=first_of(values, "moe_intermediate_size", default=768),
        **rule,
        router="softmax_topk",
        normalise_weights=first_of(values, "norm_topk_prob", default=False),
        aux_loss_coef=first_of(values, "router_aux_loss_coef", default=0.001),
    )


def write_qwen2_config(cfg: ModelConfig) -> dict:
    """The config.json of the Qwen 2 closest to `cfg`."""
    values = llama.write_config(cfg)
    del values["attention_bias"], values["mlp_bias"]
    return {**values, **write_windows(cfg)}


def write_qwen3_config(cfg: ModelConfig) -> dict:
    """The config.json of the dense Qwen 3 closest to `cfg`."""
    values = llama.write_config(cfg)
    del values["mlp_bias"]
    return {**values, **write_windows(cfg)}


def write_qwen3_moe_config(cfg: ModelConfig) -> dict:
    """The config.json of the Qwen 3 with experts closest to `cfg`."""
    moe, values = cfg.moe, llama.write_config(cfg)
    del values["mlp_bias"]
    return {
        **values,
        "use_sliding_window": write_window(cfg) is not None,
        "sliding_window": write_window(cfg),
        "num_experts": moe.n_experts,
        "num_experts_per_tok": moe.n_experts_per_token,
        "moe_intermediate_size": moe.d_expert,
        "norm_topk_prob": moe.normalise_weights,
        "router_aux_loss_coef": moe.aux_loss_coef,
        "decoder_sparse_step": 1,
        "mlp_only_layers": [index for index in range(cfg.n_layers) if not moe.is_sparse(index)],
    }


def moe_rows(cfg: ModelConfig) -> Iterable[Row]:
    """Every tensor of a file with experts in some layers."""
    return llama.rows(cfg, _moe_layer)


def _moe_layer(cfg: ModelConfig, index: int) -> Iterable[Row]:
    if cfg.moe is None or not cfg.moe.is_sparse(index):
        yield from llama.dense_layer(cfg, index)
        return
    there, here = f"model.layers.{index}", f"layers.{index}"
    yield from llama.norms_and_attention(cfg, there, here)
    yield from sparse_rows(cfg, f"{there}.mlp", f"{here}.ffn")


QWEN2 = Layout(
    model_type="qwen2",
    architecture=lambda cfg: "Qwen2ForCausalLM",
    prefix="model.",
    ignored=llama.IGNORED,
    read_config=read_qwen2_config,
    write_config=write_qwen2_config,
    rows=llama.rows,
    accepts=decoder,
    settle=settle_decoder(llama.EMBEDDING),
)
QWEN3 = Layout(
    model_type="qwen3",
    architecture=lambda cfg: "Qwen3ForCausalLM",
    prefix="model.",
    ignored=llama.IGNORED,
    read_config=read_qwen3_config,
    write_config=write_qwen3_config,
    rows=llama.rows,
    accepts=decoder,
    settle=settle_decoder(llama.EMBEDDING),
)
QWEN3_MOE = Layout(
    model_type="qwen3_moe",
    architecture=lambda cfg: "Qwen3MoeForCausalLM",
    prefix="model.",
    ignored=llama.IGNORED,
    read_config=read_qwen3_moe_config,
    write_config=write_qwen3_moe_config,
    rows=moe_rows,
    accepts=sparse_decoder,
    settle=settle_experts(settle_decoder(llama.EMBEDDING)),
)
