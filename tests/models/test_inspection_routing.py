"""A router's choice, step by step and made anew, against the parts that the models run."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import models
from models.inspection.expert_habits import (
    KINDS,
    habits,
    information,
    quarters,
    sentences_of,
    tail,
    token_kinds,
    wilson,
)
from models.inspection.router_costs import FEEDFORWARD, ROUTES, mixture_cost, route
from models.inspection.router_steps import RouterRule, bias_step, normal_numbers, router_steps
from models.inspection.routing import Rerouting, look, sparse_layers
from models.parts.routers import ROUTERS, SigmoidRouter
from models.training.routing import mutual_information
from tests.models.test_taps import scaled_down

MIXTURES = ("mixtral-mini", "deepseek-v3-mini", "deepseek-v2-mini", "switch-mini", "qwen3-moe-mini")
RULES = [
    models.MixtureOfExperts(n_experts=8, n_experts_per_token=2, d_expert=4),
    models.MixtureOfExperts(n_experts=8, n_experts_per_token=3, d_expert=4, normalise_weights=False, weight_scale=2.0),
    models.MixtureOfExperts(n_experts=8, n_experts_per_token=2, d_expert=4, n_groups=4, n_groups_per_token=2),
    models.MixtureOfExperts(n_experts=8, n_experts_per_token=2, d_expert=4, router="topk_softmax"),
    models.MixtureOfExperts(n_experts=8, n_experts_per_token=2, d_expert=4, router="noisy_topk"),
    models.MixtureOfExperts(n_experts=8, n_experts_per_token=1, d_expert=4, router="switch", capacity=3),
    models.MixtureOfExperts(n_experts=8, n_experts_per_token=8, d_expert=4, router="dense"),
    models.MixtureOfExperts(
        n_experts=8,
        n_experts_per_token=3,
        d_expert=4,
        router="sigmoid",
        n_groups=4,
        n_groups_per_token=2,
        group_score="top2",
        bias_update_rate=0.01,
        weight_scale=2.5,
    ),
]


def small(name: str):
    """A mixture of this kind, its router's bias not zero, and the arguments of a pass."""
    cfg = scaled_down(models.preset(name))
    model = models.build(cfg, seed=1)
    for part in model.modules():
        if isinstance(part, SigmoidRouter):
            part.selection_bias.uniform_(-0.2, 0.2, generator=torch.Generator().manual_seed(2))
    ids = torch.randint(0, cfg.vocab_size, (1, 20), generator=torch.Generator().manual_seed(0))
    decoder = {"decoder_input_ids": ids[:, :7]} if cfg.structure == "encoder_decoder" else {}
    return cfg, model, {"input_ids": ids, **decoder}


@pytest.mark.parametrize("moe", RULES, ids=lambda moe: moe.router)
def test_the_last_step_is_what_the_router_gives(moe):
    router = ROUTERS[moe.router](16, moe).eval()
    with torch.no_grad():
        router.weight.normal_(generator=torch.Generator().manual_seed(3))
        if getattr(router, "selection_bias", None) is not None:
            router.selection_bias.copy_(torch.linspace(-0.3, 0.3, 8))
    x = torch.randn(1, 30, 16, generator=torch.Generator().manual_seed(4))
    routing = router(x)
    steps = router_steps(routing.logits[0], RouterRule.of(moe), getattr(router, "selection_bias", None))
    assert torch.equal(steps.taken_ids, routing.expert_ids[0])
    torch.testing.assert_close(steps.taken_weights, routing.weights[0], atol=1e-7, rtol=0)


@pytest.mark.parametrize("name", MIXTURES)
def test_a_look_is_the_pass_and_settings_of_the_model_change_nothing(name):
    cfg, model, arguments = small(name)
    with torch.inference_mode():
        out = model(**arguments)
    seen, again = look(model, arguments), look(model, arguments, Rerouting())
    assert [layer.name for layer in seen] == list(sparse_layers(model))
    for layer, same, routing in zip(
        seen, again, out.routings, strict=False
    ):  # a module for further tokens has one, too
        assert torch.equal(layer.expert_ids, routing.expert_ids[0])
        assert torch.equal(layer.weights, routing.weights[0])
        torch.testing.assert_close(same.logits, layer.logits, atol=1e-6, rtol=0)
        torch.testing.assert_close(same.weights, layer.weights, atol=1e-6, rtol=0)
        if cfg.moe.n_shared_experts:
            assert ((layer.shared > 0) & (layer.shared < 1)).all()


