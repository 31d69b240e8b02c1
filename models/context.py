"""What a layer needs to know of the pass it takes part in, beside the residual stream."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from torch import Tensor

from models.cache import KVCache
from models.parts.masks import Visibility

if TYPE_CHECKING:
    from models.parts.routers import Routing


@dataclass(slots=True)
class Context:
    """One pass over T tokens, S − T of which are cached.

    views: what queries may see, one for each entry of the mask pattern; angles: what the position part turns queries and
    keys by; is_token (B, T): False at padding; is_global (B, T): tokens that see and are seen by all (Longformer);
    memory (B, S_enc, D): what an encoder has read, seen through `memory_view`. Sparse layers leave in `routings` where
    their tokens went, from which `models.parts.balancing` computes the losses of training: a deque, because of a list
    PyTorch's FSDP would give each layer a copy.
    """

    views: Sequence[Visibility] = (Visibility(),)
    angles: tuple[Tensor, Tensor] | None = None
    cache: KVCache | None = None
    is_token: Tensor | None = None
    is_global: Tensor | None = None
    memory: Tensor | None = None
    memory_view: Visibility = Visibility()
    routings: deque["Routing"] = field(default_factory=deque)

    def view(self, layer: int) -> Visibility:
        """What queries may see in layer `layer`, of the keys that its cache still holds."""
        view = self.views[layer % len(self.views)]
        if self.cache is None or view.mask is None:
            return view
        n_new, n_total = view.mask.shape[-2:]
        n_keys = self.cache.n_keys(layer, n_new)
        return view if n_keys == n_total else replace(view, mask=view.mask[..., -n_keys:])
