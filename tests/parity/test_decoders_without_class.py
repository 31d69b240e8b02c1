"""Decoders in the layout of their own code, whose architecture a class of `transformers` computes under other names."""

import json

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import models
from tests.parity.agreement import TOLERANCE, difference, ids
from tests.parity.conftest import randomise, transformers
from tests.parity.decoders import SIZES, glm, padded, qwen2, rope


def write(folder, tensors, **values):
    """A folder with these tensors, and a config.json of these settings."""
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(values))


@torch.no_grad()
def check(theirs, folder) -> models.ModelConfig:
    """Logits, of a padded batch too, attention, and decoding with a cache."""
    theirs.config._attn_implementation = "eager"
    ours = models.load(folder).model
    tokens, mask = padded("left")
    with models.capture("*.attn.probs") as trace:
        ours(tokens)
    reference = theirs(tokens, output_attentions=True)
    assert difference(ours(tokens).logits, reference.logits) < TOLERANCE
    for i, probs in enumerate(reference.attentions):
        assert difference(trace[f"layers.{i}.attn.probs"], probs) < TOLERANCE
    is_token = mask.bool()
    mine, wanted = ours(tokens, attention_mask=mask).logits, theirs(tokens, attention_mask=mask).logits
    assert difference(mine[is_token], wanted[is_token]) < TOLERANCE
    cache = ours.new_cache(batch=3)
    parts = [ours(part, cache=cache).logits for part in tokens.split([9, 1, 14], dim=1)]
    assert difference(torch.cat(parts, dim=1), reference.logits) < TOLERANCE
    return ours.config


def qkv(tensors, there, kind):
    return torch.cat([tensors[f"{there}.{name}_proj.{kind}"] for name in ("q", "k", "v")])


@pytest.mark.parametrize("prefix", ["transformer.", ""])
def test_qwen1(prefix, tmp_path):
    """q, k and v in one matrix, w2 for the gate and w1 for the other half; its `intermediate_size` counts both."""
    cls, config = qwen2(num_key_value_heads=4, **rope(theta=3e4))
    theirs = randomise(cls(config))
    source = theirs.state_dict()
    tensors = {f"{prefix}wte.weight": source["model.embed_tokens.weight"], "lm_head.weight": source["lm_head.weight"]}
    tensors |= {f"{prefix}ln_f.weight": source["model.norm.weight"], f"{prefix}rotary_emb.inv_freq": torch.ones(6)}
    for i in range(3):
        old, new = f"model.layers.{i}", f"{prefix}h.{i}"
        for kind in ("weight", "bias"):
            tensors[f"{new}.attn.c_attn.{kind}"] = qkv(source, f"{old}.self_attn", kind)
        for name, there in {
            "ln_1": "input_layernorm",
            "ln_2": "post_attention_layernorm",
            "attn.c_proj": "self_attn.o_proj",
            "mlp.w1": "mlp.up_proj",
            "mlp.w2": "mlp.gate_proj",
            "mlp.c_proj": "mlp.down_proj",
        }.items():
            tensors[f"{new}.{name}.weight"] = source[f"{old}.{there}.weight"]
    write(
        tmp_path,
        tensors,
        model_type="qwen",
        vocab_size=211,
        seq_length=64,
        max_position_embeddings=256,
        hidden_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        kv_channels=12,
        intermediate_size=2 * 76,
        rotary_emb_base=3e4,
        layer_norm_epsilon=1e-6,
        no_bias=True,
        use_dynamic_ntk=True,
        use_logn_attn=True,
    )
    cfg = check(theirs, tmp_path)
    assert (cfg.d_ff, cfg.max_seq_len, cfg.biases) == (76, 64, ("q", "k", "v"))


CHATGLM2 = {
    "model_type": "chatglm",
    "padded_vocab_size": 211,
    "seq_length": 64,
    "hidden_size": 48,
    "num_layers": 3,
    "num_attention_heads": 4,
    "kv_channels": 12,
    "ffn_hidden_size": 76,
    "multi_query_attention": True,
    "multi_query_group_num": 2,
    "add_qkv_bias": True,
    "add_bias_linear": False,
    "rmsnorm": True,
    "layernorm_epsilon": 1e-5,
    "original_rope": True,
    "tie_word_embeddings": False,
}


