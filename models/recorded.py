"""One new token's pass, recorded: the operations of `Transformer.run` in a row, without the interpreter between them.

For a small model most of a token's time is Python walking through the modules. The pass is recorded once (TorchScript
tracing), with the cached keys and values as its arguments, and replayed at every length; the numbers are the same. A
recording holds the weights as they were: it is made anew when they change, which `parameter.data.mul_()` alone conceals.
"""

import threading
import warnings
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from models.cache import KVCache
from models.parts.masks import MASKS, Visibility
from models.taps import observed
from models.transformer import Transformer

# Of a larger model a token's time is spent on reading the weights, and a recording would hold them a second time.
LARGEST = 30_000_000  # parameters

_RECORDED: WeakKeyDictionary[Transformer, tuple[tuple, torch.jit.ScriptModule]] = WeakKeyDictionary()
_RECORDING = threading.Lock()  # the tracer's state is the whole process's


class TokenByToken:
    """Reads one token after another into `cache`, replaying the model's recorded pass where it may.

    The plain pass runs where somebody looks inside, and where what a token sees or adds depends on its place (score
    biases, windows shorter than the text).
    """

    def __init__(self, model: Transformer, cache: KVCache):
        self._model = model
        self._cache = cache
        self._device = model.tok_embed.weight.device
        self._replayable = _replayable_length(model)
        self._recording: torch.jit.ScriptModule | None = None

    def next_logits(self, token_id: int) -> Tensor:
        """Logits (V,) after one more token; call it in inference mode."""
        token = torch.tensor([[token_id]], device=self._device)
        place = self._cache.length
        if observed() or place >= self._replayable or place == 0:
            return self._model(token, cache=self._cache, only_last=True).logits[0, -1]
        if self._recording is None:
            self._recording = _recording(self._model)
        keys, values = self._cache.room(1)
        logits = self._recording(token, torch.tensor([[place]], device=self._device), keys, values)
        self._cache.advance(1)
        return logits[0, -1]


def _replayable_length(model: Transformer) -> float:
    """Up to how many tokens in all a new one sees them all alike; 0 where the pass is not to be recorded."""
    cfg, device = model.config, model.tok_embed.weight.device
    hooked = any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    large = sum(parameter.numel() for parameter in model.parameters()) > LARGEST
    biased = model.position.bias(range(1), range(1), device) is not None
    if hooked or large or biased or torch.is_autocast_enabled(device.type):
        return 0
    layers = [cfg.layer(i) for i in range(len(cfg.mask_pattern))]
    return min(MASKS[layer.mask].causal_up_to(layer) for layer in layers)


def _recording(model: Transformer) -> torch.jit.ScriptModule:
    """The model's recording, made anew when its weights have changed since."""
    with _RECORDING:
        version = tuple(map(_version, model.parameters()))
        known = _RECORDED.get(model)
        if known is None or known[0] != version:
            known = _RECORDED[model] = (version, _record(model))
        return known[1]


def _version(parameter: Tensor) -> tuple:
    changes = None if parameter.is_inference() else parameter._version
    return parameter.data_ptr(), changes, parameter.dtype, parameter.device


def _record(model: Transformer) -> torch.jit.ScriptModule:
    cache = model.new_cache(capacity=2)
    token = torch.zeros((1, 1), dtype=torch.long, device=model.tok_embed.weight.device)
    model(token, cache=cache)
    with warnings.catch_warnings():
        # TorchScript is deprecated in favour of compilers, which need a C++ toolchain on the visitor's machine.
        warnings.simplefilter("ignore")
        pass_ = torch.jit.trace(_OneToken(model), (token, torch.ones_like(token), *cache.room(1)), check_trace=False)
        frozen = torch.jit.freeze(pass_.eval())
        # In bf16 the rewritten products are slower on processors that must emulate it.
        return torch.jit.optimize_for_inference(frozen) if model.tok_embed.weight.dtype == torch.float32 else frozen


class _OneToken(nn.Module):
    """`Transformer.run` for one token that sees everything, with tensors for arguments as a recording needs them."""

    def __init__(self, model: Transformer):
        super().__init__()
        self.model = model

    def forward(self, token: Tensor, position: Tensor, keys: list[Tensor], values: list[Tensor]) -> Tensor:
        views = [Visibility()] * len(self.model.config.mask_pattern)
        return self.model.run(token, position, views, _GivenCache(keys, values), only_last=True)


class _GivenCache:
    """Writes each layer's new key and value into the last place of the views it was given."""

    def __init__(self, keys: list[Tensor], values: list[Tensor]):
        self._keys, self._values = keys, values

    def extend(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        self._keys[layer][:, :, -1:] = k
        self._values[layer][:, :, -1:] = v
        return self._keys[layer], self._values[layer]
