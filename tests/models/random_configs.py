"""Random small configurations: every combination of choices, sensible or not, from one seed."""

import random

import torch

import models
from models.config import CHOICES, ModelConfig, RopeScaling
from models.errors import InputError

VOCABULARY = 37


def random_values(rng: random.Random) -> dict:
    """Fields of a small model drawn without regard for whether they go together."""
    values = {
        "vocab_size": VOCABULARY,
        "max_seq_len": 24,
        "d_model": rng.choice([8, 12, 15, 16, 24]),
        "n_layers": rng.choice([1, 2, 3]),
        "n_heads": rng.choice([1, 2, 3, 4, 6]),
        "d_ff": rng.choice([5, 20]),
        "mask_pattern": rng.choice([("causal",), ("sliding",), ("causal", "sliding"), ("sliding",) * 2 + ("causal",)]),
        "biases": tuple(name for name in CHOICES["biases"] if rng.random() < 0.4),
        "rope_theta": rng.choice([100.0, 10_000.0]),
        "norm_eps": rng.choice([1e-6, 1e-3]),
    }
    values["position"] = rng.choice((*CHOICES["position"], "rotary", "rotary", "sinusoidal"))
    for field in ("rope_layout", "norm", "block", "attention", "ffn", "activation"):
        values[field] = rng.choice(CHOICES[field])
    for field in ("final_norm", "embed_norm", "qk_norm", "tie_embeddings"):
        values[field] = rng.random() < 0.5
    if values["attention"] != "mha":
        values["n_heads"] = rng.choice([4, 6])
        values["n_kv_heads"] = rng.choice([1, 2, 3])
    if "sliding" in values["mask_pattern"] and rng.random() < 0.9:
        values["window"] = rng.choice([1, 3, 7])
    if rng.random() < 0.5:
        values["d_head"] = rng.choice([4, 6, 7])
    if values["position"] == "rotary" and rng.random() < 0.5:
        values["rotary_dim"] = rng.choice([2, 4, 6])
    if values["position"] == "rotary" and rng.random() < 0.3:
        kind = rng.choice(CHOICES["rope_scaling"])
        values["rope_scaling"] = RopeScaling(kind=kind, factor=4.0, original_max_seq_len=8)
    return values


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


def tokens(batch: int, length: int, seed: int = 0) -> torch.Tensor:
    """Random ids (batch, length)."""
    return torch.randint(0, VOCABULARY, (batch, length), generator=torch.Generator().manual_seed(seed))


def label(cfg: ModelConfig) -> str:
    """A short name for a test's line."""
    parts = (cfg.position, cfg.attention, cfg.block, "+".join(cfg.mask_pattern), cfg.norm, cfg.ffn)
    return "-".join(parts)
