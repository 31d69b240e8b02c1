"""Latent attention's two orders on a pass's own numbers: equal results, counted products; and what a cache keeps."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import models
from models.config import ModelConfig
from models.errors import InputError
from models.inspection.latents import (
    absorbed,
    absorbed_products,
    kept_per_token,
    latent_of,
    naive,
    naive_products,
)
from models.inspection.weights import layer_attention, taps
from models.parts.latent_attention import MultiHeadLatentAttention
from tests.models.random_configs import tokens, wide
from tests.models.test_inspection_weights import CONFIGS

LATENT = CONFIGS["latent"]


@pytest.fixture(scope="module")
def looked_at():
    model, ids = wide(LATENT), tokens(1, 13)
    with torch.no_grad(), models.capture(*taps("layers.1.attn")) as trace:
        model(ids)
    layer = layer_attention(model, trace, "layers.1.attn")
    return layer, latent_of(model, 1, layer, {"input_ids": ids})


def test_both_orders_give_what_the_pass_computed(looked_at):
    layer, one = looked_at
    for order in (naive(one), absorbed(one)):
        torch.testing.assert_close(order.out, layer.head_out, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(order.scores, layer.scores, rtol=1e-5, atol=1e-5)
    exact = one.double()
    torch.testing.assert_close(naive(exact).out, absorbed(exact).out, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("n_new", [13, 1])
def test_products_are_counted_as_they_are_done(looked_at, n_new):
    """Three ways to the same number: the shapes of the products, PyTorch's own counter, and the formula."""
    one = looked_at[1] if n_new == 13 else looked_at[1].newest()
    for order, formula in ((naive, naive_products), (absorbed, absorbed_products)):
        with FlopCounterMode(display=False) as counter:
            found = order(one)
        assert found.products == formula(LATENT, n_new, 13)
        assert 2 * found.multiply_adds == counter.get_total_flops()


def test_the_formula_says_which_order_the_core_takes():
    """The core's own rule compares these counts, for one head and without what both orders share."""
    cfg = models.preset("deepseek-v3")
    part = MultiHeadLatentAttention.__new__(MultiHeadLatentAttention)
    torch.nn.Module.__init__(part)
    part.rank, part.d_nope, part.d_value = 512, 128, 128
    for n_new, n_total in ((1, 1), (1, 4096), (64, 4096), (4096, 4096)):
        sums = [sum(f(cfg, n_new, n_total).values()) for f in (naive_products, absorbed_products)]
        assert part._naive_is_cheaper(n_new, n_total) == (sums[0] <= sums[1])


def test_savings_are_those_of_the_account():
    """Decoding one token: the account's two figures differ by what the orders differ, the new token's own keys left out."""
    cfg = models.preset("deepseek-v2-lite")
    figures = models.account(cfg, context=1000).figures
    differ = figures["flops_per_token_naive"].value - figures["flops_per_token"].value
    first, second = (f(cfg, 1, 1000) for f in (naive_products, absorbed_products))
    made_of_the_new = sum(naive_products(cfg, 1, 1)[name] for name in ("keys", "values"))
    assert sum(second[name] for name in ("queries", "outputs")) == made_of_the_new  # one token's either way
    assert differ == 2 * cfg.n_layers * (sum(first.values()) - sum(second.values()))


def test_a_token_in_the_cache():
    """The published comparison: DeepSeek-V2 keeps 576 numbers a layer, less than GQA of 2.25 groups (table 1)."""
    cfg = models.preset("deepseek-v2")
    kept = {one.kind: one for one in kept_per_token(cfg)}
    assert kept["own"].numbers == kept["mla"].numbers == 60 * 576
    assert kept["own"].nbytes == models.account(cfg).kv_bytes_per_token == 2 * 60 * 576
    assert kept["mha"].numbers == 60 * 128 * (192 + 128)
    assert kept["gqa"].numbers == 8 * kept["mqa"].numbers == 60 * 8 * (192 + 128)
    assert kept_per_token(cfg, "fp32")[0].nbytes == 2 * kept["own"].nbytes


@pytest.mark.parametrize("name", ["llama3-8b", "gpt2", "bloom-560m", "chatglm2-6b", "t5-small", "deepseek-v3"])
def test_its_own_line_is_the_account(name):
    cfg = models.preset(name)
    assert kept_per_token(cfg)[0].nbytes == models.account(cfg).kv_bytes_per_token


def test_what_keeps_nothing_says_so():
    with pytest.raises(InputError, match="structure"):
        kept_per_token(models.preset("bert-base-uncased"))
    with pytest.raises(InputError, match="fp8"):
        kept_per_token(models.preset("gpt2"), "fp8")


def test_latents_that_a_window_let_go_are_not_made_up():
    sliding = ModelConfig(**{**LATENT.to_dict(), "mla": LATENT.mla, "mask_pattern": ("sliding",), "window": 4})
    model, ids = wide(sliding), tokens(1, 9)
    with torch.no_grad(), models.capture(*taps("layers.0.attn")) as trace:
        model(ids)
    layer = layer_attention(model, trace, "layers.0.attn")
    with pytest.raises(InputError, match="at most 4 tokens"):
        latent_of(model, 0, layer, {"input_ids": ids})
