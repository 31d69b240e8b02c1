"""What goes together in a configuration and what does not: each rule one function, each refusal one sentence."""

from typing import TYPE_CHECKING

from models.choices import CHOICES
from models.errors import InputError

if TYPE_CHECKING:
    from models.config import ModelConfig

LONGEST_PATTERN = 128  # entries of a mask pattern

# Masks by the structures that take them; in a decoder, a pattern that looks both ways is cut at the query.
BOTH_WAYS = ("band", "global", "dilated", "random", "block_local", "lsh", "kmeans")
MASKS_OF: dict[str, tuple[str, ...]] = {
    "decoder": ("causal", "sliding", *BOTH_WAYS),
    "prefix_decoder": ("prefix",),
    "encoder": ("bidirectional", "longformer", "bigbird", "star", "etc", *BOTH_WAYS),
    "encoder_decoder": ("causal", "sliding", "band", "dilated", "block_local"),
    "two_towers": ("causal",),
}
HEADS_OF: dict[str, tuple[str, ...]] = {
    "decoder": ("lm", "classification", "none"),
    "prefix_decoder": ("lm", "none"),
    "encoder": ("mlm", "mlm_nsp", "classification", "none"),
    "encoder_decoder": ("lm",),
    "two_towers": ("none",),
}
OWN_ATTENTION = ("longformer", "lsh", "kmeans")  # masks that bring an attention of their own
NEEDS_WINDOW = ("sliding", "band", "dilated", "longformer", "kmeans", "star", "etc")
NEEDS_OF_SPARSE: dict[str, tuple[str, ...]] = {
    "global": ("n_global",),
    "random": ("n_random",),
    "block_local": ("block_size",),
    "bigbird": ("block_size",),
    "star": ("n_global",),
    "etc": ("n_global",),
    "lsh": ("n_hashes", "n_buckets"),
    "kmeans": ("n_clusters",),
}


def check_combinations(cfg: "ModelConfig") -> None:
    """Raises `InputError` for the first rule that `cfg` breaks; its fields are in range on their own."""
    for rule in (_inputs, _kv_heads, _latent, _positions, _rotary, _masks, _norms, _blocks, _heads, _structure):
        rule(cfg)


def _inputs(cfg: "ModelConfig") -> None:
    if cfg.image is None:
        if cfg.vocab_size < 1:
            raise InputError("out_of_range", field="vocab_size", value=cfg.vocab_size, low=1, high=10_000_000)
        return
    if cfg.structure != "encoder" or cfg.vocab_size != 0 or cfg.position != "learned":
        raise InputError("image_needs_encoder", field="image")
    if cfg.n_positions != cfg.image.n_patches + 1 or cfg.max_seq_len != cfg.n_positions:
        raise InputError("image_positions", field="max_seq_len", needed=cfg.image.n_patches + 1)
    for field in ("n_segments", "scale_embeddings"):
        if getattr(cfg, field):
            raise InputError("image_without_tokens", field=field)


def _kv_heads(cfg: "ModelConfig") -> None:
    heads = {"field": "n_kv_heads", "n_heads": cfg.n_heads, "n_kv_heads": cfg.n_kv_heads}
    if cfg.attention in ("mha", "mla") and cfg.n_kv_heads != cfg.n_heads:
        raise InputError("mha_needs_all_kv_heads", **heads)
    if cfg.attention == "mqa" and cfg.n_kv_heads != 1:
        raise InputError("mqa_needs_one_kv_head", **heads)
    if cfg.attention == "gqa":
        groups = [count for count in range(2, cfg.n_heads) if cfg.n_heads % count == 0]
        if not groups:
            raise InputError("gqa_impossible", **heads)
        if cfg.n_kv_heads not in groups:
            raise InputError("gqa_needs_groups", **heads, allowed=", ".join(map(str, groups)))


def _latent(cfg: "ModelConfig") -> None:
    if (cfg.attention == "mla") != (cfg.mla is not None):
        raise InputError("mla_goes_together", field="mla" if cfg.mla is None else "attention")
    if cfg.mla is None:
        return
    if cfg.position != "rotary":
        raise InputError("mla_needs_rotary", field="position", position=cfg.position)
    d_head = cfg.mla.qk_nope_head_dim + cfg.mla.qk_rope_head_dim
    if cfg.d_head != d_head or cfg.rotary_dim != cfg.mla.qk_rope_head_dim:
        raise InputError("mla_head_width", field="d_head", d_head=cfg.d_head, needed=d_head)
    if cfg.qk_norm:
        raise InputError("mla_without_qk_norm", field="qk_norm")
    if biased := [name for name in ("q", "k", "v") if name in cfg.biases]:
        raise InputError("mla_without_biases", field="biases", biases=", ".join(biased))


