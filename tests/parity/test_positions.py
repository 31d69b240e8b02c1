"""Positions against the functions of `transformers` that compute them, at the places where rounding shows."""

import pytest
import torch

from models.config import RopeScaling
from models.parts.positions import AxialPosition, SinusoidalPosition
from models.parts.rotary import Rotary, softmax_factor
from models.parts.score_biases import ALiBi, RelativeBias
from tests.parity.conftest import transformers
from tests.rows import each_row

PLACES = torch.tensor([[0, 1, 2, 15, 16, 63, 64, 65, 255, 1000, 4096, 32_767, 131_071]])
CPU = torch.device("cpu")

SCALINGS = {
    "none": None,
    "linear": RopeScaling(kind="linear", factor=2.5, original_max_seq_len=64),
    "dynamic": RopeScaling(kind="dynamic", factor=2.5, original_max_seq_len=64),
    "dynamic-8": RopeScaling(kind="dynamic", factor=8.0, original_max_seq_len=2048),
    "yarn": RopeScaling(kind="yarn", factor=4.0, original_max_seq_len=64),
    "yarn-long": RopeScaling(kind="yarn", factor=40.0, original_max_seq_len=4096),
    "yarn-betas": RopeScaling(kind="yarn", factor=16.0, original_max_seq_len=2048, beta_fast=16.0, beta_slow=2.0),
    "yarn-short": RopeScaling(kind="yarn", factor=4.0, original_max_seq_len=4),
    "yarn-huge": RopeScaling(kind="yarn", factor=4.0, original_max_seq_len=100_000_000),
    "yarn-factor": RopeScaling(kind="yarn", factor=4.0, original_max_seq_len=64, attention_factor=0.8),
    "yarn-mscale": RopeScaling(kind="yarn", factor=40.0, original_max_seq_len=4096, mscale=1.0, mscale_all_dim=0.707),
    "llama3": RopeScaling(kind="llama3", factor=8.0, original_max_seq_len=8192),
    "llama3-ramp": RopeScaling(
        kind="llama3", factor=32.0, original_max_seq_len=256, low_freq_factor=0.5, high_freq_factor=2.0
    ),
}


def parameters(scaling: RopeScaling | None, theta: float) -> dict:
    """`rope_parameters` of `transformers` for the same scaling."""
    if scaling is None:
        return {"rope_type": "default", "rope_theta": theta}
    values = {name: value for name, value in scaling.to_dict().items() if name not in ("kind", "original_max_seq_len")}
    return {
        "rope_type": scaling.kind,
        "rope_theta": theta,
        "original_max_position_embeddings": scaling.original_max_seq_len,
        **values,
    }


def rotary_of_llama(scaling: RopeScaling | None, theta: float, width: int):
    config = transformers.LlamaConfig(
        hidden_size=4 * width,
        num_attention_heads=4,
        head_dim=width,
        max_position_embeddings=scaling.original_max_seq_len if scaling else 64,
        rope_parameters=parameters(scaling, theta),
    )
    return transformers.models.llama.modeling_llama.LlamaRotaryEmbedding(config)


