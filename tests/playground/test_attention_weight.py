"""What the sections on weights and FlashAttention give the page's script: the numbers of the pass, within bounds."""

import base64
import json

import numpy as np
import pytest
import torch

import models
from playground import services, sight_payload, weight_payload
from playground.weight_answers import flash_latents, weight_heads, weight_sights

TEXT = "Tom and his dog went to the park. Anna and her cat went to the park. Tom and his dog were happy."


def asked(function, design: str, text: str = TEXT, **more) -> dict:
    request = {"design": design, "text": text, "second": "", "part": 0, "lang": "en", **more}
    return json.loads(function(json.dumps(request)))


def floats(text: str, *shape: int) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), "<f4").reshape(shape)


def bits(text: str, *shape: int) -> np.ndarray:
    return np.unpackbits(np.frombuffer(base64.b64decode(text), "u1"))[: int(np.prod(shape))].reshape(shape).astype(bool)


def arrays(layer: dict) -> dict[str, np.ndarray]:
    n, m, d, dv = (layer[name] for name in ("n_queries", "n_keys", "d_head", "d_value"))
    return {
        "q": floats(layer["q"], -1, n, d),
        "k": floats(layer["k"], -1, m, d),
        "v": floats(layer["v"], -1, m, dv),
        "probs": floats(layer["probs"], -1, n, m),
        "out": floats(layer["out"], -1, n, dv),
        "allowed": bits(layer["allowed"], 1 if layer["same_mask"] else len(floats(layer["probs"], -1, n, m)), n, m),
    }


def test_every_head_of_a_small_model_comes_at_once():
    reply = asked(weight_heads, "llama-mini")
    assert reply["at"] == "self.0.0"
    assert [group["name"] for group in reply["groups"]] == ["self"]
    assert sorted(reply["layers"]) == [f"self.{index}" for index in range(6)]
    assert len(json.dumps(reply)) < 700_000
    found = services.hold("llama-mini")
    ids = torch.tensor([found.tokenizer.encode(TEXT)])
    with torch.no_grad(), models.capture("layers.4.attn.*") as trace:
        found.model(ids)
    layer = arrays(reply["layers"]["self.4"])
    for name, tap in (("q", "q"), ("k", "k"), ("v", "v"), ("probs", "probs"), ("out", "head_out")):
        assert np.allclose(layer[name], trace[f"layers.4.attn.{tap}"][0].numpy(), rtol=1e-4, atol=1e-5), name
    n_tokens = ids.shape[1]
    assert np.array_equal(layer["allowed"][0], np.tril(np.ones((n_tokens, n_tokens), bool)))


def test_of_a_large_pass_one_layer_comes_or_one_head(monkeypatch):
    """What is left out is asked for when it is wanted; what is there is the same."""
    whole = arrays(asked(weight_heads, "llama-mini", at="self.2.5")["layers"]["self.2"])
    monkeypatch.setattr(weight_payload, "MAX_BYTES", 100_000)
    layer = asked(weight_heads, "llama-mini", at="self.2.5")
    assert list(layer["layers"]) == ["self.2"]
    # Layers that nobody looks at run fused, and round otherwise.
    near = {"rtol": 1e-4, "atol": 1e-5}
    assert all(np.allclose(part, whole[name], **near) for name, part in arrays(layer["layers"]["self.2"]).items())
    monkeypatch.setattr(weight_payload, "MAX_BYTES", 10_000)
    head = asked(weight_heads, "llama-mini", at="self.2.5")["layers"]["self.2"]
    assert (head["first_head"], head["first_kv_head"]) == (5, 1)
    one = arrays(head)
    for name, number in (("q", 5), ("k", 1), ("v", 1), ("probs", 5), ("out", 5)):
        assert len(one[name]) == 1
        assert np.allclose(one[name][0], whole[name][number], **near), name


@pytest.mark.parametrize(
    ("design", "at", "groups", "kinds"),
    [
        ("bert-mini", "self.3.0", ["self"], {"self": "learned"}),
        ("bloom-mini", "self.3.0", ["self"], {"self": "alibi"}),
        (
            "t5-mini",
            "cross.2.0",
            ["encoder", "decoder", "cross"],
            {"encoder": "relative", "decoder": "relative", "cross": "cross"},
        ),
        ("deepseek-v2-mini", "self.3.0", ["self"], {"self": "rotary"}),
    ],
)
def test_every_family_can_be_taken_apart(design, at, groups, kinds):
    """The row's softmax from the sent numbers is the sent probability, whatever positions add."""
    reply = asked(weight_heads, design, at=at)
    assert reply["at"] == at
    assert [group["name"] for group in reply["groups"]] == groups
    assert {name: position["kind"] for name, position in reply["positions"].items()}.items() <= kinds.items()
    name = reply["at"].rpartition(".")[0]
    layer, position = reply["layers"][name], reply["positions"][name.split(".")[0]]
    given = arrays(layer)
    scores = np.float64(given["q"][0]) @ np.float64(given["k"][0]).T * layer["scale"]
    if position["kind"] == "alibi":
        places = np.arange(layer["n_queries"])
        scores -= position["slopes"][0] * np.abs(places[:, None] - places)
    scores = np.where(given["allowed"][0], scores, -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    assert np.abs(weights - given["probs"][0]).max() < 1e-6


def test_t5_buckets_are_told_for_every_distance():
    reply = asked(weight_heads, "t5-mini", at="encoder.1.2")
    layer, position = reply["layers"]["encoder.1"], reply["positions"]["encoder"]
    given, n = arrays(layer), layer["n_keys"]
    ahead = np.arange(n) - np.arange(n)[:, None] - position["start"]
    bias = np.array(position["values"][2])[np.array(position["buckets"])[ahead]]
    scores = np.float64(given["q"][2]) @ np.float64(given["k"][2]).T * layer["scale"] + bias
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    assert np.abs(weights / weights.sum(-1, keepdims=True) - given["probs"][2]).max() < 1e-6


def test_a_head_of_another_model_is_moved_and_nonsense_refused():
    assert asked(weight_heads, "llama-mini", at="cross.99.99")["at"] == "self.5.5"
    assert "self.0.0" in asked(weight_heads, "llama-mini", at="nowhere")["refused"]
    assert "self.0.0" in asked(weight_heads, "llama-mini", at=["self", 1, 2])["refused"]
    assert "refused" in asked(weight_heads, "no-such-model")


def test_latents_are_those_of_the_model_or_of_an_example():
    own = asked(flash_latents, "deepseek-v2-mini")
    assert own["example"] is None
    for one in own["orders"]["passes"].values():
        assert one["agree"]
        assert one["apart"] <= 1e-5 * max(one["largest"], 1e-3)
        assert one["apart_double"] <= 1e-12
    kept = {line["kind"]: line["bytes"]["bf16"] for line in own["cache"]["kept"]}
    assert kept["own"] == kept["mla"] == own["cache"]["account"]["bf16"]
    assert kept["mha"] > kept["gqa"] > kept["mqa"]
    borrowed = asked(flash_latents, "llama-mini")
    assert borrowed["example"]["name"] == "deepseek-v3-mini"
    assert borrowed["cache"]["kept"][0]["bytes"]["bf16"] == borrowed["cache"]["account"]["bf16"]
    assert asked(flash_latents, "bert-mini")["cache"] is None


def test_masks_by_content_are_those_of_the_core():
    reply = json.loads(weight_sights(json.dumps({})))
    seen = bits(reply["lsh"]["32c"], 32, 32)
    assert np.array_equal(seen, np.tril(seen))
    assert reply == sight_payload.by_content()
