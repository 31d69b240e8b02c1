"""What a pass returns, whichever architecture ran."""

from dataclasses import dataclass

from torch import Tensor

from models.cache import KVCache
from models.parts.routers import Routing


@dataclass(frozen=True, slots=True)
class ModelOutput:
    """The results of one pass; what the architecture does not compute is None.

    logits (B, T, V), or (B, n_classes) of a classifier; hidden (B, T, D) is what the head read, pooled (B, D) the
    sequence as one vector; nsp_logits (B, 2), where class 0 means that the second sentence follows the first.
    mtp_logits[k] (B, T − k − 1, V) are those of the (k+1)-th token further on. `memory` (B, S, D) is what an encoder has
    read. text_embeds and image_embeds (B, d_projection) have length 1; logits_per_image (images, texts) compares them.
    `aux_loss` and `z_loss` are what the routers of sparse layers ask for, not yet multiplied by their coefficients;
    `aux_loss_by_layer` asks it of each layer alone, as `models.parts.balancing.RouterLosses` tells. `routings` is where
    each sparse layer sent its tokens, in the order of the layers (encoder first, text before image).
    """

    logits: Tensor | None = None
    cache: KVCache | None = None
    hidden: Tensor | None = None
    pooled: Tensor | None = None
    nsp_logits: Tensor | None = None
    mtp_logits: tuple[Tensor, ...] = ()
    memory: Tensor | None = None
    text_embeds: Tensor | None = None
    image_embeds: Tensor | None = None
    logits_per_image: Tensor | None = None
    aux_loss: Tensor | None = None
    aux_loss_by_layer: Tensor | None = None
    z_loss: Tensor | None = None
    routings: tuple[Routing, ...] = ()
