"""One new token's pass, recorded: the operations of a model's `read` in a row, without the interpreter between them.

For a small model most of a token's time is Python walking through the modules. The pass is recorded once (TorchScript
tracing), with what changes from token to token as its arguments, and replayed at every length; the numbers are the same, but
for the rounding of other products (`memory_layouts`). A recording holds some weights as they were, laid out otherwise: it is
made anew when they change, which `parameter.data.mul_()` alone conceals.
"""

import copy
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from weakref import WeakKeyDictionary, WeakSet

import torch
from torch import Tensor, nn

from models.cache import KVCache
from models.config import LayerConfig, SparsePattern
from models.context import Context
from models.encoder_decoder import EncoderDecoder
from models.memory_layouts import LaidOut, Noting, in_force
from models.parts.masks import MASKS, Visibility
from models.stack import Stack
from models.taps import observed
from models.transformer import Transformer

LARGEST = 200_000_000  # parameters: a recording holds what a row is multiplied by a second time
LARGE = 30_000_000  # parameters: recorded for the second text, since recording takes as long as a hundred tokens

Writer = Transformer | EncoderDecoder


@dataclass(frozen=True)
class Recording:
    """A model's pass for one token, and its weights as they are laid out for it."""

    step: torch.jit.ScriptFunction
    weights: LaidOut


_RECORDED: WeakKeyDictionary[Writer, tuple[tuple, Recording]] = WeakKeyDictionary()
_WRITTEN: WeakSet[Writer] = WeakSet()  # those of which a first text was asked
_RECORDING = threading.Lock()  # the tracer's state is the whole process's


class Replay:
    """A model's recorded pass, which continues the text of one cache."""

    def __init__(self, model: Writer, cache: KVCache):
        self._up_to = replayable_length(model) if _is_due(model) else 0
        self._model, self._cache = model, cache
        self._recording: Recording | None = None
        self._biases: Tensor | None = None

    def serves(self, place: int) -> bool:
        """Whether it may read the token at `place` (from 0): one that sees all before it, while nobody looks inside."""
        return place < self._up_to and not observed()

    @contextmanager
    def weights_laid_out(self) -> Iterator[None]:
        """Plain passes within it read the weights as the recorded one does."""
        with in_force(self._recorded().weights):
            yield

    def next_logits(self, token: Tensor, positions: Tensor) -> Tensor:
        """(1, 1, V) after one more token (1, 1) at `positions` (1, 1), or (1, 2, 1) where they have two dimensions."""
        recorded = self._recorded()
        given = _given(self._model, self._cache, self._biases)
        with recorded.weights.in_recording():
            logits = recorded.step(token, positions, given + recorded.weights.tensors)
        self._cache.advance(1)
        return logits

    def _recorded(self) -> "Recording":
        if self._recording is None:
            self._recording = recording(self._model)
            self._biases = _biases(self._model, self._cache.capacity)
        return self._recording


def _is_due(model: Writer) -> bool:
    is_first = model not in _WRITTEN
    _WRITTEN.add(model)
    return not (is_first and _size(model) > LARGE)


def replayable_length(model: Writer) -> float:
    """Up to how many tokens in all a new one sees them all; 0 where the pass is not to be recorded."""
    cfg = model.config
    hooked = any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    if cfg.head != "lm" or hooked or _size(model) > LARGEST or torch.is_autocast_enabled(model.weight.device.type):
        return 0
    return min(_whole_up_to(layer, cfg.sparse or SparsePattern()) for layer in _stack(model).patterns)


def recording(model: Writer) -> Recording:
    """The model's recording, made anew when its weights have changed since, or the number of threads."""
    with _RECORDING:
        version = (torch.get_num_threads(), *map(_version, (*model.parameters(), *model.buffers())))
        known = _RECORDED.get(model)
        if known is None or known[0] != version:
            known = _RECORDED[model] = (version, _record(model))
        return known[1]


def _size(model: Writer) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _whole_up_to(layer: LayerConfig, sparse: SparsePattern) -> float:
    # What is written after the prefix sees what a causal layer's tokens see.
    mask = MASKS["causal" if layer.mask == "prefix" else layer.mask]
    return mask.whole_up_to(layer, sparse)


def _stack(model: Writer) -> Stack:
    """The layers that write."""
    return model.decoder if isinstance(model, EncoderDecoder) else model


