"""Latent attention: two orders of the same products, and a cache that holds the latent and one rotary key."""

import pytest
import torch

import models
from models.config import LatentAttention, ModelConfig, RopeScaling
from models.context import Context
from models.parts.latent_attention import MultiHeadLatentAttention
from models.parts.masks import Visibility
from models.parts.rotary import Rotary
from tests.models.random_configs import VOCABULARY, tokens, wide

SHAPES = {
    "low rank of queries": LatentAttention(
        kv_lora_rank=12, q_lora_rank=10, qk_nope_head_dim=8, qk_rope_head_dim=4, v_head_dim=6
    ),
    "full rank of queries": LatentAttention(kv_lora_rank=12, qk_nope_head_dim=8, qk_rope_head_dim=4, v_head_dim=6),
    "values wider than keys": LatentAttention(kv_lora_rank=9, qk_nope_head_dim=3, qk_rope_head_dim=2, v_head_dim=11),
    "latent wider than heads": LatentAttention(kv_lora_rank=31, qk_nope_head_dim=4, qk_rope_head_dim=6, v_head_dim=4),
}
EQUAL = {"rtol": 1e-5, "atol": 1e-5}


def config(mla: LatentAttention, **changes) -> ModelConfig:
    sizes = {"vocab_size": VOCABULARY, "max_seq_len": 64, "d_model": 24, "n_layers": 2, "n_heads": 4, "d_ff": 20}
    return ModelConfig(**{**sizes, "attention": "mla", "rope_layout": "interleaved", "mla": mla, **changes})


@pytest.fixture(params=SHAPES.values(), ids=[name.replace(" ", "-") for name in SHAPES])
def model(request):
    return wide(config(request.param))


def one_attention(mla: LatentAttention) -> MultiHeadLatentAttention:
    sizes = (mla.kv_lora_rank, mla.qk_nope_head_dim, mla.qk_rope_head_dim, mla.v_head_dim)
    attn = MultiHeadLatentAttention(24, 4, *sizes, Rotary(mla.qk_rope_head_dim), q_lora_rank=mla.q_lora_rank)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in attn.parameters():
            parameter.normal_(0.0, 0.3, generator=generator)
    return attn


def assert_same(found: torch.Tensor, expected: torch.Tensor) -> None:
    """Equal to 1e-5 of the largest entry: what rounding in fp32 leaves of two orders of the same sums."""
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


def use(monkeypatch, order: str) -> None:
    is_naive = order == "naive"
    monkeypatch.setattr(MultiHeadLatentAttention, "_naive_is_cheaper", lambda self, n_new, n_total: is_naive)


@pytest.mark.parametrize("mla", SHAPES.values(), ids=[name.replace(" ", "-") for name in SHAPES])
@torch.no_grad()
def test_keys_and_values_by_the_paper(mla, monkeypatch):
    """Equations 9 to 19 of DeepSeek-V2, token by token and head by head."""
    attn = one_attention(mla)
    x = torch.randn(1, 5, 24, generator=torch.Generator().manual_seed(1))
    rotary = Rotary(mla.qk_rope_head_dim)
    angles = rotary.angles(torch.arange(5)[None], torch.float32)
    maps = {name: weight for name, (weight, _) in attn.q_kv_proj.parts().items()}
    c_kv, k_rope = (x[0] @ maps["kv_down_proj"].T).split([mla.kv_lora_rank, mla.qk_rope_head_dim], dim=-1)
    c_kv = attn.kv_norm(c_kv)
    if mla.q_lora_rank is None:
        queries = x[0] @ maps["q_proj"].T
    else:
        queries = attn.q_norm(x[0] @ maps["q_down_proj"].T) @ attn.q_up_proj.weight.T
    k_rope = rotary.rotate(k_rope[None, None], angles)[0, 0]
    d_nope, width = mla.qk_nope_head_dim, mla.qk_nope_head_dim + mla.qk_rope_head_dim
    heads = []
    for head in range(4):
        up = attn.kv_up_proj.weight.view(4, -1, mla.kv_lora_rank)[head]
        k = torch.cat((c_kv @ up[:d_nope].T, k_rope), dim=-1)
        v = c_kv @ up[d_nope:].T
        q = queries.view(5, 4, width)[:, head]
        q = torch.cat((q[:, :d_nope], rotary.rotate(q[None, None, :, d_nope:], angles)[0, 0]), dim=-1)
        scores = (q @ k.T / width**0.5).masked_fill(torch.ones(5, 5).triu(1).bool(), float("-inf"))
        heads.append(scores.softmax(dim=-1) @ v)
    expected = torch.cat(heads, dim=-1) @ attn.o_proj.weight.T
    for order in ("naive", "absorbed"):
        use(monkeypatch, order)
        found = attn(x, Context(views=[Visibility(is_causal=True)], angles=angles))
        torch.testing.assert_close(found[0], expected, **EQUAL)


