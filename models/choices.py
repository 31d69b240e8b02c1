"""What a field may be: the names that a choice has, the range that a number has, and the checks of both.

No torch is imported here, so that presets, calculators and forms work without loading it.
"""

from math import isfinite
from numbers import Integral, Real

from models.errors import InputError

CHOICES: dict[str, tuple[str, ...]] = {
    "structure": ("decoder", "prefix_decoder", "encoder", "encoder_decoder", "two_towers"),
    "position": (
        "none",
        "learned",
        "sinusoidal",
        "rotary",
        "alibi",
        "relative",
        "learned_2d",
        "rotary_2d",
        "axial",
    ),
    "sinusoid_layout": ("interleaved", "half"),
    "rope_layout": ("half", "interleaved"),
    "rope_scaling": ("linear", "dynamic", "yarn", "llama3"),
    "norm": ("layernorm", "rmsnorm"),
    "block": ("pre", "post", "sandwich", "deepnorm", "parallel", "reversible"),
    "attention": ("mha", "gqa", "mqa", "mla"),
    "mask": (
        "causal",
        "sliding",
        "bidirectional",
        "prefix",
        "band",
        "global",
        "dilated",
        "random",
        "block_local",
        "longformer",
        "bigbird",
        "star",
        "etc",
        "lsh",
        "kmeans",
    ),
    "ffn": ("plain", "gated"),
    "activation": ("relu", "gelu", "gelu_tanh", "gelu_quick", "silu", "sigmoid"),
    "biases": ("q", "k", "v", "o", "ffn", "norm", "head"),
    "head": ("lm", "mlm", "mlm_nsp", "classification", "none"),
    "router": ("softmax_topk", "topk_softmax", "noisy_topk", "switch", "sigmoid", "dense"),
    "mixing": ("routed", "merged", "slots"),
    "expert": ("ffn", "lora"),
    "group_score": ("max", "top2"),
}

RANGES: dict[str, tuple[float, float]] = {
    "vocab_size": (0, 10_000_000),
    "max_seq_len": (1, 100_000_000),
    "d_model": (1, 1_000_000),
    "n_layers": (1, 10_000),
    "n_encoder_layers": (1, 10_000),
    "n_heads": (1, 10_000),
    "n_kv_heads": (1, 10_000),
    "d_head": (1, 100_000),
    "d_ff": (1, 10_000_000),
    "rotary_dim": (2, 100_000),
    "rope_theta": (1.0, 1e12),
    "norm_eps": (1e-20, 1.0),
    "window": (1, 100_000_000),
    "n_positions": (1, 100_000_000),
    "position_offset": (0, 1_000),
    "n_segments": (0, 1_000),
    "relative_buckets": (2, 10_000),
    "relative_max_distance": (2, 100_000_000),
    "residual_alpha": (1e-6, 1e6),
    "n_classes": (1, 10_000_000),
    "d_projection": (1, 1_000_000),
    "mtp_depth": (0, 16),
    "decoder_start_id": (0, 10_000_000),
    "text_end_id": (0, 10_000_000),
    # RopeScaling
    "factor": (1.0, 1e6),
    "original_max_seq_len": (1, 100_000_000),
    "low_freq_factor": (1e-6, 1e6),
    "high_freq_factor": (1e-6, 1e6),
    "beta_fast": (1e-6, 1e6),
    "beta_slow": (1e-6, 1e6),
    "mscale": (0.0, 100.0),
    "mscale_all_dim": (0.0, 100.0),
    "attention_factor": (1e-6, 1e6),
    # LatentAttention
    "q_lora_rank": (1, 1_000_000),
    "kv_lora_rank": (1, 1_000_000),
    "qk_nope_head_dim": (1, 100_000),
    "qk_rope_head_dim": (2, 100_000),
    "v_head_dim": (1, 100_000),
    # MixtureOfExperts
    "n_experts": (1, 100_000),
    "n_experts_per_token": (1, 100_000),
    "d_expert": (1, 10_000_000),
    "n_shared_experts": (0, 10_000),
    "first_dense": (0, 10_000),
    "every": (1, 10_000),
    "offset": (0, 10_000),
    "capacity": (1, 100_000_000),
    "weight_scale": (1e-6, 1e6),
    "n_groups": (1, 10_000),
    "n_groups_per_token": (1, 10_000),
    "bias_update_rate": (0.0, 1.0),
    "jitter": (0.0, 1.0),
    "aux_loss_coef": (0.0, 100.0),
    "z_loss_coef": (0.0, 100.0),
    "slots_per_expert": (1, 100_000),
    "lora_rank": (1, 100_000),
    "lora_alpha": (1e-6, 1e6),
    # SparsePattern
    "dilation": (1, 1_000_000),
    "n_global": (0, 1_000_000),
    "block_size": (1, 100_000_000),
    "n_blocks_before": (0, 1_000_000),
    "n_random": (0, 1_000_000),
    "seed": (0, 2**63 - 1),
    "n_hashes": (1, 64),
    "n_buckets": (2, 1_000_000),
    "hash_block_size": (1, 100_000_000),
    "n_clusters": (1, 1_000_000),
    # ImageInput
    "image_size": (1, 100_000),
    "patch_size": (1, 100_000),
    "n_channels": (1, 1_000),
}


def check_choice(choice: str, value: object, field: str | None = None) -> None:
    """Raises `InputError` unless `value` is one of `CHOICES[choice]`; `field` is the name to report, if it differs."""
    if value not in CHOICES[choice]:
        raise InputError("not_a_choice", field=field or choice, value=value, allowed=", ".join(CHOICES[choice]))


def check_integer(field: str, value: object, limits: tuple[float, float] | None = None) -> None:
    """Raises `InputError` unless `value` is a whole number within `limits` (default: the field's of `RANGES`)."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise InputError("not_an_integer", field=field, value=value)
    _check_range(field, value, limits)


def check_number(field: str, value: object, limits: tuple[float, float] | None = None) -> None:
    """Raises `InputError` unless `value` is a finite number within `limits` (default: the field's of `RANGES`)."""
    is_whole = isinstance(value, Integral)  # of any length, where `isfinite` would overflow
    if isinstance(value, bool) or not isinstance(value, Real) or not (is_whole or isfinite(value)):
        raise InputError("not_a_number", field=field, value=value)
    _check_range(field, value, limits)


def check_flag(field: str, value: object) -> None:
    """Raises `InputError` unless `value` is True or False."""
    if not isinstance(value, bool):
        raise InputError("not_a_flag", field=field, value=value)


def _check_range(field: str, value: float, limits: tuple[float, float] | None) -> None:
    low, high = RANGES[field] if limits is None else limits
    if not low <= value <= high:
        raise InputError("out_of_range", field=field, value=value, low=low, high=high)
