"""The controls of Build's form: their names, in groups by what they change, and what each may hold.

A control is called as the field of `ModelConfig` that it sets; "moe.n_experts" is a field of the group `moe`. Some say more
than one field: `reads` whether an encoder reads text or an image, `experts` which mixture of experts there is, `norm_bias`
the entry "norm" of `biases`.
"""

from models.combinations import HEADS_OF, MASKS_OF
from models.config import CHOICES

NONE = "none"
TEXT, IMAGE = "text", "image"

GROUPS: dict[str, tuple[str, ...]] = {
    "structure": ("structure", "reads", "n_layers", "n_encoder_layers", "head", "n_classes", "pooler", "mtp_depth")
    + ("decoder_start_id",),
    "size": ("d_model", "vocab_size", "max_seq_len"),
    "attention": ("attention", "n_heads", "n_kv_heads", "d_head", "qk_norm", "scale_scores"),
    "latent": ("mla.kv_lora_rank", "mla.q_lora_rank", "mla.qk_nope_head_dim", "mla.qk_rope_head_dim")
    + ("mla.v_head_dim", "mla.norm_eps"),
    "mask": ("mask_pattern", "window", "sparse.dilation", "sparse.n_global", "sparse.block_size")
    + ("sparse.n_blocks_before", "sparse.n_random", "sparse.n_hashes", "sparse.n_buckets", "sparse.hash_block_size")
    + ("sparse.n_clusters", "sparse.seed", "sparse.like_transformers"),
    "position": ("position", "rope_theta", "rope_layout", "rotary_dim", "sinusoid_layout", "n_positions")
    + ("position_offset", "relative_buckets", "relative_max_distance", "axial_shape", "axial_dims", "rope_scaling.kind")
    + ("rope_scaling.factor", "rope_scaling.original_max_seq_len", "rope_scaling.low_freq_factor")
    + ("rope_scaling.high_freq_factor", "rope_scaling.beta_fast", "rope_scaling.beta_slow", "rope_scaling.mscale")
    + ("rope_scaling.mscale_all_dim", "rope_scaling.attention_factor"),
    "norm": ("norm", "block", "residual_alpha", "norm_eps", "norm_bias", "final_norm", "embed_norm"),
    "ffn": ("ffn", "activation", "d_ff"),
    "experts": ("experts", "moe.router", "moe.n_experts", "moe.n_experts_per_token", "moe.d_expert")
    + (
        "moe.n_shared_experts",
        "moe.slots_per_expert",
        "moe.lora_rank",
        "moe.lora_alpha",
        "moe.first_dense",
        "moe.every",
    )
    + ("moe.offset", "moe.capacity", "moe.n_groups", "moe.n_groups_per_token", "moe.group_score")
    + ("moe.normalise_weights", "moe.weight_scale", "moe.bias_update_rate", "moe.jitter", "moe.aux_loss_coef")
    + ("moe.z_loss_coef",),
    "rest": ("biases", "tie_embeddings", "scale_embeddings", "scale_logits", "n_segments"),
    "vision": ("image.image_size", "image.patch_size", "image.n_channels", "image.bias", "vision_tower.n_layers")
    + ("vision_tower.d_model", "vision_tower.n_heads", "vision_tower.d_ff", "d_projection", "text_end_id"),
}
FIELDS = tuple(name for group in GROUPS.values() for name in group)

