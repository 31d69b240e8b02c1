"""Parts that GPT-2 and LLaMA do not use, against classes of `transformers` that do.

Each family is told as a configuration and a table of names; no code of the core knows it. What is covered: sliding
windows (Mistral), biases on q, k and v alone (Qwen2), query-key norms (Qwen3), ALiBi and an embedding norm (BLOOM),
post-norm without a final norm (GPT-1), parallel layers with interleaved partial rotary positions and a bias on the head
(GPT-J), sandwich norms (GLM-4), and one key-value head for all beside LayerNorm (GPT-BigCode).
"""

from collections.abc import Iterable

import pytest
import torch

import models
from models.weights.layouts.layout import linear
from models.weights.tensors import TRANSPOSED, Packing, Row, assign
from tests.parity.agreement import TOLERANCE, VOCABULARY, difference, ids
from tests.parity.conftest import randomise, transformers

SIZES = {"vocab_size": VOCABULARY, "max_seq_len": 64, "d_model": 48, "n_layers": 3, "n_heads": 4, "d_ff": 80}
LLAMA_LIKE = {
    "vocab_size": VOCABULARY,
    "max_position_embeddings": 64,
    "hidden_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 80,
    "rms_norm_eps": 1e-5,
    "pad_token_id": None,
    "bos_token_id": None,
    "eos_token_id": None,
    "tie_word_embeddings": False,
}
GQA = {"attention": "gqa", "n_kv_heads": 2}
GPT_SIZES = {"vocab_size": VOCABULARY, "n_positions": 64, "n_embd": 48, "n_layer": 3, "n_head": 4, "n_inner": 80}


def per_head(n_parts: int, n_heads: int) -> Packing:
    """Rows ordered head by head, and within a head q, then k, then v (BLOOM)."""

    def pack(tensors):
        heads = [tensor.unflatten(0, (n_heads, -1)) for tensor in tensors]  # (H, d_head, …)
        return torch.stack(heads, dim=1).flatten(0, 2)

    def unpack(packed, widths):
        return [part.flatten(0, 1) for part in packed.unflatten(0, (n_heads, n_parts, -1)).unbind(1)]

    return Packing(pack, unpack)


def layers(prefix: str, table: Iterable[tuple]) -> list[Row]:
    """Rows of all layers: (name there, name or names here, has a bias, packing)."""
    rows = []
    for i in range(SIZES["n_layers"]):
        for there, here, biased, *packing in table:
            names = [here] if isinstance(here, str) else here
            full_names = tuple(f"layers.{i}.{name}" for name in names)
            rows += linear(f"{prefix}.{i}.{there}", full_names, biased, *packing)
    return rows


def llama_rows(attention_biases: str = "", extra: tuple = ()) -> list[Row]:
    table = [(f"self_attn.{name}_proj", f"attn.{name}_proj", name in attention_biases) for name in "qkvo"]
    table += [("input_layernorm", "attn_norm", False), ("post_attention_layernorm", "ffn_norm", False)]
    table += [(f"mlp.{name}_proj", f"ffn.{name}_proj", False) for name in ("gate", "up", "down")]
    ends = [("model.embed_tokens", "tok_embed"), ("model.norm", "final_norm"), ("lm_head", "lm_head")]
    return layers("model.layers", [*table, *extra]) + [Row(f"{a}.weight", (f"{b}.weight",)) for a, b in ends]


def mistral():
    config = transformers.MistralConfig(**LLAMA_LIKE, sliding_window=7)
    cfg = models.ModelConfig(**SIZES, **GQA, mask_pattern=("sliding",), window=7)
    return transformers.MistralForCausalLM, config, cfg, llama_rows()


def qwen2():
    config = transformers.Qwen2Config(**LLAMA_LIKE)
    cfg = models.ModelConfig(**SIZES, **GQA, biases=("q", "k", "v"))
    return transformers.Qwen2ForCausalLM, config, cfg, llama_rows("qkv")


def qwen2_mixed():
    """The last layers slide, the first see everything: as a pattern as long as the depth."""
    config = transformers.Qwen2Config(**LLAMA_LIKE, use_sliding_window=True, sliding_window=5, max_window_layers=1)
    pattern = ("causal", "sliding", "sliding")
    cfg = models.ModelConfig(**SIZES, **GQA, biases=("q", "k", "v"), mask_pattern=pattern, window=5)
    return transformers.Qwen2ForCausalLM, config, cfg, llama_rows("qkv")


