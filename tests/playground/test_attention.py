"""The maps of the tab of attention: what the page gets, what strangers may ask, and the endpoint."""

import base64
import json
import zlib
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
import torch

import models
from models.inspection.attention import attention_of
from models.inspection.inputs import inputs_of
from models.inspection.rollout import rollout
from playground import attention_payload, i18n, services
from playground.attention_answers import attention_opening, attention_read
from playground.attention_api import attention
from playground.attention_subject import MAX_WEIGHTS, most_tokens, n_maps
from playground.generation_api import generate_text
from playground.maps_answers import attention_exact, attention_maps
from playground.session import DEFAULTS
from tests.rows import each_row

TEXT = DEFAULTS["att_text"]
MIXTURE = "mixtral-mini~n_layers=2~d_model=48~d_ff=64~n_heads=4~n_kv_heads=2~d_head=12~moe.d_expert=32"
STACKS = "t5-mini~n_layers=2~n_encoder_layers=2~d_model=48~d_ff=64"
IMAGES = "vit-b16-224~n_layers=2~d_model=48~n_heads=4~n_kv_heads=4~d_head=12~d_ff=64"


def ask(function, **asked):
    return json.loads(function(json.dumps({"lang": "en", "design": "llama-mini", "text": TEXT, **asked})))


def unpacked(text: str) -> np.ndarray:
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype=np.uint8)


@pytest.fixture(autouse=True)
def own_shelf(monkeypatch):
    monkeypatch.setattr(services, "_shelf", services.Shelf(services.MAX_CACHED_BYTES))


