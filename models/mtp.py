"""Multi-token prediction: a module after the stack that looks one token further (DeepSeek-V3, arXiv:2412.19437, 2.2)."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from models.config import ModelConfig
from models.context import Context
from models.parts.linear import Linear
from models.parts.positions import NoPosition
from models.parts.routers import Routing
from models.stack import build_layer, norm, places

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
        self, model: "Transformer", input_ids: Tensor, hidden: Tensor, position_ids: Tensor, ctx: Context
    ) -> tuple[tuple[Tensor, ...], tuple[Routing, ...]]:
        """Logits of the tokens after the next, one tensor (B, T − k, V) for each k = 1 … mtp_depth; and the routings.

        The last k tokens have no successor to look at, and drop out. `ctx` is the main pass's; its padding mask is kept.
        """
        answers: list[Tensor] = []
        routings: list[Routing] = []
        for depth, further in enumerate(self, start=1):
            n_left = hidden.shape[1] - 1
            if n_left < 1:
                break
            is_token = None if ctx.is_token is None else ctx.is_token[:, :n_left]
            mask = None if is_token is None else is_token.long()
            inner = Context(views=model.views(0, n_left, mask, model.weight), is_token=is_token, routings=routings)
            here = position_ids[..., :n_left] if position_ids is not None else places(0, n_left, hidden.device)
            inner.angles = model.position.angles(here, model.weight.dtype)
            hidden = further(hidden[:, :n_left], model.tok_embed(input_ids[:, depth : depth + n_left]), inner)
            answers.append(model.lm_head(hidden, model.tok_embed.weight))
        return tuple(answers), tuple(routings)