@pytest.mark.parametrize(
    ("settings", "changes"),
    [
        ({}, {}),
        ({"multi_query_group_num": 1}, {"num_key_value_heads": 1}),
        ({"multi_query_attention": False}, {"num_key_value_heads": 4}),
        ({"rope_ratio": 500}, rope(theta=5e6, partial_rotary_factor=0.5)),  # GLM-4-9B-Chat
        (
            {"rope_ratio": 4, "_name_or_path": "THUDM/chatglm2-6b-32k"},
            rope("linear", factor=4.0, partial_rotary_factor=0.5),
        ),
    ],
    ids=["chatglm2", "one key-value head", "all key-value heads", "glm-4-9b-chat", "chatglm2-6b-32k"],
)
def test_chatglm2_and_its_successors(settings, changes, tmp_path):
    """GLM-4's architecture, which `transformers` has under LLaMA's names."""
    cls, config = glm(rms_norm_eps=1e-5, **changes)
    theirs = randomise(cls(config))
    source = theirs.state_dict()
    tensors = {
        "transformer.embedding.word_embeddings.weight": source["model.embed_tokens.weight"],
        "transformer.rotary_pos_emb.inv_freq": torch.ones(3),
        "transformer.encoder.final_layernorm.weight": source["model.norm.weight"],
        "transformer.output_layer.weight": source["lm_head.weight"],
    }
    for i in range(3):
        old, new = f"model.layers.{i}", f"transformer.encoder.layers.{i}"
        for kind in ("weight", "bias"):
            tensors[f"{new}.self_attention.query_key_value.{kind}"] = qkv(source, f"{old}.self_attn", kind)
        for name, there in {
            "input_layernorm": "input_layernorm",
            "post_attention_layernorm": "post_attention_layernorm",
            "self_attention.dense": "self_attn.o_proj",
            "mlp.dense_h_to_4h": "mlp.gate_up_proj",
            "mlp.dense_4h_to_h": "mlp.down_proj",
        }.items():
            tensors[f"{new}.{name}.weight"] = source[f"{old}.{there}.weight"]
    write(tmp_path, tensors, **{**CHATGLM2, **settings})
    check(theirs, tmp_path)


class ResultOnly(nn.Module):
    """A mixture as a plain layer of LLaMA: of several results, the first."""

    def __init__(self, mixture: nn.Module):
        super().__init__()
        self.mixture = mixture

    def forward(self, x):
        result = self.mixture(x)
        return result[0] if isinstance(result, tuple) else result


@pytest.mark.parametrize("normalised", [False, True])
def test_deepseek_moe(normalised, tmp_path):
    """LLaMA with V2's mixture from the second layer on; weights that sum to one are computed by Qwen 3's mixture."""
    from transformers.models.deepseek_v2.modeling_deepseek_v2 import DeepseekV2Moe
    from transformers.models.qwen3_moe.modeling_qwen3_moe import Qwen3MoeSparseMoeBlock

    config = transformers.LlamaConfig(**{**SIZES, "num_key_value_heads": 4})
    theirs = transformers.LlamaForCausalLM(config)
    sizes = {"hidden_size": 48, "moe_intermediate_size": 20, "num_experts_per_tok": 3, "num_attention_heads": 4}
    for layer in theirs.model.layers[1:]:
        if normalised:
            mixture = Qwen3MoeSparseMoeBlock(transformers.Qwen3MoeConfig(**sizes, num_experts=8, norm_topk_prob=True))
        else:
            mixture = DeepseekV2Moe(transformers.DeepseekV2Config(**sizes, n_routed_experts=8, n_shared_experts=2))
        layer.mlp = ResultOnly(mixture)
    randomise(theirs)
    tensors = {}
    for name, tensor in theirs.state_dict().items():
        name = name.replace("mlp.mixture.", "mlp.")
        if "experts." in name and tensor.dim() == 3:
            layer = name.rpartition(".")[0]
            for e, matrix in enumerate(tensor):
                if name.endswith("gate_up_proj"):
                    tensors[f"{layer}.{e}.gate_proj.weight"], tensors[f"{layer}.{e}.up_proj.weight"] = matrix.split(20)
                else:
                    tensors[f"{layer}.{e}.down_proj.weight"] = matrix
        else:
            tensors[name] = tensor
    settings = {**SIZES, **sizes, "num_key_value_heads": 4}
    write(
        tmp_path,
        {name: tensor.clone() for name, tensor in tensors.items()},
        **settings,
        model_type="deepseek",
        n_routed_experts=8,
        n_shared_experts=None if normalised else 2,
        norm_topk_prob=normalised,
        first_k_dense_replace=1,
        moe_layer_freq=1,
        scoring_func="softmax",
        aux_loss_alpha=0.001,
        seq_aux=True,
    )
    cfg = check(theirs, tmp_path)
    assert (cfg.moe.first_dense, cfg.moe.aux_loss_coef) == (1, 0.001)
    assert models.load(tmp_path).model(ids(1, 5)).aux_loss > 0
