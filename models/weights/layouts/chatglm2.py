"""ChatGLM2, ChatGLM3 and GLM-4 (Team GLM 2024), as their own code stores them; `transformers` has GLM-4 under other names.

They share model_type "chatglm" with ChatGLM-6B, which is another architecture.
"""

from collections.abc import Iterable, Mapping

from models.config import ModelConfig, RopeScaling
from models.weights.layouts.layout import Layout, demand, first_of, linear, settle_head
from models.weights.layouts.llama import kind_of_attention
from models.weights.tensors import Row

EMBEDDING = "transformer.embedding.word_embeddings.weight"
HEAD = "transformer.output_layer.weight"


def read_config(values: Mapping) -> ModelConfig:
    """config.json to `ModelConfig`; one half of each head turns."""
    demand(values, "rmsnorm", True)
    demand(values, "apply_residual_connection_post_layernorm", False)
    demand(values, "original_rope", True)
    demand(values, "post_layer_norm", True)
    n_heads = first_of(values, "num_attention_heads", default=32)
    n_kv_heads = n_heads
    if first_of(values, "multi_query_attention", default=False):
        n_kv_heads = first_of(values, "multi_query_group_num", default=1)
    d_head = first_of(values, "kv_channels", default=128)
    max_seq_len = first_of(values, "seq_length", default=2048)
    biased_everywhere = first_of(values, "add_bias_linear", default=False)
    qkv = ("q", "k", "v") if biased_everywhere or first_of(values, "add_qkv_bias", default=False) else ()
    return ModelConfig(
        vocab_size=first_of(values, "padded_vocab_size", default=65_024),
        max_seq_len=max_seq_len,
        d_model=first_of(values, "hidden_size", default=4096),
        n_layers=first_of(values, "num_layers", "num_hidden_layers", default=28),
        attention=kind_of_attention(n_heads, n_kv_heads),
        n_heads=n_heads,
        n_kv_heads=n_kv_heads,
        d_head=d_head,
        d_ff=first_of(values, "ffn_hidden_size", default=13_696),
        position="rotary",
        **_rope(values, max_seq_len),
        rope_layout="interleaved",
        rotary_dim=d_head // 2,
        norm="rmsnorm",
        norm_eps=first_of(values, "layernorm_epsilon", default=1e-5),
        ffn="gated",
        activation="silu",
        biases=(*qkv, "o", "ffn") if biased_everywhere else qkv,
        tie_embeddings=first_of(values, "tie_word_embeddings", default=False),
    )


def _rope(values: Mapping, max_seq_len: int) -> dict:
    """`rope_ratio` divides positions in ChatGLM2's code, and multiplies the base in that of its successors."""
    ratio = first_of(values, "rope_ratio", default=1)
    if ratio != 1 and "chatglm2" in str(values.get("_name_or_path")).lower():
        original = max(1, int(max_seq_len / ratio))
        return {"rope_scaling": RopeScaling(kind="linear", factor=ratio, original_max_seq_len=original)}
    return {"rope_theta": 10_000.0 * ratio}


def rows(cfg: ModelConfig) -> Iterable[Row]:
    """Every tensor of the file: q, k and v in blocks, gate before up."""
    yield Row(EMBEDDING, ("tok_embed.weight",))
    for i in range(cfg.n_layers):
        there, here = f"transformer.encoder.layers.{i}", f"layers.{i}"
        yield from linear(f"{there}.input_layernorm", f"{here}.attn_norm", False)
        qkv = tuple(f"{here}.attn.{name}_proj" for name in ("q", "k", "v"))
        yield from linear(f"{there}.self_attention.query_key_value", qkv, "q" in cfg.biases)
        yield from linear(f"{there}.self_attention.dense", f"{here}.attn.o_proj", "o" in cfg.biases)
        yield from linear(f"{there}.post_attention_layernorm", f"{here}.ffn_norm", False)
        gate_up = (f"{here}.ffn.gate_proj", f"{here}.ffn.up_proj")
        yield from linear(f"{there}.mlp.dense_h_to_4h", gate_up, "ffn" in cfg.biases)
        yield from linear(f"{there}.mlp.dense_4h_to_h", f"{here}.ffn.down_proj", "ffn" in cfg.biases)
    yield from linear("transformer.encoder.final_layernorm", "final_norm", False)
    if not cfg.tie_embeddings:
        yield Row(HEAD, ("lm_head.weight",))


CHATGLM2 = Layout(
    model_type="chatglm",
    prefix="transformer.",
    ignored=r"(transformer\.)?rotary_pos_emb\.inv_freq",
    read_config=read_config,
    rows=rows,
    recognises=lambda values: "ffn_hidden_size" in values or "padded_vocab_size" in values,
    settle=settle_head(EMBEDDING, HEAD),
    classes=("ForConditionalGeneration", "Model"),
)
