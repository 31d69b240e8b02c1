"""The tab of experts: what its scripts get, what strangers may ask, and the endpoint."""

import base64
import json
from collections import OrderedDict
from dataclasses import replace

import gradio as gr
import numpy as np
import pytest
import torch
from safetensors.torch import load

import models
from models.inspection.expert_habits import KINDS
from models.inspection.router_costs import ROUTES
from models.objectives import MARKS
from models.parts.routers import ROUTERS
from models.tokenizers.extended import with_special_tokens
from playground import expert_answers, expert_look, model_facts, services
from playground.expert_api import routing
from playground.expert_models import IN_HAND, small_mixtures
from playground.session import DEFAULTS, design_string

SMALL = {"n_layers": 2, "d_model": 32, "d_ff": 48, "vocab_size": 512, "max_seq_len": 64}
HEADS = {"attention": "mha", "n_heads": 2, "n_kv_heads": 2, "d_head": 16, "rotary_dim": 16}
TEXT = "The cat sat on the mat. The dog ran after the cat, and the cat ran home."


def design(**moe) -> str:
    """A small random decoder with such experts."""
    base = models.preset("mixtral-mini")
    fields = {"n_experts": 4, "n_experts_per_token": 2, "d_expert": 16, "aux_loss_coef": 0.0, **moe}
    return design_string("mixtral-mini", base.replace(**SMALL, **HEADS, moe=models.MixtureOfExperts(**fields)))


def encoder(**moe) -> str:
    """A small random encoder that mixes all experts."""
    base = models.preset("bert-mini")
    heads = {"n_heads": 2, "n_kv_heads": 2, "d_head": 16, "n_positions": 64}
    mixed = {"n_experts": 4, "n_experts_per_token": 4, "d_expert": 16, "router": "dense", **moe}
    sizes = SMALL | {"vocab_size": 4096}
    return design_string("bert-mini", base.replace(**sizes, **heads, moe=models.MixtureOfExperts(**mixed)))


def ask(function: str, /, **request) -> dict:
    return json.loads(getattr(expert_answers, function)(json.dumps({"text": TEXT, "model": design(), **request})))


def floats(text: str, width: int) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), dtype="<f4").reshape(-1, width)


def test_the_first_screen_has_experts_although_the_model_in_hand_has_none():
    told = ask("experts_models", hand=DEFAULTS["model"])
    assert told["without"] == model_facts.title(DEFAULTS["model"])
    assert [one["name"] for one in told["models"]] == [one.name for one in small_mixtures()]
    assert sorted(told["models"], key=lambda one: not one["trained"]) == told["models"]
    shipped = [one["title"] for one in ask("experts_models", hand="deepseek-v3-mini")["models"]]
    assert len(set(shipped)) == len(shipped)  # the model in hand is not offered twice
    hand = ask("experts_models", hand=design())
    assert hand["models"][0]["name"] == IN_HAND
    assert hand["models"][0]["trained"] is False
    assert hand["without"] is None


def test_what_is_sent_is_what_the_routers_did():
    reply = ask("experts_look")
    config = model_facts.inhand(design()).config
    loaded = services.hold(design())
    ids = torch.tensor([loaded.tokenizer.encode(TEXT)])
    with torch.inference_mode():
        out = loaded.model(ids[:, :64])
    assert [layer["name"] for layer in reply["layers"]] == ["layers.0", "layers.1"]
    for layer, made in zip(reply["layers"], out.routings, strict=True):
        assert np.array_equal(floats(layer["logits"], 4), made.logits[0].numpy())
        assert np.array_equal(floats(layer["weights"], 2), made.weights[0].numpy())
        chosen = np.frombuffer(base64.b64decode(layer["ids"]), dtype="<i2").reshape(-1, 2)
        assert np.array_equal(chosen, made.expert_ids[0].numpy())
    losses = [layer["z"] for layer in reply["layers"]]
    assert sum(losses) / 2 == pytest.approx(float(out.z_loss), rel=1e-5)
    assert "random weights" in reply["notes"][0]
    assert reply["rule"]["router"] == config.moe.router


def test_a_pass_with_other_settings_is_another_pass():
    plain, again = (
        ask("experts_look"),
        ask("experts_look", chosen=3, capacity=9, noise=1.0, seed=4, bias={"1": 5}, layer=0),
    )
    first = np.frombuffer(base64.b64decode(again["layers"][0]["ids"]), dtype="<i2")
    assert again["layers"][0]["k"] == 3
    assert again["layers"][0]["logits"] == plain["layers"][0]["logits"]
    assert again["layers"][1]["logits"] != plain["layers"][1]["logits"]
    counts = np.bincount(first[first >= 0], minlength=4)
    assert counts[1] == 9
    assert counts.max() == 9


@pytest.mark.parametrize("mixing", [{"mixing": "merged"}, {"mixing": "slots", "slots_per_expert": 2}])
def test_where_nothing_is_chosen_all_experts_have_weights(mixing):
    reply = ask("experts_look", model=encoder(**mixing))
    for layer in reply["layers"]:
        assert layer["k"] == 4
        assert np.allclose(floats(layer["weights"], 4).sum(-1), 1, atol=1e-5)
        assert (layer["balance"], layer["z"]) == (None, None)
    assert reply["sequences"]["text"]["kinds"][0] == "s"
    assert len(ask("experts_costs", model=encoder(**mixing))["costs"]) == len(ROUTES)


