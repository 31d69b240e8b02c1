"""What differs between two configurations, in the terms of the diagram: which box a changed field belongs to."""

from models.config import CHOICES, ModelConfig
from playground.views.svg import Marks

_NORM = frozenset({"norm", "norm_eps", "bias_norm"})
_HEADS = frozenset({"attention", "n_heads", "n_kv_heads"})

# For each box of the diagram, the fields that it draws. A bias counts under the part that has it.
BOX_FIELDS: dict[str, frozenset[str]] = {
    "tokens": frozenset({"max_seq_len"}),
    "tok_embed": frozenset({"vocab_size", "d_model", "tie_embeddings"}),
    "position": frozenset({"position"}),
    "embed_norm": _NORM | {"embed_norm"},
    "layers": frozenset({"n_layers"}),
    "norms": _NORM | {"block"},
    "attn": _HEADS
    | {"d_head", "qk_norm", "mask_pattern", "window", "position", "rope_theta", "rope_layout", "rotary_dim"}
    | {"rope_scaling", "bias_q", "bias_k", "bias_v", "bias_o"},
    "ffn": frozenset({"ffn", "activation", "d_ff", "bias_ffn"}),
    "final_norm": _NORM | {"final_norm"},
    "lm_head": frozenset({"vocab_size", "tie_embeddings", "bias_head"}),
    "q_proj": frozenset({"n_heads", "d_head", "bias_q"}),
    "k_proj": frozenset({"n_kv_heads", "attention", "d_head", "bias_k"}),
    "v_proj": frozenset({"n_kv_heads", "attention", "d_head", "bias_v"}),
    "qk_norm": frozenset({"qk_norm"}),
    "rotary": frozenset({"position", "rope_theta", "rope_layout", "rotary_dim", "rope_scaling"}),
    "alibi": frozenset({"position"}),
    "scores": frozenset(),
    "mask": frozenset({"mask_pattern", "window"}),
    "mix": frozenset(),
    "o_proj": frozenset({"bias_o"}),
    "heads": _HEADS,
    "gate_proj": frozenset({"ffn", "d_ff", "bias_ffn"}),
    "up_proj": frozenset({"d_ff", "bias_ffn"}),
    "activation": frozenset({"activation"}),
    "down_proj": frozenset({"d_ff", "bias_ffn"}),
}


def differing(a: ModelConfig, b: ModelConfig) -> frozenset[str]:
    """The fields in which two configurations differ; `biases` as "bias_q", "bias_ffn", … one by one."""
    names = {name for name in a.__dataclass_fields__ if getattr(a, name) != getattr(b, name)} - {"biases"}
    biases = {f"bias_{name}" for name in CHOICES["biases"] if (name in a.biases) != (name in b.biases)}
    return frozenset(names | biases)


def marks(cfg: ModelConfig, base: ModelConfig, previous: ModelConfig) -> Marks:
    """Boxes of `cfg` that differ from `base` or are gone from it, and boxes that changed since `previous`."""
    return Marks(_boxes(cfg, base), _optional_parts(base) - _optional_parts(cfg), _boxes(cfg, previous))


def _boxes(cfg: ModelConfig, other: ModelConfig) -> frozenset[str]:
    changed = differing(cfg, other)
    fields_of = dict(BOX_FIELDS)
    if {cfg.position, other.position}.isdisjoint({"rotary", "alibi"}):
        fields_of["attn"] -= {"position"}
    if cfg.position == "learned":
        fields_of["position"] |= {"max_seq_len"}
    return frozenset(box for box, fields in fields_of.items() if fields & changed)


def _optional_parts(cfg: ModelConfig) -> frozenset[str]:
    """Boxes that only some configurations have."""
    there = {
        "position": cfg.position in ("learned", "sinusoidal"),
        "rotary": cfg.position == "rotary",
        "alibi": cfg.position == "alibi",
        "embed_norm": cfg.embed_norm,
        "final_norm": cfg.final_norm,
        "qk_norm": cfg.qk_norm,
        "gate_proj": cfg.ffn == "gated",
    }
    return frozenset(box for box, present in there.items() if present)
