"""DeepSeekMoE, DeepSeek-V2 and V3 (Dai et al. 2024, DeepSeek-AI 2024): the first as its own code stores it, the others
as `DeepseekV2ForCausalLM` and `DeepseekV3ForCausalLM` do.

V2 and V3 have LLaMA's names around latent attention. A file of V3 goes on after the last layer with the module that
predicts one more token, which the class in `transformers` leaves out; here it is read where it is there.
"""

from collections.abc import Iterable, Mapping

from torch import Tensor, equal

from models.config import LatentAttention, MixtureOfExperts, ModelConfig
from models.weights.layouts import llama
from models.weights.layouts.experts import settle_experts, sparse_rows
from models.weights.layouts.heads import settle_decoder
from models.weights.layouts.layout import HEAD, Layout, Settled, demand, first_of, linear, needed
from models.weights.tensors import Row

LATENT_NAMES = {
    "q_proj": "q_proj",
    "q_a_proj": "q_down_proj",
    "q_a_layernorm": "q_norm",
    "q_b_proj": "q_up_proj",
    "kv_a_proj_with_mqa": "kv_down_proj",
    "kv_a_layernorm": "kv_norm",
    "kv_b_proj": "kv_up_proj",
    "o_proj": "o_proj",
}
COMPRESSED_QUERIES = ("q_a_proj", "q_a_layernorm", "q_b_proj")
BIAS_STEP = 0.001
"""How far V3's selection bias moves in a step of training (arXiv:2412.19437, section 4.2); no file says it."""

MOE_DEFAULTS = {"vocab_size": 102_400, "num_hidden_layers": 30, "first_k_dense_replace": 0}
V2_DEFAULTS = {
    "vocab_size": 102_400,
    "first_k_dense_replace": 0,
    "q_lora_rank": 1536,
    "n_routed_experts": 64,
    "n_shared_experts": 2,
    "moe_intermediate_size": 1407,
}
V3_DEFAULTS = {
    "vocab_size": 129_280,
    "hidden_size": 7168,
    "intermediate_size": 18_432,
    "num_hidden_layers": 61,
    "num_attention_heads": 128,
    "max_position_embeddings": 4096,
    "first_k_dense_replace": 3,
    "q_lora_rank": 1536,
    "n_routed_experts": 256,
    "n_shared_experts": 1,
    "num_experts_per_tok": 8,
    "moe_intermediate_size": 2048,
    "n_group": 8,
    "topk_group": 4,
}


def read_moe_config(values: Mapping) -> ModelConfig:
    """config.json of DeepSeekMoE, whose attention is LLaMA's."""
    values = {**MOE_DEFAULTS, **values}
    demand(values, "scoring_func", "softmax")
    normalise = first_of(values, "norm_topk_prob", default=False)
    every = first_of(values, "moe_layer_freq", default=1)
    moe = _read_experts(values, router="softmax_topk", normalise_weights=normalise, every=every, offset=0)
    return llama.read_config(values, moe=moe)


def read_v2_config(values: Mapping) -> ModelConfig:
    """config.json of DeepSeek-V2 and its Lite. As in the class, `norm_topk_prob` has no effect."""
    values = {**V2_DEFAULTS, **values}
    demand(values, "topk_method", "greedy", "group_limited_greedy")
    demand(values, "scoring_func", "softmax")
    scale = first_of(values, "routed_scaling_factor", default=1.0)
    options = {"router": "softmax_topk", "normalise_weights": False, "weight_scale": scale}
    if values.get("topk_method") == "group_limited_greedy":
        options |= {
            "n_groups": needed(values, "n_group"),
            "n_groups_per_token": needed(values, "topk_group"),
            "group_score": "max",
        }
    return _read_latent(values, "interleaved", _read_experts(values, **options))


def read_v3_config(values: Mapping) -> ModelConfig:
    """config.json of DeepSeek-V3; whether the further module is there is for `settle_v3` to see."""
    values = {**V3_DEFAULTS, **values}
    demand(values, "topk_method", "noaux_tc")
    demand(values, "scoring_func", "sigmoid")
    groups = {}
    if first_of(values, "n_group", default=1) > 1:
        groups = {"n_groups": values["n_group"], "n_groups_per_token": values["topk_group"], "group_score": "top2"}
    moe = _read_experts(
        values,
        router="sigmoid",
        normalise_weights=first_of(values, "norm_topk_prob", default=True),
        weight_scale=first_of(values, "routed_scaling_factor", default=2.5),
        bias_update_rate=BIAS_STEP,
        **groups,
    )
    layout = "interleaved" if first_of(values, "rope_interleave", default=True) else "half"
    cfg = _read_latent(values, layout, moe)
    return cfg.replace(mtp_depth=first_of(values, "num_nextn_predict_layers", "num_mtp_layers", default=1))