@pytest.mark.parametrize("router", ROUTERS)
def test_every_router_can_be_looked_at(router):
    own = {"switch": {"n_experts_per_token": 1, "capacity": 5}, "dense": {"n_experts_per_token": 4}}.get(router, {})
    reply = ask("experts_look", model=design(router=router, **own))
    assert reply["rule"]["router"] == router
    assert (reply["layers"][0]["noise"] is not None) == (router == "noisy_topk")


def test_an_encoder_decoder_shows_both_stacks():
    reply = ask("experts_look", model="switch-mini")
    stacks = {layer["stack"]: layer["sequence"] for layer in reply["layers"]}
    assert stacks == {"encoder": "source", "decoder": "text"}
    assert len(reply["sequences"]["text"]["tokens"]) > 1


def test_an_encoder_decoder_with_sentinels_reads_the_exercise_of_its_training(monkeypatch):
    loaded = services.hold("switch-mini")
    marked = with_special_tokens(loaded.tokenizer, MARKS["span_corruption"])
    monkeypatch.setattr(expert_look, "hold", lambda found: replace(loaded, tokenizer=marked))
    monkeypatch.setattr(expert_look, "_passes", OrderedDict())
    reply = ask("experts_look", model="switch-mini")
    source, written = (reply["sequences"][name]["tokens"] for name in ("source", "text"))
    gaps = [token for token in source if token.startswith("<extra_id_")]
    assert gaps == [f"<extra_id_{number}>" for number in range(len(gaps))]
    assert [token for token in written if token in gaps] == gaps
    assert any("with gaps" in note for note in reply["notes"])
    given = ask("experts_look", model="switch-mini", target="the cat")
    assert not any("with gaps" in note for note in given["notes"])
    assert len(given["sequences"]["text"]["tokens"]) < len(written)


def test_habits_tell_what_was_asked_and_how_sure_it_is():
    told = ask("experts_habits", of=1)
    assert told["kinds"] == list(KINDS)
    for label in ("token", "kind", "place", "sentence"):
        found = told[label]
        assert 0 < found["p"] <= 1
        assert found["asked"] > 0
        for expert, _, count, of, expected, p, low, high in found["rows"]:
            assert 0 <= expert < 4
            assert expected < count <= of
            assert 0 <= p <= 1
            assert low <= count / of <= high
    assert "allowed" in ask("experts_habits", of=9)["refused"]


def test_costs_grow_with_the_experts_that_are_used():
    costs = {cost["name"]: cost for cost in ask("experts_costs")["costs"]}
    assert costs["own"]["active"] < costs["dense"]["active"] == costs["dense"]["params"]
    assert costs["switch"]["flops"] < costs["own"]["flops"] < costs["dense"]["flops"]


def test_published_sizes_are_those_of_the_account():
    rows = {row["name"]: row for row in ask("experts_sizes")["rows"]}
    for name in ("mixtral-8x7b", "deepseek-v3", "switch-c-2048", "llama2-70b"):
        account = models.account(models.preset(name), context=rows[name]["context"])
        assert (rows[name]["params"], rows[name]["active"]) == (account.params, account.active_params)
        assert rows[name]["flops"] == account.flops_per_token
    assert rows["deepseek-v3"]["moe"] == [256, 8, 1, 2048]
    assert rows["llama2-70b"]["moe"] is None
    assert not any(name.endswith("-mini") for name in rows)


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        ({"text": "  "}, "the text is empty"),
        ({"text": 7}, "must be a text"),
        ({"text": "a\ud800"}, "surrogate"),
        ({"model": "llama-mini"}, "has no experts"),
        ({"model": "mixtral-8x7b"}, "at most"),
        ({"model": None}, "must be a text"),
        ({"chosen": 5}, "allowed: 1 to 4"),
        ({"capacity": 0}, "allowed: 1 to"),
        ({"noise": "much"}, "must be a number"),
        ({"bias": {"9": 1}}, "out of range"),
        ({"bias": [1]}, "table of fields"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(request_, told):
    assert told in ask("experts_look", **request_)["refused"]
    chinese = ask("experts_look", **request_, lang="zh")["refused"]
    assert any("\u4e00" <= character <= "\u9fff" for character in chinese)


def test_long_texts_emoji_and_chinese_are_read_as_far_as_there_is_room():
    reply = ask("experts_look", text="好的 😀 " * 30_000)
    assert reply["layers"][0]["n_tokens"] == 64
    assert any("are read" in note for note in reply["notes"])
    assert any("single token" in note for note in ask("experts_look", text="a")["notes"])


def test_a_pass_of_too_many_scores_is_refused_before_it_is_made(monkeypatch):
    monkeypatch.setattr(expert_look, "MOST_SCORES", 100)
    assert "router scores" in ask("experts_look", text="one more text than the others that were read")["refused"]


def test_the_endpoint_gives_arrays_as_json_or_as_a_file():
    told = routing(TEXT, model=design(), n_experts_per_token=1)
    layer = told["layers"][0]
    shapes = [np.shape(layer[name]) for name in ("logits", "expert_ids", "weights")]
    n_tokens = len(told["sequences"]["text"])
    assert shapes == [(n_tokens, 4), (n_tokens, 1), (n_tokens, 1)]
    assert sum(layer["load"]) == pytest.approx(1)
    tensors = load(base64.b64decode(routing(TEXT, model=design(), n_experts_per_token=1, format="safetensors")["file"]))
    assert tensors["layers.0.logits"].tolist() == layer["logits"]
    assert tensors["layers.0.expert_ids"].tolist() == layer["expert_ids"]
    for wrong in ({"format": "pickle"}, {"model": "gpt2-mini"}, {"noise": 9.0}):
        with pytest.raises(gr.Error):
            routing(TEXT, **{"model": design(), **wrong})
