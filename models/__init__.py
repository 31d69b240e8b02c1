"""The core of Lineage: transformer architectures as data, on one model that runs.

Useful without the playground:

    import models
    loaded = models.load("llama-mini")
    for step in models.generate(loaded.model, loaded.tokenizer.encode("Once upon a time"), max_new_tokens=40):
        print(loaded.tokenizer.decode([step.token_id]), end="")

Configurations, presets, accounts and sampling settings need no torch; it is imported when a name that needs it is first
used.

Letters of the shape comments, everywhere in this package: B batch, T query positions (new tokens), S key positions (cached
and new), D width of the residual stream (d_model), H query heads, K key-value heads, E experts, V vocabulary.
"""

import sys
from importlib import import_module
from types import ModuleType

from models.account import Account, account
from models.config import (
    CHOICES,
    ImageInput,
    LatentAttention,
    LayerConfig,
    MixtureOfExperts,
    ModelConfig,
    RopeScaling,
    SparsePattern,
)
from models.diff import diff
from models.errors import InputError
from models.presets import Card, Family, PresetInfo, cards, families, preset, preset_info, presets
from models.sampling_settings import Sampling

# Names that need torch, and the modules that define them.
_WITH_TORCH = {
    "Step": "generate",
    "generate": "generate",
    "TAP_SPECS": "taps",
    "capture": "taps",
    "patch": "taps",
    "ModelOutput": "output",
    "Transformer": "transformer",
    "build": "building",
    "Loaded": "weights",
    "export_hf": "weights",
    "load": "weights",
    "save": "weights",
    "zoo": "weights",
}
_MODULES = ("tokenizers", "transformer", "weights")  # at hand after `import models`, like the names

__all__ = [
    "CHOICES",
    "TAP_SPECS",
    "Account",
    "Card",
    "Family",
    "ImageInput",
    "InputError",
    "LatentAttention",
    "LayerConfig",
    "Loaded",
    "MixtureOfExperts",
    "ModelConfig",
    "ModelOutput",
    "PresetInfo",
    "RopeScaling",
    "Sampling",
    "SparsePattern",
    "Step",
    "Transformer",
    "account",
    "build",
    "capture",
    "cards",
    "diff",
    "export_hf",
    "families",
    "generate",
    "load",
    "patch",
    "preset",
    "preset_info",
    "presets",
    "save",
    "zoo",
]


def __getattr__(name: str):
    """Imports what needs torch when it is first asked for (PEP 562)."""
    if name in _WITH_TORCH:
        value = getattr(import_module(f"models.{_WITH_TORCH[name]}"), name)
    elif name in _MODULES:
        value = import_module(f"models.{name}")
    else:
        raise AttributeError(f"module 'models' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})


class _Package(ModuleType):
    """This package, whose functions keep their names.

    Importing the module `models.generate` from anywhere binds it here under its name; `models.generate` means the
    function that the module defines.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if name in __all__ and isinstance(value, ModuleType):
            value = getattr(value, name)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
