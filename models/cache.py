"""The KV cache: what attention needs of the tokens already read, so that each new token costs one token's work."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from models.config import ModelConfig
from models.errors import InputError


@dataclass(frozen=True)
class Store:
    """What a layer keeps of a token: two tensors of (heads, width), for the last `window` tokens, or for all if None."""

    keys: tuple[int, int]
    values: tuple[int, int]
    window: int | None = None


class KVCache:
    """What every layer keeps of the tokens read, allocated once for `capacity` tokens of `batch` sequences.

    Usually these are keys, after the rotation, and values, (B, K, capacity, d_head) each; latent attention keeps its
    latent and the rotary key that all heads share, (B, 1, capacity, width). A layer with a sliding window keeps its last
    `window` tokens only. Layers that read from an encoder put its keys and values beside these, once. The model writes
    with `extend` layer by layer and moves `length` on with `advance` when the pass is complete; a pass that fails on
    its way leaves the cache as it was.
    """

    def __init__(
        self,
        stores: Sequence[Store],
        batch: int,
        capacity: int,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ):
        self.capacity = capacity
        self.length = 0
        self._batch = batch
        self._layers = [_LayerCache(store, batch, capacity, dtype, device) for store in stores]
        self._cross: dict[int, tuple[Tensor, Tensor]] = {}

    @classmethod
    def for_model(
        cls,
        cfg: ModelConfig,
        batch: int = 1,
        capacity: int | None = None,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> "KVCache":
        """An empty cache for the layers that `cfg` describes; `capacity` is by default its context."""
        capacity = cfg.max_seq_len if capacity is None else capacity
        return cls([_store(cfg, index) for index in range(cfg.n_layers)], batch, capacity, dtype, device)

    @property
    def nbytes(self) -> int:
        """Bytes allocated for all layers, what was read from an encoder included."""
        own = [tensor for layer in self._layers for tensor in (layer.keys, layer.values)]
        return sum(tensor.nbytes for pair in (own, *self._cross.values()) for tensor in pair)

    def check(self, n_layers: int, batch: int) -> None:
        """Raises `InputError` where the cache was made for another depth or number of sequences."""
        made_for = (len(self._layers), self._batch)
        if made_for != (n_layers, batch):
            raise InputError("batch_shape", field="cache (layers, B)", value=made_for, expected=(n_layers, batch))

    def extend(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Write the new tokens' k and v (B, K, T, width); return those of all tokens so far, (B, K, length + T, width).

        A layer with a window that the text has outgrown gives those of the last window − 1 + T tokens.
        """
        self._check_room(k.shape[2])
        return self._layers[layer].extend(self.length, k.detach(), v.detach())

    def n_keys(self, layer: int, n_new: int) -> int:
        """How many tokens' keys `extend` returns for `n_new` tokens: length + n_new, or fewer in a sliding window."""
        return self._layers[layer].n_keys(self.length, n_new)

    def room(self, n_tokens: int) -> tuple[list[Tensor], list[Tensor]]:
        """Views of all keys and all values, (B, K, length + n_tokens, width) a layer, the last n_tokens unwritten.

        Only while no window is outgrown.
        """
        self._check_room(n_tokens)
        end = self.length + n_tokens
        assert all(end <= layer.size for layer in self._layers), "a sliding window has no place for all of these tokens"
        return [layer.keys[:, :, :end] for layer in self._layers], [layer.values[:, :, :end] for layer in self._layers]

    def advance(self, n_tokens: int) -> None:
        """Count `n_tokens` more as read, after every layer has been extended by them."""
        self.length += n_tokens
        for layer in self._layers:
            layer.settle(self.length)

    def rewind(self, length: int) -> None:
        """Forget all but the first `length` tokens.

        Raises `InputError` where a sliding window has let go of tokens that the next one would see; 0 always works.
        """
        length = max(0, min(length, self.length))
        for layer in self._layers:
            if not layer.can_rewind(length):
                raise InputError("cache_let_go", n_tokens=length, length=self.length)
        for layer in self._layers:
            layer.rewind(length)
        self.length = length

    def cross(self, layer: int) -> tuple[Tensor, Tensor] | None:
        """Keys and values (B, K, S, d_head) of what the encoder has read, or None before `keep_cross`."""
        return self._cross.get(layer)

    def keep_cross(self, layer: int, k: Tensor, v: Tensor) -> None:
        """Keep the keys and values (B, K, S, d_head) of what the encoder has read: they are the same for every token."""
        # A view would keep alive the whole tensor that it was cut from.
        self._cross[layer] = (k.detach().contiguous(), v.detach().contiguous())

    def _check_room(self, n_tokens: int) -> None:
        if self.length + n_tokens > self.capacity:
            raise InputError("cache_full", capacity=self.capacity, n_tokens=self.length + n_tokens)


class _LayerCache:
    """One layer's tensors; they hold the tokens from place `start` on, in their order."""

    def __init__(self, store: Store, batch: int, capacity: int, dtype: torch.dtype, device: torch.device | str):
        self.window = store.window
        self.size = capacity if store.window is None else min(capacity, store.window)
        self.start = 0
        self.keys, self.values = (
            torch.empty((batch, heads, self.size, width), dtype=dtype, device=device)
            for heads, width in (store.keys, store.values)
        )
        self._moved: tuple[Tensor, Tensor] | None = None  # the next content, where the window moves on in this pass

    def extend(self, length: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        held = length - self.start
        end = held + k.shape[2]
        if end <= self.size:
            self._moved = None
            self.keys[:, :, held:end] = k
            self.values[:, :, held:end] = v
            return self.keys[:, :, :end], self.values[:, :, :end]
        first = max(0, held - (self.size - 1))  # the oldest that a new token sees
        keys = torch.cat((self.keys[:, :, first:held], k), dim=2)  # (B, K, at most window − 1 + T, width)
        values = torch.cat((self.values[:, :, first:held], v), dim=2)
        self._moved = _newest(keys, self.size), _newest(values, self.size)
        return keys, values

    def n_keys(self, length: int, n_new: int) -> int:
        held = length - self.start
        return held + n_new if held + n_new <= self.size else min(held, self.size - 1) + n_new

    def settle(self, length: int) -> None:
        if self._moved is None:
            return
        for kept, moved in zip((self.keys, self.values), self._moved, strict=True):
            kept.copy_(moved)
        self.start = length - self.size
        self._moved = None

    def can_rewind(self, length: int) -> bool:
        return length == 0 or self.window is None or self.start <= max(0, length - (self.window - 1))

    def rewind(self, length: int) -> None:
        self._moved = None
        if length == 0:
            self.start = 0


def _newest(tensor: Tensor, n_tokens: int) -> Tensor:
    """The last `n_tokens`, without keeping the others alive."""
    return tensor if tensor.shape[2] == n_tokens else tensor[:, :, -n_tokens:].clone()


def _store(cfg: ModelConfig, index: int) -> Store:
    layer = cfg.layer(index)
    window = layer.window if layer.mask == "sliding" else None
    if cfg.mla is not None:
        return Store((1, cfg.mla.kv_lora_rank), (1, cfg.mla.qk_rope_head_dim), window)
    return Store((cfg.n_kv_heads, cfg.d_head), (cfg.n_kv_heads, cfg.d_head), window)