def _version(tensor: Tensor) -> tuple:
    changes = None if tensor.is_inference() else tensor._version
    return tensor.data_ptr(), changes, tensor.dtype, tensor.device


def _biases(model: Writer, capacity: int) -> Tensor | None:
    """The score biases of the last of `capacity` tokens, (1, H, 1, capacity).

    They depend on the distance alone, so that those of an earlier token are the last ones of these.
    """
    last = range(capacity - 1, capacity)
    bias = _stack(model).position.bias(last, range(capacity), model.weight.device)
    return None if bias is None else bias.to(model.weight.dtype)[None]


def _given(model: Writer, cache: KVCache, biases: Tensor | None) -> list[Tensor]:
    """What the next token's pass reads beside weights: keys and values, those of the encoder's tokens, score biases."""
    keys, values = cache.room(1)
    given = keys + values
    if isinstance(model, EncoderDecoder):
        pairs = [cache.cross(layer) for layer in range(len(keys))]
        given += [k for k, _ in pairs] + [v for _, v in pairs]
    if biases is not None:
        given.append(biases[..., -(cache.length + 1) :])
    return given


def _record(model: Writer) -> Recording:
    cache = model.new_cache(capacity=2)
    token = torch.zeros((1, 1), dtype=torch.long, device=model.weight.device)
    with in_force(noting := Noting()):
        if isinstance(model, EncoderDecoder):
            model(token.expand(1, 2), decoder_input_ids=token, cache=cache)
        else:
            model(token, cache=cache)
    weights = LaidOut(noting.weights)
    two_dimensional = model.config.position in ("learned_2d", "rotary_2d")
    positions = torch.ones((1, 2, 1) if two_dimensional else (1, 1), dtype=torch.long, device=token.device)
    given = _given(model, cache, _biases(model, cache.capacity))
    with warnings.catch_warnings():
        # TorchScript is deprecated in favour of compilers, which need a C++ toolchain on the visitor's machine.
        warnings.simplefilter("ignore")
        one_token, arguments = _one_token(model, weights, len(given)), (token, positions, given + weights.tensors)
        return Recording(torch.jit.trace(one_token, arguments, check_trace=False), weights)


def _one_token(model: Writer, weights: LaidOut, n_given: int) -> Callable[[Tensor, Tensor, list[Tensor]], Tensor]:
    """`read` and the head for one token that sees everything, with tensors for arguments as recordings need.

    What is read instead of `weights` is among the arguments too, after the first `n_given`: not every layout can be a
    recording's constant. A function, of which the other weights are constants: of a module the tracer would first make a
    scripted twin, part by part, which takes longer than the recording itself. Constants have no gradient.
    """
    constants = {id(weight): nn.Parameter(weight.detach(), requires_grad=False) for weight in model.parameters()}
    shared = {id(thing): thing for thing in (model.config, *model.buffers())}
    model = copy.deepcopy(model, memo=constants | shared)
    weights = weights.of_twins(constants)

    def one_token(token: Tensor, positions: Tensor, given: list[Tensor]) -> Tensor:
        given, laid_out = given[:n_given], given[n_given:]
        cache = _GivenCache(given, model.config.n_layers)
        biases = given[-1] if _stack(model).position.bias(range(1), range(1), token.device) is not None else None
        ctx = Context(views=(Visibility(biases),), cache=cache)
        with in_force(weights.with_tensors(laid_out)):
            return model.next_logits(model.read(token, positions, ctx, only_last=True))

    return one_token


class _GivenCache:
    """Writes each layer's new key and value into the last place of the views it was given, in the order of `_given`."""

    def __init__(self, given: list[Tensor], n_layers: int):
        self._keys, self._values = given[:n_layers], given[n_layers : 2 * n_layers]
        self._cross_keys, self._cross_values = given[2 * n_layers : 3 * n_layers], given[3 * n_layers : 4 * n_layers]

    def extend(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        # Written with brackets, the whole slices of the other dimensions would be recorded too.
        self._keys[layer].narrow(2, -1, 1).copy_(k)
        self._values[layer].narrow(2, -1, 1).copy_(v)
        return self._keys[layer], self._values[layer]

    def n_keys(self, layer: int, n_new: int) -> int:
        return self._keys[layer].shape[2]

    def cross(self, layer: int) -> tuple[Tensor, Tensor]:
        return self._cross_keys[layer], self._cross_values[layer]