FLAGS = ("pooler", "qk_norm", "scale_scores", "sparse.like_transformers", "norm_bias", "final_norm", "embed_norm")
FLAGS += ("moe.normalise_weights", "tie_embeddings", "scale_embeddings", "scale_logits", "image.bias")
TUPLES = ("axial_shape", "axial_dims")  # whole numbers, typed as a list
REALS = ("rope_theta", "residual_alpha", "norm_eps", "mla.norm_eps", "moe.lora_alpha", "moe.weight_scale")
REALS += ("moe.bias_update_rate", "moe.jitter", "moe.aux_loss_coef", "moe.z_loss_coef")
REALS += tuple(name for name in FIELDS if name.startswith("rope_scaling.") and not name.endswith(("kind", "seq_len")))
# Numbers that may be left empty, which is a choice of its own.
OPTIONAL = ("text_end_id", "mla.q_lora_rank", "sparse.block_size", "sparse.hash_block_size", "rope_scaling.mscale")
OPTIONAL += ("rope_scaling.mscale_all_dim", "rope_scaling.attention_factor", "moe.lora_alpha", "moe.capacity")
OPTIONAL += ("moe.n_groups", "moe.bias_update_rate")

# The choices by control, and the name under which the options of each have their words.
CHOICE_OF: dict[str, str] = {
    **{
        name: name for name in ("structure", "reads", "head", "attention", "position", "rope_layout", "sinusoid_layout")
    },
    **{name: name for name in ("norm", "block", "ffn", "activation", "experts", "mask_pattern")},
    "rope_scaling.kind": "rope_scaling",
    "moe.router": "router",
    "moe.group_score": "group_score",
}
# Masks may take turns; these pairs are offered, any other list may be typed.
PAIRS = ("causal,sliding", "sliding,causal")
OPTIONS: dict[str, tuple[str, ...]] = {
    **{name: CHOICES[choice] for name, choice in CHOICE_OF.items() if choice in CHOICES},
    "reads": (TEXT, IMAGE),
    "experts": (NONE, "routed", "merged", "slots", "lora"),
    "rope_scaling.kind": (NONE, *CHOICES["rope_scaling"]),
    "mask_pattern": (*CHOICES["mask"], *PAIRS),
    "biases": tuple(name for name in CHOICES["biases"] if name != "norm"),
}
TYPED = ("mask_pattern", "head")  # choices whose options depend on the structure, so that any may be sent

# The numbers of a sparse pattern that each mask uses.
SPARSE_OF: dict[str, tuple[str, ...]] = {
    "dilated": ("dilation",),
    "global": ("n_global",),
    "random": ("n_random", "seed"),
    "block_local": ("block_size", "n_blocks_before"),
    "longformer": ("n_global",),
    "bigbird": ("block_size", "n_random", "seed", "like_transformers"),
    "star": ("n_global",),
    "etc": ("n_global",),
    "lsh": ("n_hashes", "n_buckets", "block_size", "hash_block_size", "seed", "like_transformers"),
    "kmeans": ("n_clusters",),
}

Values = dict[str, object]


def elem_id(name: str) -> str:
    """The id that a control has on the page."""
    return f"build-{name.replace('_', '-').replace('.', '-')}"


def options_of(name: str, structure: object, reads: object) -> tuple[str, ...]:
    """The options of a choice that a structure takes: all of them, but for heads and masks."""
    if name == "head" and structure in HEADS_OF:
        heads = HEADS_OF[structure]
        return tuple(head for head in heads if not head.startswith("mlm")) if _is_image(structure, reads) else heads
    if name == "mask_pattern" and structure in MASKS_OF:
        taken = MASKS_OF[structure]
        return (*taken, *(pair for pair in PAIRS if set(pair.split(",")) <= set(taken)))
    return OPTIONS[name]


def reads_image(values: Values) -> bool:
    """Whether the form describes an encoder that reads an image instead of text."""
    return _is_image(values["structure"], values["reads"])


def masks_of(values: Values) -> tuple[str, ...]:
    """The entries of the mask pattern, as typed."""
    return tuple(part.strip() for part in str(values["mask_pattern"] or "").split(",") if part.strip())


def group_of(name: str) -> tuple[str, str]:
    """The group of the configuration that a control belongs to (empty for none), and its field there."""
    group, _, field = name.rpartition(".")
    return group, field


def _is_image(structure: object, reads: object) -> bool:
    return structure == "encoder" and reads == IMAGE
