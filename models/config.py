"""One configuration for every architecture: what a model is, as plain checked data.

`ModelConfig` says everything that distinguishes one architecture from another; nothing in the code depends on a model's
name. This file imports no torch, so that presets, calculators and forms work without loading it.
"""

from dataclasses import asdict, dataclass, fields, replace
from math import isfinite
from numbers import Integral, Real

from models.errors import InputError

CHOICES: dict[str, tuple[str, ...]] = {
    "position": ("none", "learned", "sinusoidal", "rotary", "alibi"),
    "rope_layout": ("half", "interleaved"),
    "rope_scaling": ("linear", "llama3"),
    "norm": ("layernorm", "rmsnorm"),
    "block": ("pre", "post", "sandwich", "parallel"),
    "attention": ("mha", "gqa", "mqa"),
    "mask": ("causal", "sliding"),
    "ffn": ("plain", "gated"),
    "activation": ("relu", "gelu", "gelu_tanh", "gelu_quick", "silu"),
    "biases": ("q", "k", "v", "o", "ffn", "norm", "head"),
}

LONGEST_PATTERN = 128  # entries of a mask pattern

RANGES: dict[str, tuple[float, float]] = {
    "vocab_size": (1, 10_000_000),
    "max_seq_len": (1, 100_000_000),
    "d_model": (1, 1_000_000),
    "n_layers": (1, 10_000),
    "n_heads": (1, 10_000),
    "n_kv_heads": (1, 10_000),
    "d_head": (1, 100_000),
    "d_ff": (1, 10_000_000),
    "rotary_dim": (2, 100_000),
    "rope_theta": (1.0, 1e12),
    "norm_eps": (1e-20, 1.0),
    "window": (1, 100_000_000),
    "factor": (1.0, 1e6),
    "original_max_seq_len": (1, 100_000_000),
    "low_freq_factor": (1e-6, 1e6),
    "high_freq_factor": (1e-6, 1e6),
}


@dataclass(frozen=True, kw_only=True)
class RopeScaling:
    """How rotary frequencies are stretched to read beyond the context of pre-training.

    kind "linear" divides every frequency by `factor` (Chen et al. 2023, arXiv:2306.15595); "llama3" divides only the
    slow ones, with a ramp between `low_freq_factor` and `high_freq_factor` (Llama 3.1, arXiv:2407.21783).
    `original_max_seq_len` is the context of pre-training, in tokens.
    """

    kind: str
    factor: float
    original_max_seq_len: int
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0

    def __post_init__(self):
        _check_choice("rope_scaling", self.kind)
        for field in ("factor", "low_freq_factor", "high_freq_factor"):
            _check_number(field, getattr(self, field))
        _check_integer("original_max_seq_len", self.original_max_seq_len)
        if self.kind == "llama3" and self.low_freq_factor >= self.high_freq_factor:
            raise InputError(
                "llama3_frequencies", low_freq_factor=self.low_freq_factor, high_freq_factor=self.high_freq_factor
            )

    @classmethod
    def from_dict(cls, values: dict) -> "RopeScaling":
        """The scaling of a JSON or TOML table; unknown and missing fields are named in the error."""
        known = [field.name for field in fields(cls)]
        for name in values:
            if name not in known:
                raise InputError("unknown_field", field=f"rope_scaling.{name}", allowed=", ".join(known))
        for name in ("kind", "factor", "original_max_seq_len"):
            if values.get(name) is None:
                raise InputError("missing_field", field=f"rope_scaling.{name}")
        return cls(**values)


