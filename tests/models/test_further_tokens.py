"""Multi-token prediction: its layers see what the mask pattern and the caller's mask show them."""

import pytest
import torch

import models
from tests.models.random_configs import VOCABULARY, tokens, wide

SIZES = {"vocab_size": VOCABULARY, "max_seq_len": 24, "d_model": 16, "n_heads": 4, "d_ff": 20}


@pytest.mark.parametrize("n_layers", [1, 2, 3])
@torch.no_grad()
def test_the_mask_pattern_goes_on_after_the_last_layer(n_layers):
    cfg = models.ModelConfig(
        **SIZES, n_layers=n_layers, mask_pattern=("causal", "sliding", "sliding"), window=2, mtp_depth=2
    )
    with models.capture("*.attn.probs") as trace:
        wide(cfg)(tokens(1, 9))
    for depth in range(2):
        probs = trace[f"mtp.{depth}.block.attn.probs"]  # (1, H, T, T)
        sees_far = bool(probs.tril(-2).any())
        assert sees_far == (cfg.layer(n_layers + depth).mask == "causal")


@pytest.mark.parametrize("kind", ["boolean", "float"])
@torch.no_grad()
def test_a_mask_of_four_dimensions_is_kept(kind):
    model, ids = wide(models.ModelConfig(**SIZES, n_layers=2, mtp_depth=2)), tokens(2, 10)
    is_token = torch.ones(2, 10, dtype=torch.long)
    is_token[1, :4] = 0
    pairs = (torch.ones(10, 10).tril().bool() & is_token.bool()[:, None, :])[:, None]  # (B, 1, T, T)
    if kind == "float":
        pairs = torch.zeros(pairs.shape).masked_fill(~pairs, float("-inf"))
    expected, found = (model(ids, mask).mtp_logits for mask in (is_token, pairs))
    without = model(ids).mtp_logits
    for by_token, by_pair, unmasked in zip(expected, found, without, strict=True):
        torch.testing.assert_close(by_pair, by_token)
        assert (by_pair[1, 4:] - unmasked[1, 4:]).abs().max() > 0.1


@torch.no_grad()
def test_blocks_of_text_do_not_see_each_other():
    """Two texts packed into one row give what they give alone, up to where one looks at the other's first tokens."""
    model, ids = wide(models.ModelConfig(**SIZES, n_layers=2, mtp_depth=1)), tokens(1, 10)
    first = torch.arange(10) < 6
    pairs = (torch.ones(10, 10).tril().bool() & (first[:, None] == first[None, :]))[None, None]
    places = torch.cat((torch.arange(6), torch.arange(4)))[None]
    packed = model(ids, pairs, position_ids=places).mtp_logits[0]
    torch.testing.assert_close(packed[:, :5], model(ids[:, :6]).mtp_logits[0])
    torch.testing.assert_close(packed[:, 6:], model(ids[:, 6:]).mtp_logits[0])