@torch.no_grad()
def test_absorbed_equals_naive_in_double_precision(model, monkeypatch):
    """There the two orders differ by less than any detail could hide in."""
    model, ids, answers = model.double(), tokens(2, 12), {}
    for order in ("naive", "absorbed"):
        use(monkeypatch, order)
        answers[order] = model(ids).logits
    torch.testing.assert_close(answers["absorbed"], answers["naive"], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("padded", [False, True])
@torch.no_grad()
def test_absorbed_equals_naive(model, monkeypatch, padded):
    ids, mask = tokens(3, 19), torch.ones(3, 19, dtype=torch.long)
    if padded:
        mask[1, :6] = 0
        mask[2, :1] = 0
    answers = {}
    for order in ("naive", "absorbed"):
        use(monkeypatch, order)
        cache, pieces, n_read = model.new_cache(3), [], 0
        for part in ids.split([9, 1, 1, 5, 3], dim=1):
            n_read += part.shape[1]
            pieces.append(model(part, mask[:, :n_read] if padded else None, cache=cache).logits)
        answers[order] = torch.cat(pieces, dim=1)
        assert_same(model(ids, mask if padded else None).logits, answers[order])
    assert_same(answers["absorbed"], answers["naive"])


@torch.no_grad()
def test_cached_equals_uncached_and_batch_equals_single(model):
    ids = tokens(3, 17)
    whole = model(ids).logits
    for sizes in ([17], [1] * 17, [6, 1, 1, 5, 4]):
        cache = model.new_cache(3)
        pieces = [model(part, cache=cache).logits for part in ids.split(sizes, dim=1)]
        assert_same(torch.cat(pieces, dim=1), whole)
    for row in range(3):
        assert_same(model(ids[row : row + 1]).logits[0], whole[row])


@torch.no_grad()
def test_padding_changes_nothing(model):
    ids = tokens(1, 9)
    padded = torch.cat((tokens(1, 5, seed=8), ids), dim=1)
    mask = torch.tensor([[0] * 5 + [1] * 9])
    places = torch.tensor([[0] * 5 + list(range(9))])
    found = model(padded, mask, position_ids=places).logits[:, 5:]
    torch.testing.assert_close(found, model(ids).logits, **EQUAL)


@torch.no_grad()
def test_looking_changes_nothing_and_shows_every_head(model):
    cfg, ids = model.config, tokens(2, 11)
    mla, cache = cfg.mla, model.new_cache(2)
    with models.capture("*.attn.*"):
        model(ids[:, :10], cache=cache)
    cache_unseen = model.new_cache(2)
    model(ids[:, :10], cache=cache_unseen)
    unseen = model(ids[:, 10:], cache=cache_unseen).logits
    with models.capture("*.attn.*") as trace:
        seen = model(ids[:, 10:], cache=cache).logits
    torch.testing.assert_close(seen, unseen, **EQUAL)
    shapes = {
        name: tuple(trace[f"layers.1.attn.{name}"].shape) for name in ("q", "k", "v", "scores", "head_out", "out")
    }
    width = mla.qk_nope_head_dim + mla.qk_rope_head_dim
    assert shapes == {
        "q": (2, 4, 1, width),
        "k": (2, 4, 11, width),
        "v": (2, 4, 11, mla.v_head_dim),
        "scores": (2, 4, 1, 11),
        "head_out": (2, 4, 1, mla.v_head_dim),
        "out": (2, 1, 24),
    }
    q, k = trace["layers.1.attn.q"], trace["layers.1.attn.k"]
    probs, v = trace["layers.1.attn.probs"], trace["layers.1.attn.v"]
    torch.testing.assert_close((q @ k.mT * width**-0.5).softmax(dim=-1), probs, **EQUAL)
    torch.testing.assert_close(probs @ v, trace["layers.1.attn.head_out"], **EQUAL)
    assert torch.equal(k[:, 0, :, mla.qk_nope_head_dim :], k[:, 3, :, mla.qk_nope_head_dim :])  # one rotary key for all


@torch.no_grad()
def test_the_cache_holds_latent_and_rotary_key_only(model):
    mla = model.config.mla
    assert model.new_cache(3, 10).nbytes == 2 * 3 * 10 * (mla.kv_lora_rank + mla.qk_rope_head_dim) * 4


def test_the_cheaper_order_is_taken():
    """DeepSeek-V3's sizes: expanding 4096 latents for one new token costs 60 times as much as absorbing."""
    attn = MultiHeadLatentAttention(64, 2, 512, 128, 64, 128, Rotary(64))
    assert attn._naive_is_cheaper(n_new=4096, n_total=4096)
    assert attn._naive_is_cheaper(n_new=1, n_total=1)
    assert not attn._naive_is_cheaper(n_new=1, n_total=4096)
    assert not attn._naive_is_cheaper(n_new=32, n_total=4096)


def test_gradients_reach_every_weight(model):
    model(tokens(2, 8)).logits.square().mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


@torch.no_grad()
def test_softmax_is_sharper_in_a_stretched_context():
    """(0.1 · mscale_all_dim · ln(factor) + 1)² multiplies the scores, as DeepSeek-V2's code has it."""
    mla = SHAPES["full rank of queries"]
    scaling = RopeScaling(kind="yarn", factor=40.0, original_max_seq_len=16, mscale=0.707, mscale_all_dim=0.707)
    scale = wide(config(mla, rope_scaling=scaling)).layers[0].attn.scale
    assert scale == pytest.approx(12**-0.5 * 1.5896, rel=1e-4)
    assert wide(config(mla)).layers[0].attn.scale == pytest.approx(12**-0.5)
    assert wide(config(mla, scale_scores=False)).layers[0].attn.scale == 1.0


@torch.no_grad()
def test_half_precision_stays_near(model):
    ids = tokens(2, 16)
    exact = model(ids).logits
    half = model.to(torch.bfloat16)
    cache = half.new_cache(2)
    cached = torch.cat([half(part, cache=cache).logits for part in ids.split([10, 1, 1, 4], dim=1)], dim=1)
    for found in (half(ids).logits, cached):
        assert found.dtype == torch.bfloat16
        assert (found.float() - exact).norm() < 0.05 * exact.norm()


@torch.no_grad()
def test_replayed_tokens_are_the_same(model):
    """Generation replays a recorded pass; greedy tokens are those of passes without a cache."""
    prompt = tokens(1, 6)[0].tolist()
    steps = models.generate(model, prompt, models.Sampling(temperature=0), max_new_tokens=12)
    found = [step.token_id for step in steps]
    ids = list(prompt)
    for token in found:
        assert token == int(model(torch.tensor([ids])).logits[0, -1].argmax())
        ids.append(token)
