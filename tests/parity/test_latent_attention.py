"""Latent attention against the modules of DeepSeek-V2 and V3 in `transformers`, on copied weights."""

import pytest
import torch

from models.cache import KVCache
from models.config import LatentAttention, ModelConfig, RopeScaling
from models.context import Context
from models.parts.latent_attention import MultiHeadLatentAttention, latent
from models.parts.masks import visibility
from models.parts.positions import build_position
from tests.parity.conftest import randomise, transformers
from tests.parity.test_positions import parameters
from tests.rows import each_row

D, H = 48, 3
YARN = RopeScaling(kind="yarn", factor=40.0, original_max_seq_len=16, mscale=1.0, mscale_all_dim=1.0)
CASES = {
    "v2": ("v2", 28, None),
    "v2 lite": ("v2", None, None),
    "v2 yarn": (
        "v2",
        28,
        RopeScaling(kind="yarn", factor=40.0, original_max_seq_len=16, mscale=0.9, mscale_all_dim=0.7),
    ),
    "v3": ("v3", 28, None),
    "v3 yarn": ("v3", 28, YARN),
    "v3 full rank, yarn": ("v3", None, YARN),
    "v3 half-split": ("v3 half", 20, None),
}
CLASSES = {
    "v2": (transformers.DeepseekV2Config, transformers.models.deepseek_v2.modeling_deepseek_v2, "DeepseekV2"),
    "v3": (transformers.DeepseekV3Config, transformers.models.deepseek_v3.modeling_deepseek_v3, "DeepseekV3"),
}
WIDTHS = {"kv_lora_rank": 20, "qk_nope_head_dim": 16, "qk_rope_head_dim": 8, "v_head_dim": 12}


@pytest.fixture(params=CASES, ids=[name.replace(" ", "-").replace(",", "") for name in CASES])
def pair(request):
    """Their attention with its rotary part, ours with its own, and the configuration, on the same weights."""
    version, q_lora_rank, scaling = CASES[request.param]
    config_class, module, prefix = CLASSES[version[:2]]
    config = config_class(
        hidden_size=D,
        num_attention_heads=H,
        num_key_value_heads=H,
        q_lora_rank=q_lora_rank,
        max_position_embeddings=640,
        rope_parameters=parameters(scaling, 10_000.0),
        **({"rope_interleave": version == "v3"} if version != "v2" else {}),
        **WIDTHS,
    )
    config._attn_implementation = "eager"
    theirs = randomise(getattr(module, f"{prefix}Attention")(config, layer_idx=0))
    cfg = ModelConfig(
        vocab_size=9,
        max_seq_len=640,
        d_model=D,
        n_layers=1,
        n_heads=H,
        d_ff=8,
        attention="mla",
        mla=LatentAttention(q_lora_rank=q_lora_rank, **WIDTHS),
        rope_layout="half" if version == "v3 half" else "interleaved",
        rope_scaling=scaling,
    )
    position = build_position(cfg)
    return (
        theirs,
        getattr(module, f"{prefix}RotaryEmbedding")(config),
        copied(theirs, latent(cfg, cfg.layer(0), position)),
        cfg,
    )


@torch.no_grad()
def copied(theirs, ours: MultiHeadLatentAttention) -> MultiHeadLatentAttention:
    names = {"kv_down_proj": "kv_a_proj_with_mqa", "q_proj": "q_proj", "q_down_proj": "q_a_proj"}
    for name, (weight, _) in ours.q_kv_proj.parts().items():
        weight.copy_(getattr(theirs, names[name]).weight)
    ours.kv_norm.weight.copy_(theirs.kv_a_layernorm.weight)
    ours.kv_up_proj.weight.copy_(theirs.kv_b_proj.weight)
    ours.o_proj.weight.copy_(theirs.o_proj.weight)
    if ours.q_up_proj is not None:
        ours.q_norm.weight.copy_(theirs.q_a_layernorm.weight)
        ours.q_up_proj.weight.copy_(theirs.q_b_proj.weight)
    return ours.eval()


def inputs(batch: int, length: int) -> torch.Tensor:
    return torch.randn(batch, length, D, generator=torch.Generator().manual_seed(5))


