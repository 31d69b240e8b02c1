"""What differs between two configurations, in the terms of the diagram: which box a changed field belongs to."""

from models.config import CHOICES, ModelConfig
from playground.views.svg import Marks

_NORM = frozenset({"norm", "norm_eps", "bias_norm"})
_HEADS = frozenset({"attention", "n_heads", "n_kv_heads"})
_MLA = frozenset({"mla", "n_heads"})

# For each box of the diagram, the fields that it draws. A bias counts under the part that has it.
BOX_FIELDS: dict[str, frozenset[str]] = {
    "tokens": frozenset({"max_seq_len", "structure", "image", "decoder_start_id"}),
    "patch_embed": frozenset({"image", "d_model"}),
    "class_token": frozenset({"image", "d_model"}),
    "tok_embed": frozenset({"vocab_size", "d_model", "tie_embeddings", "scale_embeddings"}),
    "segment_embed": frozenset({"n_segments", "d_model"}),
    "position": frozenset(
        {"position", "n_positions", "position_offset", "sinusoid_layout", "axial_shape", "axial_dims"}
    ),
    "embed_norm": _NORM | {"embed_norm"},
    "layers": frozenset({"n_layers", "n_encoder_layers"}),
    "memory": frozenset({"structure", "n_encoder_layers"}),
    "norms": _NORM | {"block", "residual_alpha"},
    "attn": _HEADS
    | {"d_head", "qk_norm", "mask_pattern", "window", "position", "rope_theta", "rope_layout", "rotary_dim"}
    | {"rope_scaling", "bias_q", "bias_k", "bias_v", "bias_o", "scale_scores", "mla", "sparse"}
    | {"relative_buckets", "relative_max_distance"},
    "cross_attn": _HEADS | {"structure", "d_head", "scale_scores", "bias_q", "bias_k", "bias_v", "bias_o"},
    "ffn": frozenset({"ffn", "activation", "d_ff", "bias_ffn", "moe"}),
    "final_norm": _NORM | {"final_norm"},
    "lm_head": frozenset({"vocab_size", "tie_embeddings", "bias_head", "scale_logits", "head"}),
    "mlm_head": frozenset({"vocab_size", "tie_embeddings", "head", "activation", "norm_eps"}),
    "pooler": frozenset({"pooler"}),
    "pooled": frozenset({"pooler", "head"}),
    "nsp_head": frozenset({"head"}),
    "classifier": frozenset({"head", "n_classes"}),
    "hidden": frozenset({"head"}),
    "logits": frozenset({"head", "vocab_size"}),
    "mtp": frozenset({"mtp_depth"}),
    "text_projection": frozenset({"d_projection", "text_end_id"}),
    "vision_projection": frozenset({"d_projection", "vision_tower"}),
    "logit_scale": frozenset({"structure"}),
    "q_proj": frozenset({"n_heads", "d_head", "bias_q"}),
    "k_proj": frozenset({"n_kv_heads", "attention", "d_head", "bias_k"}),
    "v_proj": frozenset({"n_kv_heads", "attention", "d_head", "bias_v"}),
    "qk_norm": frozenset({"qk_norm"}),
    "rotary": frozenset({"position", "rope_theta", "rope_layout", "rotary_dim", "rope_scaling"}),
    "alibi": frozenset({"position"}),
    "relative": frozenset({"position", "relative_buckets", "relative_max_distance"}),
    "qk_proj": frozenset({"mask_pattern", "n_heads", "d_head"}),
    "hashing": frozenset({"mask_pattern", "sparse"}),
    "clusters": frozenset({"mask_pattern", "sparse", "window"}),
    "global_projs": frozenset({"mask_pattern", "bias_q", "bias_k", "bias_v"}),
    **dict.fromkeys(("q_down_proj", "q_up_proj", "q_norm", "k_rope", "kv_down_proj", "kv_norm", "kv_up_proj"), _MLA),
    "scores": frozenset({"scale_scores"}),
    "mask": frozenset({"mask_pattern", "window", "sparse", "structure"}),
    "mix": frozenset(),
    "o_proj": frozenset({"bias_o"}),
    "heads": _HEADS,
    "gate_proj": frozenset({"ffn", "d_ff", "bias_ffn"}),
    "up_proj": frozenset({"d_ff", "bias_ffn"}),
    "activation": frozenset({"activation"}),
    "down_proj": frozenset({"d_ff", "bias_ffn"}),
    **dict.fromkeys(("router", "experts", "shared", "base", "sum"), frozenset({"moe"})),
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
    if {cfg.position, other.position}.isdisjoint({"rotary", "rotary_2d", "alibi", "relative"}):
        fields_of["attn"] -= {"position"}
    if cfg.position == "learned":
        fields_of["position"] |= {"max_seq_len"}
    return frozenset(box for box, fields in fields_of.items() if fields & changed)


def _optional_parts(cfg: ModelConfig) -> frozenset[str]:
    """Boxes that only some configurations have."""
    there = {
        "position": cfg.position in ("learned", "sinusoidal", "learned_2d", "axial"),
        "rotary": cfg.has_rotary,
        "relative": cfg.position == "relative",
        "segment_embed": cfg.n_segments > 0,
        "alibi": cfg.position == "alibi",
        "embed_norm": cfg.embed_norm,
        "final_norm": cfg.final_norm,
        "qk_norm": cfg.qk_norm,
        "gate_proj": cfg.ffn == "gated",
    }
    return frozenset(box for box, present in there.items() if present)
