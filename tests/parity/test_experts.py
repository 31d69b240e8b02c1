"""Mixtures of experts against the blocks of `transformers`, on the same weights: outputs, choices and losses."""

import pytest
import torch

from models.config_groups import MixtureOfExperts
from models.parts.balancing import router_losses
from models.parts.experts import Experts
from models.parts.feedforward import GatedFeedForward
from models.parts.mixtures import SparseFeedForward
from models.parts.routers import SigmoidRouter, SoftmaxRouter, SwitchRouter
from models.taps import capture
from tests.parity.conftest import randomise, transformers

D, E, WIDTH = 40, 12, 20


def mixtral():
    from transformers.models.mixtral.modeling_mixtral import MixtralSparseMoeBlock

    sizes = {"hidden_size": D, "num_local_experts": E, "intermediate_size": WIDTH, "num_experts_per_tok": 3}
    return MixtralSparseMoeBlock(transformers.MixtralConfig(**sizes)), SoftmaxRouter(D, E, 3), 0


def qwen3(normalise: bool):
    from transformers.models.qwen3_moe.modeling_qwen3_moe import Qwen3MoeSparseMoeBlock

    sizes = {"hidden_size": D, "num_experts": E, "moe_intermediate_size": WIDTH, "num_experts_per_tok": 4}
    theirs = Qwen3MoeSparseMoeBlock(transformers.Qwen3MoeConfig(**sizes, norm_topk_prob=normalise))
    return theirs, SoftmaxRouter(D, E, 4, normalise=normalise), 0


def deepseek_v2(method: str):
    from transformers.models.deepseek_v2.modeling_deepseek_v2 import DeepseekV2Moe

    config = transformers.DeepseekV2Config(
        hidden_size=D,
        num_attention_heads=4,
        n_routed_experts=E,
        moe_intermediate_size=WIDTH,
        num_experts_per_tok=3,
        n_group=4,
        topk_group=2,
        topk_method=method,
        routed_scaling_factor=2.5,
        n_shared_experts=2,
        norm_topk_prob=True,
    )
    groups = {"n_groups": 4, "n_groups_per_token": 2} if method == "group_limited_greedy" else {}
    return DeepseekV2Moe(config), SoftmaxRouter(D, E, 3, normalise=False, weight_scale=2.5, **groups), 2


def deepseek_v3(normalise: bool):
    from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3MoE

    config = transformers.DeepseekV3Config(
        hidden_size=D,
        n_routed_experts=E,
        moe_intermediate_size=WIDTH,
        num_experts_per_tok=3,
        n_group=4,
        topk_group=2,
        n_shared_experts=1,
        norm_topk_prob=normalise,
        routed_scaling_factor=2.5,
    )
    theirs = DeepseekV3MoE(config)
    theirs.gate.e_score_correction_bias.copy_(torch.linspace(-0.3, 0.3, E).roll(5))
    return theirs, SigmoidRouter(D, E, 3, normalise, 2.5, 4, 2, "top2", bias_update_rate=0.001), 1


BLOCKS = {
    "mixtral": mixtral,
    "qwen3, normalised": lambda: qwen3(True),
    "qwen3, not normalised": lambda: qwen3(False),
    "deepseek-v2, groups": lambda: deepseek_v2("group_limited_greedy"),
    "deepseek-v2-lite": lambda: deepseek_v2("greedy"),
    "deepseek-v3": lambda: deepseek_v3(True),
    "deepseek-v3, not normalised": lambda: deepseek_v3(False),
}


@torch.no_grad()
def copied(name: str) -> tuple[torch.nn.Module, SparseFeedForward]:
    theirs, router, n_shared = BLOCKS[name]()
    randomise(theirs)
    shared = GatedFeedForward(D, n_shared * WIDTH) if n_shared else None
    ours = SparseFeedForward(router, Experts(E, D, WIDTH), shared)
    router.weight.copy_(theirs.gate.weight)
    if isinstance(router, SigmoidRouter):
        router.selection_bias.copy_(theirs.gate.e_score_correction_bias)
    ours.experts.gate_up_proj.copy_(theirs.experts.gate_up_proj)
    ours.experts.down_proj.copy_(theirs.experts.down_proj)
    if shared is not None:
        source = theirs.shared_experts
        shared.gate_up_proj.weight.copy_(torch.cat([source.gate_proj.weight, source.up_proj.weight]))
        shared.down_proj.weight.copy_(source.down_proj.weight)
    return theirs, ours.eval()


