"""Parameters of each box of the diagram: of a single matrix or part, for one layer where a box stands in a layer.

`models.account` counts whole models by part. What is counted here, times its copies, is the account's.
"""

from models.config import LayerConfig, ModelConfig


def linear(d_in: int, d_out: int, bias: bool) -> int:
    """A linear map with or without bias."""
    return d_in * d_out + (d_out if bias else 0)


def norm(cfg: ModelConfig) -> int:
    """One norm over d_model: a weight, with "norm" among the biases also a bias."""
    return cfg.d_model * (2 if "norm" in cfg.biases else 1)


def stream_width(cfg: ModelConfig) -> int:
    """Width of what leaves the layers: a reversible stack ends in two streams side by side."""
    return 2 * cfg.d_model if cfg.block == "reversible" else cfg.d_model


def final_norm(cfg: ModelConfig) -> int:
    """The norm after the layers."""
    return norm(cfg) * stream_width(cfg) // cfg.d_model


# What goes in


def tok_embed(cfg: ModelConfig) -> int:
    """The embedding table."""
    return cfg.vocab_size * cfg.d_model


def patch_embed(cfg: ModelConfig) -> int:
    """The map of a patch's pixels."""
    return linear(cfg.image.n_channels * cfg.image.patch_size**2, cfg.d_model, cfg.image.bias)


def segment_embed(cfg: ModelConfig) -> int:
    """The table of segments."""
    return cfg.n_segments * cfg.d_model


def position(cfg: ModelConfig) -> int:
    """The trained tables of positions; other kinds have no parameters."""
    if cfg.position == "axial":
        return sum(length * width for length, width in zip(cfg.axial_shape, cfg.axial_dims, strict=True))
    if cfg.position == "relative":
        return cfg.relative_buckets * cfg.n_heads
    tables = {"learned": 1, "learned_2d": 2}.get(cfg.position, 0)
    return tables * cfg.n_positions * cfg.d_model if tables else 0


# Attention


def q_proj(cfg: ModelConfig) -> int:
    """The map to all query heads."""
    return linear(cfg.d_model, cfg.n_heads * cfg.d_head, "q" in cfg.biases)


def k_proj(cfg: ModelConfig) -> int:
    """The map to all key heads."""
    return linear(cfg.d_model, cfg.n_kv_heads * cfg.d_head, "k" in cfg.biases)


def v_proj(cfg: ModelConfig) -> int:
    """The map to all value heads."""
    return linear(cfg.d_model, cfg.n_kv_heads * cfg.d_head, "v" in cfg.biases)


def o_proj(cfg: ModelConfig) -> int:
    """The map from the joined heads back to the residual stream."""
    d_value = cfg.d_head if cfg.mla is None else cfg.mla.v_head_dim
    return linear(cfg.n_heads * d_value, cfg.d_model, "o" in cfg.biases)


def qk_norm(cfg: ModelConfig) -> int:
    """The norm of queries or that of keys: one weight for each dimension of a head."""
    return cfg.d_head if cfg.qk_norm else 0


def qk_proj(cfg: ModelConfig) -> int:
    """Attention by hashing: one map to queries that are keys, too."""
    return linear(cfg.d_model, cfg.n_heads * cfg.d_head, "q" in cfg.biases or "k" in cfg.biases)


def global_projs(cfg: ModelConfig) -> int:
    """Longformer: the maps of global tokens to queries, keys and values."""
    return sum(linear(cfg.d_model, cfg.n_heads * cfg.d_head, name in cfg.biases) for name in "qkv")


def q_down_proj(cfg: ModelConfig) -> int:
    """Latent attention: from the stream to the queries' latent."""
    return cfg.d_model * cfg.mla.q_lora_rank


def q_up_proj(cfg: ModelConfig) -> int:
    """Latent attention: to all query heads, from their latent or from the stream."""
    return (cfg.mla.q_lora_rank or cfg.d_model) * cfg.n_heads * cfg.d_head


def kv_down_proj(cfg: ModelConfig) -> int:
    """Latent attention: from the stream to the latent and the rotary key."""
    return cfg.d_model * (cfg.mla.kv_lora_rank + cfg.mla.qk_rope_head_dim)


def kv_up_proj(cfg: ModelConfig) -> int:
    """Latent attention: from the latent to all heads' keys and values."""
    return cfg.mla.kv_lora_rank * cfg.n_heads * (cfg.mla.qk_nope_head_dim + cfg.mla.v_head_dim)