def _read_latent(values: Mapping, rope_layout: str, moe: MixtureOfExperts | None) -> ModelConfig:
    demand(values, "attention_bias", False)
    demand(values, "mlp_bias", False)
    mla = LatentAttention(
        q_lora_rank=values["q_lora_rank"],
        kv_lora_rank=first_of(values, "kv_lora_rank", default=512),
        qk_nope_head_dim=first_of(values, "qk_nope_head_dim", default=128),
        qk_rope_head_dim=first_of(values, "qk_rope_head_dim", default=64),
        v_head_dim=first_of(values, "v_head_dim", default=128),
    )
    return llama.read_config(
        values, attention="mla", n_kv_heads=None, d_head=None, mla=mla, rope_layout=rope_layout, moe=moe
    )


def _read_experts(values: Mapping, **options) -> MixtureOfExperts | None:
    first_dense, n_layers = values["first_k_dense_replace"], first_of(values, "num_hidden_layers", default=32)
    n_experts = first_of(values, "n_routed_experts", "num_experts")
    if n_experts is None or first_dense >= n_layers:
        return None
    return MixtureOfExperts(
        n_experts=n_experts,
        n_experts_per_token=needed(values, "num_experts_per_tok"),
        d_expert=needed(values, "moe_intermediate_size"),
        n_shared_experts=first_of(values, "n_shared_experts", default=0),
        first_dense=first_dense,
        aux_loss_coef=first_of(values, "router_aux_loss_coef", "aux_loss_alpha", default=0.0),
        **options,
    )


def write_v2_config(cfg: ModelConfig) -> dict:
    """The config.json of the DeepSeek-V2 closest to `cfg`."""
    values = _write_latent(cfg)
    if cfg.moe is None:
        return values
    limited = cfg.moe.n_groups is not None
    return {
        **values,
        "topk_method": "group_limited_greedy" if limited else "greedy",
        "n_group": cfg.moe.n_groups,
        "topk_group": cfg.moe.n_groups_per_token,
        "scoring_func": "softmax",
        "norm_topk_prob": False,
    }


def write_v3_config(cfg: ModelConfig) -> dict:
    """The config.json of the DeepSeek-V3 closest to `cfg`."""
    values = {
        **_write_latent(cfg),
        "rope_interleave": cfg.rope_layout == "interleaved",
        "num_nextn_predict_layers": cfg.mtp_depth,
    }
    if cfg.moe is None:
        return values
    return {
        **values,
        "topk_method": "noaux_tc",
        "n_group": cfg.moe.n_groups or 1,
        "topk_group": cfg.moe.n_groups_per_token or 1,
        "scoring_func": "sigmoid",
        "norm_topk_prob": cfg.moe.normalise_weights,
    }


def _write_latent(cfg: ModelConfig) -> dict:
    values, mla, moe = llama.write_config(cfg), cfg.mla, cfg.moe
    del values["head_dim"], values["attention_bias"], values["mlp_bias"]
    values |= {
        "q_lora_rank": mla.q_lora_rank,
        "kv_lora_rank": mla.kv_lora_rank,
        "qk_nope_head_dim": mla.qk_nope_head_dim,
        "qk_rope_head_dim": mla.qk_rope_head_dim,
        "v_head_dim": mla.v_head_dim,
        "first_k_dense_replace": cfg.n_layers,
    }
    if moe is None:
        return values
    return {
        **values,
        "first_k_dense_replace": moe.first_dense,
        "n_routed_experts": moe.n_experts,
        "n_shared_experts": moe.n_shared_experts,
        "num_experts_per_tok": moe.n_experts_per_token,
        "moe_intermediate_size": moe.d_expert,
        "routed_scaling_factor": moe.weight_scale,
        "aux_loss_alpha": moe.aux_loss_coef,
    }


def moe_rows(cfg: ModelConfig) -> Iterable[Row]:
    """Every tensor of a file of DeepSeekMoE."""
    return llama.rows(cfg, _moe_layer)


def v2_rows(cfg: ModelConfig) -> Iterable[Row]:
    """Every tensor of a file of DeepSeek-V2."""
    return llama.rows(cfg, lambda cfg, i: _latent_layer(cfg, f"model.layers.{i}", f"layers.{i}", i))


