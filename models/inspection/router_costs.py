"""What the feed-forward layers of a model hold and compute with one way to route or another, by the account's formulas."""

from dataclasses import dataclass, replace

from models.config import ModelConfig
from models.config_groups import MixtureOfExperts
from models.costs import forward_flops
from models.errors import InputError
from models.formula import named
from models.parameters import parts_of

FEEDFORWARD = ("ffn", "router", "experts", "shared")
ROUTES = ("own", "softmax_topk", "noisy_topk", "switch", "deepseek_v3", "dense", "smear", "soft_moe", "lora")
"""Ways to route, by name; "own" is the model's, "deepseek_v3" its router with sigmoid, groups and bias."""

PLAIN = {  # fields of a mixture that belong to some routers only, at values that suit all
    "normalise_weights": True,
    "weight_scale": 1.0,
    "n_groups": None,
    "n_groups_per_token": None,
    "group_score": "max",
    "bias_update_rate": None,
    "capacity": None,
    "jitter": 0.0,
    "aux_loss_coef": 0.0,
    "z_loss_coef": 0.0,
    "mixing": "routed",
    "slots_per_expert": None,
    "expert": "ffn",
    "lora_rank": None,
    "lora_alpha": None,
}
LORA_RANK = 8


@dataclass(frozen=True)
class MixtureCost:
    """The feed-forward part of all layers that have experts: parameters held, those that one token meets, and FLOPs a token
    (2 a multiplication and addition in a matrix), the mean over a sequence."""

    params: int
    active: int
    flops_per_token: float


def route(moe: MixtureOfExperts, name: str, n_tokens: int, capacity: float = 1.25) -> MixtureOfExperts:
    """The mixture `moe` with another router on as many experts of the same width; for "lora" of low rank on a common layer.

    Switch's capacity is `capacity` times the even share of n_tokens; DeepSeek-V3's router chooses from half of four groups
    where the number of experts lets it.
    """
    chosen = {"n_experts_per_token": moe.n_experts_per_token}
    every = {"n_experts_per_token": moe.n_experts}
    two = {"n_experts_per_token": min(2, moe.n_experts)} if moe.n_experts_per_token == moe.n_experts else chosen
    if name == "own":
        return moe
    if name in ("softmax_topk", "noisy_topk"):
        return replace(moe, **PLAIN, **two, router=name)
    if name == "switch":
        room = max(1, -(-int(capacity * n_tokens) // moe.n_experts))
        return replace(moe, **{**PLAIN, "capacity": room}, n_experts_per_token=1, router="switch")
    if name == "deepseek_v3":
        groups = {"n_groups": 4, "n_groups_per_token": 2, "group_score": "top2"}
        fits = moe.n_experts % 4 == 0 and moe.n_experts >= 8 and two["n_experts_per_token"] <= moe.n_experts // 2
        options = {**PLAIN, "bias_update_rate": 1e-3, **(groups if fits else {})}
        return replace(moe, **options, **two, router="sigmoid")
    if name == "dense":
        return replace(moe, **PLAIN, **every, router="dense")
    if name == "smear":
        return replace(moe, **{**PLAIN, "mixing": "merged"}, **every, router="dense")
    if name == "soft_moe":
        return replace(moe, **{**PLAIN, "mixing": "slots", "slots_per_expert": 1}, **every, router="dense")
    if name == "lora":
        low = {"expert": "lora", "lora_rank": LORA_RANK}
        return replace(moe, **{**PLAIN, **low}, **every, router="dense", n_shared_experts=0)
    raise InputError("not_a_choice", field="router", value=name, allowed=", ".join(ROUTES))


def mixture_cost(cfg: ModelConfig, moe: MixtureOfExperts, n_tokens: int) -> MixtureCost:
    """The cost of the sparse layers of `cfg` with the mixture `moe` in their place, on a sequence of n_tokens."""
    stacks = [cfg.layer(i).sparse for i in range(cfg.n_layers)]
    stacks += [cfg.encoder_layer(i).sparse for i in range(cfg.n_encoder_layers or 0)]
    alone = ModelConfig(
        structure="encoder",
        vocab_size=2,
        max_seq_len=n_tokens,
        d_model=cfg.d_model,
        n_layers=sum(stacks),
        n_heads=1,
        mask_pattern=("bidirectional",),
        position="none",
        norm="layernorm",
        ffn=cfg.ffn,
        activation=cfg.activation,
        d_ff=cfg.d_ff,
        biases=tuple(name for name in cfg.biases if name == "ffn"),
        head="none",
        tie_embeddings=False,
        moe=replace(moe, first_dense=0, every=1, offset=0),
    )
    parts = [part for part in parts_of(alone) if part.key in FEEDFORWARD]
    context = named("context", n_tokens)
    flops = forward_flops(alone, parts, context).value - forward_flops(alone, [], context).value
    return MixtureCost(
        params=sum(part.count.value for part in parts),
        active=sum(part.active.value for part in parts),
        flops_per_token=flops / n_tokens,
    )
