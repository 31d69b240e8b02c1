"""How many parameters each part of a model has, as formulas: one small function for each part.

A function takes the configuration and its sizes as named formulas, and returns the `Weights` of one copy of the part,
or None where the model has no such part. A new kind of part is a function and a line in a dict.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace

from models.config import ModelConfig
from models.formula import Formula, named, total

SIZES = ("vocab_size", "max_seq_len", "d_model", "n_layers", "n_heads", "n_kv_heads", "d_head", "d_ff")


@dataclass(frozen=True, slots=True)
class Weights:
    """The parameters of one copy of a part; `per_layer` is `n_layers` where every layer has its copy.

    `matrices` multiply every token's vector, `vectors` do not: biases, norms, and tables that are looked up.
    `borrowed` matrices multiply too, but belong to another part, which counts them.
    """

    matrices: Formula | None = None
    vectors: Formula | None = None
    borrowed: Formula | None = None
    per_layer: Formula | None = None

    @property
    def count(self) -> Formula:
        """All own parameters, in all copies; 0 for a part that has none."""
        own = total(term for term in (self.matrices, self.vectors) if term is not None)
        return own if self.per_layer is None else self.per_layer * own

    @property
    def multiplied(self) -> Formula | None:
        """The matrix entries that each token meets, in all copies; each costs a multiplication and an addition."""
        entries = self.borrowed if self.matrices is None else self.matrices
        return entries if entries is None or self.per_layer is None else self.per_layer * entries


def sizes_of(cfg: ModelConfig) -> SimpleNamespace:
    """The sizes of a configuration under their names."""
    return SimpleNamespace(**{name: named(name, getattr(cfg, name)) for name in SIZES})


def weights_of(cfg: ModelConfig) -> dict[str, Weights]:
    """The weights of every part that the model has, under the keys of `PARTS` and in their order."""
    sizes = sizes_of(cfg)
    counted = {key: count(cfg, sizes) for key, (_, count) in PARTS.items()}
    return {key: weights for key, weights in counted.items() if weights is not None}


def _tok_embed(cfg: ModelConfig, s) -> Weights:
    return Weights(vectors=s.vocab_size * s.d_model)


def _position(cfg: ModelConfig, s) -> Weights | None:
    if cfg.position == "none":
        return None
    return Weights(vectors=s.max_seq_len * s.d_model) if cfg.position == "learned" else Weights()


def _embed_norm(cfg: ModelConfig, s) -> Weights | None:
    return Weights(vectors=_norm(cfg, s)) if cfg.embed_norm else None


def _multi_head(cfg: ModelConfig, s) -> Weights:
    matrices = s.d_model * (s.n_heads + 2 * s.n_kv_heads) * s.d_head + s.n_heads * s.d_head * s.d_model
    biased_heads = [s.n_heads] if "q" in cfg.biases else []
    if n_biased_maps := ("k" in cfg.biases) + ("v" in cfg.biases):
        biased_heads.append(n_biased_maps * s.n_kv_heads if n_biased_maps > 1 else s.n_kv_heads)
    vectors = [total(biased_heads) * s.d_head] if biased_heads else []
    if "o" in cfg.biases:
        vectors.append(s.d_model)
    return Weights(matrices, total(vectors) if vectors else None, per_layer=s.n_layers)


def _plain_ffn(cfg: ModelConfig, s) -> Weights:
    biases = s.d_ff + s.d_model if "ffn" in cfg.biases else None
    return Weights(2 * s.d_model * s.d_ff, biases, per_layer=s.n_layers)


def _gated_ffn(cfg: ModelConfig, s) -> Weights:
    biases = 2 * s.d_ff + s.d_model if "ffn" in cfg.biases else None
    return Weights(3 * s.d_model * s.d_ff, biases, per_layer=s.n_layers)


def _norms(cfg: ModelConfig, s) -> Weights:
    n_norms = NORMS_PER_LAYER[cfg.block]
    vectors = named(str(n_norms), n_norms) * _norm(cfg, s)
    return Weights(vectors=vectors + 2 * s.d_head if cfg.qk_norm else vectors, per_layer=s.n_layers)


def _final_norm(cfg: ModelConfig, s) -> Weights | None:
    return Weights(vectors=_norm(cfg, s)) if cfg.final_norm else None


def _lm_head(cfg: ModelConfig, s) -> Weights:
    table = s.vocab_size * s.d_model
    bias = s.vocab_size if "head" in cfg.biases else None
    return Weights(vectors=bias, borrowed=table) if cfg.tie_embeddings else Weights(table, bias)


def _norm(cfg: ModelConfig, s) -> Formula:
    return s.d_model + s.d_model if "norm" in cfg.biases else s.d_model


ATTENTIONS: dict[str, Callable] = {"mha": _multi_head, "gqa": _multi_head, "mqa": _multi_head}
FEEDFORWARDS: dict[str, Callable] = {"plain": _plain_ffn, "gated": _gated_ffn}
NORMS_PER_LAYER: dict[str, int] = {"pre": 2, "post": 2, "sandwich": 4, "parallel": 1}

# Key of a part → the kind that gives its colour, and the function that counts it.
PARTS: dict[str, tuple[str, Callable]] = {
    "tok_embed": ("embedding", _tok_embed),
    "position": ("position", _position),
    "embed_norm": ("norm", _embed_norm),
    "attn": ("attention", lambda cfg, s: ATTENTIONS[cfg.attention](cfg, s)),
    "ffn": ("ffn", lambda cfg, s: FEEDFORWARDS[cfg.ffn](cfg, s)),
    "norms": ("norm", _norms),
    "final_norm": ("norm", _final_norm),
    "lm_head": ("embedding", _lm_head),
}
