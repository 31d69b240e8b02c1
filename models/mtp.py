"""Multi-token prediction: a module after the stack that looks one token further (DeepSeek-V3, arXiv:2412.19437, 2.2)."""

from collections import deque
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from models.config import ModelConfig
from models.context import Context
from models.parts.linear import Linear
from models.parts.positions import NoPosition
from models.parts.routers import Routing
from models.stack import build_layer, norm, tokens_of

if TYPE_CHECKING:
    from models.transformer import Transformer


class FurtherToken(nn.Module):
    """One depth: the vector of a token joined with the embedding of the next one, through a layer of its own."""

    def __init__(self, cfg: ModelConfig, depth: int, position: NoPosition):
        super().__init__()
        self.embed_norm, self.hidden_norm = norm(cfg), norm(cfg)
        self.proj = Linear(2 * cfg.d_model, cfg.d_model, bias=False)
        self.block = build_layer(cfg, cfg.layer(cfg.n_layers + depth), position)
        self.final_norm = norm(cfg)

    def forward(self, hidden: Tensor, embedded: Tensor, ctx: Context) -> Tensor:
        """hidden and embedded (B, T, D), the latter one token further on, give (B, T, D)."""
        joined = torch.cat((self.embed_norm(embedded), self.hidden_norm(hidden)), dim=-1)  # (B, T, 2D)
        return self.final_norm(self.block(self.proj(joined), ctx))


class MultiTokenPrediction(nn.ModuleList):
    """`mtp_depth` modules in a row, each one token further; embedding and head are the model's own."""

    def __init__(self, cfg: ModelConfig, position: NoPosition):
        super().__init__(FurtherToken(cfg, depth, position) for depth in range(cfg.mtp_depth))

    def forward(
        self,
        model: "Transformer",
        input_ids: Tensor,
        hidden: Tensor,
        position_ids: Tensor,
        attention_mask: Tensor | None = None,
    ) -> tuple[tuple[Tensor, ...], tuple[Routing, ...]]:
        """Logits of the tokens after the next, one tensor (B, T − k, V) for each k = 1 … mtp_depth; and the routings.

        The last k tokens have no successor to look at, and drop out. The arguments are those of the main pass.
        """
        answers: list[Tensor] = []
        routings: deque[Routing] = deque()
        for depth, further in enumerate(self, start=1):
            n_left = hidden.shape[1] - 1
            if n_left < 1:
                break
            mask = _first(attention_mask, n_left)
            views = model.views(0, n_left, mask, model.weight)
            inner = Context(views=views, is_token=tokens_of(mask, n_left), routings=routings)
            inner.angles = model.position.angles(position_ids[..., :n_left], model.weight.dtype)
            hidden = further(hidden[:, :n_left], model.tok_embed(input_ids[:, depth : depth + n_left]), inner)
            answers.append(model.lm_head(hidden, model.tok_embed.weight))
        return tuple(answers), tuple(routings)


def _first(attention_mask: Tensor | None, n_tokens: int) -> Tensor | None:
    """A mask (B, T), or (B, 1, T, T), of the first `n_tokens` alone."""
    if attention_mask is None:
        return None
    return attention_mask[:, :n_tokens] if attention_mask.dim() == 2 else attention_mask[..., :n_tokens, :n_tokens]
