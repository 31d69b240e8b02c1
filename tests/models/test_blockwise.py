"""What training computes in blocks is what the whole computation gives, on the way back too."""

import pytest
import torch
import torch.nn.functional as F

import models
from models.blockwise import causal_attention
from models.training.loss import nats


def leaves(*shapes: tuple[int, ...]) -> list[torch.Tensor]:
    chance = torch.Generator().manual_seed(5)
    return [torch.randn(shape, generator=chance).requires_grad_() for shape in shapes]


@pytest.mark.parametrize(("n_tokens", "n_groups", "width"), [(37, 4, 8), (32, 2, 8), (7, 1, 6)])
def test_causal_attention_in_blocks_is_the_whole_one(n_tokens, n_groups, width):
    q, k, v = leaves((2, 4, n_tokens, 8), (2, n_groups, n_tokens, 8), (2, n_groups, n_tokens, width))
    above = torch.randn(2, 4, n_tokens, width, generator=torch.Generator().manual_seed(6))
    found = causal_attention(q, k, v, 0.3, block=16)
    expected = F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=0.3, enable_gqa=True)
    torch.testing.assert_close(found, expected)
    for mine, other in zip(
        torch.autograd.grad(found, (q, k, v), above), torch.autograd.grad(expected, (q, k, v), above), strict=True
    ):
        torch.testing.assert_close(mine, other)


@pytest.mark.parametrize("name", ["gpt2-mini", "llama-mini", "deepseek-v3-mini"])
def test_training_in_bf16_takes_the_blocks_and_stays_near_fp32(name, monkeypatch):
    taken = []

    def counted(*arguments):
        taken.append(arguments[0].shape)
        return causal_attention(*arguments)

    monkeypatch.setattr("models.attend.causal_attention", counted)
    config = models.preset(name).replace(n_layers=2, vocab_size=100)
    ids = torch.randint(0, 100, (2, 140), generator=torch.Generator().manual_seed(1))

    def gradient(half: bool) -> torch.Tensor:
        model = models.build(config, seed=2).train()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
            logits = model(ids).logits
        F.cross_entropy(logits.float().flatten(0, 1), ids.flatten()).backward()
        return torch.cat([p.grad.flatten() for n, p in model.named_parameters() if n.startswith("layers.0.attn")])

    half, whole = gradient(True), gradient(False)
    assert len(taken) >= 2
    assert F.cosine_similarity(half, whole, dim=0) > 0.99


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_loss_in_rows_is_the_whole_cross_entropy(dtype):
    logits = leaves((600, 50))[0].detach().to(dtype).requires_grad_()
    targets = torch.randint(0, 50, (600,), generator=torch.Generator().manual_seed(3))
    found = nats(logits, targets) / 600
    expected = F.cross_entropy(logits.float(), targets)
    torch.testing.assert_close(found, expected)
    mine, other = (torch.autograd.grad(loss, logits)[0].float() for loss in (found, expected))
    torch.testing.assert_close(mine, other, rtol=1e-2 if dtype == torch.bfloat16 else 1e-5, atol=1e-7)
