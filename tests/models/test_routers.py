"""Routers and their losses against the papers' definitions, written out."""

import math

import pytest
import torch
import torch.nn.functional as F

from models.config_groups import MixtureOfExperts
from models.parts.balancing import (
    importance_and_load_loss,
    importance_loss,
    load_balancing_loss,
    localised_balancing_loss,
    router_losses,
    sequence_loss,
    switch_loss,
    z_loss,
)
from models.parts.routers import (
    DenseRouter,
    NoisyTopKRouter,
    Routing,
    SigmoidRouter,
    SoftmaxRouter,
    SwitchRouter,
    TopKSoftmaxRouter,
)

B, T, D, E, K = 2, 9, 16, 6, 2


def drawn(router):
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in router.parameters():
            parameter.normal_(0, 0.5, generator=generator)
    return router.eval()


def tokens() -> torch.Tensor:
    return torch.randn(B, T, D, generator=torch.Generator().manual_seed(1))


def test_softmax_before_and_after_the_choice_differ_in_weights_only():
    before, after = drawn(SoftmaxRouter(D, E, K, normalise=False)), drawn(TopKSoftmaxRouter(D, E, K))
    normalised = drawn(SoftmaxRouter(D, E, K))
    x = tokens()
    assert torch.equal(before(x).expert_ids, after(x).expert_ids)
    assert (before(x).weights.sum(-1) < 1).all()
    torch.testing.assert_close(after(x).weights.sum(-1), torch.ones(B, T))
    torch.testing.assert_close(normalised(x).weights, after(x).weights)


def test_noise_is_that_of_the_paper():
    router = drawn(NoisyTopKRouter(D, E, K)).train()
    x = tokens()
    torch.manual_seed(3)
    found = router(x)
    torch.manual_seed(3)
    clean, size = x @ router.weight.T, F.softplus(x @ router.noise_weight.T)
    noisy = clean + torch.randn(B, T, E) * size
    for b in range(B):
        for t in range(T):
            h = noisy[b, t]
            chosen = h.argsort(descending=True)[:K]
            assert found.expert_ids[b, t].tolist() == chosen.tolist()
            torch.testing.assert_close(found.weights[b, t], h[chosen].softmax(0))
            for i in range(E):
                kth_of_others = torch.cat([h[:i], h[i + 1 :]]).sort(descending=True).values[K - 1]
                z = (clean[b, t, i] - kth_of_others) / size[b, t, i]
                expected = 0.5 * (1 + math.erf(z.item() / math.sqrt(2)))
                assert found.chances[b, t, i].item() == pytest.approx(expected, abs=1e-5)
    assert torch.equal(router.eval()(x).logits, clean)


def test_noisy_loss_is_squared_variation_of_importance_and_load():
    router = drawn(NoisyTopKRouter(D, E, K)).train()
    routing = router(tokens())
    importance = torch.zeros(E)
    for expert, weight in zip(routing.expert_ids.flatten(), routing.weights.flatten(), strict=True):
        importance[expert] += weight
    load = routing.chances.sum((0, 1))
    expected = sum(v.var(correction=0) / v.mean() ** 2 for v in (importance, load))
    torch.testing.assert_close(importance_and_load_loss([routing]), expected)


def test_switch_takes_the_first_of_each_sequence():
    logits = torch.zeros(2, 5, 3)
    logits[0, :, 1] = torch.tensor([3.0, 3.0, 0.0, 3.0, 3.0])
    logits[0, 2, 2] = 4.0
    logits[1, :, 0] = 2.0
    routing = SwitchRouter(D, 3, capacity=2).choose(logits)
    assert routing.expert_ids[..., 0].tolist() == [[1, 1, 2, -1, -1], [0, 0, -1, -1, -1]]
    assert (routing.weights[routing.expert_ids == -1] == 0).all()
    torch.testing.assert_close(routing.weights[0, 0, 0], logits[0, 0].softmax(0)[1])


def test_jitter_in_training_only():
    router = drawn(SwitchRouter(D, E, jitter=0.1))
    x = tokens()
    assert torch.equal(router(x).logits, router(x).logits)
    router.train()
    assert not torch.equal(router(x).logits, router(x).logits)
    ratio = router(torch.ones(1, 1, 1).expand(1, 500, D) * 1.0).logits / router.weight.sum(-1)
    assert 0.5 < ratio.median() < 1.5


def test_selection_bias_changes_the_choice_and_not_the_weights():
    router = drawn(SigmoidRouter(D, E, K, normalise=False, bias_update_rate=0.25))
    x = tokens()
    router.selection_bias[4] = 10.0
    routing = router(x)
    assert (routing.expert_ids == 4).any(-1).all()
    torch.testing.assert_close(routing.weights, routing.probs.gather(-1, routing.expert_ids))


def test_selection_bias_evens_out_the_load():
    router = drawn(SigmoidRouter(D, E, K, bias_update_rate=0.01))
    with torch.no_grad():
        router.weight[2] = 0.0
        router.weight[2, 0] = 1.0
    x = tokens()
    x[..., 0] = x[..., 0].abs() + 3
    before = router(x).counts()
    assert before[2] == B * T
    router.update_selection_bias(before)
    step = 0.01 * torch.where(before > before.mean(), -1.0, 1.0)
    torch.testing.assert_close(router.selection_bias, step)
    for _ in range(300):
        router.update_selection_bias(router(x).counts())
    assert router(x).counts().max() <= 0.6 * B * T