def qwen3():
    config = transformers.Qwen3Config(**LLAMA_LIKE, head_dim=20)
    cfg = models.ModelConfig(**SIZES, **GQA, d_head=20, qk_norm=True)
    extra = (("self_attn.q_norm", "attn.q_norm", False), ("self_attn.k_norm", "attn.k_norm", False))
    return transformers.Qwen3ForCausalLM, config, cfg, llama_rows(extra=extra)


def glm4():
    rope = {"rope_type": "default", "rope_theta": 10_000.0, "partial_rotary_factor": 0.5}
    config = transformers.Glm4Config(**LLAMA_LIKE, head_dim=12, attention_bias=True, rope_parameters=rope)
    cfg = models.ModelConfig(
        **SIZES, **GQA, block="sandwich", rotary_dim=6, rope_layout="interleaved", biases=("q", "k", "v")
    )
    table = [(f"self_attn.{name}_proj", f"attn.{name}_proj", name != "o") for name in "qkvo"]
    table += [("mlp.gate_up_proj", ("ffn.gate_proj", "ffn.up_proj"), False), ("mlp.down_proj", "ffn.down_proj", False)]
    table += [("input_layernorm", "attn_norm", False), ("post_self_attn_layernorm", "attn_post_norm", False)]
    table += [("post_attention_layernorm", "ffn_norm", False), ("post_mlp_layernorm", "ffn_post_norm", False)]
    ends = [("model.embed_tokens", "tok_embed"), ("model.norm", "final_norm"), ("lm_head", "lm_head")]
    rows = layers("model.layers", table) + [Row(f"{a}.weight", (f"{b}.weight",)) for a, b in ends]
    return transformers.Glm4ForCausalLM, config, cfg, rows


def bloom(n_heads: int = 4):
    sizes = {"vocab_size": VOCABULARY, "hidden_size": 48, "n_layer": 3, "n_head": n_heads}
    config = transformers.BloomConfig(**sizes, pad_token_id=None, bos_token_id=None, eos_token_id=None)
    cfg = models.ModelConfig(
        **{**SIZES, "d_ff": 192, "n_heads": n_heads},
        position="alibi",
        norm="layernorm",
        embed_norm=True,
        ffn="plain",
        activation="gelu_tanh",
        biases=("q", "k", "v", "o", "ffn", "norm"),
        tie_embeddings=True,
    )
    qkv = ("attn.q_proj", "attn.k_proj", "attn.v_proj")
    table = [
        ("self_attention.query_key_value", qkv, True, per_head(3, n_heads)),
        ("self_attention.dense", "attn.o_proj", True),
        ("input_layernorm", "attn_norm", True),
        ("post_attention_layernorm", "ffn_norm", True),
        ("mlp.dense_h_to_4h", "ffn.up_proj", True),
        ("mlp.dense_4h_to_h", "ffn.down_proj", True),
    ]
    rows = [Row("transformer.word_embeddings.weight", ("tok_embed.weight",)), *layers("transformer.h", table)]
    rows += [*linear("transformer.word_embeddings_layernorm", "embed_norm", True)]
    rows += [*linear("transformer.ln_f", "final_norm", True)]
    return transformers.BloomForCausalLM, config, cfg, rows


def gpt1():
    sizes = {name: value for name, value in GPT_SIZES.items() if name != "n_inner"}
    config = transformers.OpenAIGPTConfig(**sizes, pad_token_id=None, bos_token_id=None, eos_token_id=None)
    cfg = models.ModelConfig(
        **{**SIZES, "d_ff": 192},
        position="learned",
        norm="layernorm",
        block="post",
        final_norm=False,
        ffn="plain",
        activation="gelu_tanh",
        biases=("q", "k", "v", "o", "ffn", "norm"),
        tie_embeddings=True,
    )
    table = [
        ("attn.c_attn", ("attn.q_proj", "attn.k_proj", "attn.v_proj"), True, TRANSPOSED),
        ("attn.c_proj", "attn.o_proj", True, TRANSPOSED),
        ("ln_1", "attn_norm", True),
        ("ln_2", "ffn_norm", True),
        ("mlp.c_fc", "ffn.up_proj", True, TRANSPOSED),
        ("mlp.c_proj", "ffn.down_proj", True, TRANSPOSED),
    ]
    rows = [Row("transformer.tokens_embed.weight", ("tok_embed.weight",)), *layers("transformer.h", table)]
    rows += [Row("transformer.positions_embed.weight", ("position.weight",))]
    return transformers.OpenAIGPTLMHeadModel, config, cfg, rows


