"""One configuration for every architecture: what a model is, as plain checked data.

`ModelConfig` says everything that distinguishes one architecture from another; nothing in the code depends on a model's
name. This file imports no torch, so that presets, calculators and forms work without loading it.
"""

from dataclasses import dataclass, fields, replace

from models.choices import CHOICES, RANGES, check_choice, check_flag, check_integer, check_number
from models.combinations import LONGEST_PATTERN, NEEDS_WINDOW, OWN_ATTENTION, check_combinations
from models.config_groups import GROUPS, ImageInput, LatentAttention, MixtureOfExperts, RopeScaling, SparsePattern
from models.errors import InputError
from models.nearest import nearest

__all__ = [
    "CHOICES",
    "GROUPS",
    "LONGEST_PATTERN",
    "RANGES",
    "ImageInput",
    "LatentAttention",
    "LayerConfig",
    "MixtureOfExperts",
    "ModelConfig",
    "RopeScaling",
    "SparsePattern",
]

ROTARY = ("rotary", "rotary_2d")
CHOSEN = ("structure", "position", "norm", "block", "attention", "ffn", "activation", "head")
REQUIRED = ("vocab_size", "max_seq_len", "d_model", "n_layers", "n_heads", "d_ff")
OPTIONAL_COUNTS = (
    "n_encoder_layers",
    "n_kv_heads",
    "d_head",
    "rotary_dim",
    "window",
    "n_positions",
    "relative_buckets",
    "relative_max_distance",
    "n_classes",
    "d_projection",
    "text_end_id",
)
COUNTS = ("position_offset", "n_segments", "mtp_depth", "decoder_start_id")
FLAGS = (
    "final_norm",
    "embed_norm",
    "qk_norm",
    "tie_embeddings",
    "scale_scores",
    "scale_embeddings",
    "scale_logits",
    "pooler",
)
OF_POSITION = {
    "rope_theta": ROTARY,
    "rope_layout": ROTARY,
    "sinusoid_layout": ("sinusoidal",),
    "relative_buckets": ("relative",),
    "relative_max_distance": ("relative",),
    "n_positions": ("learned", "learned_2d"),
}
"""Details that some kinds of position have, and are None with any other."""


