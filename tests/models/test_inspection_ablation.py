"""All heads silenced in one batched pass, against the same one by one."""

import pytest
import torch
import torch.nn.functional as F

import models
from models.inspection.ablation import ablated, divergence
from models.inspection.silencing import Changes, all_heads, run
from tests.models.small_structures import STRUCTURES
from tests.models.test_inspection_silencing import arguments_of, widened

ANSWERING = [name for name, cfg in STRUCTURES.items() if cfg.head != "none"]


@pytest.mark.parametrize("method", ["zero", "mean"])
@pytest.mark.parametrize("name", ANSWERING)
def test_one_batched_pass_equals_one_by_one(name, method):
    model = widened(models.build(STRUCTURES[name], seed=2))
    arguments, heads = arguments_of(model.config), all_heads(model.config)
    together = ablated(model, arguments, 2, heads, method)
    for row, head in enumerate(heads):
        logits = run(model, arguments, Changes(heads=frozenset({head}), method=method))
        alone = logits[0] if model.config.head == "classification" else logits[0, 2]
        assert torch.allclose(together[row], F.log_softmax(alone.float(), dim=-1), atol=1e-5), head
    assert torch.allclose(together, ablated(model, arguments, 2, heads, method, rows=5), atol=1e-5)


def test_divergence_is_that_of_the_definition():
    chance = torch.Generator().manual_seed(0)
    before, after = (F.log_softmax(torch.randn(9, generator=chance), dim=-1) for _ in range(2))
    expected = F.kl_div(after, before, log_target=True, reduction="sum")
    assert torch.allclose(divergence(before, after[None]), expected[None], atol=1e-6)
    assert float(divergence(before, before)) == 0
    certain = torch.tensor([0.0, float("-inf")])
    assert float(divergence(certain, torch.tensor([0.5, 0.5]).log())) == pytest.approx(0.6931, abs=1e-4)
