"""A layer: attention and feed-forward around the residual stream, in the order that the architecture chose.

Each class is one layout, readable in its `forward`. All take attention, feed-forward, a maker of norms and, where the
layout has a place for it, attention to an encoder (`cross`); all give and take x (B, T, D) and the pass's `Context`.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from models.config import ModelConfig
from models.context import Context
from models.taps import Tap


class _Block(nn.Module):
    """The parts that most layouts have: a norm for each sub-layer, and taps on the stream between them."""

    def __init__(self, attn: nn.Module, ffn: nn.Module, norm: Callable[[], nn.Module], cross: nn.Module | None = None):
        super().__init__()
        self.attn_norm, self.attn = norm(), attn
        self.cross_norm, self.cross_attn = (None, None) if cross is None else (norm(), cross)
        self.ffn_norm, self.ffn = norm(), ffn
        self.resid_pre, self.resid_mid, self.resid_post = Tap("resid_pre"), Tap("resid_mid"), Tap("resid_post")
        if cross is not None:
            self.resid_cross = Tap("resid_cross")


class PreNormBlock(_Block):
    """x + f(norm(x)): the stream itself is never normalised, so deep stacks train (GPT-2, T5, LLaMA)."""

    def forward(self, x: Tensor, ctx: Context) -> Tensor:
        x = self.resid_pre(x)
        x = self.resid_mid(x + self.attn(self.attn_norm(x), ctx))
        if self.cross_attn is not None:
            x = self.resid_cross(x + self.cross_attn(self.cross_norm(x), ctx))
        return self.resid_post(x + self.ffn(self.ffn_norm(x), ctx))


class PostNormBlock(_Block):
    """norm(x + f(x)): the layout of 2017 (Vaswani et al., section 3.1), of GPT-1 and of BERT."""

    def forward(self, x: Tensor, ctx: Context) -> Tensor:
        x = self.resid_pre(x)
        x = self.resid_mid(self.attn_norm(x + self.attn(x, ctx)))
        if self.cross_attn is not None:
            x = self.resid_cross(self.cross_norm(x + self.cross_attn(x, ctx)))
        return self.resid_post(self.ffn_norm(x + self.ffn(x, ctx)))


class SandwichBlock(_Block):
    """x + norm(f(norm(x))): a second norm on what each sub-layer adds (Ding et al. 2021, arXiv:2105.13290; GLM-4-0414)."""

    def __init__(self, attn: nn.Module, ffn: nn.Module, norm: Callable[[], nn.Module], cross: nn.Module | None = None):
        super().__init__(attn, ffn, norm, cross)
        self.attn_post_norm, self.ffn_post_norm = norm(), norm()
        self.cross_post_norm = None if cross is None else norm()

    def forward(self, x: Tensor, ctx: Context) -> Tensor:
        x = self.resid_pre(x)
        x = self.resid_mid(x + self.attn_post_norm(self.attn(self.attn_norm(x), ctx)))
        if self.cross_attn is not None:
            x = self.resid_cross(x + self.cross_post_norm(self.cross_attn(self.cross_norm(x), ctx)))
        return self.resid_post(x + self.ffn_post_norm(self.ffn(self.ffn_norm(x), ctx)))


class DeepNormBlock(_Block):
    """norm, then α·norm(x) + f(norm(x)): the residual carries the normalised stream, enlarged by `alpha`.

    DeepNorm is norm(α·x + f(x)) (Wang et al. 2022, arXiv:2203.00555, section 4; α = √(2·n_layers) in GLM-130B,
    arXiv:2210.02414). As in GLM's code, each norm stands at the start of the next sub-layer, and the final norm closes
    the last one.
    """

    def __init__(
        self,
        attn: nn.Module,
        ffn: nn.Module,
        norm: Callable[[], nn.Module],
        cross: nn.Module | None = None,
        alpha: float = 1.0,
    ):
        super().__init__(attn, ffn, norm, cross)
        self.alpha = alpha

    def forward(self, x: Tensor, ctx: Context) -> Tensor:
        x = self.attn_norm(self.resid_pre(x))
        x = self.resid_mid(self.alpha * x + self.attn(x, ctx))
        if self.cross_attn is not None:
            x = self.cross_norm(x)
            x = self.resid_cross(self.alpha * x + self.cross_attn(x, ctx))
        x = self.ffn_norm(x)
        return self.resid_post(self.alpha * x + self.ffn(x, ctx))


class ParallelBlock(nn.Module):
    """x + attn(norm(x)) + ffn(norm(x)): both read the same normalised stream (GPT-J; PaLM, arXiv:2204.02311, section 2)."""

    def __init__(self, attn: nn.Module, ffn: nn.Module, norm: Callable[[], nn.Module]):
        super().__init__()
        self.attn_norm, self.attn, self.ffn = norm(), attn, ffn
        self.resid_pre, self.resid_mid, self.resid_post = Tap("resid_pre"), Tap("resid_mid"), Tap("resid_post")

    def forward(self, x: Tensor, ctx: Context) -> Tensor:
        x = self.resid_pre(x)
        normed = self.attn_norm(x)
        mid = self.resid_mid(x + self.attn(normed, ctx))
        return self.resid_post(mid + self.ffn(normed, ctx))


class ReversibleBlock(_Block):
    """Two streams, each changed by what the other says: y₁ = x₁ + attn(norm(x₂)), y₂ = x₂ + ffn(norm(y₁)).

    From y₁ and y₂ one can compute x₁ and x₂ again, so that training need not store them (Kitaev et al. 2020, Reformer,
    arXiv:2001.04451, section 3). x (B, T, 2D) is x₁ beside x₂, in the taps too.
    """

    def __init__(self, attn: nn.Module, ffn: nn.Module, norm: Callable[[], nn.Module]):
        super().__init__(attn, ffn, norm)

    def forward(self, x: Tensor, ctx: Context) -> Tensor:
        x1, x2 = self.resid_pre(x).chunk(2, dim=-1)  # (B, T, D) each
        mid = self.resid_mid(torch.cat((x1 + self.attn(self.attn_norm(x2), ctx), x2), dim=-1))  # (B, T, 2D)
        y1, x2 = mid.chunk(2, dim=-1)
        return self.resid_post(torch.cat((y1, x2 + self.ffn(self.ffn_norm(y1), ctx)), dim=-1))


BLOCKS: dict[str, type[nn.Module]] = {
    "pre": PreNormBlock,
    "post": PostNormBlock,
    "sandwich": SandwichBlock,
    "deepnorm": DeepNormBlock,
    "parallel": ParallelBlock,
    "reversible": ReversibleBlock,
}


def build_block(
    cfg: ModelConfig,
    attn: nn.Module,
    ffn: nn.Module,
    norm: Callable[[], nn.Module],
    cross: nn.Module | None = None,
) -> nn.Module:
    """The layer that `cfg` names around these parts; `cross` is attention to an encoder, where there is one."""
    options = {} if cross is None else {"cross": cross}
    if cfg.block == "deepnorm":
        options["alpha"] = cfg.residual_alpha
    return BLOCKS[cfg.block](attn, ffn, norm, **options)
