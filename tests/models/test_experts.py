"""Mixtures of experts by their definitions: grouped = one token at a time, and what each kind of mixing must keep."""

import pytest
import torch

from models.config import MixtureOfExperts, ModelConfig
from models.context import Context
from models.parts.experts import Experts
from models.parts.feedforward import FEEDFORWARDS, GatedFeedForward, PlainFeedForward
from models.parts.mixtures import SlotFeedForward, feed_forward
from models.taps import capture, patch
from tests.rows import each_row

B, T, D, E, WIDTH = 2, 7, 16, 4, 12
BASE = {"n_experts": E, "n_experts_per_token": 2, "d_expert": WIDTH}
ALL = {**BASE, "n_experts_per_token": E, "router": "dense"}
MIXTURES = {
    "softmax": BASE,
    "topk_softmax": {**BASE, "router": "topk_softmax"},
    "noisy": {**BASE, "router": "noisy_topk"},
    "switch": {**BASE, "n_experts_per_token": 1, "router": "switch", "capacity": 2},
    "deepseek": {**BASE, "router": "sigmoid", "n_shared_experts": 2, "bias_update_rate": 0.001, "weight_scale": 2.0},
    "dense": ALL,
    "lora": {**ALL, "expert": "lora", "lora_rank": 3, "lora_alpha": 6.0},
    "sparse lora": {**BASE, "expert": "lora", "lora_rank": 3},
    "merged": {**ALL, "mixing": "merged"},
    "slots": {**ALL, "mixing": "slots", "slots_per_expert": 3, "n_shared_experts": 1},
}
OF_ONE_TOKEN = [name for name in MIXTURES if name not in ("switch", "merged", "slots")]


def built(name: str, ffn: str = "gated", bias: bool = False, **changes) -> torch.nn.Module:
    cfg = ModelConfig(
        vocab_size=11,
        max_seq_len=32,
        d_model=D,
        n_layers=1,
        n_heads=2,
        d_ff=20,
        ffn=ffn,
        biases=("ffn",) if bias else (),
        structure="encoder",
        head="none",
        moe=MixtureOfExperts(**{**MIXTURES[name], **changes}),
    )
    layer = feed_forward(cfg, cfg.layer(0))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_(0, 0.4, generator=generator)
    return layer.eval()


def tokens(n_batch: int = B, n_tokens: int = T) -> torch.Tensor:
    return torch.randn(n_batch, n_tokens, D, generator=torch.Generator().manual_seed(1))


def expert(experts: Experts, index: int, x: torch.Tensor) -> torch.Tensor:
    """One expert's output, from a dense layer that is given its weights."""
    width = experts.down_proj.shape[-1]
    bias = experts.down_proj_bias is not None
    dense = (GatedFeedForward if experts.is_gated else PlainFeedForward)(D, width, "silu", bias)
    into = dense.gate_up_proj if experts.is_gated else dense.up_proj
    name = "gate_up_proj" if experts.is_gated else "up_proj"
    with torch.no_grad():
        into.weight.copy_(getattr(experts, name)[index])
        dense.down_proj.weight.copy_(experts.down_proj[index])
        if bias:
            into.bias.copy_(getattr(experts, f"{name}_bias")[index])
            dense.down_proj.bias.copy_(experts.down_proj_bias[index])
    return dense(x)


