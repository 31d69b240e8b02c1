"""The KV cache: keys and values of the tokens already read, so that each new token costs one token's work."""

import torch
from torch import Tensor

from models.errors import InputError


class KVCache:
    """Keys and values of every layer, allocated once for `capacity` tokens.

    Each is (B, K, capacity, d_head) per layer; keys are stored after the rotation. The model writes with `extend` layer
    by layer and moves `length` on with `advance` when the pass is complete.
    """

    def __init__(
        self, n_layers: int, batch: int, n_kv_heads: int, capacity: int, d_head: int, dtype=torch.float32, device="cpu"
    ):
        shape = (batch, n_kv_heads, capacity, d_head)
        self.capacity = capacity
        self.length = 0
        self._keys = [torch.empty(shape, dtype=dtype, device=device) for _ in range(n_layers)]
        self._values = [torch.empty(shape, dtype=dtype, device=device) for _ in range(n_layers)]

    @property
    def nbytes(self) -> int:
        """Bytes allocated for keys and values."""
        return sum(tensor.nbytes for tensor in (*self._keys, *self._values))

    def check(self, n_layers: int, batch: int) -> None:
        """Raises `InputError` where the cache was made for another depth or number of sequences."""
        made_for = (len(self._keys), self._keys[0].shape[0])
        if made_for != (n_layers, batch):
            raise InputError("batch_shape", field="cache (layers, B)", value=made_for, expected=(n_layers, batch))

    def extend(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Write the new tokens' k and v (B, K, T, d_head); return all so far, (B, K, length + T, d_head)."""
        start, end = self.length, self.length + k.shape[2]
        if end > self.capacity:
            raise InputError("cache_full", capacity=self.capacity, n_tokens=end)
        keys, values = self._keys[layer], self._values[layer]
        keys[:, :, start:end] = k.detach()
        values[:, :, start:end] = v.detach()
        return keys[:, :, :end], values[:, :, :end]

    def room(self, n_tokens: int) -> tuple[list[Tensor], list[Tensor]]:
        """Views of all keys and all values, (B, K, length + n_tokens, d_head) a layer, the last n_tokens unwritten."""
        end = self.length + n_tokens
        if end > self.capacity:
            raise InputError("cache_full", capacity=self.capacity, n_tokens=end)
        return [keys[:, :, :end] for keys in self._keys], [values[:, :, :end] for values in self._values]

    def advance(self, n_tokens: int) -> None:
        """Count `n_tokens` more as read, after every layer has been extended by them."""
        self.length += n_tokens

    def rewind(self, length: int) -> None:
        """Forget all but the first `length` tokens."""
        self.length = max(0, min(length, self.length))
