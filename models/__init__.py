"""The core of Lineage: transformer architectures as data, on one model that runs.

Useful without the playground:

    import models
    loaded = models.load("llama-mini")
    for step in models.generate(loaded.model, loaded.tokenizer.encode("Once upon a time"), max_new_tokens=40):
        print(loaded.tokenizer.decode([step.token_id]), end="")

Letters of the shape comments, everywhere in this package: B batch, T query positions (new tokens), S key positions (cached
and new), D width of the residual stream (d_model), H query heads, K key-value heads, E experts, V vocabulary.
"""

from models.account import Account, account
from models.config import CHOICES, LayerConfig, ModelConfig, RopeScaling
from models.diff import diff
from models.errors import InputError
from models.generate import Step, generate
from models.presets import PresetInfo, preset, preset_info, presets
from models.sampling import Sampling
from models.taps import TAP_SPECS, capture, patch
from models.transformer import ModelOutput, Transformer, build
from models.weights import Loaded, export_hf, load, save, zoo

__all__ = [
    "CHOICES",
    "TAP_SPECS",
    "Account",
    "InputError",
    "LayerConfig",
    "Loaded",
    "ModelConfig",
    "ModelOutput",
    "PresetInfo",
    "RopeScaling",
    "Sampling",
    "Step",
    "Transformer",
    "account",
    "build",
    "capture",
    "diff",
    "export_hf",
    "generate",
    "load",
    "patch",
    "preset",
    "preset_info",
    "presets",
    "save",
    "zoo",
]