def naive(layer: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    routing = layer.router(x)
    out = torch.zeros_like(x)
    for b in range(x.shape[0]):
        for t in range(x.shape[1]):
            for weight, index in zip(routing.weights[b, t], routing.expert_ids[b, t].tolist(), strict=True):
                if index >= 0:
                    out[b, t] += weight * expert(layer.experts, index, x[b, t])
    return out if layer.shared is None else out + layer.shared(x)


@each_row("shape", [(B, T), (1, 1), (3, 1)])
@each_row("bias", [False, True])
@each_row("ffn", ["gated", "plain"])
@each_row("name", ["softmax", "topk_softmax", "noisy", "switch", "deepseek", "dense"])
def test_grouped_is_naive(name, ffn, bias, shape):
    layer, x = built(name, ffn, bias), tokens(*shape)
    with torch.no_grad():
        expected = naive(layer, x)
        torch.testing.assert_close(layer(x), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(layer(x), expected, atol=1e-5, rtol=1e-5)  # the products that gradients go through


@pytest.mark.parametrize("name", ["lora", "sparse lora"])
@pytest.mark.parametrize("ffn", ["gated", "plain"])
@torch.no_grad()
def test_low_rank_experts_change_each_map(name, ffn):
    layer, x = built(name, ffn, bias=True), tokens()
    routing, scale = layer.router(x), (2.0 if name == "lora" else 1.0)
    out = torch.empty_like(x)
    for b in range(B):
        for t in range(T):
            dense = FEEDFORWARDS[ffn](D, 20, "silu", True)
            dense.load_state_dict(layer.base.state_dict())
            for weight, index in zip(routing.weights[b, t], routing.expert_ids[b, t], strict=True):
                change = {key: scale * weight * low.b[index] @ low.a[index] for key, low in layer.experts.items()}
                into = dense.gate_up_proj if ffn == "gated" else dense.up_proj
                into.weight += torch.cat([change[key] for key in layer.base.inputs])
                dense.down_proj.weight += change["down_proj"]
            out[b, t] = dense(x[b, t])
    torch.testing.assert_close(layer(x), out, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(layer(x[:1, :1]), out[:1, :1], atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_low_rank_experts_begin_as_nothing():
    layer, x = built("lora"), tokens()
    for low in layer.experts.values():
        low.b.zero_()
    torch.testing.assert_close(layer(x), layer.base(x))


@pytest.mark.parametrize("bias", [False, True])
@torch.no_grad()
def test_merged_is_one_expert_a_sequence(bias):
    layer, x = built("merged", bias=bias), tokens()
    for b in range(B):
        shares = (layer.router.weight @ x[b].mean(0)).softmax(0)
        one = Experts(1, D, WIDTH, bias=bias)
        for (_, target), source in zip(one.named_parameters(), layer.experts.parameters(), strict=True):
            target.copy_(sum(share * weight for share, weight in zip(shares, source, strict=True))[None])
        torch.testing.assert_close(layer(x)[b], expert(one, 0, x[b]), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_slots_are_algorithm_1():
    layer, x = built("slots"), tokens()
    assert isinstance(layer, SlotFeedForward)
    for b in range(B):
        logits = x[b] @ layer.router.slots.T  # (T, slots)
        given, taken = torch.exp(logits), torch.exp(logits)
        given, taken = given / given.sum(0), taken / taken.sum(1, keepdim=True)
        slots = given.T @ x[b]
        outputs = torch.stack([expert(layer.experts, i // 3, slot) for i, slot in enumerate(slots)])
        torch.testing.assert_close(layer(x)[b], taken @ outputs + layer.shared(x[b]), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", MIXTURES)
@torch.no_grad()
def test_batch_is_single(name):
    layer, x = built(name), tokens()
    single = torch.cat([layer(x[:1]), layer(x[1:])])
    torch.testing.assert_close(layer(x), single, atol=1e-5, rtol=1e-5)
    if name in OF_ONE_TOKEN:
        each = torch.cat([layer(x[:, t : t + 1]) for t in range(T)], dim=1)
        torch.testing.assert_close(layer(x), each, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", MIXTURES)
@torch.no_grad()
def test_padding_after_the_text_changes_nothing(name):
    layer, x = built(name), tokens()
    padded = torch.cat([x, 5 * tokens(B, 3)], dim=1)
    is_token = (torch.arange(T + 3) < T).expand(B, -1)
    found = layer(padded, Context(is_token=is_token))
    assert found.isfinite().all()
    torch.testing.assert_close(found[:, :T], layer(x), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", MIXTURES)
def test_gradients_reach_all_that_is_used(name):
    layer, x = built(name), tokens()
    layer.train()
    ctx = Context()
    layer(x, ctx).square().sum().backward()
    used = set(range(E)) if not ctx.routings else set(ctx.routings[0].expert_ids.unique().tolist()) - {-1}
    for path, parameter in layer.named_parameters():
        assert parameter.grad is not None, path
        assert parameter.grad.isfinite().all(), path
        if path.startswith("experts."):
            for index in used:
                assert parameter.grad[index].abs().max() > 0, (path, index)
        elif path.startswith("router."):
            assert parameter.grad.abs().max() > 0, path


@pytest.mark.parametrize("name", ["softmax", "switch", "deepseek", "sparse lora"])
def test_all_tokens_to_one_expert(name):
    layer = built(name, n_experts_per_token=1)
    with torch.no_grad():
        layer.router.weight.zero_()
        layer.router.weight[2] = 50.0
    x = tokens().abs()
    for out in (layer(x), torch.no_grad()(layer)(x)):
        assert out.isfinite().all()
    layer(x).sum().backward()
    assert all(parameter.grad is None or parameter.grad.isfinite().all() for parameter in layer.parameters())


@pytest.mark.parametrize("name", MIXTURES)
@torch.no_grad()
def test_half_precision(name):
    layer, x = built(name), tokens()
    expected = layer(x)
    half = layer.to(torch.bfloat16)
    for shape in ((B, T), (1, 1)):
        assert half(x[: shape[0], : shape[1]].to(torch.bfloat16)).dtype == torch.bfloat16
    # Weights rounded to bf16 can change a choice; most tokens keep theirs.
    error = (half(x.to(torch.bfloat16)).float() - expected).abs().amax(-1)
    assert error.median() < 0.1 * expected.abs().max()


@each_row("shape", [(B, T), (1, 1)])
@each_row("name", MIXTURES)
def test_shapes_without_memory(name, shape):
    layer = built(name).to("meta")
    out = layer(torch.empty(*shape, D, device="meta"), Context())
    assert out.shape == (*shape, D)
    assert out.is_meta


@pytest.mark.parametrize("name", [name for name in MIXTURES if name != "slots"])
@torch.no_grad()
def test_taps(name):
    layer, x, k = built(name), tokens(), MIXTURES[name]["n_experts_per_token"]
    with capture("*") as trace:
        out = layer(x)
    shapes = {"router_logits": E, "router_probs": E, "expert_ids": k, "expert_weights": k}
    for tap, last in shapes.items():
        assert trace[tap].shape == (B, T, last), tap
    assert torch.equal(trace["out"], out)


@torch.no_grad()
def test_a_patch_sends_a_token_elsewhere():
    layer, x = built("softmax"), tokens()
    plain = layer(x)

    def swap(logits):
        return logits.flip(-1)

    with patch({"router_logits": swap}):
        patched = layer(x)
    flipped = built("softmax")
    flipped.router.weight.copy_(layer.router.weight.flip(0))
    torch.testing.assert_close(patched, flipped(x))
    assert not torch.allclose(plain, patched)


@torch.no_grad()
def test_slots_taps_are_the_two_softmaxes():
    layer, x = built("slots"), tokens()
    with capture("dispatch", "combine") as trace:
        layer(x)
    torch.testing.assert_close(trace["dispatch"].sum(1), torch.ones(B, 3 * E))
    torch.testing.assert_close(trace["combine"].sum(-1), torch.ones(B, T))


@torch.no_grad()
def test_uneven_widths_need_no_alignment():
    """Rows that do not begin at multiples of 16 bytes take the other way."""
    layer = Experts(3, 7, 5)
    for parameter in layer.parameters():
        parameter.normal_()
    x, ids = torch.randn(9, 7), torch.randint(0, 3, (9, 2))
    weights = torch.rand(9, 2)
    one_by_one = torch.cat([layer(x[i : i + 1], weights[i : i + 1], ids[i : i + 1]) for i in range(9)])
    torch.testing.assert_close(layer(x, weights, ids), one_by_one, atol=1e-5, rtol=1e-5)


def test_dense_layers_where_the_configuration_says_so():
    moe = MixtureOfExperts(**BASE, every=2)
    cfg = ModelConfig(vocab_size=11, max_seq_len=32, d_model=D, n_layers=4, n_heads=2, d_ff=20, moe=moe)
    kinds = [type(feed_forward(cfg, cfg.layer(i))).__name__ for i in range(4)]
    assert kinds == ["GatedFeedForward", "SparseFeedForward"] * 2


def test_glu_family():
    x = tokens()
    layer = GatedFeedForward(D, WIDTH, "sigmoid")
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_()
    gate, up = (layer.gate_up_proj(x)[..., :WIDTH], layer.gate_up_proj(x)[..., WIDTH:])
    torch.testing.assert_close(layer(x), layer.down_proj(torch.sigmoid(gate) * up))


def test_routing_is_handed_on():
    layer, ctx = built("softmax"), Context()
    layer(tokens(), ctx)
    (routing,) = ctx.routings
    assert routing.counts().sum() == B * T * 2
    is_token = torch.arange(T).expand(B, -1) < 3
    assert routing.counts(is_token).sum() == B * 3 * 2
