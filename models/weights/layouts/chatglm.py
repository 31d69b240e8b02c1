"""GLM (Du et al. 2021), GLM-130B (Zeng et al. 2022) and ChatGLM-6B, as their own code stores them.

All three see a prefix in both directions, share most names, and have no class in `transformers`. GLM-130B was released
without a config.json; the one that is read here has model_type "glm-130b" and the arguments of its launch script.
"""

from collections.abc import Iterable, Mapping

from models.config import ModelConfig
from models.weights.layouts.heads import head_rows
from models.weights.layouts.layout import Layout, demand, first_of, linear, settle_head
from models.weights.tensors import STACKED, Packing, Row, per_head

BIASES = ("q", "k", "v", "o", "ffn", "norm")
EMBEDDING = "transformer.word_embeddings.weight"
GLM_EMBEDDING = "glm.word_embeddings.weight"
DEFAULTS = {
    "vocab_size": 150_528,
    "hidden_size": 4096,
    "num_layers": 28,
    "num_attention_heads": 32,
    "inner_hidden_size": 16_384,
    "max_sequence_length": 2048,
}
GLM_10B_DEFAULTS = {
    "vocab_size": 50_304,
    "hidden_size": 4096,
    "num_layers": 48,
    "num_attention_heads": 64,
    "max_sequence_length": 1024,
}
GLM_130B_DEFAULTS = {
    "vocab_size": 150_528,
    "hidden_size": 12_288,
    "num_layers": 70,
    "num_attention_heads": 96,
    "inner_hidden_size": 32_768,
    "max_sequence_length": 2048,
}


def read_config(values: Mapping) -> ModelConfig:
    """config.json of ChatGLM-6B. Its code names a gated layer that it does not use."""
    values = {**DEFAULTS, **values}
    demand(values, "position_encoding_2d", True)
    return _read(values, block="deepnorm", position="rotary_2d", ffn="plain", activation="gelu_tanh")


def read_glm_130b_config(values: Mapping) -> ModelConfig:
    """The launch arguments of GLM-130B."""
    values = {**GLM_130B_DEFAULTS, **values}
    return _read(values, block="deepnorm", position="rotary", ffn="gated", activation="gelu")


def read_glm_10b_config(values: Mapping) -> ModelConfig:
    """config.json of GLM; each table of positions has a row more than the context, for the token that begins a block."""
    values = {"inner_hidden_size": 4 * first_of(values, "hidden_size", default=4096), **GLM_10B_DEFAULTS, **values}
    demand(values, "block_position_encoding", True)
    demand(values, "relative_encoding", False)
    demand(values, "output_predict", True)
    n_positions = values["max_sequence_length"] + 1
    return _read(
        values, block="pre", position="learned_2d", n_positions=n_positions, ffn="plain", activation="gelu_tanh"
    )


def _read(values: Mapping, **family) -> ModelConfig:
    return ModelConfig(
        structure="prefix_decoder",
        vocab_size=values["vocab_size"],
        max_seq_len=values["max_sequence_length"],
        d_model=values["hidden_size"],
        n_layers=values["num_layers"],
        n_heads=values["num_attention_heads"],
        d_ff=values["inner_hidden_size"],
        norm="layernorm",
        norm_eps=first_of(values, "layernorm_epsilon", default=1e-5),
        biases=BIASES,
        tie_embeddings=first_of(values, "tie_word_embeddings", default=True),
        **family,
    )


def rows(cfg: ModelConfig) -> Iterable[Row]:
    """Every tensor of ChatGLM-6B and GLM-130B; queries, keys and values lie head by head, linear half before gate."""
    yield Row(EMBEDDING, ("tok_embed.weight",))
    yield from _stack(cfg, "transformer", per_head(cfg.n_heads))
    yield from head_rows(cfg)


def glm_10b_rows(cfg: ModelConfig) -> Iterable[Row]:
    """Every tensor of GLM; queries, keys and values lie in blocks."""
    yield Row(GLM_EMBEDDING, ("tok_embed.weight",))
    yield Row("glm.transformer.position_embeddings.weight", ("position.weight",))
    yield Row("glm.transformer.block_position_embeddings.weight", ("position.block_weight",))
    yield from _stack(cfg, "glm.transformer", STACKED)
    yield from head_rows(cfg)


def _stack(cfg: ModelConfig, root: str, packing: Packing) -> Iterable[Row]:
    for i in range(cfg.n_layers):
        there, here = f"{root}.layers.{i}", f"layers.{i}"
        yield from linear(f"{there}.input_layernorm", f"{here}.attn_norm", True)
        qkv = tuple(f"{here}.attn.{name}_proj" for name in ("q", "k", "v"))
        yield from linear(f"{there}.attention.query_key_value", qkv, True, packing=packing)
        yield from linear(f"{there}.attention.dense", f"{here}.attn.o_proj", True)
        yield from linear(f"{there}.post_attention_layernorm", f"{here}.ffn_norm", True)
        ups = ("up_proj", "gate_proj") if cfg.ffn == "gated" else ("up_proj",)
        yield from linear(f"{there}.mlp.dense_h_to_4h", tuple(f"{here}.ffn.{name}" for name in ups), True)
        yield from linear(f"{there}.mlp.dense_4h_to_h", f"{here}.ffn.down_proj", True)
    yield from linear(f"{root}.final_layernorm", "final_norm", True)


IGNORED = r"(transformer\.)?layers\.\d+\.attention\.rotary_emb\.inv_freq"

CLASSES = ("ForConditionalGeneration", "Model")

CHATGLM = Layout(
    model_type="chatglm",
    prefix="transformer.",
    ignored=IGNORED,
    read_config=read_config,
    rows=rows,
    recognises=lambda values: "ffn_hidden_size" not in values and "padded_vocab_size" not in values,
    settle=settle_head(EMBEDDING),
    classes=CLASSES,
)
GLM_10B = Layout(
    model_type="glm",
    prefix="glm.",
    ignored=r"$^",
    read_config=read_glm_10b_config,
    rows=glm_10b_rows,
    recognises=lambda values: "block_position_encoding" in values,
    settle=settle_head(GLM_EMBEDDING),
    classes=CLASSES,
)
GLM_130B = Layout(
    model_type="glm-130b",
    prefix="transformer.",
    ignored=IGNORED,
    read_config=read_glm_130b_config,
    rows=rows,
    settle=settle_head(EMBEDDING),
    classes=CLASSES,
)
