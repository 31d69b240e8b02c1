"""Tiny decoders of `transformers`, several of each family, and what is compared between them and ours."""

import torch

from tests.parity.agreement import VOCABULARY, ids
from tests.parity.conftest import transformers

SIZES = {
    "vocab_size": VOCABULARY,
    "max_position_embeddings": 64,
    "hidden_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 76,
    "pad_token_id": None,
    "bos_token_id": None,
    "eos_token_id": None,
}
OLD_SIZES = {"vocab_size": VOCABULARY, "n_layer": 3, "n_head": 4, "bos_token_id": None, "eos_token_id": None}
LATENT = {
    "num_key_value_heads": 4,
    "q_lora_rank": 28,
    "kv_lora_rank": 20,
    "qk_nope_head_dim": 10,
    "qk_rope_head_dim": 8,
    "v_head_dim": 12,
    "n_routed_experts": 8,
    "num_experts_per_tok": 3,
    "moe_intermediate_size": 20,
    "first_k_dense_replace": 1,
}
YARN = {"rope_type": "yarn", "rope_theta": 1e4, "factor": 8.0, "original_max_position_embeddings": 16}


def case(name: str, sizes: dict, **changes):
    """(class, configuration) of a family called `name` in `transformers`."""
    architecture = "OpenAIGPTLMHeadModel" if name == "OpenAIGPT" else f"{name}ForCausalLM"
    return getattr(transformers, architecture), getattr(transformers, f"{name}Config")(**{**sizes, **changes})


def rope(kind: str = "default", theta: float = 1e4, **settings) -> dict:
    return {"rope_parameters": {"rope_type": kind, "rope_theta": theta, **settings}}


def gpt1(**changes):
    return case("OpenAIGPT", OLD_SIZES, **{"n_positions": 64, "n_embd": 48, **changes})


def bloom(**changes):
    return case("Bloom", OLD_SIZES, **{"hidden_size": 48, "seq_length": 64, **changes})


def llama(**changes):
    return case("Llama", SIZES, **changes)


def mistral(**changes):
    return case("Mistral", SIZES, **{"sliding_window": None, **changes})


def qwen2(**changes):
    return case("Qwen2", SIZES, **changes)


def qwen3(**changes):
    return case("Qwen3", SIZES, **{"head_dim": 22, **changes})


def qwen3_moe(**changes):
    experts = {"num_experts": 8, "num_experts_per_tok": 3, "moe_intermediate_size": 20}
    return case("Qwen3Moe", SIZES, **{**experts, "head_dim": 14, **changes})


def mixtral(**changes):
    return case("Mixtral", SIZES, **{"num_local_experts": 4, **changes})


def deepseek_v2(**changes):
    return case("DeepseekV2", SIZES, **{**LATENT, **changes})


def deepseek_v3(**changes):
    return case("DeepseekV3", SIZES, **{**LATENT, "n_group": 4, "topk_group": 2, **changes})


def glm(**changes):
    return case("Glm", SIZES, **{"head_dim": 12, **changes})


def glm4(**changes):
    return case("Glm4", SIZES, **{"head_dim": 12, **changes})