@pytest.mark.parametrize("shape", [(1, 1), (3, 17), (2, 64)])
@pytest.mark.parametrize("name", BLOCKS)
@torch.no_grad()
def test_block(name, shape):
    theirs, ours = copied(name)
    x = torch.randn(*shape, D, generator=torch.Generator().manual_seed(1))
    expected = theirs(x)
    logits, weights, ids = (value.unflatten(0, shape) for value in theirs.gate(x.flatten(0, 1)))
    with capture("*") as trace:
        found = ours(x)
    assert expected.abs().max() > 0.05
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(trace["router_logits"], logits, atol=1e-5, rtol=0)
    order, own_order = ids.argsort(-1), trace["expert_ids"].argsort(-1)
    assert torch.equal(trace["expert_ids"].gather(-1, own_order), ids.gather(-1, order))
    torch.testing.assert_close(
        trace["expert_weights"].gather(-1, own_order), weights.gather(-1, order), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("n_experts", [1, 4])
@pytest.mark.parametrize("capacity", [1, 3, 64])
@torch.no_grad()
def test_switch_drops_what_overflows(capacity, n_experts):
    from transformers.models.switch_transformers.modeling_switch_transformers import SwitchTransformersSparseMLP

    config = transformers.SwitchTransformersConfig(
        d_model=D, num_experts=n_experts, d_ff=WIDTH, expert_capacity=capacity
    )
    theirs = randomise(SwitchTransformersSparseMLP(config))
    ours = SparseFeedForward(
        SwitchRouter(D, n_experts, capacity), Experts(n_experts, D, WIDTH, is_gated=False, activation="relu")
    ).eval()
    ours.router.weight.copy_(theirs.router.classifier.weight)
    experts = [theirs.experts[f"expert_{i}"] for i in range(n_experts)]
    ours.experts.up_proj.copy_(torch.stack([expert.wi.weight for expert in experts]))
    ours.experts.down_proj.copy_(torch.stack([expert.wo.weight for expert in experts]))
    x = torch.randn(3, 23, D, generator=torch.Generator().manual_seed(1))
    dispatch, probability, _ = theirs.router(x)
    with capture("*") as trace:
        found = ours(x)
    torch.testing.assert_close(found, theirs(x), atol=1e-5, rtol=0)
    dropped = dispatch.sum(-1) == 0
    assert bool(dropped.any()) == (capacity < 64)
    assert torch.equal(trace["expert_ids"][..., 0] == -1, dropped)
    assert torch.equal(trace["expert_ids"][..., 0][~dropped], dispatch.argmax(-1)[~dropped])
    assert (found[dropped] == 0).all()
    torch.testing.assert_close(trace["expert_weights"][~dropped], probability[~dropped], atol=1e-6, rtol=0)


def routings(router, n_layers: int = 3) -> list:
    generator = torch.Generator().manual_seed(2)
    return [router.choose(2 * torch.randn(2, 19, E, generator=generator)) for _ in range(n_layers)]


@pytest.mark.parametrize("padded", [False, True])
def test_load_balancing_loss_over_layers(padded):
    from transformers.models.mixtral.modeling_mixtral import load_balancing_loss_func

    layers = routings(SoftmaxRouter(D, E, 3))
    mask = torch.ones(2, 19, dtype=torch.long)
    mask[1, 11:] = 0
    given = mask if padded else None
    expected = load_balancing_loss_func(tuple(layer.logits.flatten(0, 1) for layer in layers), E, 3, given)
    moe = MixtureOfExperts(n_experts=E, n_experts_per_token=3, d_expert=WIDTH)
    found = router_losses(layers, moe, None if given is None else given.bool())
    torch.testing.assert_close(found.balance, expected)


def test_switch_losses_over_layers():
    from transformers.models.switch_transformers.modeling_switch_transformers import (
        load_balancing_loss_func,
        router_z_loss_func,
    )

    layers = routings(SwitchRouter(D, E, capacity=2))
    logits = torch.cat([layer.logits for layer in layers], dim=1)
    moe = MixtureOfExperts(n_experts=E, n_experts_per_token=1, d_expert=WIDTH, router="switch", capacity=2)
    is_token = torch.arange(19)[None].expand(2, -1) < 12  # which Switch does not look at
    found = router_losses(layers, moe, is_token)
    torch.testing.assert_close(found.balance, load_balancing_loss_func(logits.softmax(-1), logits.argmax(-1)))
    torch.testing.assert_close(found.z, router_z_loss_func(logits))