def attention(cfg: ModelConfig, kind: str) -> int:
    """All maps inside the attention of a layer of this kind; norms inside it have boxes of their own."""
    if kind == "mla":
        down = q_down_proj(cfg) if cfg.mla.q_lora_rank else 0
        return down + q_up_proj(cfg) + kv_down_proj(cfg) + kv_up_proj(cfg) + o_proj(cfg)
    if kind == "lsh":
        return qk_proj(cfg) + v_proj(cfg) + o_proj(cfg)
    maps = q_proj(cfg) + k_proj(cfg) + v_proj(cfg) + o_proj(cfg)
    return maps + global_projs(cfg) if kind == "longformer" else maps


# Feed-forward


def widening(cfg: ModelConfig, width: int) -> int:
    """One widening map of a feed-forward layer (up, or gate)."""
    return linear(cfg.d_model, width, "ffn" in cfg.biases)


def narrowing(cfg: ModelConfig, width: int) -> int:
    """The map of a feed-forward layer back to d_model."""
    return linear(width, cfg.d_model, "ffn" in cfg.biases)


def dense(cfg: ModelConfig, width: int) -> int:
    """A feed-forward layer of this width, or an expert."""
    return widening(cfg, width) * (2 if cfg.ffn == "gated" else 1) + narrowing(cfg, width)


def router(cfg: ModelConfig) -> int:
    """What scores experts, or slots, with the noise's own matrix where there is one."""
    moe = cfg.moe
    scored = moe.n_experts * (moe.slots_per_expert if moe.mixing == "slots" else 1)
    return scored * cfg.d_model * (2 if moe.router == "noisy_topk" else 1)


def expert(cfg: ModelConfig) -> int:
    """One expert: a feed-forward layer, or a pair of low rank for each map of the common one."""
    if cfg.moe.expert == "lora":
        return (3 if cfg.ffn == "gated" else 2) * cfg.moe.lora_rank * (cfg.d_model + cfg.d_ff)
    return dense(cfg, cfg.moe.d_expert)


def shared_experts(cfg: ModelConfig) -> int:
    """What every token uses beside the chosen experts: one layer as wide as all shared experts."""
    return dense(cfg, cfg.moe.n_shared_experts * cfg.moe.d_expert) if cfg.moe.n_shared_experts else 0


def sparse(cfg: ModelConfig) -> int:
    """A whole layer of experts, the common layer that they change included."""
    base = dense(cfg, cfg.d_ff) if cfg.moe.expert == "lora" else 0
    return router(cfg) + cfg.moe.n_experts * expert(cfg) + shared_experts(cfg) + base


def feedforward(cfg: ModelConfig, is_sparse: bool) -> int:
    """The feed-forward part of one layer."""
    return sparse(cfg) if is_sparse else dense(cfg, cfg.d_ff)


# Heads


def lm_head(cfg: ModelConfig) -> int:
    """The head's own parameters: none of its matrix when that is the embedding's."""
    bias = cfg.vocab_size if "head" in cfg.biases else 0
    return bias + (0 if cfg.tie_embeddings else stream_width(cfg) * cfg.vocab_size)


def mlm_head(cfg: ModelConfig) -> int:
    """A layer with its norm, and the map to the vocabulary with a bias; its matrix may be the embedding's."""
    table = 0 if cfg.tie_embeddings else cfg.d_model * cfg.vocab_size
    return linear(cfg.d_model, cfg.d_model, True) + 2 * cfg.d_model + table + cfg.vocab_size


def pooler(cfg: ModelConfig) -> int:
    """The layer on the first token."""
    return linear(stream_width(cfg), stream_width(cfg), True)


def nsp_head(cfg: ModelConfig) -> int:
    """Two scores of the pooled vector."""
    return linear(stream_width(cfg), 2, True)


def classifier(cfg: ModelConfig) -> int:
    """A score for each class."""
    return linear(stream_width(cfg), cfg.n_classes, True)


NORMS_IN_LAYER = {"pre": 2, "post": 2, "sandwich": 4, "deepnorm": 2, "parallel": 1, "reversible": 2}


def inner_norms(cfg: ModelConfig) -> int:
    """Norms inside the attention of one layer: of queries and keys, or of the latents."""
    latents = (cfg.mla.q_lora_rank or 0) + cfg.mla.kv_lora_rank if cfg.mla is not None else 0
    return 2 * qk_norm(cfg) + latents


def further_token(cfg: ModelConfig, layer: LayerConfig) -> int:
    """One module of multi-token prediction: its projection and norms, and `layer`, which it has to itself."""
    projection = linear(2 * cfg.d_model, cfg.d_model, False)
    norms = (NORMS_IN_LAYER[cfg.block] + 3) * norm(cfg) + inner_norms(cfg)
    return projection + norms + attention(cfg, layer.attention) + feedforward(cfg, layer.sparse)