@dataclass(frozen=True)
class LayerConfig:
    """What may differ from layer to layer.

    `attention` is the kind that the layer runs: the model's, or the one that its mask brings ("longformer", "lsh",
    "kmeans"). `causal` says that no query sees a later key, `sparse` that the feed-forward layer has experts.
    """

    index: int
    mask: str
    window: int | None
    attention: str = "mha"
    causal: bool = True
    sparse: bool = False


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """A transformer, described completely; raises `InputError` naming field, value and what is allowed.

    Sizes are counts. `None` asks for the usual derived value: `n_kv_heads` = `n_heads`, `d_head` = `d_model / n_heads`,
    `rotary_dim` = `d_head`, `n_positions` = `max_seq_len`, `n_encoder_layers` = `n_layers`, `residual_alpha` =
    √(2·n_layers). `mask_pattern` repeats along the depth (GPT-3: `("causal", "sliding")`). `biases` names the linear maps
    and norms that have one: "ffn" covers all maps of the feed-forward layer, "norm" all LayerNorms.

    structure: "encoder_decoder" has `n_layers` in the decoder, which is what `mask_pattern` describes, and
    `n_encoder_layers` that see everything; "two_towers" reads text as described here and images as `vision_tower` does,
    both projected to `d_projection`; a text is read at the first `text_end_id` in it (None: at the token with the highest
    id, which ends texts in the released models). `vocab_size` is 0 for a model that reads images only.

    `position_offset` is added to every position before a learned table of `n_positions` rows is read. `n_segments` counts
    token-type embeddings. `scale_embeddings` multiplies them by √d_model, `scale_logits` what the head reads by 1/√d_model,
    `scale_scores` the attention scores by 1/√d_head. `pooler` is a layer of tanh on the first token.
    """

    structure: str = "decoder"
    vocab_size: int
    max_seq_len: int
    d_model: int
    n_layers: int
    n_encoder_layers: int | None = None

    attention: str = "mha"
    n_heads: int
    n_kv_heads: int | None = None
    d_head: int | None = None
    mask_pattern: tuple[str, ...] | None = None
    window: int | None = None
    qk_norm: bool = False
    scale_scores: bool = True

    position: str = "rotary"
    rope_theta: float | None = None
    rope_layout: str | None = None
    rotary_dim: int | None = None
    sinusoid_layout: str | None = None
    n_positions: int | None = None
    position_offset: int = 0
    relative_buckets: int | None = None
    relative_max_distance: int | None = None
    axial_shape: tuple[int, ...] | None = None
    axial_dims: tuple[int, ...] | None = None
    n_segments: int = 0

    norm: str = "rmsnorm"
    norm_eps: float = 1e-5
    block: str = "pre"
    residual_alpha: float | None = None
    final_norm: bool = True
    embed_norm: bool = False

    ffn: str = "gated"
    activation: str = "silu"
    d_ff: int

    biases: tuple[str, ...] = ()
    tie_embeddings: bool = False
    scale_embeddings: bool = False
    scale_logits: bool = False

    head: str = "lm"
    n_classes: int | None = None
    pooler: bool = False
    mtp_depth: int = 0
    decoder_start_id: int = 0
    d_projection: int | None = None
    text_end_id: int | None = None

    rope_scaling: RopeScaling | None = None
    mla: LatentAttention | None = None
    moe: MixtureOfExperts | None = None
    sparse: SparsePattern | None = None
    image: ImageInput | None = None
    vision_tower: "ModelConfig | None" = None

    def __post_init__(self):
        self._normalise_sequences()
        self._check_fields()
        self._derive()
        check_combinations(self)

    def replace(self, /, **changes) -> "ModelConfig":
        """The same configuration with some fields changed, checked again.

        A field that had its derived value (`d_head` = `d_model / n_heads`, …) is derived again from the new ones.
        """
        self._refuse_unknown(changes)
        derived = self._derived_values()
        if self.mla is None and self.d_model % self.n_heads:
            del derived["d_head"]  # rounded down, it can only be a choice
        for field, value in derived.items():
            if field not in changes and getattr(self, field) == value:
                changes[field] = None
        return replace(self, **changes)

    def layer(self, index: int) -> LayerConfig:
        """What layer `index` (0 ≤ index < n_layers) is, where layers differ."""
        mask = self.mask_pattern[index % len(self.mask_pattern)]
        return LayerConfig(
            index=index,
            mask=mask,
            window=self.window if mask in NEEDS_WINDOW else None,
            attention=mask if mask in OWN_ATTENTION else self.attention,
            causal=self.is_causal,
            sparse=self.moe is not None and self.moe.is_sparse(index),
        )

    def encoder_layer(self, index: int) -> LayerConfig:
        """What layer `index` of an encoder-decoder's encoder is: it sees everything."""
        sparse = self.moe is not None and self.moe.is_sparse(index)
        return LayerConfig(index, "bidirectional", None, self.attention, causal=False, sparse=sparse)

    @property
    def is_causal(self) -> bool:
        """Whether a token never sees a later one (a prefix decoder's tokens do, within the prefix)."""
        return self.structure not in ("encoder", "prefix_decoder")

    @property
    def has_rotary(self) -> bool:
        """Whether queries and keys turn with their position."""
        return self.position in ROTARY

    def to_dict(self) -> dict:
        """Every field that is not None, as JSON and TOML can hold it."""
        values = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if value is None:
                continue
            if field.name in GROUPS or field.name == "vision_tower":
                value = value.to_dict()
            values[field.name] = list(value) if isinstance(value, tuple) else value
        return values

    @classmethod
    def from_dict(cls, values: dict) -> "ModelConfig":
        """The inverse of `to_dict`; unknown and missing fields are named in the error."""
        cls._refuse_unknown(values)
        for field in REQUIRED:
            if values.get(field) is None:
                raise InputError("missing_field", field=field)
        values = dict(values)
        for name, group in GROUPS.items():
            if isinstance(values.get(name), dict):
                values[name] = group.from_dict(values[name])
        if isinstance(values.get("vision_tower"), dict):
            values["vision_tower"] = cls.from_dict(values["vision_tower"])
        return cls(**values)

    @classmethod
    def _refuse_unknown(cls, values: dict) -> None:
        known = [field.name for field in fields(cls)]
        for name in values:
            if name not in known:
                raise InputError("unknown_field", field=name, similar=nearest(name, known))

    def _normalise_sequences(self) -> None:
        """Lists become tuples, and biases take one order, so that equal choices are equal configurations."""
        if self.mask_pattern is None:
            check_choice("structure", self.structure)
            object.__setattr__(self, "mask_pattern", USUAL_MASK[self.structure])
        for field in ("mask_pattern", "biases", "axial_shape", "axial_dims"):
            value = getattr(self, field)
            if value is not None or field == "biases":
                value = tuple(value) if isinstance(value, list | tuple | set | frozenset) else (value,)
                object.__setattr__(self, field, value)
        for entry in self.mask_pattern:
            check_choice("mask", entry, "mask_pattern")
        for entry in self.biases:
            check_choice("biases", entry)
        object.__setattr__(self, "biases", tuple(name for name in CHOICES["biases"] if name in self.biases))

    def _check_fields(self) -> None:
        for field in CHOSEN:
            check_choice(field, getattr(self, field))
        for field in ("rope_layout", "sinusoid_layout"):
            if getattr(self, field) is not None:
                check_choice(field, getattr(self, field))
        for field in (*REQUIRED, *COUNTS):
            check_integer(field, getattr(self, field))
        for field in OPTIONAL_COUNTS:
            if getattr(self, field) is not None:
                check_integer(field, getattr(self, field))
        for field in ("axial_shape", "axial_dims"):
            for entry in getattr(self, field) or ():
                check_integer(field, entry, (1, 100_000_000))
        check_number("norm_eps", self.norm_eps)
        for field in ("rope_theta", "residual_alpha"):
            if getattr(self, field) is not None:
                check_number(field, getattr(self, field))
        for field in FLAGS:
            check_flag(field, getattr(self, field))
        for field, group in {**GROUPS, "vision_tower": ModelConfig}.items():
            value = getattr(self, field)
            if value is not None and not isinstance(value, group):
                raise InputError("not_a_group", field=field, value=value)

    def _derived_values(self) -> dict[str, object]:
        d_head = self.d_model // self.n_heads
        if self.mla is not None:
            d_head = self.mla.qk_nope_head_dim + self.mla.qk_rope_head_dim
        turning = self.mla.qk_rope_head_dim if self.mla is not None else (self.d_head or d_head)
        of_position = {
            "rope_theta": 10_000.0,
            "rope_layout": "half",
            "sinusoid_layout": "interleaved",
            "relative_buckets": 32,
            "relative_max_distance": 128,
            "n_positions": self.max_seq_len,
        }
        return {
            "n_kv_heads": 1 if self.attention == "mqa" else self.n_heads,
            "d_head": d_head,
            "rotary_dim": turning if self.has_rotary else None,
            "n_encoder_layers": self.n_layers if self.structure == "encoder_decoder" else None,
            "residual_alpha": (2 * self.n_layers) ** 0.5 if self.block == "deepnorm" else None,
            **{field: usual if self.position in OF_POSITION[field] else None for field, usual in of_position.items()},
        }

    def _derive(self) -> None:
        if self.d_head is None and self.mla is None and self.d_model % self.n_heads:
            raise InputError("heads_do_not_divide", field="n_heads", d_model=self.d_model, n_heads=self.n_heads)
        for field, value in self._derived_values().items():
            without_effect = field in OF_POSITION and value is None
            if getattr(self, field) is None or without_effect:
                object.__setattr__(self, field, value)


USUAL_MASK = {
    "decoder": ("causal",),
    "prefix_decoder": ("prefix",),
    "encoder": ("bidirectional",),
    "encoder_decoder": ("causal",),
    "two_towers": ("causal",),
}