def _positions(cfg: "ModelConfig") -> None:
    if cfg.position == "sinusoidal" and cfg.d_model % 2:
        raise InputError("sinusoidal_needs_even_width", field="d_model", d_model=cfg.d_model)
    if cfg.n_positions is not None and cfg.n_positions < cfg.max_seq_len + cfg.position_offset:
        needed = cfg.max_seq_len + cfg.position_offset
        raise InputError("too_few_positions", field="n_positions", n_positions=cfg.n_positions, needed=needed)
    if cfg.position_offset and cfg.position != "learned":
        raise InputError("offset_needs_table", field="position_offset", position=cfg.position)
    if cfg.relative_buckets is not None and cfg.relative_max_distance <= cfg.relative_buckets // 2:
        raise InputError(
            "relative_distance_too_small",
            field="relative_max_distance",
            relative_max_distance=cfg.relative_max_distance,
            relative_buckets=cfg.relative_buckets,
        )
    if cfg.relative_buckets is not None and cfg.relative_buckets % 4:
        raise InputError("relative_buckets_quarters", field="relative_buckets", relative_buckets=cfg.relative_buckets)
    _axial(cfg)


def _axial(cfg: "ModelConfig") -> None:
    if (cfg.position == "axial") != (cfg.axial_shape is not None) or (cfg.axial_shape is None) != (
        cfg.axial_dims is None
    ):
        raise InputError("axial_goes_together", field="axial_shape")
    if cfg.axial_shape is None:
        return
    if len(cfg.axial_shape) != 2 or len(cfg.axial_dims) != 2:
        raise InputError("axial_needs_two", field="axial_shape")
    rows, columns = cfg.axial_shape
    if sum(cfg.axial_dims) != cfg.d_model or rows * columns < cfg.max_seq_len:
        raise InputError("axial_sizes", field="axial_dims", d_model=cfg.d_model, max_seq_len=cfg.max_seq_len)


def _rotary(cfg: "ModelConfig") -> None:
    if not cfg.has_rotary:
        for field in ("rotary_dim", "rope_scaling"):
            if getattr(cfg, field) is not None:
                raise InputError("only_for_rotary", field=field, position=cfg.position)
        return
    if cfg.rotary_dim > cfg.d_head:
        raise InputError("rotary_dim_too_large", field="rotary_dim", rotary_dim=cfg.rotary_dim, d_head=cfg.d_head)
    if cfg.rotary_dim % 2:
        raise InputError("rotary_dim_odd", field="rotary_dim", rotary_dim=cfg.rotary_dim)
    if cfg.position == "rotary_2d" and cfg.rotary_dim % 4:
        raise InputError("rotary_2d_quarters", field="rotary_dim", rotary_dim=cfg.rotary_dim)


def _masks(cfg: "ModelConfig") -> None:
    if not cfg.mask_pattern:
        raise InputError("mask_pattern_empty", field="mask_pattern", allowed=", ".join(CHOICES["mask"]))
    if (length := len(cfg.mask_pattern)) > LONGEST_PATTERN:
        raise InputError("mask_pattern_too_long", field="mask_pattern", length=length, limit=LONGEST_PATTERN)
    allowed = MASKS_OF[cfg.structure]
    for mask in cfg.mask_pattern:
        if mask not in allowed:
            raise InputError(
                "mask_not_in_structure",
                field="mask_pattern",
                value=mask,
                structure=cfg.structure,
                allowed=", ".join(allowed),
            )
    windowed = [mask for mask in cfg.mask_pattern if mask in NEEDS_WINDOW]
    if windowed and cfg.window is None:
        raise InputError("mask_needs_window", field="window", mask=windowed[0])
    if not windowed and cfg.window is not None:
        raise InputError("window_without_effect", field="window", window=cfg.window, masks=", ".join(NEEDS_WINDOW))
    _sparse_masks(cfg)


def _sparse_masks(cfg: "ModelConfig") -> None:
    needed = [(mask, field) for mask in cfg.mask_pattern for field in NEEDS_OF_SPARSE.get(mask, ())]
    for mask, field in needed:
        if cfg.sparse is None or not getattr(cfg.sparse, field):
            raise InputError("mask_needs_number", field=f"sparse.{field}", mask=mask)
    if "lsh" in cfg.mask_pattern and not (cfg.sparse.block_size or cfg.sparse.hash_block_size):
        raise InputError("mask_needs_number", field="sparse.block_size", mask="lsh")
    uses = {*NEEDS_OF_SPARSE, "dilated", "longformer", "bigbird"}
    if cfg.sparse is not None and not uses.intersection(cfg.mask_pattern):
        raise InputError("sparse_without_effect", field="sparse", masks=", ".join(sorted(uses)))
    if cfg.sparse is not None:
        if cfg.sparse.like_transformers and not {"bigbird", "lsh"}.intersection(cfg.mask_pattern):
            raise InputError("sparse_without_effect", field="sparse.like_transformers", masks="bigbird, lsh")
        if cfg.sparse.n_blocks_before and "block_local" not in cfg.mask_pattern:
            raise InputError("sparse_without_effect", field="sparse.n_blocks_before", masks="block_local")
    own = [mask for mask in cfg.mask_pattern if mask in OWN_ATTENTION]
    if own and (cfg.attention != "mha" or cfg.position in ("alibi", "relative") or cfg.qk_norm):
        raise InputError("mask_needs_plain_attention", field="mask_pattern", mask=own[0])
    if "lsh" in own and cfg.sparse.n_buckets % 2:
        raise InputError("buckets_odd", field="sparse.n_buckets", n_buckets=cfg.sparse.n_buckets)