def test_the_page_gets_what_the_model_computes():
    answer = ask(attention_maps)
    (group,) = answer["groups"]
    loaded = models.load("llama-mini")
    (found,) = attention_of(loaded.model, inputs_of(loaded.config, loaded.tokenizer, TEXT))
    shape = found.probs.shape
    assert (group["layers"], group["heads"], group["height"], group["width"]) == tuple(shape)
    assert group["kv_heads"] == loaded.config.n_kv_heads
    probs = attention_payload.restored(unpacked(group["weights"]).view("<u2").reshape(shape), group["steps"])
    assert np.abs(probs - found.probs.numpy()).max() < 1.3e-5
    n_bits = -(-shape[2] * shape[3] // 8)
    masks = unpacked(group["masks"]).reshape(-1, n_bits)
    for place, mask in enumerate(group["mask_of"]):
        layer, head = divmod(place, shape[1])
        seen = np.unpackbits(masks[mask])[: shape[2] * shape[3]].reshape(shape[2:])
        assert (seen == found.visible[layer, head].numpy()).all()
    norms = np.frombuffer(zlib.decompress(base64.b64decode(group["norms"]["steps"])), dtype="<u2")
    lengths = norms.reshape(found.value_norms.shape) / 65535 * group["norms"]["most"]
    assert np.abs(lengths - found.value_norms.numpy()).max() < 1e-4 * group["norms"]["most"]


@pytest.mark.parametrize(("steps", "worst"), [(255, 0.0031), (65535, 0.000013)])
def test_the_scale_is_exact_at_both_ends_and_fine_near_them(steps, worst):
    probs = np.linspace(0.0, 1.0, 100_001, dtype=np.float32)
    errors = np.abs(attention_payload.restored(attention_payload.quantised(probs, steps), steps) - probs)
    assert errors[0] == errors[-1] == 0.0
    assert errors.max() < worst
    assert max(errors[probs < 0.01].max(), errors[probs > 0.99].max()) < worst / 4


def test_weights_travel_as_finely_as_the_bound_allows():
    """As many as travel in two bytes each stay under 700 kB, even if nothing can be compressed."""
    visible = SimpleNamespace(visible=torch.ones(attention_payload.FINE_UP_TO, dtype=torch.bool))
    one = SimpleNamespace(visible=torch.ones(1, dtype=torch.bool))
    assert attention_payload.steps_for([visible]) == attention_payload.FINEST
    assert attention_payload.steps_for([visible, one]) == attention_payload.COARSE
    noise = torch.rand(attention_payload.FINE_UP_TO, generator=torch.Generator().manual_seed(0)).numpy()
    assert len(attention_payload.packed(attention_payload.quantised(noise, attention_payload.FINEST))) < 620_000


@pytest.mark.parametrize("sharpness", [1.0, 3.0, 8.0])
def test_twelve_layers_of_twelve_heads_stay_small(sharpness):
    """64 tokens that all see each other; under 700 kB."""
    scores = sharpness * torch.randn(12, 12, 64, 64, generator=torch.Generator().manual_seed(0))
    steps = attention_payload.quantised(scores.softmax(dim=-1).numpy())
    assert len(attention_payload.packed(steps)) < 620_000


def test_one_head_is_told_exactly():
    loaded = models.load("llama-mini")
    (found,) = attention_of(loaded.model, inputs_of(loaded.config, loaded.tokenizer, TEXT))
    lengths = found.probs[2] * found.value_norms[2][:, None]
    wanted = {
        ("head", False): found.probs[2, 3],
        ("mean", False): found.probs[2].mean(0),
        ("max", False): found.probs[2].amax(0),
        ("max", True): lengths.amax(0),
        ("head", True): lengths[3],
        ("rollout", False): rollout(found.probs)[2],
    }
    for (combine, contribution), values in wanted.items():
        answer = ask(attention_exact, group="self", layer=2, head=3, combine=combine, contribution=contribution)
        assert np.allclose(answer["rows"], values.numpy(), rtol=1e-6), (combine, contribution)
    assert "head, mean, max, rollout" in ask(attention_exact, group="self", layer=2, head=3, combine=[])["refused"]


@pytest.mark.parametrize(
    ("design", "groups", "sequences"),
    [
        ("gpt2-mini", ["self"], {"text"}),
        ("bert-mini", ["self"], {"text"}),
        (MIXTURE, ["self"], {"text"}),
        (STACKS, ["encoder", "decoder", "cross"], {"source", "text"}),
        (IMAGES, ["self"], {"image"}),
        ("glm-mini~n_layers=2~d_model=48~d_ff=64~n_heads=4~n_kv_heads=4~d_head=12", ["self"], {"text"}),
    ],
)
def test_every_kind_of_model_is_looked_into(design, groups, sequences):
    read = ask(attention_read, design=design)
    assert set(read["sequences"]) == sequences
    answer = ask(attention_maps, design=design)
    assert [group["name"] for group in answer["groups"]] == groups
    for group in answer["groups"]:
        assert len(read["sequences"][group["queries"]]["texts"]) == group["height"]
        assert len(read["sequences"][group["keys"]]["texts"]) == group["width"]


def test_a_model_of_two_stacks_writes_its_own_second_text():
    read = ask(attention_read, design=STACKS)
    assert read["own"]
    assert read["written_from"] == 1
    given = ask(attention_read, design=STACKS, second="They were happy.")
    assert not given["own"]


def test_the_text_of_generate_is_looked_at_with_or_without_its_run():
    """A copied link has only the settings: the same seed writes the same text again."""
    settings = {
        "prompt": "Once upon a time",
        "seed": 5,
        "max_new_tokens": 12,
        "temperature": 0.8,
        "top_k": 40,
        "top_p": 0.95,
    }
    again = ask(attention_read, **{"from": "generate"}, **settings)
    wrote = generate_text(model="llama-mini", **settings)
    read = again["sequences"]["text"]
    assert read["ids"][again["written_from"] :] == [token["id"] for token in wrote["tokens"]]
    prompt = read["ids"][: again["written_from"]]
    run = {"from": "generate", "prompt_ids": prompt, "written": read["ids"][len(prompt) :][:5]}
    assert ask(attention_read, **run)["sequences"]["text"]["ids"] == read["ids"][: len(prompt) + 5]
    assert "12 tokens" in again["notes"][0]["sentence"]


def test_what_there_is_no_room_for_of_a_run_is_told():
    ids = list(range(20, 44))
    run = {"design": "llama-mini~max_seq_len=16~n_layers=1", "from": "generate"}
    told = ask(attention_read, **run, prompt_ids=ids[:12], written=ids[12:])
    assert len(told["sequences"]["text"]["ids"]) == 16
    sentences = " ".join(note["sentence"] for note in told["notes"])
    assert "wrote 12 tokens; there is room to look at the first 8" in sentences
    assert "prompt's 12 tokens only the last 8" in sentences
    whole = ask(attention_read, **run, prompt_ids=ids[:6], written=ids[6:12])
    assert not any("room" in note["sentence"] or "prompt's" in note["sentence"] for note in whole["notes"])


def test_random_weights_and_long_texts_are_told():
    ways = {note["way"] for note in ask(attention_read, design=MIXTURE)["notes"]}
    assert ways == {"model"}
    long = ask(attention_read, text="Tom went home. " * 400)
    assert long["part"]["count"] > 1
    assert len(long["sequences"]["text"]["texts"]) <= long["most"]
    assert [note["way"] for note in long["notes"]] == ["part"]
    cut = ask(attention_read, text="a" * 100_000)
    assert any("20" in note["sentence"] for note in cut["notes"])
    assert len(cut["sequences"]["text"]["texts"]) <= cut["most"]


@pytest.mark.parametrize("name", ["llama-mini", "gpt2", "bert-base-uncased", "t5-small", "clip-vit-b32"])
def test_a_pass_has_bounds(name):
    config = models.preset(name)
    most = most_tokens(config)
    assert 1 <= most <= config.max_seq_len
    assert n_maps(config) * most**2 <= MAX_WEIGHTS


@each_row(
    ("asked", "told"),
    [
        ({"design": "llama3-8b"}, "parameters"),
        ({"design": "no-such-model"}, "no-such-model"),
        ({"design": 7}, "text"),
        ({"text": 7}, "text"),
        ({"text": "\ud800"}, "character"),
        ({"design": "bert-mini", "text": ""}, "empty"),
        ({"part": -1}, "part"),
        ({"from": "generate", "prompt_ids": "abc"}, "ids"),
        ({"from": "generate", "prompt_ids": [1], "written": [-1]}, "ids"),
        ({"from": "generate", "prompt_ids": [1_000_000]}, "ids"),
        ({"from": "generate", "design": "bert-mini"}, "head"),
        ({"from": "generate", "temperature": 99}, "temperature"),
        ({"design": IMAGES, "picture": "cat"}, "scene"),
        ({"design": IMAGES, "picture": ["scene"]}, "picture"),
    ],
)
def test_refusals_are_sentences(asked, told):
    for function in (attention_read, attention_maps):
        assert told in ask(function, **asked)["refused"]


@pytest.mark.parametrize(
    ("design", "begins"),
    [
        ("llama-mini-zh", "小兔子"),
        ("t5-mini", "Once upon a time, there was a little <extra"),
        ("transformer-mini", "Where is"),
    ],
)
def test_an_untouched_text_suits_the_model(design, begins):
    opening = DEFAULTS["att_text"]
    assert ask(attention_read, text=opening)["text"] == opening
    text = ask(attention_read, text=opening, design=design)["text"]
    assert text.startswith(begins)
    assert ask(attention_read, text=text)["text"] == opening  # and back
    assert ask(attention_read, text="Tom sang.", design=design)["text"] == "Tom sang."


@pytest.mark.parametrize(
    "chosen", [{"group": "cross"}, {"layer": 99}, {"head": 99}, {"layer": "a"}, {"head": None}, {"layer": -1}]
)
def test_a_head_that_is_not_there_is_refused(chosen):
    assert ask(attention_exact, **{"group": "self", "layer": 0, "head": 0} | chosen)["refused"]


@pytest.mark.parametrize("text", ["a", "😀", "同样一句话", "\0"])
def test_odd_texts_are_read(text):
    answer = ask(attention_maps, text=text)
    assert answer["groups"][0]["height"] >= 1


def test_the_words_of_both_languages():
    for lang in i18n.LANGUAGES:
        words = ask(attention_opening, lang=lang)["words"]
        assert words["maps"]["label_previous"]
        assert words["attention"]["section_maps"]


def test_an_empty_text_is_said_to_be_empty():
    for text in ("", " \n"):
        assert ask(attention_read, text=text)["refused"] == "There is nothing to read: the text is empty."
    assert "sequences" in ask(attention_read, design=IMAGES, text="")


class TestEndpoint:
    def test_arrays(self):
        answer = attention("Tom went home.", model="llama-mini", layer=1, head=2)
        (group,) = answer["groups"]
        probs = np.array(group["probs"])
        assert probs.shape == (1, 1, 5, 5) or probs.shape[:2] == (1, 1)
        assert group["heads"] == group["kv_heads"] == 1
        assert np.allclose(probs.sum(axis=-1), 1.0, atol=1e-5)
        assert (np.triu(probs[0, 0], 1) == 0).all()
        assert len(answer["sequences"]["text"]["ids"]) == probs.shape[-1]
        json.dumps(answer, allow_nan=False)

    def test_a_file(self):
        from safetensors.torch import load

        answer = attention("Tom went home.", model="llama-mini", format="safetensors")
        tensors = load(base64.b64decode(answer["file"]))
        assert set(tensors) == {"self.probs", "self.visible", "self.value_norms"}
        listed = attention("Tom went home.", model="llama-mini")["groups"][0]["probs"]
        assert torch.equal(tensors["self.probs"], torch.tensor(listed))

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            ({"format": "npz"}, "safetensors"),
            ({"layer": 99}, "layer"),
            ({"head": -1}, "head.*0 to 5"),
            ({"head": 6}, "head.*0 to 5"),
            ({"part": 1}, "part"),
            ({"text": ""}, "empty"),
            ({"model": "llama3-8b"}, "parameters"),
            ({"text": "Tom went home. " * 100}, "safetensors"),
        ],
    )
    def test_refusals(self, arguments, told):
        with pytest.raises(gr.Error, match=told):
            attention(**{"text": TEXT} | arguments)