def test_selection_bias_stays_exact_and_untrained():
    router = SigmoidRouter(D, E, K, bias_update_rate=0.001)
    router.selection_bias.fill_(0.7001)
    assert router.to(torch.bfloat16).weight.dtype == torch.bfloat16
    assert router.selection_bias.tolist() == pytest.approx([0.7001] * E, abs=1e-7)
    assert "selection_bias" not in dict(router.named_parameters())
    assert "selection_bias" in router.state_dict()


def balanced(n_layers: int = 2) -> list[Routing]:
    """Every expert chosen equally often, and each token's scores even."""
    ids = torch.arange(12).reshape(1, 6, 2) % E
    probs = torch.full((1, 6, E), 1 / E) + F.one_hot(ids, E).sum(-2) * 1e-6
    return [Routing(torch.full((1, 6, 2), 0.5), ids, probs, probs.log()) for _ in range(n_layers)]


def test_losses_of_balanced_experts():
    assert load_balancing_loss(balanced()).item() == pytest.approx(K, rel=1e-4)
    assert switch_loss(balanced()).item() == pytest.approx(K, rel=1e-4)
    assert sequence_loss(balanced()).item() == pytest.approx(2, rel=1e-4)
    assert importance_loss(balanced()).item() == pytest.approx(0, abs=1e-9)
    assert z_loss(balanced()).item() == pytest.approx(0, abs=1e-8)


@pytest.mark.parametrize(("router", "n_chosen"), [("softmax_topk", 2), ("switch", 1)])
def test_layers_that_make_up_for_each_other_are_each_asked_for_balance(router, n_chosen):
    """Layer 0 uses the first half of the experts, layer 1 the second: together they are even, and neither is."""
    halves = torch.arange(E).reshape(2, 1, 1, E // 2)
    layers = []
    for half in halves:
        ids = half.flatten().repeat(6)[: 6 * n_chosen].reshape(1, 6, n_chosen)
        probs = F.one_hot(half, E).sum(-2).float().expand(1, 6, E) / (E // 2) + F.one_hot(ids, E).sum(-2) * 1e-6
        layers.append(Routing(torch.full((1, 6, n_chosen), 1 / n_chosen), ids, probs, (probs + 1e-9).log()))
    mixture = MixtureOfExperts(n_experts=E, n_experts_per_token=n_chosen, d_expert=1, router=router)
    losses = router_losses(layers, mixture)
    assert losses.balance.item() == pytest.approx(n_chosen, rel=1e-4)
    # Two layers, each twice as uneven.
    assert losses.balance_by_layer.item() == pytest.approx(2 * 2 * n_chosen, rel=1e-4)


def test_sequence_loss_by_definition():
    router = drawn(SigmoidRouter(D, E, K, bias_update_rate=0.001))
    router.selection_bias[1] = 5.0
    routing = router(tokens())
    expected = 0.0
    for scores in routing.probs:
        f = torch.zeros(E)
        for token in scores:
            f[token.topk(K).indices] += E / (K * T)
        p = (scores / scores.sum(-1, keepdim=True)).mean(0)
        expected += (f * p).sum() / B
    torch.testing.assert_close(sequence_loss([routing, routing]), 2 * expected)


@pytest.mark.parametrize(
    "loss", [load_balancing_loss, switch_loss, sequence_loss, importance_and_load_loss, importance_loss, z_loss]
)
def test_padding_counts_for_no_loss(loss):
    router = drawn(NoisyTopKRouter(D, E, K)) if loss is importance_and_load_loss else drawn(SoftmaxRouter(D, E, K))
    x = tokens()[:1]
    padded = torch.cat([x, 7 * tokens()[1:]], dim=1)
    is_token = torch.arange(2 * T)[None] < T
    torch.testing.assert_close(loss([router(padded)], is_token), loss([router(x)]))


def test_losses_reach_the_router():
    for router, loss in ((SoftmaxRouter(D, E, K), load_balancing_loss), (DenseRouter(D, E), importance_loss)):
        loss([drawn(router)(tokens())]).backward()
        assert router.weight.grad.abs().max() > 0


def test_localised_balancing_by_definition():
    routing = drawn(DenseRouter(D, E))(tokens())
    expert_types, sample_types, delta = torch.tensor([0, 0, 0, 1, 1, 1]), torch.tensor([1, 0]), 0.3
    z = []
    for sample in range(B):
        for expert in range(E):
            q = routing.weights[sample, :, expert].sum().item()
            z.append(q * (1 + delta if expert_types[expert] == sample_types[sample] else 1 - delta))
    mean = sum(z) / len(z)
    expected = sum((value - mean) ** 2 for value in z) / len(z) / mean
    found = localised_balancing_loss(routing.importance(), sample_types, expert_types, delta)
    assert found.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("kind", [SoftmaxRouter, SigmoidRouter, NoisyTopKRouter])
def test_scores_are_exact_also_where_a_training_multiplies_in_bf16(kind):
    router, x = drawn(kind(D, E, K)), tokens()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        routing = router(x)
    assert routing.logits.dtype == routing.probs.dtype == torch.float32
    torch.testing.assert_close(routing.logits, router(x).logits, rtol=0, atol=0)
    assert routing.counts().sum() == B * T * K
