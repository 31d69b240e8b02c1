"""The optional groups of a configuration: what only some architectures have, each a small checked record of its own."""

from collections.abc import Iterator
from dataclasses import MISSING, asdict, dataclass, fields
from typing import ClassVar

from models.choices import check_choice, check_flag, check_integer, check_number
from models.errors import InputError
from models.nearest import nearest


class Group:
    """What all groups share: they are read from and written to the tables of a TOML or JSON file."""

    name: ClassVar[str]

    @classmethod
    def from_dict(cls, values: dict) -> "Group":
        """The group of a JSON or TOML table; unknown and missing fields are named in the error."""
        known = {field.name: field for field in fields(cls)}
        for name in values:
            if name not in known:
                raise InputError("unknown_field", field=f"{cls.name}.{name}", similar=nearest(name, known))
        for name, field in known.items():
            if field.default is MISSING and values.get(name) is None:
                raise InputError("missing_field", field=f"{cls.name}.{name}")
        return cls(**values)

    def to_dict(self) -> dict:
        """Every field that is not None."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def _check(self, integers=(), numbers=(), flags=(), choices=()) -> None:
        optional = {field.name for field in fields(self) if field.default is None}
        for names, check in ((integers, check_integer), (numbers, check_number)):
            for name in names:
                if getattr(self, name) is not None or name not in optional:
                    check(name, getattr(self, name))
        for name in flags:
            check_flag(name, getattr(self, name))
        for name in choices:
            check_choice(name, getattr(self, name))


@dataclass(frozen=True, kw_only=True)
class RopeScaling(Group):
    """How rotary frequencies are stretched to read beyond the context of pre-training.

    kind "linear" divides every frequency by `factor` (Chen et al. 2023, arXiv:2306.15595); "dynamic" raises the base with
    the length of the text once it is longer than `original_max_seq_len`, and changes nothing before (dynamic NTK);
    "yarn" divides those that turn less than `beta_slow` times within the original context, keeps those that turn more
    than `beta_fast` times, with a ramp between, and sharpens the softmax (Peng et al. 2023, arXiv:2309.00071);
    "llama3" does the like with `low_freq_factor` and `high_freq_factor` (Llama 3.1, arXiv:2407.21783).
    `original_max_seq_len` is the context of pre-training, in tokens. `attention_factor` multiplies cosines and sines
    ("yarn"; None: what the paper's section 3.4 gives); `mscale` and `mscale_all_dim` are DeepSeek's two parts of it.
    """

    name: ClassVar[str] = "rope_scaling"

    kind: str
    factor: float
    original_max_seq_len: int
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0
    beta_fast: float = 32.0
    beta_slow: float = 1.0
    mscale: float | None = None
    mscale_all_dim: float | None = None
    attention_factor: float | None = None

    def __post_init__(self):
        check_choice("rope_scaling", self.kind)
        self._check(
            integers=("original_max_seq_len",),
            numbers=(
                "factor",
                "low_freq_factor",
                "high_freq_factor",
                "beta_fast",
                "beta_slow",
                "mscale",
                "mscale_all_dim",
                "attention_factor",
            ),
        )
        if self.kind == "llama3" and self.low_freq_factor >= self.high_freq_factor:
            raise InputError(
                "llama3_frequencies", low_freq_factor=self.low_freq_factor, high_freq_factor=self.high_freq_factor
            )
        if self.kind == "yarn" and self.beta_slow >= self.beta_fast:
            raise InputError("yarn_betas", beta_slow=self.beta_slow, beta_fast=self.beta_fast)


@dataclass(frozen=True, kw_only=True)
class LatentAttention(Group):
    """The ranks and head widths of multi-head latent attention (DeepSeek-V2, arXiv:2405.04434, section 2.1).

    Keys and values of all heads are projections of one latent of `kv_lora_rank` numbers; a key of `qk_rope_head_dim` that
    all heads share carries the position. Queries come from a latent of `q_lora_rank`, or from d_model where it is None.
    `norm_eps` is that of the norms on both latents.
    """

    name: ClassVar[str] = "mla"

    kv_lora_rank: int
    qk_nope_head_dim: int
    qk_rope_head_dim: int
    v_head_dim: int
    q_lora_rank: int | None = None
    norm_eps: float = 1e-6

    def __post_init__(self):
        integers = ("kv_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim", "q_lora_rank")
        self._check(integers=integers, numbers=("norm_eps",))
        if self.qk_rope_head_dim % 2:
            raise InputError("rotary_dim_odd", field="qk_rope_head_dim", rotary_dim=self.qk_rope_head_dim)


@dataclass(frozen=True, kw_only=True)
class MixtureOfExperts(Group):
    """Feed-forward layers of many experts, of which each token uses a few.

    Sparse are the layers i ≥ `first_dense` with i mod `every` = `offset` (default: the last of each `every`).

    `router` chooses and weighs: "softmax_topk" (softmax over all, then the best; Mixtral, Qwen3, DeepSeek-V2),
    "topk_softmax" (the best, then softmax over them; Shazeer et al. 2017 without noise), "noisy_topk" (the same with
    trained noise, arXiv:1701.06538), "switch" (the single best, with a `capacity`, arXiv:2101.03961), "sigmoid"
    (DeepSeek-V3, arXiv:2412.19437) or "dense" (all experts). `normalise_weights` makes a token's weights sum to one; it is
    a choice for "softmax_topk" and "sigmoid", true where the softmax does so anyway, and false with "switch", whose weight
    is the probability. `weight_scale` multiplies the weights. With `n_groups`, only experts of the best
    `n_groups_per_token` groups are chosen from; a group counts by its best expert ("max") or the sum of its two best
    ("top2"). `bias_update_rate` gives each expert a bias, used for the choice alone, which balances the load without a
    loss (arXiv:2408.15664).
    `capacity` is how many tokens of a sequence an expert takes, in their order; the rest get nothing from it.
    `jitter` multiplies the router's input by noise from [1 − jitter, 1 + jitter] in training.

    `mixing` says what is mixed: the outputs of the chosen experts ("routed"), the experts' weights into one expert a
    sequence ("merged", SMEAR, arXiv:2306.03745), or tokens into `slots_per_expert` slots (Soft MoE, arXiv:2308.00951).
    `expert` "lora" makes each expert a low-rank change of one common feed-forward layer (LoRAMoE, arXiv:2312.09979).
    """

    name: ClassVar[str] = "moe"

    n_experts: int
    n_experts_per_token: int
    d_expert: int
    n_shared_experts: int = 0
    first_dense: int = 0
    every: int = 1
    offset: int | None = None
    router: str = "softmax_topk"
    normalise_weights: bool = True
    weight_scale: float = 1.0
    n_groups: int | None = None
    n_groups_per_token: int | None = None
    group_score: str = "max"
    bias_update_rate: float | None = None
    capacity: int | None = None
    jitter: float = 0.0
    aux_loss_coef: float = 0.0
    z_loss_coef: float = 0.0
    mixing: str = "routed"
    slots_per_expert: int | None = None
    expert: str = "ffn"
    lora_rank: int | None = None
    lora_alpha: float | None = None

    def __post_init__(self):
        self._check(
            integers=(
                "n_experts",
                "n_experts_per_token",
                "d_expert",
                "n_shared_experts",
                "first_dense",
                "every",
                "offset",
                "n_groups",
                "n_groups_per_token",
                "capacity",
                "slots_per_expert",
                "lora_rank",
            ),
            numbers=("weight_scale", "bias_update_rate", "jitter", "aux_loss_coef", "z_loss_coef", "lora_alpha"),
            flags=("normalise_weights",),
            choices=("router", "mixing", "expert", "group_score"),
        )
        if self.offset is None:
            object.__setattr__(self, "offset", self.every - 1)
        if self.router == "switch":
            object.__setattr__(self, "normalise_weights", False)
        self._check_counts()
        self._check_kinds()

    def is_sparse(self, index: int) -> bool:
        """Whether layer `index` has experts."""
        return index >= self.first_dense and index % self.every == self.offset

    def is_sparse_nowhere(self, n_layers: int) -> bool:
        """Whether none of `n_layers` layers has experts."""
        return not any(self.is_sparse(index) for index in range(min(n_layers, self.first_dense + self.every)))

    def _check_counts(self) -> None:
        chosen = {"field": "n_experts_per_token", "chosen": self.n_experts_per_token, "n_experts": self.n_experts}
        if self.n_experts_per_token > self.n_experts:
            raise InputError("more_chosen_than_experts", **chosen)
        if self.router == "switch" and self.n_experts_per_token != 1:
            raise InputError("switch_takes_one", **chosen)
        if self.uses_all and self.n_experts_per_token != self.n_experts:
            raise InputError("all_experts_used", **chosen)
        if self.offset >= self.every:
            raise InputError("out_of_range", field="offset", value=self.offset, low=0, high=self.every - 1)
        if (self.n_groups is None) != (self.n_groups_per_token is None):
            raise InputError("missing_field", field="moe.n_groups_per_token" if self.n_groups else "moe.n_groups")
        if self.n_groups is not None:
            self._check_groups()

    @property
    def uses_all(self) -> bool:
        """Whether every token meets every expert."""
        return self.router == "dense" or self.mixing != "routed"

    def _check_groups(self) -> None:
        if self.router not in ("softmax_topk", "sigmoid"):
            raise InputError("groups_need_scores", field="n_groups", router=self.router)
        if self.n_experts % self.n_groups:
            raise InputError("groups_do_not_divide", field="n_groups", n_experts=self.n_experts, n_groups=self.n_groups)
        reachable = min(self.n_groups_per_token, self.n_groups) * (self.n_experts // self.n_groups)
        if self.n_groups_per_token > self.n_groups or self.n_experts_per_token > reachable:
            raise InputError(
                "groups_too_few",
                field="n_groups_per_token",
                n_groups_per_token=self.n_groups_per_token,
                n_groups=self.n_groups,
                reachable=reachable,
                chosen=self.n_experts_per_token,
            )
        if self.group_score == "top2" and self.n_experts // self.n_groups < 2:
            raise InputError("groups_of_one", field="group_score", n_experts=self.n_experts, n_groups=self.n_groups)

    def _check_kinds(self) -> None:
        for name, choice in self._unread():
            if (value := getattr(self, name)) != getattr(type(self), name):
                raise InputError("moe_without_effect", field=name, value=value, choice=choice)
        if self.capacity is not None and self.router != "switch":
            raise InputError("capacity_needs_switch", field="capacity", router=self.router)
        if self.bias_update_rate is not None and self.router != "sigmoid":
            raise InputError("selection_bias_needs_sigmoid", field="bias_update_rate", router=self.router)
        if self.mixing != "routed" and self.router != "dense":
            raise InputError("mixing_needs_dense", field="mixing", mixing=self.mixing, router=self.router)
        for name in ("aux_loss_coef", "z_loss_coef"):
            if getattr(self, name) and self.mixing != "routed":
                raise InputError("loss_needs_routing", field=name, mixing=self.mixing)
        if (self.mixing == "slots") != (self.slots_per_expert is not None):
            raise InputError("slots_go_together", field="slots_per_expert")
        if (self.expert == "lora") != (self.lora_rank is not None):
            raise InputError("lora_goes_together", field="lora_rank")
        if self.expert == "lora" and self.mixing != "routed":
            raise InputError("lora_is_routed", field="mixing", mixing=self.mixing)
        if self.lora_alpha is not None and self.lora_rank is None:
            raise InputError("lora_goes_together", field="lora_rank")

    def _unread(self) -> Iterator[tuple[str, str]]:
        """The fields that nothing reads, which must keep their defaults, each with the choice that leaves it unread."""
        if self.mixing == "slots":
            yield from ((name, "mixing = slots") for name in ("normalise_weights", "weight_scale", "jitter"))
        if self.router == "switch":
            yield "weight_scale", "router = switch"
        if self.router in ("topk_softmax", "noisy_topk", "dense"):
            yield "normalise_weights", f"router = {self.router}"
        if self.n_groups is None:
            yield "group_score", "n_groups = None"


@dataclass(frozen=True, kw_only=True)
class SparsePattern(Group):
    """The numbers of the sparse masks; each mask uses some of them, see `models/parts/masks.py`.

    `dilation`: gap of a dilated window. `n_global`: tokens at the start that see and are seen by all. `block_size`: tokens
    of a block; `n_blocks_before`: how many blocks before its own a block-local query sees. `n_random`: random keys (or
    blocks) a query (or block) sees, drawn with `seed`. `n_hashes`, `n_buckets`: rounds and buckets of Reformer's hashing,
    `hash_block_size` the tokens of a block once they are sorted by bucket (None: `block_size`). `n_clusters`: centroids
    of the Routing Transformer.

    `like_transformers` runs BigBird and Reformer as that library does outside training, where it departs from the papers:
    BigBird's random blocks are all the first one, and up to 5 + 2·n_random blocks everything is seen; Reformer's blocks
    are cut across buckets, so that later tokens shift them.
    """

    name: ClassVar[str] = "sparse"

    dilation: int = 1
    n_global: int = 0
    block_size: int | None = None
    n_blocks_before: int = 0
    n_random: int = 0
    seed: int = 0
    n_hashes: int | None = None
    n_buckets: int | None = None
    hash_block_size: int | None = None
    n_clusters: int | None = None
    like_transformers: bool = False

    def __post_init__(self):
        flags = ("like_transformers",)
        self._check(integers=[field.name for field in fields(self) if field.name not in flags], flags=flags)


@dataclass(frozen=True, kw_only=True)
class ImageInput(Group):
    """An image read as a sequence: square patches, each projected to d_model, after one trained class token (ViT).

    Dosovitskiy et al. 2020, arXiv:2010.11929, section 3.1. Sizes are in pixels; `bias` is that of the projection.
    """

    name: ClassVar[str] = "image"

    image_size: int
    patch_size: int
    n_channels: int = 3
    bias: bool = True

    def __post_init__(self):
        self._check(integers=("image_size", "patch_size", "n_channels"), flags=("bias",))
        if self.image_size % self.patch_size:
            raise InputError(
                "patches_do_not_divide", field="patch_size", image_size=self.image_size, patch_size=self.patch_size
            )

    @property
    def n_patches(self) -> int:
        """Patches of an image."""
        return (self.image_size // self.patch_size) ** 2


GROUPS: dict[str, type[Group]] = {
    group.name: group for group in (RopeScaling, LatentAttention, MixtureOfExperts, SparsePattern, ImageInput)
}
"""The groups by the field of `ModelConfig` that holds them."""