@each_row("width", [6, 64, 128])
@each_row("theta", [100.0, 10_000.0, 500_000.0])
@each_row("scaling", SCALINGS.values(), ids=list(SCALINGS))
def test_rotary_angles(scaling, theta, width):
    for places in (PLACES, PLACES[:, :6], PLACES[:, :8]):
        cos, sin = rotary_of_llama(scaling, theta, width)(torch.zeros(1), places)
        ours_cos, ours_sin = Rotary(width, theta, "half", scaling).angles(places, torch.float32)
        signs = torch.cat((-torch.ones(width // 2), torch.ones(width // 2)))
        torch.testing.assert_close(ours_cos[:, 0], cos, rtol=0, atol=1e-6)
        torch.testing.assert_close(ours_sin[:, 0], sin * signs, rtol=0, atol=1e-6)


@pytest.mark.parametrize("scaling", SCALINGS.values(), ids=list(SCALINGS))
def test_rotation(scaling):
    heads = torch.randn(1, 3, PLACES.shape[1], 16, generator=torch.Generator().manual_seed(0))
    cos, sin = rotary_of_llama(scaling, 10_000.0, 16)(heads, PLACES)
    theirs, _ = transformers.models.llama.modeling_llama.apply_rotary_pos_emb(heads, heads, cos, sin)
    ours = Rotary(16, 10_000.0, "half", scaling)
    found = ours.rotate(heads, ours.angles(PLACES, torch.float32))
    torch.testing.assert_close(found, theirs, rtol=1e-6, atol=1e-5)


def test_growing_text_with_dynamic_scaling():
    """Token by token, as in generation: each pass has the base of the length so far."""
    scaling = SCALINGS["dynamic"]
    theirs, ours = rotary_of_llama(scaling, 10_000.0, 16), Rotary(16, 10_000.0, "half", scaling)
    for place in (*range(60, 70), 200, 201):
        places = torch.tensor([[place]])
        cos, _ = theirs(torch.zeros(1), places)
        torch.testing.assert_close(ours.angles(places, torch.float32)[0][:, 0], cos, rtol=0, atol=1e-6)


@pytest.mark.parametrize("scaling", SCALINGS.values(), ids=list(SCALINGS))
def test_softmax_factor_of_deepseek(scaling):
    from transformers.models.deepseek_v3.modeling_deepseek_v3 import yarn_apply_mscale

    expected = yarn_apply_mscale(parameters(scaling, 10_000.0), 1.0)
    assert softmax_factor(scaling) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize(("n_buckets", "max_distance"), [(32, 128), (4, 20), (8, 9), (64, 1000), (320, 800)])
def test_relative_buckets(causal, n_buckets, max_distance):
    from transformers.models.t5.modeling_t5 import T5Attention

    distances = torch.arange(-5000, 5001)
    ours = RelativeBias(2, n_buckets, max_distance, causal).buckets(distances)
    theirs = T5Attention._relative_position_bucket(distances, not causal, n_buckets, max_distance)
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize("is_decoder", [True, False])
@torch.no_grad()
def test_relative_bias(is_decoder):
    from transformers.models.t5.modeling_t5 import T5Attention

    config = transformers.T5Config(d_model=24, num_heads=3, d_kv=8, is_decoder=is_decoder)
    theirs = T5Attention(config, has_relative_attention_bias=True, layer_idx=0)
    ours = RelativeBias(3, causal=is_decoder)
    ours.weight.copy_(theirs.relative_attention_bias.weight.normal_(generator=torch.Generator().manual_seed(0)))
    for n_past, n_new in ((0, 300), (299, 1), (40, 7)):
        n_total = n_past + n_new
        expected = theirs.compute_bias(n_new, n_total, past_seen_tokens=n_past)[0]
        assert torch.equal(ours.bias(range(n_past, n_total), range(n_total), CPU), expected)


@each_row("n_heads", [*range(1, 21), 112])
def test_alibi(n_heads):
    """BLOOM adds slope · k, which after the softmax is the same as our −slope · (q − k) for keys before the query."""
    from transformers.models.bloom.modeling_bloom import build_alibi_tensor

    theirs = build_alibi_tensor(torch.ones(1, 50), n_heads, torch.float32)  # (H, 1, S)
    ours = ALiBi(n_heads).bias(range(49, 50), range(50), CPU)  # (H, 1, S)
    torch.testing.assert_close(ours - ours[..., :1], theirs - theirs[..., :1], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("d_model", [2, 6, 64, 512])
def test_sinusoids_of_marian(d_model):
    from transformers.models.marian.modeling_marian import MarianSinusoidalPositionalEmbedding

    table = MarianSinusoidalPositionalEmbedding(1024, d_model).create_weight()
    found = SinusoidalPosition(d_model, "half").embed(torch.zeros(1, 1024, d_model), torch.arange(1024)[None])
    torch.testing.assert_close(found[0], table, rtol=0, atol=1e-4)


@torch.no_grad()
def test_axial_positions_of_reformer():
    from transformers.models.reformer.modeling_reformer import AxialPositionEmbeddings

    config = transformers.ReformerConfig(
        axial_pos_shape=(6, 8), axial_pos_embds_dim=(10, 14), hidden_size=24, attn_layers=["local"], is_decoder=True
    )
    theirs = AxialPositionEmbeddings(config).eval()
    ours = AxialPosition((6, 8), (10, 14))
    generator = torch.Generator().manual_seed(0)
    for weight in theirs.weights:
        weight.normal_(generator=generator)
    ours.rows.copy_(theirs.weights[0].view(6, 10))
    ours.columns.copy_(theirs.weights[1].view(8, 14))
    for places in (torch.arange(48)[None], torch.arange(9)[None], torch.tensor([[5, 40, 7]])):
        found = ours.embed(torch.zeros(1, places.shape[1], 24), places)
        assert torch.equal(found, theirs(places))
