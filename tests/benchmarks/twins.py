"""One small model of each family, as `transformers` defines it: about 10M parameters, random weights, one seed."""

from collections.abc import Callable

import torch
import transformers
from transformers import PreTrainedModel

VOCABULARY, WIDTH, HEADS, LAYERS, CONTEXT = 8192, 256, 8, 8, 512
NO_MARKS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": None}
DECODER = {
    "vocab_size": VOCABULARY,
    "hidden_size": WIDTH,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "max_position_embeddings": CONTEXT,
    **NO_MARKS,
}
GATED = {**DECODER, "num_key_value_heads": 2, "intermediate_size": 704}
GPT = {
    "vocab_size": VOCABULARY,
    "n_positions": CONTEXT,
    "n_embd": WIDTH,
    "n_layer": LAYERS,
    "n_head": HEADS,
    **NO_MARKS,
}
ENCODER = {**DECODER, "intermediate_size": 1024}
SPARSE = {**GATED, "num_hidden_layers": 4, "moe_intermediate_size": 256, "num_experts_per_tok": 2}
LATENT = {
    "kv_lora_rank": 64,
    "q_lora_rank": 128,
    "qk_nope_head_dim": 32,
    "qk_rope_head_dim": 16,
    "v_head_dim": 32,
    "num_key_value_heads": HEADS,
    "n_routed_experts": 8,
    "n_shared_experts": 1,
    "first_k_dense_replace": 1,
    "topk_group": 1,
    "n_group": 1,
}
T5 = {
    "vocab_size": VOCABULARY,
    "d_model": WIDTH,
    "d_kv": 32,
    "num_heads": HEADS,
    "num_layers": 5,
    "num_decoder_layers": 5,
    "decoder_start_token_id": 0,
    **NO_MARKS,
}
MARIAN = {
    "vocab_size": VOCABULARY,
    "max_position_embeddings": CONTEXT,
    "d_model": WIDTH,
    "encoder_layers": 4,
    "decoder_layers": 4,
    "encoder_attention_heads": HEADS,
    "decoder_attention_heads": HEADS,
    "encoder_ffn_dim": 1024,
    "decoder_ffn_dim": 1024,
    "decoder_start_token_id": 0,
    "forced_eos_token_id": None,
    **NO_MARKS,
}
REFORMER = {
    "vocab_size": VOCABULARY,
    "hidden_size": WIDTH,
    "attention_head_size": 32,
    "num_attention_heads": HEADS,
    "feed_forward_size": 1024,
    "attn_layers": ["local", "lsh"] * 3,
    "local_attn_chunk_length": 64,
    "lsh_attn_chunk_length": 64,
    "num_buckets": 16,
    "num_hashes": 1,
    "hash_seed": 0,
    "axial_pos_shape": [16, 32],
    "axial_pos_embds_dim": [64, 192],
    "max_position_embeddings": CONTEXT,
    "is_decoder": True,
    **NO_MARKS,
}
TOWER = {"hidden_size": WIDTH, "intermediate_size": 1024, "num_attention_heads": HEADS}
CAPTION = {**TOWER, **NO_MARKS, "eos_token_id": 2, "vocab_size": VOCABULARY, "max_position_embeddings": 128}
CLIP = {
    "text_config": {**CAPTION, "num_hidden_layers": 5},
    "vision_config": {**TOWER, "num_hidden_layers": 5, "image_size": 128, "patch_size": 16},
    "projection_dim": WIDTH,
}
VIT = {**TOWER, "num_hidden_layers": 12, "image_size": 176, "patch_size": 16}

Config = Callable[[], transformers.PreTrainedConfig]

TWINS: dict[str, tuple[str, Config]] = {
    "Transformer (Marian)": ("MarianMTModel", lambda: transformers.MarianConfig(**MARIAN)),
    "GPT-1": ("OpenAIGPTLMHeadModel", lambda: transformers.OpenAIGPTConfig(**GPT)),
    "GPT-2": ("GPT2LMHeadModel", lambda: transformers.GPT2Config(**GPT)),
    "BERT": ("BertForPreTraining", lambda: transformers.BertConfig(**ENCODER)),
    "Longformer": (
        "LongformerForMaskedLM",
        lambda: transformers.LongformerConfig(**ENCODER, attention_window=[32] * LAYERS),
    ),
    "BigBird": (
        "BigBirdForMaskedLM",
        lambda: transformers.BigBirdConfig(**ENCODER, block_size=16, num_random_blocks=1),
    ),
    "Reformer": ("ReformerModelWithLMHead", lambda: transformers.ReformerConfig(**REFORMER)),
    "T5 1.0": ("T5ForConditionalGeneration", lambda: transformers.T5Config(**T5, d_ff=1024)),
    "T5 1.1": (
        "T5ForConditionalGeneration",
        lambda: transformers.T5Config(**T5, d_ff=640, feed_forward_proj="gated-gelu", tie_word_embeddings=False),
    ),
    "Switch": (
        "SwitchTransformersForConditionalGeneration",
        lambda: transformers.SwitchTransformersConfig(
            **{**T5, "num_layers": 4, "num_decoder_layers": 4},
            d_ff=512,
            num_experts=8,
            num_sparse_encoder_layers=2,
            num_sparse_decoder_layers=2,
            expert_capacity=64,
        ),
    ),
    "BLOOM": (
        "BloomForCausalLM",
        lambda: transformers.BloomConfig(
            vocab_size=VOCABULARY, hidden_size=WIDTH, n_layer=LAYERS, n_head=HEADS, **NO_MARKS
        ),
    ),
    "GLM-4-9B": ("GlmForCausalLM", lambda: transformers.GlmConfig(**GATED, head_dim=32, attention_bias=True)),
    "GLM-4-0414": ("Glm4ForCausalLM", lambda: transformers.Glm4Config(**GATED, head_dim=32, attention_bias=True)),
    "LLaMA": ("LlamaForCausalLM", lambda: transformers.LlamaConfig(**GATED)),
    "Qwen2": ("Qwen2ForCausalLM", lambda: transformers.Qwen2Config(**GATED)),
    "Qwen3": ("Qwen3ForCausalLM", lambda: transformers.Qwen3Config(**GATED, head_dim=32)),
    "Qwen3-MoE": ("Qwen3MoeForCausalLM", lambda: transformers.Qwen3MoeConfig(**SPARSE, head_dim=32, num_experts=8)),
    "Mixtral": (
        "MixtralForCausalLM",
        lambda: transformers.MixtralConfig(
            **{**GATED, "num_hidden_layers": 4, "intermediate_size": 256}, num_local_experts=8, num_experts_per_tok=2
        ),
    ),
    "DeepSeek-V2": (
        "DeepseekV2ForCausalLM",
        lambda: transformers.DeepseekV2Config(**{**SPARSE, **LATENT}, topk_method="group_limited_greedy"),
    ),
    "DeepSeek-V3": ("DeepseekV3ForCausalLM", lambda: transformers.DeepseekV3Config(**{**SPARSE, **LATENT})),
    "ViT": ("ViTForImageClassification", lambda: transformers.ViTConfig(**VIT)),
    "CLIP": ("CLIPModel", lambda: transformers.CLIPConfig(**CLIP)),
}
"""Family → the class of `transformers` and a maker of its configuration."""


def twin(family: str) -> PreTrainedModel:
    """The family's model of `transformers`, in eval mode, as it is by default (fused attention where it has it)."""
    name, config = TWINS[family]
    torch.manual_seed(0)
    return getattr(transformers, name)(config()).eval()
