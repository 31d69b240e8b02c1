"""What enters the first layer, part by part: the token's vector, its segment's, its position's, their sum, and its norm."""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.transformer import Transformer


@dataclass(frozen=True)
class EmbeddingParts:
    """Vectors (T, D) of one sequence. `total` is the sum of the parts; `normed` what a norm makes of it, as the first
    layer reads it (`total` itself without one). segment or position is None where the architecture adds none."""

    token: Tensor
    segment: Tensor | None
    position: Tensor | None
    total: Tensor
    normed: Tensor


@torch.inference_mode()
def embedding_parts(model: Transformer, input_ids: Tensor, token_type_ids: Tensor | None = None) -> EmbeddingParts:
    """The parts for ids (T,) with segments (T,), by default all 0 (Devlin et al. 2018, figure 2, where there are three)."""
    cfg = model.config
    token = model.tok_embed(input_ids)  # (T, D)
    if cfg.scale_embeddings:
        token = token * cfg.d_model**0.5
    places = torch.arange(len(input_ids), device=input_ids.device)[None]  # (1, T)
    position = model.position.embed(torch.zeros_like(token)[None], places)[0]  # (T, D)
    total = token + position
    segment = None
    if model.segment_embed is not None:
        segment = model.segment_embed(torch.zeros_like(input_ids) if token_type_ids is None else token_type_ids)
        total = total + segment
    normed = total if model.embed_norm is None else model.embed_norm(total)
    return EmbeddingParts(token, segment, position if bool(position.any()) else None, total, normed)
