"""Random small configurations: every combination of choices, sensible or not, from one seed."""

import random
from functools import cache

import torch

import models
from models.config import CHOICES, LatentAttention, MixtureOfExperts, ModelConfig, RopeScaling, SparsePattern
from models.errors import InputError

VOCABULARY = 37


def random_values(rng: random.Random) -> dict:
    """Fields of a small decoder drawn without regard for whether they go together."""
    values = {
        "vocab_size": VOCABULARY,
        "max_seq_len": 24,
        "d_model": rng.choice([8, 12, 15, 16, 24]),
        "n_layers": rng.choice([1, 2, 3]),
        "n_heads": rng.choice([1, 2, 3, 4, 6]),
        "d_ff": rng.choice([5, 20]),
        "biases": tuple(name for name in CHOICES["biases"] if rng.random() < 0.4),
        "rope_theta": rng.choice([100.0, 10_000.0]),
        "norm_eps": rng.choice([1e-6, 1e-3]),
    }
    values["position"] = rng.choice((*CHOICES["position"], "rotary", "rotary", "sinusoidal"))
    for field in ("rope_layout", "sinusoid_layout", "norm", "ffn", "activation"):
        values[field] = rng.choice(CHOICES[field])
    values["attention"] = rng.choice((*CHOICES["attention"], "gqa"))
    values["block"] = rng.choice((*CHOICES["block"], "pre"))
    flags = (
        "final_norm",
        "embed_norm",
        "qk_norm",
        "tie_embeddings",
        "scale_embeddings",
        "scale_logits",
        "scale_scores",
    )
    for field in flags:
        values[field] = rng.random() < 0.5
    if values["attention"] in ("gqa", "mqa"):
        values["n_heads"] = rng.choice([4, 6])
        values["n_kv_heads"] = rng.choice([1, 2, 3])
    if rng.random() < 0.5:
        values["d_head"] = rng.choice([4, 6, 7, 8])
    return values | _masks(rng) | _position(rng, values) | _groups(rng, values)


def _masks(rng: random.Random) -> dict:
    plain = [("causal",), ("sliding",), ("causal", "sliding"), ("sliding",) * 2 + ("causal",)]
    pattern = rng.choice([*plain, *plain, ("dilated", "global"), ("random", "block_local"), ("band",)])
    values = {"mask_pattern": pattern}
    if {"sliding", "band", "dilated"}.intersection(pattern) and rng.random() < 0.9:
        values["window"] = rng.choice([1, 3, 7])
    if {"dilated", "global", "random", "block_local"}.intersection(pattern):
        values["sparse"] = SparsePattern(dilation=2, n_global=2, block_size=4, n_random=3)
    return values


def _position(rng: random.Random, values: dict) -> dict:
    found = {}
    if values["position"] in ("rotary", "rotary_2d") and rng.random() < 0.5:
        found["rotary_dim"] = rng.choice([2, 4, 6])
    if values["position"] == "rotary" and rng.random() < 0.7:
        kind = rng.choice(CHOICES["rope_scaling"])
        found["rope_scaling"] = RopeScaling(kind=kind, factor=4.0, original_max_seq_len=8)
    if values["position"] == "learned" and rng.random() < 0.5:
        found["position_offset"], found["n_positions"] = 2, 26
    if values["position"] == "axial":
        rows = values["d_model"] // 3
        found["axial_shape"], found["axial_dims"] = (4, 6), (rows, values["d_model"] - rows)
    return found


def _groups(rng: random.Random, values: dict) -> dict:
    found = {}
    if values["attention"] == "mla":
        ranks = {"kv_lora_rank": 10, "q_lora_rank": rng.choice([None, 9]), "v_head_dim": 5}
        found["mla"] = LatentAttention(**ranks, qk_nope_head_dim=6, qk_rope_head_dim=4)
        found |= {"d_head": None, "rotary_dim": None, "qk_norm": False, "biases": ()}
    if rng.random() < 0.3:
        router = rng.choice(CHOICES["router"])
        chosen = {"switch": 1, "dense": 4}.get(router, 2)
        groups = {"n_groups": 2, "n_groups_per_token": 1} if router in ("softmax_topk", "sigmoid") else {}
        found["moe"] = MixtureOfExperts(
            n_experts=4,
            n_experts_per_token=chosen,
            d_expert=7,
            router=router,
            n_shared_experts=rng.choice([0, 1]),
            first_dense=rng.choice([0, 1]),
            normalise_weights=rng.random() < 0.5 or router in ("topk_softmax", "noisy_topk", "dense"),
            **groups,
        )
    if rng.random() < 0.2:
        found["mtp_depth"] = 1
    return found


def valid_configs(count: int, seed: int = 0) -> list[ModelConfig]:
    """The first `count` configurations that pass their check."""
    rng, found = random.Random(seed), []
    while len(found) < count:
        try:
            found.append(ModelConfig(**random_values(rng)))
        except InputError:
            continue
    return found


def wide(cfg: ModelConfig, seed: int = 0) -> models.Transformer:
    """A model with weights so wide, and biases and norms so uneven, that every part visibly matters."""
    model = models.build(cfg)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(0.3 * noise if parameter.dim() > 1 else parameter + 0.3 * noise)
    return model


@cache
def wide_to_read(cfg: ModelConfig) -> models.Transformer:
    """The same model for all who ask, built once; nobody may change it."""
    return wide(cfg)


def tokens(batch: int, length: int, seed: int = 0) -> torch.Tensor:
    """Random ids (batch, length)."""
    return torch.randint(0, VOCABULARY, (batch, length), generator=torch.Generator().manual_seed(seed))


def label(cfg: ModelConfig) -> str:
    """A short name for a test's line."""
    ffn = cfg.moe.router if cfg.moe else cfg.ffn
    parts = (cfg.position, cfg.attention, cfg.block, "+".join(cfg.mask_pattern), cfg.norm, ffn)
    return "-".join(parts)
