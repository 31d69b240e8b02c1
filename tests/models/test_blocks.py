"""Each layout of a layer, told once more as the formula of its paper, on parts whose answers are easily computed."""

import pytest
import torch
from torch import Tensor, nn

import models
from models.config import ModelConfig
from models.context import Context
from models.parts.blocks import BLOCKS, build_block
from models.parts.norms import LayerNorm
from models.taps import name_taps

D = 6


class Part(nn.Module):
    """Stands for attention or feed-forward: a linear map and a tanh, and it remembers the pass that it was given."""

    def __init__(self, seed: int):
        super().__init__()
        self.weight = torch.randn(D, D, generator=torch.Generator().manual_seed(seed))

    def forward(self, x: Tensor, ctx: Context) -> Tensor:
        self.ctx = ctx
        return torch.tanh(x @ self.weight)


def uneven_norms():
    """A maker of LayerNorms, each with weights of its own."""
    generator = torch.Generator().manual_seed(9)

    def norm() -> LayerNorm:
        made = LayerNorm(D)
        with torch.no_grad():
            made.weight.normal_(1.0, 0.5, generator=generator)
            made.bias.normal_(0.0, 0.5, generator=generator)
        return made

    return norm


def block_of(kind: str, cross: bool = False, **changes) -> nn.Module:
    structure = {"structure": "encoder_decoder"} if cross else {}
    sizes = {"vocab_size": 9, "max_seq_len": 8, "d_model": D, "n_layers": 3, "n_heads": 1, "d_ff": 4, **structure}
    cfg = ModelConfig(**sizes, block=kind, norm="layernorm", **changes)
    return build_block(cfg, Part(1), Part(2), uneven_norms(), cross=Part(3) if cross else None)


def pre(b, x, a, c, f):
    x = x + a(b.attn_norm(x))
    x = x + c(b.cross_norm(x)) if c else x
    return x + f(b.ffn_norm(x))


def post(b, x, a, c, f):
    x = b.attn_norm(x + a(x))
    x = b.cross_norm(x + c(x)) if c else x
    return b.ffn_norm(x + f(x))


def sandwich(b, x, a, c, f):
    x = x + b.attn_post_norm(a(b.attn_norm(x)))
    x = x + b.cross_post_norm(c(b.cross_norm(x))) if c else x
    return x + b.ffn_post_norm(f(b.ffn_norm(x)))


def deepnorm(b, x, a, c, f):
    """GLM-130B: a = LN1(x); h = α·a + attn(a); m = LN2(h); out = α·m + mlp(m); α = √(2·3) for three layers."""
    alpha = 6**0.5
    x = b.attn_norm(x)
    x = alpha * x + a(x)
    if c:
        x = b.cross_norm(x)
        x = alpha * x + c(x)
    x = b.ffn_norm(x)
    return alpha * x + f(x)


def parallel(b, x, a, c, f):
    return x + a(b.attn_norm(x)) + f(b.attn_norm(x))


def reversible(b, x, a, c, f):
    x1, x2 = x[..., :D], x[..., D:]
    y1 = x1 + a(b.attn_norm(x2))
    return torch.cat((y1, x2 + f(b.ffn_norm(y1))), dim=-1)


FORMULAS = {
    "pre": pre,
    "post": post,
    "sandwich": sandwich,
    "deepnorm": deepnorm,
    "parallel": parallel,
    "reversible": reversible,
}
WITH_CROSS = ["pre", "post", "sandwich", "deepnorm"]


def test_every_layout_has_its_formula():
    assert set(FORMULAS) == set(BLOCKS) == set(models.CHOICES["block"])


@pytest.mark.parametrize(
    ("kind", "cross"), [*((kind, False) for kind in FORMULAS), *((kind, True) for kind in WITH_CROSS)]
)
@torch.no_grad()
def test_formula(kind, cross):
    block, ctx = block_of(kind, cross), Context()
    x = torch.randn(2, 5, 2 * D if kind == "reversible" else D, generator=torch.Generator().manual_seed(4))
    parts = (Part(1), Part(3) if cross else None, Part(2))
    attn, across, ffn = (part and (lambda value, part=part: part(value, ctx)) for part in parts)
    torch.testing.assert_close(block(x, ctx), FORMULAS[kind](block, x, attn, across, ffn))
    assert block.attn.ctx is block.ffn.ctx is ctx
    assert not cross or block.cross_attn.ctx is ctx


@pytest.mark.parametrize("kind", FORMULAS)
@torch.no_grad()
def test_taps_follow_the_stream(kind):
    block = block_of(kind, cross=kind in WITH_CROSS)
    name_taps(block)
    x = torch.randn(1, 3, 2 * D if kind == "reversible" else D, generator=torch.Generator().manual_seed(4))
    with models.capture("*") as trace:
        out = block(x, Context())
    between = ["resid_mid", "resid_cross"] if kind in WITH_CROSS else ["resid_mid"]
    assert list(trace) == ["resid_pre", *between, "resid_post"]
    assert torch.equal(trace["resid_pre"], x)
    assert torch.equal(trace["resid_post"], out)
    assert {value.shape for value in trace.values()} == {x.shape}
    with models.patch({"resid_mid": torch.zeros_like}):
        patched = block(x, Context())
    assert not torch.allclose(patched, out)


@torch.no_grad()
def test_reversible_layers_can_be_run_backwards():
    """x₂ = y₂ − ffn(norm(y₁)), x₁ = y₁ − attn(norm(x₂)): nothing but the output is needed (Reformer, equation 9)."""
    blocks, ctx = [block_of("reversible") for _ in range(3)], Context()
    x = torch.randn(2, 5, 2 * D, generator=torch.Generator().manual_seed(4))
    y = x
    for block in blocks:
        y = block(y, ctx)
    for block in reversed(blocks):
        y1, y2 = y.chunk(2, dim=-1)
        x2 = y2 - block.ffn(block.ffn_norm(y1), ctx)
        y = torch.cat((y1 - block.attn(block.attn_norm(x2), ctx), x2), dim=-1)
    torch.testing.assert_close(y, x, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_alpha_of_deepnorm_is_the_configured_one():
    x = torch.randn(1, 2, D, generator=torch.Generator().manual_seed(4))
    assert block_of("deepnorm").alpha == pytest.approx(6**0.5)
    block = block_of("deepnorm", residual_alpha=2.0)
    a = block.attn_norm(x)
    m = block.ffn_norm(2.0 * a + block.attn(a, Context()))
    torch.testing.assert_close(block(x, Context()), 2.0 * m + block.ffn(m, Context()))