@dataclass(frozen=True)
class LayerConfig:
    """What may differ from layer to layer."""

    index: int
    mask: str
    window: int | None


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """A transformer, described completely; raises `InputError` naming field, value and what is allowed.

    Sizes are counts. `None` asks for the usual derived value: `n_kv_heads` = `n_heads`, `d_head` = `d_model / n_heads`,
    `rotary_dim` = `d_head`. `mask_pattern` repeats along the depth (GPT-3: `("causal", "sliding")`). `biases` names the
    linear maps and norms that have one: "ffn" covers all maps of the feed-forward layer, "norm" all LayerNorms.
    """

    vocab_size: int
    max_seq_len: int
    d_model: int
    n_layers: int

    attention: str = "mha"
    n_heads: int
    n_kv_heads: int | None = None
    d_head: int | None = None
    mask_pattern: tuple[str, ...] = ("causal",)
    window: int | None = None
    qk_norm: bool = False

    position: str = "rotary"
    rope_theta: float = 10_000.0
    rope_layout: str = "half"
    rotary_dim: int | None = None
    rope_scaling: RopeScaling | None = None

    norm: str = "rmsnorm"
    norm_eps: float = 1e-5
    block: str = "pre"
    final_norm: bool = True
    embed_norm: bool = False

    ffn: str = "gated"
    activation: str = "silu"
    d_ff: int

    biases: tuple[str, ...] = ()
    tie_embeddings: bool = False

    def __post_init__(self):
        self._normalise_sequences()
        self._check_fields()
        self._derive()
        self._check_combinations()

    def replace(self, /, **changes) -> "ModelConfig":
        """The same configuration with some fields changed, checked again.

        A field that had its derived value (`d_head` = `d_model / n_heads`, …) is derived again from the new ones.
        """
        self._refuse_unknown(changes)
        derived = self._derived_values()
        if self.d_model % self.n_heads:
            del derived["d_head"]  # rounded down, it can only be a choice
        for field, value in derived.items():
            if field not in changes and getattr(self, field) == value:
                changes[field] = None
        return replace(self, **changes)

    def layer(self, index: int) -> LayerConfig:
        """What layer `index` (0 ≤ index < n_layers) is, where layers differ."""
        mask = self.mask_pattern[index % len(self.mask_pattern)]
        return LayerConfig(index, mask, self.window if mask == "sliding" else None)

    def to_dict(self) -> dict:
        """Every field that is not None, as JSON and TOML can hold it."""
        values = {name: value for name, value in asdict(self).items() if value is not None}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    @classmethod
    def from_dict(cls, values: dict) -> "ModelConfig":
        """The inverse of `to_dict`; unknown and missing fields are named in the error."""
        cls._refuse_unknown(values)
        for field in ("vocab_size", "max_seq_len", "d_model", "n_layers", "n_heads", "d_ff"):
            if values.get(field) is None:
                raise InputError("missing_field", field=field)
        values = dict(values)
        if isinstance(values.get("rope_scaling"), dict):
            values["rope_scaling"] = RopeScaling.from_dict(values["rope_scaling"])
        return cls(**values)

    @classmethod
    def _refuse_unknown(cls, values: dict) -> None:
        known = [field.name for field in fields(cls)]
        for name in values:
            if name not in known:
                raise InputError("unknown_field", field=name, allowed=", ".join(known))

    def _normalise_sequences(self) -> None:
        """Lists become tuples, and biases take one order, so that equal choices are equal configurations."""
        for field in ("mask_pattern", "biases"):
            value = getattr(self, field)
            choice = "mask" if field == "mask_pattern" else field
            value = tuple(value) if isinstance(value, list | tuple | set | frozenset) else (value,)
            for entry in value:
                _check_choice(choice, entry, field)
            if field == "biases":
                value = tuple(name for name in CHOICES["biases"] if name in value)
            object.__setattr__(self, field, value)

    def _check_fields(self) -> None:
        for field in ("position", "rope_layout", "norm", "block", "attention", "ffn", "activation"):
            _check_choice(field, getattr(self, field))
        for field in ("vocab_size", "max_seq_len", "d_model", "n_layers", "n_heads", "d_ff"):
            _check_integer(field, getattr(self, field))
        for field in ("n_kv_heads", "d_head", "rotary_dim", "window"):
            if getattr(self, field) is not None:
                _check_integer(field, getattr(self, field))
        for field in ("rope_theta", "norm_eps"):
            _check_number(field, getattr(self, field))
        if self.rope_scaling is not None and not isinstance(self.rope_scaling, RopeScaling):
            _check_choice("rope_scaling", self.rope_scaling)
            raise InputError("missing_field", field="rope_scaling.factor")
        for field in ("final_norm", "embed_norm", "qk_norm", "tie_embeddings"):
            if not isinstance(getattr(self, field), bool):
                raise InputError("not_a_flag", field=field, value=getattr(self, field))

    def _derived_values(self) -> dict[str, int | None]:
        d_head = self.d_model // self.n_heads
        return {
            "n_kv_heads": 1 if self.attention == "mqa" else self.n_heads,
            "d_head": d_head,
            "rotary_dim": (self.d_head or d_head) if self.position == "rotary" else None,
        }

    def _derive(self) -> None:
        if self.d_head is None and self.d_model % self.n_heads:
            raise InputError("heads_do_not_divide", field="n_heads", d_model=self.d_model, n_heads=self.n_heads)
        for field, value in self._derived_values().items():
            if getattr(self, field) is None:
                object.__setattr__(self, field, value)

    def _check_combinations(self) -> None:
        self._check_kv_heads()
        self._check_rotary()
        if not self.mask_pattern:
            raise InputError("mask_pattern_empty", field="mask_pattern", allowed=", ".join(CHOICES["mask"]))
        if (length := len(self.mask_pattern)) > LONGEST_PATTERN:
            raise InputError("mask_pattern_too_long", field="mask_pattern", length=length, limit=LONGEST_PATTERN)
        if "sliding" in self.mask_pattern and self.window is None:
            raise InputError("sliding_needs_window", field="window")
        if "sliding" not in self.mask_pattern and self.window is not None:
            raise InputError("window_needs_sliding", field="window", window=self.window)
        if self.position == "sinusoidal" and self.d_model % 2:
            raise InputError("sinusoidal_needs_even_width", field="d_model", d_model=self.d_model)
        if self.norm == "rmsnorm" and "norm" in self.biases:
            raise InputError("norm_bias_needs_layernorm", field="biases")
        if self.qk_norm and self.norm != "rmsnorm":
            raise InputError("qk_norm_needs_rmsnorm", field="qk_norm", norm=self.norm)

    def _check_kv_heads(self) -> None:
        heads = {"field": "n_kv_heads", "n_heads": self.n_heads, "n_kv_heads": self.n_kv_heads}
        if self.attention == "mha" and self.n_kv_heads != self.n_heads:
            raise InputError("mha_needs_all_kv_heads", **heads)
        if self.attention == "mqa" and self.n_kv_heads != 1:
            raise InputError("mqa_needs_one_kv_head", **heads)
        if self.attention == "gqa":
            groups = [count for count in range(2, self.n_heads) if self.n_heads % count == 0]
            if self.n_kv_heads not in groups:
                raise InputError("gqa_needs_groups", **heads, allowed=", ".join(map(str, groups)) or "–")

    def _check_rotary(self) -> None:
        if self.position != "rotary":
            for field in ("rotary_dim", "rope_scaling"):
                if getattr(self, field) is not None:
                    raise InputError("only_for_rotary", field=field, position=self.position)
            return
        if self.rotary_dim > self.d_head:
            raise InputError("rotary_dim_too_large", field="rotary_dim", rotary_dim=self.rotary_dim, d_head=self.d_head)
        if self.rotary_dim % 2:
            raise InputError("rotary_dim_odd", field="rotary_dim", rotary_dim=self.rotary_dim)


def _check_choice(choice: str, value: object, field: str | None = None) -> None:
    if value not in CHOICES[choice]:
        raise InputError("not_a_choice", field=field or choice, value=value, allowed=", ".join(CHOICES[choice]))


def _check_integer(field: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise InputError("not_an_integer", field=field, value=value)
    _check_range(field, value)


def _check_number(field: str, value: object) -> None:
    is_whole = isinstance(value, Integral)  # of any length, where `isfinite` would overflow
    if isinstance(value, bool) or not isinstance(value, Real) or not (is_whole or isfinite(value)):
        raise InputError("not_a_number", field=field, value=value)
    _check_range(field, value)


def _check_range(field: str, value: float) -> None:
    low, high = RANGES[field]
    if not low <= value <= high:
        raise InputError("out_of_range", field=field, value=value, low=low, high=high)