SLIDING = {"use_sliding_window": True, "sliding_window": 7}
CASES = {
    "gpt1": gpt1(),
    "gpt1 odd heads, relu, other eps": gpt1(n_embd=35, n_head=5, afn="relu", layer_norm_epsilon=1e-3),
    "gpt1 untied, silu": gpt1(tie_word_embeddings=False, afn="silu"),
    "bloom": bloom(),
    "bloom 6 heads of 7, untied": bloom(hidden_size=42, n_head=6, tie_word_embeddings=False),
    "bloom one head, other eps": bloom(n_head=1, layer_norm_epsilon=1e-3),
    "llama dynamic": llama(**rope("dynamic", factor=4.0)),
    "llama yarn": llama(**rope("yarn", factor=8.0, original_max_position_embeddings=16)),
    "llama yarn, own betas and attention factor": llama(
        **rope("yarn", factor=4.0, beta_fast=8.0, beta_slow=2.0, attention_factor=1.3), head_dim=22
    ),
    "mistral": mistral(),
    "mistral window": mistral(sliding_window=7, head_dim=18),
    "qwen2": qwen2(),
    "qwen2 tied, mqa, heads of 10": qwen2(
        hidden_size=60, num_attention_heads=6, num_key_value_heads=1, tie_word_embeddings=True
    ),
    "qwen2 windows from layer 1 on": qwen2(**SLIDING, max_window_layers=1),
    "qwen2 window in layers 0 and 2": qwen2(
        **SLIDING, layer_types=["sliding_attention", "full_attention", "sliding_attention"]
    ),
    "qwen2 yarn": qwen2(**rope("yarn", 1e6, factor=4.0, original_max_position_embeddings=16)),
    "qwen3": qwen3(**rope(theta=1e6)),
    "qwen3 tied, biases, window": qwen3(tie_word_embeddings=True, attention_bias=True, **SLIDING, max_window_layers=0),
    "qwen3 mha, other eps, linear": qwen3(num_key_value_heads=4, rms_norm_eps=1e-3, **rope("linear", factor=2.0)),
    "qwen3 moe": qwen3_moe(norm_topk_prob=True),
    "qwen3 moe, weights as they are": qwen3_moe(norm_topk_prob=False, num_experts_per_tok=1),
    "qwen3 moe, every second layer, window": qwen3_moe(decoder_sparse_step=2, num_hidden_layers=4, **SLIDING),
    "qwen3 moe, dense first": qwen3_moe(mlp_only_layers=[0], tie_word_embeddings=True, attention_bias=True),
    "mixtral": mixtral(),
    "mixtral 3 of 6, window, wide heads": mixtral(
        num_local_experts=6, num_experts_per_tok=3, sliding_window=9, head_dim=18, tie_word_embeddings=True
    ),
    "deepseek v2": deepseek_v2(topk_method="group_limited_greedy", n_group=4, topk_group=2, routed_scaling_factor=4.0),
    "deepseek v2 lite, yarn": deepseek_v2(
        q_lora_rank=None, n_shared_experts=2, rope_parameters={**YARN, "mscale": 0.707, "mscale_all_dim": 0.707}
    ),
    "deepseek v2 dense, mscale apart": deepseek_v2(
        first_k_dense_replace=3, rope_parameters={**YARN, "mscale": 1.0, "mscale_all_dim": 0.5}
    ),
    "deepseek v3": deepseek_v3(),
    "deepseek v3 yarn": deepseek_v3(rope_parameters={**YARN, "mscale": 1.0, "mscale_all_dim": 1.0}),
    "deepseek v3 weights as they are, one group": deepseek_v3(
        norm_topk_prob=False, n_group=1, topk_group=1, n_shared_experts=2, q_lora_rank=None, tie_word_embeddings=True
    ),
    "deepseek v3 half-split": deepseek_v3(rope_interleave=False, first_k_dense_replace=0),
    "glm": glm(),
    "glm tied, without biases, yarn": glm(
        tie_word_embeddings=True,
        attention_bias=False,
        rms_norm_eps=1e-5,
        **rope("yarn", factor=4.0, original_max_position_embeddings=16, partial_rotary_factor=0.5),
    ),
    "glm whole heads turn": glm(head_dim=10, num_key_value_heads=4, **rope(partial_rotary_factor=1.0)),
    "glm4": glm4(),
    "glm4 a third turns": glm4(head_dim=18, **rope(theta=1e6, partial_rotary_factor=1 / 3)),
}
SPARSE = [name for name in CASES if "moe" in name or "mixtral" in name or "deepseek" in name]


def label(name: str) -> str:
    return name.replace(" ", "-").replace(",", "")


def padded(side: str, length: int = 24) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and mask, (3, length), of three sequences of which two are shorter."""
    mask = torch.ones(3, length, dtype=torch.long)
    for row, padding in enumerate((0, 5, 13)):
        if padding:
            mask[row, slice(0, padding) if side == "left" else slice(length - padding, None)] = 0
    return ids(3, length), mask