@pytest.mark.parametrize("name", MIXTURES)
def test_a_pass_made_again_does_what_its_settings_say(name):
    cfg, model, arguments = small(name)
    first = next(iter(sparse_layers(model)))
    again = Rerouting(chosen=3 if cfg.moe.n_groups is None else 2, capacity=6, noise=1.0, seed=5)
    seen = look(model, arguments, replace(again, bias={first: torch.tensor([0.0, 9.0, 0.0, 0.0])}))
    plain = look(model, arguments)
    assert torch.equal(seen[0].logits, plain[0].logits)  # what the first router reads is the same, the noise left out
    counts = torch.bincount(seen[0].expert_ids.flatten() + 1, minlength=5)[1:]
    assert counts.max() <= 6
    assert counts[1] == 6  # all want the expert with the large bias
    assert seen[0].expert_ids.shape[1] == again.chosen
    assert not torch.equal(seen[-1].logits, plain[-1].logits)
    assert torch.equal(look(model, arguments)[-1].logits, plain[-1].logits)  # and the model is as it was


def test_noise_depends_on_seed_and_place_alone():
    numbers = normal_numbers(3, 1, 200, 16)
    assert np.array_equal(numbers, normal_numbers(3, 1, 200, 16))
    assert abs(numbers.mean()) < 0.05
    assert abs(numbers.std() - 1) < 0.05
    assert abs(np.corrcoef(numbers.ravel(), normal_numbers(3, 2, 200, 16).ravel())[0, 1]) < 0.05
    assert abs(np.corrcoef(numbers.ravel(), normal_numbers(4, 1, 200, 16).ravel())[0, 1]) < 0.05


def test_a_step_of_the_bias_is_that_of_the_router():
    moe = RULES[-1]
    router = ROUTERS["sigmoid"](16, moe)
    counts = torch.tensor([9, 0, 3, 3, 3, 3, 3, 0])
    expected = bias_step(router.selection_bias.clone(), counts.tolist(), moe.bias_update_rate)
    router.update_selection_bias(counts)
    assert torch.equal(router.selection_bias, expected)


def test_a_habit_is_found_and_a_random_router_has_none():
    labels = np.repeat(np.arange(4), 40)
    chance = np.random.default_rng(0)
    experts = chance.integers(0, 4, (160, 1))
    random = habits(labels, experts, 4)
    assert random.p > 0.05
    assert not any(row.is_sure for row in random.rows)
    experts[labels == 2] = 3
    found = habits(labels, experts, 4)
    assert found.p == 1 / 200
    sure = [(row.expert, row.label, row.count, row.of) for row in found.rows if row.is_sure]
    assert (3, 2, 40, 40) in sure
    assert all(
        low <= count / of <= high for count, of, low, high in [(r.count, r.of, r.low, r.high) for r in found.rows]
    )


def test_information_and_the_tail_are_those_of_the_definitions():
    chance = np.random.default_rng(1)
    first, second = chance.integers(0, 5, 90), chance.integers(0, 3, 90)
    table = np.zeros((1, 5, 3), dtype=int)
    np.add.at(table[0], (first, second), 1)
    assert information(table)[0] == pytest.approx(mutual_information(first, second))
    drawn = chance.permuted(np.tile(np.arange(12) < 5, (20_000, 1)), axis=1)[:, :4].sum(1)
    assert tail(3, 12, 5, 4) == pytest.approx((drawn >= 3).mean(), abs=0.01)
    assert wilson(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-3)


def test_tokens_are_sorted_into_kinds_and_sentences():
    pieces = [b"", b"Lily", b" and", b" the", b"or", b"y", b",", b" 12", b".", "好".encode(), b"\xe5", b"\n", b"The"]
    kinds = [
        "special",
        "capital",
        "word",
        "word",
        "inside",
        "inside",
        "mark",
        "number",
        "mark",
        "han",
        "bytes",
        "space",
    ]
    assert [KINDS[kind] for kind in token_kinds(pieces)] == [*kinds, "capital"]
    assert sentences_of(pieces).tolist() == [0] * 9 + [1, 1, 1, 2]
    assert quarters(9).tolist() == [0, 1, 1, 2, 2, 3, 3, 4, 4]


@pytest.mark.parametrize("name", MIXTURES)
def test_costs_are_those_of_the_account(name):
    cfg = models.preset(name)
    account = models.account(cfg)
    mixture = [part for part in account.parts if part.name in FEEDFORWARD and part.name != "ffn"]
    cost = mixture_cost(cfg, cfg.moe, 64)
    if not cfg.mtp_depth:
        assert cost.params == sum(part.count for part in mixture)
        assert cost.active == sum(part.active for part in mixture)
    by_name = {way: mixture_cost(cfg, route(cfg.moe, way, 64), 64) for way in ROUTES}
    assert by_name["dense"].active == by_name["dense"].params
    assert (
        by_name["switch"].flops_per_token <= by_name["softmax_topk"].flops_per_token < by_name["dense"].flops_per_token
    )
    assert by_name["soft_moe"].flops_per_token < by_name["dense"].flops_per_token