def v3_rows(cfg: ModelConfig) -> Iterable[Row]:
    """Every tensor of a file of DeepSeek-V3; its layers after the last are the modules of further tokens."""
    yield from llama.rows(
        cfg, lambda cfg, i: _latent_layer(cfg, f"model.layers.{i}", f"layers.{i}", i, selection_bias=True)
    )
    for depth in range(cfg.mtp_depth):
        index = cfg.n_layers + depth
        there, here = f"model.layers.{index}", f"mtp.{depth}"
        for name, ours in MTP_NAMES.items():
            yield Row(f"{there}.{name}.weight", (f"{here}.{ours}.weight",))
        yield from _latent_layer(cfg, there, f"{here}.block", index, selection_bias=True)


MTP_NAMES = {"enorm": "embed_norm", "hnorm": "hidden_norm", "eh_proj": "proj", "shared_head.norm": "final_norm"}


def _moe_layer(cfg: ModelConfig, index: int) -> Iterable[Row]:
    there, here = f"model.layers.{index}", f"layers.{index}"
    yield from llama.norms_and_attention(cfg, there, here)
    yield from _feed_forward(cfg, f"{there}.mlp", f"{here}.ffn", index)


def _latent_layer(cfg: ModelConfig, there: str, here: str, index: int, selection_bias: bool = False) -> Iterable[Row]:
    yield from linear(f"{there}.input_layernorm", f"{here}.attn_norm", False)
    absent = ("q_proj",) if cfg.mla.q_lora_rank is not None else COMPRESSED_QUERIES
    for name, ours in LATENT_NAMES.items():
        if name not in absent:
            yield Row(f"{there}.self_attn.{name}.weight", (f"{here}.attn.{ours}.weight",))
    yield from linear(f"{there}.post_attention_layernorm", f"{here}.ffn_norm", False)
    yield from _feed_forward(cfg, f"{there}.mlp", f"{here}.ffn", index, selection_bias)


def _feed_forward(cfg: ModelConfig, there: str, here: str, index: int, selection_bias: bool = False) -> Iterable[Row]:
    if cfg.layer(index).sparse:
        return sparse_rows(cfg, there, here, bias=selection_bias)
    return llama.gated_rows(there, here)


def settle_v3(tensors: Mapping[str, Tensor], cfg: ModelConfig, values: Mapping) -> Settled:
    """As many further modules as the file has; their copies of the embedding and of the head are left out."""
    depth = 0
    while f"model.layers.{cfg.n_layers + depth}.eh_proj.weight" in tensors:
        depth += 1
    tensors, cfg = settle_decoder(llama.EMBEDDING)(tensors, cfg.replace(mtp_depth=depth), values)
    for index in range(cfg.n_layers, cfg.n_layers + depth):
        for name, own in (("embed_tokens", llama.EMBEDDING), ("shared_head.head", HEAD)):
            copy, original = f"model.layers.{index}.{name}.weight", tensors.get(own, tensors[llama.EMBEDDING])
            if copy in tensors and tensors[copy].shape == original.shape and equal(tensors[copy], original):
                del tensors[copy]
    return tensors, cfg


def has_latent_attention(cfg: ModelConfig) -> bool:
    """Whether `cfg` is a decoder with latent attention, dense or with experts of their own."""
    own_experts = cfg.moe is None or cfg.moe.expert == "ffn"
    return cfg.structure == "decoder" and cfg.head == "lm" and cfg.mla is not None and own_experts


DEEPSEEK_MOE = Layout(
    model_type="deepseek",
    prefix="model.",
    ignored=llama.IGNORED,
    read_config=read_moe_config,
    rows=moe_rows,
    settle=settle_experts(settle_decoder(llama.EMBEDDING)),
)
DEEPSEEK_V2 = Layout(
    model_type="deepseek_v2",
    architecture=lambda cfg: "DeepseekV2ForCausalLM",
    prefix="model.",
    ignored=llama.IGNORED,
    read_config=read_v2_config,
    write_config=write_v2_config,
    rows=v2_rows,
    accepts=has_latent_attention,
    settle=settle_experts(settle_decoder(llama.EMBEDDING)),
)
DEEPSEEK_V3 = Layout(
    model_type="deepseek_v3",
    architecture=lambda cfg: "DeepseekV3ForCausalLM",
    prefix="model.",
    ignored=llama.IGNORED,
    read_config=read_v3_config,
    write_config=write_v3_config,
    rows=v3_rows,
    accepts=has_latent_attention,
    settle=settle_experts(settle_v3),
)