def _norms(cfg: "ModelConfig") -> None:
    if cfg.norm == "rmsnorm" and "norm" in cfg.biases:
        raise InputError("norm_bias_needs_layernorm", field="biases")
    if cfg.qk_norm and cfg.norm != "rmsnorm":
        raise InputError("qk_norm_needs_rmsnorm", field="qk_norm", norm=cfg.norm)


def _blocks(cfg: "ModelConfig") -> None:
    if cfg.residual_alpha is not None and cfg.block != "deepnorm":
        raise InputError("alpha_needs_deepnorm", field="residual_alpha", block=cfg.block)
    if cfg.block in ("parallel", "reversible") and cfg.structure == "encoder_decoder":
        raise InputError("block_without_cross", field="block", block=cfg.block)
    if cfg.block == "reversible" and (cfg.tie_embeddings or cfg.mtp_depth or cfg.head in ("mlm", "mlm_nsp")):
        raise InputError("reversible_head", field="tie_embeddings")


def _heads(cfg: "ModelConfig") -> None:
    allowed = HEADS_OF[cfg.structure]
    if cfg.head not in allowed:
        raise InputError(
            "head_not_in_structure", field="head", value=cfg.head, structure=cfg.structure, allowed=", ".join(allowed)
        )
    if cfg.image is not None and cfg.head not in ("classification", "none"):
        raise InputError("head_not_in_structure", field="head", value=cfg.head, structure="image", allowed="none")
    if (cfg.head == "classification") != (cfg.n_classes is not None):
        raise InputError("classes_go_together", field="n_classes")
    if cfg.head not in ("lm", "mlm", "mlm_nsp"):
        for field in ("tie_embeddings", "scale_logits"):
            if getattr(cfg, field):
                raise InputError("needs_vocabulary_head", field=field, head=cfg.head)
    if "head" in cfg.biases and cfg.head != "lm":
        raise InputError("head_bias_needs_lm", field="biases", head=cfg.head)
    if cfg.pooler and cfg.structure != "encoder":
        raise InputError("pooler_needs_encoder", field="pooler")
    if cfg.head == "mlm_nsp" and not cfg.pooler:
        raise InputError("nsp_needs_pooler", field="pooler")
    if cfg.mtp_depth and (cfg.structure != "decoder" or cfg.head != "lm"):
        raise InputError("mtp_needs_decoder", field="mtp_depth")


def _structure(cfg: "ModelConfig") -> None:
    if cfg.embed_norm and cfg.structure == "encoder_decoder":
        raise InputError("embed_norm_of_one_stack", field="embed_norm")
    if cfg.n_encoder_layers is not None and cfg.structure != "encoder_decoder":
        raise InputError("only_for_encoder_decoder", field="n_encoder_layers", structure=cfg.structure)
    if cfg.decoder_start_id and (cfg.structure != "encoder_decoder" or cfg.decoder_start_id >= cfg.vocab_size):
        raise InputError("decoder_start", field="decoder_start_id", vocab_size=cfg.vocab_size)
    if cfg.structure == "encoder_decoder" and (cfg.position in ("learned_2d", "rotary_2d", "axial") or cfg.n_segments):
        raise InputError("encoder_decoder_positions", field="position", position=cfg.position)
    if cfg.structure == "encoder_decoder" and cfg.attention == "mla":
        raise InputError("encoder_decoder_attention", field="attention")
    two = cfg.structure == "two_towers"
    if two != (cfg.vision_tower is not None) or two != (cfg.d_projection is not None):
        raise InputError("towers_go_together", field="vision_tower" if cfg.vision_tower is None else "d_projection")
    if cfg.text_end_id is not None and (not two or cfg.text_end_id >= cfg.vocab_size):
        raise InputError("text_end", field="text_end_id", vocab_size=cfg.vocab_size)
    if two and "reversible" in (cfg.block, cfg.vision_tower.block):
        raise InputError("towers_not_reversible", field="block")
    if two and (cfg.vision_tower.image is None or cfg.vision_tower.head != "none"):
        raise InputError("vision_tower_reads_images", field="vision_tower")
    if cfg.moe is not None and cfg.moe.mixing != "routed" and cfg.structure != "encoder":
        raise InputError("mixing_sees_all", field="moe.mixing", mixing=cfg.moe.mixing, structure=cfg.structure)
    if cfg.moe is not None and cfg.moe.is_sparse_nowhere(max(cfg.n_layers, cfg.n_encoder_layers or 0)):
        raise InputError("no_sparse_layer", field="moe.first_dense", n_layers=cfg.n_layers)
