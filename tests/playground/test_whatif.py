"""The section "What if": what its answers say, against the core, and what it refuses."""

import json

import pytest
import torch

import models
from playground.attention_answers import attention_read
from playground.session import DEFAULTS
from playground.whatif_answers import ANSWERS, rows_at_once
from playground.whatif_request import asked_of
from tests.rows import each_row

TEXT = DEFAULTS["att_text"]
ASK = {function.__name__: function for function in ANSWERS}


def answer(name: str, **asked) -> dict:
    return json.loads(ASK[name](json.dumps({"design": "llama-mini", "text": TEXT, "lang": "en", **asked})))


def test_parts_of_a_character_are_spelled_as_bytes():
    text = "Tom 你好 🐶"
    reply = answer("whatif_changes", text=text)
    read = json.loads(attention_read(json.dumps({"design": "llama-mini", "text": text, "lang": "en"})))
    texts = read["sequences"]["text"]["texts"]
    assert reply["tokens"][1:] == texts[1:]  # the first is a mark that the vocabulary spells
    assert "F0" in "".join(texts)
    assert "<0x" not in "".join(texts)
    assert "ä" not in "".join(reply["tokens"])


def of_token(reply: dict, text: str) -> dict:
    return next(row for row in reply["rows"] if row["text"] == text)


@torch.inference_mode()
def test_before_is_the_models_own_answer_and_after_that_without_the_head():
    reply = answer("whatif_changes", off="a5.1,f0")
    loaded = models.load("llama-mini")
    ids = torch.tensor([loaded.tokenizer.encode(TEXT)])
    before = loaded.model(ids).logits[0, -1].softmax(-1)
    edits = {"layers.0.ffn.out": torch.zeros_like, "layers.5.attn.head_out": lambda read: silenced(read, 1)}
    with models.patch(edits):
        after = loaded.model(ids).logits[0, -1].softmax(-1)
    assert reply["changed"]
    assert reply["top"] == [int(before.argmax()), int(after.argmax())]
    for row in reply["rows"]:
        assert row["before"] == pytest.approx(float(before[row["id"]]), abs=1e-5)
        assert row["after"] == pytest.approx(float(after[row["id"]]), abs=1e-5)
    assert reply["kl"] == pytest.approx(float((before * (before.log() - after.log())).sum()), abs=1e-4)


def silenced(read: torch.Tensor, head: int) -> torch.Tensor:
    read = read.clone()
    read[:, head] = 0
    return read


def test_nothing_changed_is_said_so():
    reply = answer("whatif_changes", off="none")
    assert not reply["changed"]
    assert reply["kl"] == 0
    assert all(row["before"] == row["after"] for row in reply["rows"])


def test_the_token_that_is_asked_for_is_watched():
    reply = answer("whatif_changes", off="none")
    other = reply["rows"][3]["id"]
    assert answer("whatif_changes", off="none", token=other)["watched"] == other
    assert answer("whatif_heads", token=other)["token"]["id"] == other


def test_heads_that_one_pass_has_no_room_for_are_asked_for_again(monkeypatch):
    whole = answer("whatif_heads")
    monkeypatch.setattr("playground.whatif_answers.rows_at_once", lambda found: 10)
    nats, start = [], 0
    while start is not None:
        part = answer("whatif_heads", **{"from": start})
        nats += part["nats"]
        start = part["next"]
    assert whole["next"] is None
    assert len(nats) == whole["count"] == 36
    assert nats == pytest.approx(whole["nats"], abs=1e-4)


def test_one_pass_stays_within_bounds():
    short, long = (rows_at_once(asked_of({"design": "llama-mini", "text": text})) for text in (TEXT, 8 * TEXT))
    assert 1 <= long < short


@torch.inference_mode()
def test_an_encoder_is_asked_for_the_token_that_it_does_not_see():
    reply = answer("whatif_changes", design="bert-mini", off="none")
    loaded = models.load("bert-mini")
    assert reply["kind"] == "masked"
    assert reply["tokens"][reply["place"]] == "happy"
    ids = torch.tensor(
        [[loaded.tokenizer.special_id("[CLS]"), *loaded.tokenizer.encode(TEXT), loaded.tokenizer.special_id("[SEP]")]]
    )
    ids[0, reply["place"]] = loaded.tokenizer.special_id("[MASK]")
    probabilities = loaded.model(ids).logits[0, reply["place"]].softmax(-1)
    assert reply["rows"][0]["before"] == pytest.approx(float(probabilities.max()), abs=1e-5)


def test_the_last_row_of_the_lens_is_the_answer():
    for design in ("llama-mini", "bert-mini"):
        said, lens = answer("whatif_changes", design=design, off="none"), answer("whatif_lens", design=design)
        at = said["place"] - lens["first"]
        assert lens["ids"][-1][at][0] == said["top"][0]
        assert lens["probabilities"][-1][at][0] == pytest.approx(of_id(said, said["top"][0])["before"], abs=1e-4)
        assert lens["kl"][-1][at] == 0


def of_id(reply: dict, token_id: int) -> dict:
    return next(row for row in reply["rows"] if row["id"] == token_id)


@pytest.mark.parametrize(
    ("design", "letters", "kind"),
    [
        ("t5-mini", ["e", "a", "c"], "next"),
        ("glm-mini", ["a"], "next"),
        ("deepseek-v3-mini", ["a"], "next"),
        ("mixtral-mini", ["a"], "next"),
        ("bert-mini~head=classification~n_classes=3~tie_embeddings=false", ["a"], "class"),
    ],
)
def test_every_family_answers(design, letters, kind):
    changed = answer("whatif_changes", design=design, off="a0.0,f0")
    heads = answer("whatif_heads", design=design)
    assert changed["kind"] == kind
    assert [group["letter"] for group in changed["groups"]] == letters
    assert sum(group["n_layers"] * group["n_heads"] for group in changed["groups"]) == heads["count"]
    assert changed["kl"] > 0


def test_what_predicts_nothing_says_so():
    assert (
        "no head that predicts"
        in answer("whatif_changes", design="bert-mini~head=none~pooler=false~tie_embeddings=false")["without"]
    )


@each_row(
    "asked",
    [
        {"off": "a99"},
        {"off": "c0.0"},
        {"off": "<script>"},
        {"off": 7},
        {"method": "median"},
        {"mask": "lsh"},
        {"mask": 3},
        {"width": 0},
        {"width": "wide"},
        {"order": "yes"},
        {"place": 1.5},
        {"token": -1},
        {"token": "They"},
        {"text": 5},
        {"design": "no-such-model"},
    ],
    ids=str,
)
def test_odd_requests_are_refused_in_a_sentence(asked):
    assert answer("whatif_changes", **asked)["refused"]


def test_masks_and_positions_change_the_answer():
    for change in ({"mask": "sliding", "width": 3}, {"order": True}, {"off": "a0", "method": "zero"}):
        assert answer("whatif_changes", **{"off": "none", **change})["kl"] > 0.01, change
    same = answer("whatif_changes", off="none", mask="causal")
    assert same["kl"] == pytest.approx(0, abs=1e-6)


def test_readable_tokens_write_themselves():
    assert of_token(answer("whatif_changes", off="none"), " They")["before"] > 0.3