def gptj():
    config = transformers.GPTJConfig(
        **GPT_SIZES, rotary_dim=6, tie_word_embeddings=False, pad_token_id=None, bos_token_id=None, eos_token_id=None
    )
    cfg = models.ModelConfig(
        **SIZES,
        rotary_dim=6,
        rope_layout="interleaved",
        norm="layernorm",
        block="parallel",
        ffn="plain",
        activation="gelu_tanh",
        biases=("ffn", "norm", "head"),
    )
    table = [(f"attn.{name}_proj", f"attn.{name}_proj", False) for name in "qkv"]
    table += [("attn.out_proj", "attn.o_proj", False)]
    table += [("ln_1", "attn_norm", True), ("mlp.fc_in", "ffn.up_proj", True), ("mlp.fc_out", "ffn.down_proj", True)]
    rows = [Row("transformer.wte.weight", ("tok_embed.weight",)), *layers("transformer.h", table)]
    rows += [*linear("transformer.ln_f", "final_norm", True), *linear("lm_head", "lm_head", True)]
    return transformers.GPTJForCausalLM, config, cfg, rows


def gpt_bigcode():
    config = transformers.GPTBigCodeConfig(
        **GPT_SIZES, multi_query=True, pad_token_id=None, bos_token_id=None, eos_token_id=None
    )
    cfg = models.ModelConfig(
        **SIZES,
        attention="mqa",
        position="learned",
        norm="layernorm",
        ffn="plain",
        activation="gelu_tanh",
        biases=("q", "k", "v", "o", "ffn", "norm"),
        tie_embeddings=True,
    )
    table = [
        ("attn.c_attn", ("attn.q_proj", "attn.k_proj", "attn.v_proj"), True),
        ("attn.c_proj", "attn.o_proj", True),
        ("ln_1", "attn_norm", True),
        ("ln_2", "ffn_norm", True),
        ("mlp.c_fc", "ffn.up_proj", True),
        ("mlp.c_proj", "ffn.down_proj", True),
    ]
    rows = [Row("transformer.wte.weight", ("tok_embed.weight",)), *layers("transformer.h", table)]
    rows += [Row("transformer.wpe.weight", ("position.weight",)), *linear("transformer.ln_f", "final_norm", True)]
    return transformers.GPTBigCodeForCausalLM, config, cfg, rows


FAMILIES = {
    "mistral": mistral,
    "qwen2": qwen2,
    "qwen2-mixed-windows": qwen2_mixed,
    "qwen3": qwen3,
    "glm4": glm4,
    "bloom": bloom,
    "bloom-6-heads": lambda: bloom(6),
    "gpt1": gpt1,
    "gptj": gptj,
    "gpt-bigcode": gpt_bigcode,
}


@pytest.fixture(scope="module", params=FAMILIES)
def pair(request):
    cls, config, cfg, rows = FAMILIES[request.param]()
    config._attn_implementation = "eager"
    theirs, ours = randomise(cls(config)), models.build(cfg)
    twice = "lm_head.weight" if cfg.tie_embeddings else None
    assign(ours, {name: tensor for name, tensor in theirs.state_dict().items() if name != twice}, rows)
    return theirs, ours


@torch.no_grad()
def test_logits_and_attention(pair):
    theirs, ours = pair
    tokens = ids(2, 40)
    reference = theirs(tokens, output_attentions=True)
    with models.capture("*.attn.probs") as trace:
        assert difference(ours(tokens).logits, reference.logits) < TOLERANCE
    assert difference(ours(tokens).logits, reference.logits) < TOLERANCE
    for i, probs in enumerate(reference.attentions):
        assert difference(trace[f"layers.{i}.attn.probs"], probs) < TOLERANCE


@torch.no_grad()
@pytest.mark.parametrize("side", ["left", "right"])
def test_padded_batch(pair, side):
    theirs, ours = pair
    tokens, mask = ids(2, 24), torch.ones(2, 24, dtype=torch.long)
    mask[1, slice(0, 9) if side == "left" else slice(15, 24)] = 0
    is_token = mask.bool()
    mine, reference = (model(tokens, attention_mask=mask).logits for model in (ours, theirs))
    assert difference(mine[is_token], reference[is_token]) < TOLERANCE


@torch.no_grad()
def test_cached(pair):
    theirs, ours = pair
    tokens, cache = ids(1, 30), ours.new_cache()
    pieces = [ours(part, cache=cache).logits for part in tokens.split([11, 1, 1, 6, 1, 10], dim=1)]
    assert difference(torch.cat(pieces, dim=1), theirs(tokens).logits) < TOLERANCE
