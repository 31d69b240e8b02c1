"""What a card says of a mixture's experts, on routings made by hand, and on a model's."""

import json

import numpy as np
import pytest
import torch

import models
from models.config_groups import MixtureOfExperts
from models.objectives import Example
from models.objectives.causal import causal
from models.objectives.marks import Marks
from models.objectives.span_corruption import span_corruption
from models.presets import ZOO
from models.training.routing import measure_routing, mutual_information, routing_of
from models.training.run import StopRequest, train
from tests.models.little_training import RECIPE, story_folder

TOKENS = np.array([3, 5] * 500)
SIZES = {"d_model": 16, "n_heads": 2, "n_kv_heads": 2, "d_head": 8, "d_ff": 24, "vocab_size": 64}


def test_an_expert_of_its_own_for_each_token_tells_all_about_it():
    found = routing_of(TOKENS, np.where(TOKENS == 3, 1, 0)[:, None], n_experts=2)
    assert found.load == (0.5, 0.5)
    assert found.bits == pytest.approx(1.0)
    assert found.random_bits < 0.01
    assert (found.most, found.least, found.dead, found.left_out) == (1.0, 1.0, 0, 0.0)


def test_an_expert_that_takes_turns_tells_nothing():
    turns = np.array([0, 0, 1, 1] * 250)
    found = routing_of(TOKENS, turns[:, None], n_experts=2)
    assert found.bits == pytest.approx(0.0, abs=1e-12)
    assert found.bits <= found.random_bits


def test_few_choices_look_alike_by_chance_and_a_random_router_shows_how_much():
    chance = np.random.default_rng(1)
    tokens, experts = chance.integers(0, 400, 2000), chance.integers(0, 8, (2000, 2))
    found = routing_of(tokens, experts, n_experts=8)
    assert found.bits > 0.3
    assert found.bits == pytest.approx(found.random_bits, rel=0.05)


def test_dead_experts_uneven_load_and_choices_left_out_are_counted():
    experts = np.array([[0], [0], [0], [1], [-1]])
    found = routing_of(np.arange(5), experts, n_experts=4)
    assert found.load == (0.75, 0.25, 0.0, 0.0)
    assert (found.most, found.least, found.dead) == (3.0, 0.0, 2)
    assert found.left_out == pytest.approx(0.2)
    assert found.to_dict()["load"] == [0.75, 0.25, 0.0, 0.0]


def test_information_is_that_of_the_formula():
    first, second = np.array([0, 0, 1, 1, 1, 2]), np.array([0, 1, 1, 1, 0, 0])
    expected = 0.0
    for a in range(3):
        for b in range(2):
            both = ((first == a) & (second == b)).mean()
            if both:
                expected += both * np.log2(both / ((first == a).mean() * (second == b).mean()))
    assert mutual_information(first, second) == pytest.approx(expected)


def rows(n_rows: int, length: int) -> list[torch.Tensor]:
    return list(torch.randint(1, 50, (n_rows, length), generator=torch.Generator().manual_seed(2)))


def test_a_decoder_is_measured_layer_by_layer_its_further_token_too():
    config = models.preset("deepseek-v3-mini")
    config = config.replace(n_layers=2, vocab_size=64, d_model=16, d_ff=24)
    model = models.build(config, seed=1)
    found = measure_routing(model, [causal(row) for row in rows(10, 21)], pad=0)
    assert list(found) == ["layers.1", "mtp.0.block"]
    with torch.inference_mode():
        routings = model(torch.stack(rows(10, 21))[:, :-1]).routings
    for routing, layer in zip(routings, found.values(), strict=True):
        counts = routing.counts()
        assert layer.load == pytest.approx((counts / counts.sum()).tolist())


def test_an_encoder_decoder_is_measured_on_what_each_side_reads_without_padding():
    config = models.preset("switch-mini").replace(n_layers=2, n_encoder_layers=2, **SIZES)
    model = models.build(config, seed=1)
    marks = Marks(vocab_size=64, pad=0, end=0, sentinels=tuple(range(50, 64)))
    chance = torch.Generator().manual_seed(0)
    long, short = (span_corruption(rows(1, length)[0], marks, chance) for length in (40, 20))
    together = measure_routing(model, [long, short], pad=0)
    apart = [measure_routing(model, [example], pad=0) for example in (long, short)]
    assert list(together) == ["encoder.layers.1", "decoder.layers.1"]
    for name, side in (("encoder.layers.1", "inputs"), ("decoder.layers.1", "decoder_inputs")):
        sizes = [len(getattr(example, side)) for example in (long, short)]
        mixed = np.average([one[name].load for one in apart], axis=0, weights=sizes)
        assert together[name].load == pytest.approx(mixed.tolist())


def test_models_that_send_tokens_nowhere_have_nothing_to_measure():
    sizes = SIZES | {"n_layers": 1}
    merged = MixtureOfExperts(n_experts=4, n_experts_per_token=4, d_expert=8, router="dense", mixing="merged")
    dense = [models.preset(name).replace(**sizes) for name in ("gpt2-mini", "bert-mini")]
    for config in (*dense, dense[1].replace(moe=merged)):
        assert measure_routing(models.build(config), [Example(torch.tensor([1]), torch.tensor([2]))], pad=0) == {}


def test_card_and_history_say_where_tokens_go(tmp_path, monkeypatch):
    config = models.preset("mixtral-mini").replace(
        n_layers=2, attention="mha", rotary_dim=8, **SIZES | {"vocab_size": 300}
    )
    monkeypatch.setattr(models, "preset", lambda name: config)
    assert train(RECIPE, story_folder(tmp_path), tmp_path / "work", tmp_path / "out", StopRequest(), lambda text: None)
    layers = json.loads((tmp_path / "out/history.json").read_text())["routing"]
    card = (tmp_path / "out/CARD.md").read_text(encoding="utf-8")
    assert list(layers) == ["layers.0", "layers.1"]
    for name, layer in layers.items():
        assert sum(layer["load"]) == pytest.approx(1, abs=1e-4)
        assert f"| `{name}` | " in card
        assert f"| {layer['bits']:.2f} bits | {layer['random_bits']:.2f} bits |" in card


MIXTURES = [name for name in models.presets() if models.preset_info(name).trained and models.preset(name).moe]


@pytest.mark.parametrize("name", MIXTURES)
def test_the_experts_of_a_shipped_mixture_are_alive_and_differ(name):
    """On held-out texts, as its history keeps them."""
    layers = json.loads((ZOO / name / "history.json").read_text())["routing"]
    for layer in layers.values():
        assert layer["dead"] == 0
        assert layer["most"] < 3
        assert layer["least"] > 1 / 3
        assert layer["bits"] > layer["random_bits"]
