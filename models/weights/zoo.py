"""The trained models that come with the project: a folder each, under assets/zoo."""

from models.config import ModelConfig
from models.presets import ZOO
from models.weights.files import CONFIG, own_config, read_config


def zoo() -> list[str]:
    """Names of the shipped models, sorted."""
    return sorted(path.parent.name for path in ZOO.glob(f"*/{CONFIG}"))


def zoo_config(name: str) -> ModelConfig:
    """The configuration of a shipped model, without its weights."""
    return own_config(read_config(ZOO / name))
