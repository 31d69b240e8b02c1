"""Parameters of each box of the diagram, for one layer where a box stands in a layer.

`models.account` counts whole models by part; the diagram needs single matrices. Their sum is the account's.
"""

from models.config import ModelConfig


def linear(d_in: int, d_out: int, bias: bool) -> int:
    """A linear map with or without bias."""
    return d_in * d_out + (d_out if bias else 0)


def tok_embed(cfg: ModelConfig) -> int:
    """The embedding table."""
    return cfg.vocab_size * cfg.d_model


def position(cfg: ModelConfig) -> int:
    """The table of learned positions; no other kind of position has parameters."""
    return cfg.max_seq_len * cfg.d_model if cfg.position == "learned" else 0


def norm(cfg: ModelConfig) -> int:
    """One norm over d_model: a weight, with "norm" among the biases also a bias."""
    return cfg.d_model * (2 if "norm" in cfg.biases else 1)


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
    return linear(cfg.n_heads * cfg.d_head, cfg.d_model, "o" in cfg.biases)


def qk_norm(cfg: ModelConfig) -> int:
    """The norm of queries or that of keys: one weight for each dimension of a head."""
    return cfg.d_head if cfg.qk_norm else 0


def attention(cfg: ModelConfig) -> int:
    """Everything inside the attention of one layer."""
    return q_proj(cfg) + k_proj(cfg) + v_proj(cfg) + o_proj(cfg) + 2 * qk_norm(cfg)


def up_proj(cfg: ModelConfig) -> int:
    """One widening map of the feed-forward layer (up, or gate)."""
    return linear(cfg.d_model, cfg.d_ff, "ffn" in cfg.biases)


def down_proj(cfg: ModelConfig) -> int:
    """The map of the feed-forward layer back to d_model."""
    return linear(cfg.d_ff, cfg.d_model, "ffn" in cfg.biases)


def feedforward(cfg: ModelConfig) -> int:
    """The feed-forward layer of one layer."""
    return up_proj(cfg) * (2 if cfg.ffn == "gated" else 1) + down_proj(cfg)


def lm_head(cfg: ModelConfig) -> int:
    """The head's own parameters: none of its matrix when that is the embedding's."""
    bias = cfg.vocab_size if "head" in cfg.biases else 0
    return bias + (0 if cfg.tie_embeddings else cfg.d_model * cfg.vocab_size)


NORMS_IN_LAYER = {"pre": 2, "post": 2, "sandwich": 4, "parallel": 1}


def total(cfg: ModelConfig) -> int:
    """The sum of all boxes."""
    layer = attention(cfg) + feedforward(cfg) + NORMS_IN_LAYER[cfg.block] * norm(cfg)
    around = (cfg.embed_norm + cfg.final_norm) * norm(cfg)
    return tok_embed(cfg) + position(cfg) + around + cfg.n_layers * layer + lm_head(cfg)
