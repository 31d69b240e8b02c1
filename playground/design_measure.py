"""Counting a design's parameters in a built model, to hold them against the formulas: shapes only, without memory."""

from functools import lru_cache

import models
from models.account import measure
from models.config import ModelConfig
from models.errors import InputError
from playground.turns import turn

MAX_LAYERS = 1_000  # a layer takes milliseconds to build even without its weights


def counted(config: ModelConfig) -> dict[str, int]:
    """Parameters by part of the model built on the meta device; `InputError` for one of too many layers."""
    tower = config.vision_tower.n_layers if config.vision_tower else 0
    n_layers = config.n_layers + (config.n_encoder_layers or 0) + tower
    if n_layers > MAX_LAYERS:
        raise InputError("too_deep_to_count", n_layers=n_layers, limit=MAX_LAYERS)
    return _counted(config)


@lru_cache(maxsize=64)
def _counted(config: ModelConfig) -> dict[str, int]:
    with turn():
        return measure(models.build(config, device="meta"))
