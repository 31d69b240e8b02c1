"""A layer: attention and feed-forward around the residual stream, in the order that the architecture chose.

Each class is one layout, readable in its `forward`. All take attention, feed-forward and a maker of norms, and share the
signature `forward(x, **context)`: x (B, T, D), and what attention needs to know of the pass.
"""

from collections.abc import Callable

from torch import Tensor, nn

from models.taps import Tap


class PreNormBlock(nn.Module):
    """x + f(norm(x)): the stream itself is never normalised, so deep stacks train (GPT-2, LLaMA)."""

    def __init__(self, attn: nn.Module, ffn: nn.Module, norm: Callable[[], nn.Module]):
        super().__init__()
        self.attn_norm, self.attn = norm(), attn
        self.ffn_norm, self.ffn = norm(), ffn
        self.resid_pre, self.resid_mid, self.resid_post = Tap("resid_pre"), Tap("resid_mid"), Tap("resid_post")

    def forward(self, x: Tensor, **context) -> Tensor:
        x = self.resid_pre(x)
        x = self.resid_mid(x + self.attn(self.attn_norm(x), **context))
        return self.resid_post(x + self.ffn(self.ffn_norm(x)))


class PostNormBlock(nn.Module):
    """norm(x + f(x)): the layout of 2017 (Vaswani et al., section 3.1), of GPT-1 and of BERT."""

    def __init__(self, attn: nn.Module, ffn: nn.Module, norm: Callable[[], nn.Module]):
        super().__init__()
        self.attn, self.attn_norm = attn, norm()
        self.ffn, self.ffn_norm = ffn, norm()
        self.resid_pre, self.resid_mid, self.resid_post = Tap("resid_pre"), Tap("resid_mid"), Tap("resid_post")

    def forward(self, x: Tensor, **context) -> Tensor:
        x = self.resid_pre(x)
        x = self.resid_mid(self.attn_norm(x + self.attn(x, **context)))
        return self.resid_post(self.ffn_norm(x + self.ffn(x)))


class SandwichBlock(nn.Module):
    """x + norm(f(norm(x))): a second norm on what each sub-layer adds (Ding et al. 2021, arXiv:2105.13290; GLM-4-0414)."""

    def __init__(self, attn: nn.Module, ffn: nn.Module, norm: Callable[[], nn.Module]):
        super().__init__()
        self.attn_norm, self.attn, self.attn_post_norm = norm(), attn, norm()
        self.ffn_norm, self.ffn, self.ffn_post_norm = norm(), ffn, norm()
        self.resid_pre, self.resid_mid, self.resid_post = Tap("resid_pre"), Tap("resid_mid"), Tap("resid_post")

    def forward(self, x: Tensor, **context) -> Tensor:
        x = self.resid_pre(x)
        x = self.resid_mid(x + self.attn_post_norm(self.attn(self.attn_norm(x), **context)))
        return self.resid_post(x + self.ffn_post_norm(self.ffn(self.ffn_norm(x))))


class ParallelBlock(nn.Module):
    """x + attn(norm(x)) + ffn(norm(x)): both read the same normalised stream (GPT-J; PaLM, arXiv:2204.02311, section 2)."""

    def __init__(self, attn: nn.Module, ffn: nn.Module, norm: Callable[[], nn.Module]):
        super().__init__()
        self.attn_norm, self.attn, self.ffn = norm(), attn, ffn
        self.resid_pre, self.resid_mid, self.resid_post = Tap("resid_pre"), Tap("resid_mid"), Tap("resid_post")

    def forward(self, x: Tensor, **context) -> Tensor:
        x = self.resid_pre(x)
        normed = self.attn_norm(x)
        mid = self.resid_mid(x + self.attn(normed, **context))
        return self.resid_post(mid + self.ffn(normed))


BLOCKS: dict[str, type[nn.Module]] = {
    "pre": PreNormBlock,
    "post": PostNormBlock,
    "sandwich": SandwichBlock,
    "parallel": ParallelBlock,
}