def context(cfg, n_past, n_new, mask=None, cache=None, dtype=torch.float32, places=None) -> Context:
    places = torch.arange(n_past, n_past + n_new)[None] if places is None else places
    view = visibility(cfg.layer(0), None, n_past, n_new, mask, None, torch.device("cpu"))
    return Context(views=[view], angles=build_position(cfg).angles(places, dtype), cache=cache)


def answer(theirs, rotary, x, mask=None, places=None) -> torch.Tensor:
    """Their output with causal attention and padding."""
    n_tokens = x.shape[1]
    allowed = torch.ones(n_tokens, n_tokens, dtype=torch.bool).tril()
    if mask is not None:
        allowed = (allowed & mask.bool()[:, None, None, :]) | torch.eye(n_tokens, dtype=torch.bool)
    hidden = torch.zeros(allowed.shape, dtype=x.dtype).masked_fill(~allowed, torch.finfo(x.dtype).min)
    places = torch.arange(n_tokens)[None] if places is None else places
    angles = rotary(x, places)
    return theirs(x, attention_mask=hidden.expand(x.shape[0], 1, -1, -1), position_embeddings=angles)[0]


def assert_same(found: torch.Tensor, expected: torch.Tensor, tolerance: float = 1e-5) -> None:
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= tolerance * max(1.0, expected.abs().max().item())


def use(monkeypatch, order: str) -> None:
    is_naive = order == "naive"
    monkeypatch.setattr(MultiHeadLatentAttention, "_naive_is_cheaper", lambda self, n_new, n_total: is_naive)


@each_row("order", ["naive", "absorbed"])
@each_row("length", [1, 11, 90])
@torch.no_grad()
def test_output(pair, order, length, monkeypatch):
    theirs, rotary, ours, cfg = pair
    use(monkeypatch, order)
    x = inputs(2, length)
    assert_same(ours(x, context(cfg, 0, length)), answer(theirs, rotary, x))


@pytest.mark.parametrize("order", ["naive", "absorbed"])
@torch.no_grad()
def test_padding(pair, order, monkeypatch):
    theirs, rotary, ours, cfg = pair
    use(monkeypatch, order)
    x, mask = inputs(3, 14), torch.ones(3, 14, dtype=torch.long)
    mask[1, :5] = 0
    mask[2, :1] = 0
    places = (mask.cumsum(dim=-1) - 1).clamp(min=0)
    found = ours(x, context(cfg, 0, 14, mask, places=places))
    expected = answer(theirs, rotary, x, mask, places)
    assert_same(found[mask.bool()], expected[mask.bool()])


@each_row("order", ["naive", "absorbed", "by cost"])
@torch.no_grad()
def test_cached_decoding(pair, order, monkeypatch):
    theirs, rotary, ours, cfg = pair
    if order != "by cost":
        use(monkeypatch, order)
    x, cache, pieces = inputs(2, 40), KVCache.for_model(cfg, 2, 40), []
    for part in x.split([30, 1, 1, 1, 4, 3], dim=1):
        n_new = part.shape[1]
        pieces.append(ours(part, context(cfg, cache.length, n_new, cache=cache)))
        cache.advance(n_new)
    assert_same(torch.cat(pieces, dim=1), answer(theirs, rotary, x))


@torch.no_grad()
def test_half_precision(pair):
    """In bf16 both are as far from fp32 as its eight bits make them."""
    theirs, rotary, ours, cfg = pair
    x = inputs(2, 24)
    exact = answer(theirs, rotary, x)
    half = x.bfloat16()
    theirs_off = (answer(theirs.bfloat16(), rotary, half).float() - exact).norm()
    ours_half, cache, pieces = ours.bfloat16(), KVCache.for_model(cfg, 2, 24, torch.bfloat16), []
    for part in half.split([20, 1, 3], dim=1):
        n_new = part.shape[1]
        pieces.append(ours_half(part, context(cfg, cache.length, n_new, cache=cache, dtype=torch.bfloat16)))
        cache.advance(n_new)
    ours_off = (torch.cat(pieces, dim=1).float() - exact).norm()
    assert ours_off < 0.03 * exact.norm()
    assert ours_off < 1.5 * theirs_off
