"""BERT, step by step: what becomes of a text, what the model answers, what strangers may ask, and the endpoints."""

import base64
import json
import re

import gradio as gr
import numpy as np
import pytest
import torch

import models
from models.errors import InputError
from models.tokenizers.catalogue import load_named
from playground import i18n, masking_answers, masking_payload, objective_models, services
from playground.masking import READ_AT_ONCE, masking, read_hand
from playground.masking_api import fill_mask, mask
from playground.objective_models import MaskedModel
from playground.objective_passages import passages
from playground.session import TEXTS, Session
from tests.rows import each_row

TEXT = passages("en")[0]["text"]
TINY = {"n_layers": 2, "d_model": 48, "d_ff": 64, "n_heads": 4, "n_kv_heads": 4, "d_head": 12}


@pytest.fixture(params=["mlm_nsp", "mlm"], scope="module")
def built(request):
    """A small random BERT with the house's WordPiece, with and without the head for pairs."""
    config = models.preset("bert-mini").replace(**TINY, head=request.param, pooler=request.param == "mlm_nsp")
    tokenizer = load_named("wordpiece-4k")
    return models.Loaded(models.build(config, seed=1), tokenizer, config, "random")


@pytest.fixture
def tiny(built, monkeypatch):
    """The only model that the tab has."""
    monkeypatch.setattr(objective_models, "masked_models", lambda: [MaskedModel("tiny", "Tiny", True, built.config)])
    monkeypatch.setattr(services, "hold", lambda name: built)
    monkeypatch.setattr(objective_models, "tokenizer_of", lambda name: built.tokenizer)
    return built


def ask(function: str, /, **request) -> dict:
    asked = {"text": TEXT, "model": "tiny", "seed": 3, "share": 0.15, **request}
    return json.loads(getattr(masking_answers, function)(json.dumps(asked)))


def made(text=TEXT, **options):
    return masking(load_named("wordpiece-4k"), 256, text, **{"seed": 3, **options})


def numbers(text: str, kind: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), dtype=kind)


# ---- the text on its way in --------------------------------------------------------------------------------------------


def test_a_text_becomes_a_pair_with_its_marks():
    one = made()
    tokens = [load_named("wordpiece-4k").token(token_id) for token_id in one.ids.tolist()]
    assert (tokens[0], tokens.count("[SEP]"), tokens[-1]) == ("[CLS]", 2, "[SEP]")
    assert one.segments.tolist() == [0] * (tokens.index("[SEP]") + 1) + [1] * (len(tokens) - tokens.index("[SEP]") - 1)
    assert sum(len(sentence) for sentence in one.part.sentences) == one.n_text == len(tokens) - 3
    assert one.example.n_paid == len(one.positions) == round(0.15 * one.n_text) == one.n_chosen


def test_the_same_seed_gives_the_same_and_another_does_not():
    assert made().example.inputs.tolist() == made().example.inputs.tolist()
    assert made().positions != made(seed=4).positions


def test_every_cut_between_sentences_comes_up():
    assert {made(seed=seed).n_first for seed in range(40)} == {1, 2, 3}


def test_one_sentence_is_no_pair():
    one = made("only one sentence here")
    assert one.segments.tolist() == [0] * len(one.ids)
    assert one.ids.tolist().count(one.marks.sep) == 1


def test_fates_are_set_by_hand_and_the_others_stay():
    before = made()
    kept, free = before.positions[0], next(p for p in range(1, 9) if p not in before.positions)
    after = made(by_hand={kept: "keep", free: "mask", before.positions[1]: "leave"})
    assert [one.fate.position for one in after.thrown] == sorted({*before.positions, free} - {before.positions[1]})
    assert int(after.example.inputs[kept]) == int(after.ids[kept]) == int(after.example.targets[kept])
    assert int(after.example.inputs[free]) == after.marks.mask
    assert [one.by for one in after.thrown].count("hand") == 2
    others = [one for one in after.thrown if one.by == "seed"]
    assert others == [one for one in before.thrown if one.fate.position in {other.fate.position for other in others}]


def test_the_dice_of_one_position_are_thrown_again():
    place = made().positions[0]
    throws = [made(by_hand={place: times}).thrown[0].fate for times in range(1, 60)]
    assert len({fate.throw for fate in throws}) == 59
    assert made(by_hand={place: 5}).thrown[0].fate == throws[4]
    shares = [sum(fate.action == action for fate in throws) / 59 for action in ("mask", "random", "keep")]
    assert 0.6 < shares[0] < 0.95
    assert min(shares[1:]) > 0


def test_marks_are_never_masked_by_hand():
    one = made(by_hand={0: "mask", 500: "mask"})
    assert one.lost == (0, 500)
    assert 0 not in one.positions
    with pytest.raises(InputError, match="No position is left"):
        made("word", by_hand={1: "leave"})


def test_whole_words_are_drawn_whole():
    text = "Unhappiness unquestionably overwhelms extraordinarily misunderstood neighbours. They disagree enormously."
    one = made(text, whole_words=True, share=0.4)
    drawn = set(one.positions)
    assert any(len(word) > 1 and set(word) <= drawn for word in one.words)
    assert all(set(word) <= drawn or not set(word) & drawn for word in one.words)


def test_a_long_text_is_read_in_parts_of_whole_sentences():
    text = "The quick brown fox jumps over the lazy dog. " * 60
    parts = [made(text, part=index) for index in range(made(text).part.count)]
    assert all(len(one.ids) <= READ_AT_ONCE for one in parts)
    assert sum(one.n_text for one in parts) == parts[0].part.n_tokens
    assert len({sentence for one in parts for sentence in one.part.sentences}) == 1
    assert made(text, part=999).part.index == len(parts) - 1


def test_a_sentence_longer_than_the_model_reads_is_cut():
    tokenizer = load_named("wordpiece-4k")
    one = masking(tokenizer, 40, "word " * 100, seed=1)
    assert (one.part.cut, len(one.ids) <= 40, one.part.n_tokens) == (True, True, 100)


@pytest.mark.parametrize("written", ["7", "7:burn", "x:mask", "7:0", "7:100", "-1:mask", [7], 7])
def test_odd_fates_are_refused(written):
    with pytest.raises(InputError, match="does not set fates"):
        read_hand(written)


@pytest.mark.parametrize("wish", [None, 2.5, float("inf"), True, [1]])
def test_a_program_cannot_wish_for_anything_but_a_word_or_a_number_of_throws(wish):
    with pytest.raises(InputError, match="does not set fates"):
        read_hand({"7": wish})


def test_fates_are_read_from_an_address_and_from_a_program():
    assert read_hand("7:keep,9:2") == read_hand({"7": "keep", "9": 2}) == {7: "keep", 9: 2}
    assert read_hand("") == {}


# ---- what the model answers ----------------------------------------------------------------------------------------------


def test_the_answers_are_those_of_one_pass(tiny):
    reply = ask("mask_steps")
    one = made()
    with torch.no_grad(), models.capture("*.attn.probs") as trace:
        out = tiny.model(one.example.inputs[None], token_type_ids=one.segments[None])
    log_probs = out.logits[0].log_softmax(-1)
    assert [answer["position"] for answer in reply["answers"]] == one.positions
    for answer in reply["answers"]:
        row, true_id = log_probs[answer["position"]], int(one.ids[answer["position"]])
        assert answer["loss"] == pytest.approx(-float(row[true_id]), abs=1e-4)
        assert answer["p"] == pytest.approx(float(row[true_id].exp()), rel=1e-4)
        assert answer["rank"] == 1 + int((row > row[true_id]).sum())
        assert answer["top"][0][1] == pytest.approx(float(row.max().exp()), rel=1e-4)
        assert answer["true"] in answer["options"]
        assert len(set(answer["options"])) == 4
    losses = [answer["loss"] for answer in reply["answers"]]
    assert reply["loss"]["all"] == pytest.approx(sum(losses))
    assert reply["loss"]["perplexity"] == pytest.approx(np.exp(np.mean(losses)))
    shape = reply["attention"]
    rows = (
        numbers(shape["rows"], "<u2").reshape(shape["layers"], shape["heads"], reply["n_paid"], shape["width"]) / 65535
    )
    expected = trace["layers.1.attn.probs"][0][:, one.positions].numpy()
    assert np.abs(rows[1] - expected).max() < 1e-5
    follows = reply["follows"]
    if tiny.config.head == "mlm":
        assert follows is None
    else:
        assert follows == pytest.approx(float(out.nsp_logits[0].softmax(-1)[0]), rel=1e-4)


def test_the_strips_are_the_models_vectors(tiny):
    reply = ask("mask_steps")
    shown, width = reply["vectors"], reply["vectors"]["width"]
    parts = {
        name: numbers(text, "i1").reshape(-1, width) * shown["scale"] / 127 for name, text in shown["parts"].items()
    }
    ids = torch.tensor(reply["input_ids"])
    assert np.abs(parts["token"] - tiny.model.tok_embed(ids).detach().numpy()).max() <= shown["scale"] / 254 + 1e-6
    total = parts["token"] + parts["segment"] + parts["position"]
    assert np.abs(total - parts["total"]).max() <= 4 * shown["scale"] / 254 + 1e-6
    exact = torch.linalg.norm(tiny.model.tok_embed(ids), dim=-1).tolist()
    assert shown["norms"]["token"] == pytest.approx(exact, abs=1e-3)


def test_a_place_is_seen_masked_and_replaced(tiny):
    rows = ask("mask_looks")["rows"]
    assert [row["position"] for row in rows] == made().positions
    assert all(len(row["looks"]) == 3 and len(row["cosines"][0]) == tiny.config.n_layers + 1 for row in rows)
    assert all(0 <= look["p"] <= 1 for row in rows for look in row["looks"])


def test_two_places_are_those_asked_for_or_worth_it(tiny):
    assert ask("mask_joint", two="2,3")["places"] == [2, 3]
    assert ask("mask_joint", two="3,2")["places"] == [2, 3]
    plain = "The dog ran home. It was late."
    assert made(plain).positions[0] in ask("mask_joint", text=plain, two="0,1")["places"]  # [CLS] is no text
    reply = ask("mask_joint", text="他走了。他住在北京。")
    assert [reply["first"][reply["truth"][0]][0], reply["second"][reply["truth"][1]][0]] == ["北", "京"]
    assert "two different" in ask("mask_joint", text="a")["refused"]


# ---- what strangers may ask ----------------------------------------------------------------------------------------------


@each_row("lang", i18n.LANGUAGES)
@each_row(
    ("text", "way"),
    [
        ("word", "passage"),
        ("?!… —", "passage"),
        ("no boundary here", "passage"),
        ("Cut me. " * 300, "part"),
        ("x" * 99, None),
    ],
)
def test_odd_texts_get_a_sentence_and_a_way_on(tiny, text, way, lang):
    reply = ask("mask_steps", text=text, lang=lang)
    assert reply["answers"]
    assert way is None or way in [note["way"] for note in reply["notes"]]
    assert all(note["sentence"][-1] in ".。" for note in reply["notes"])


def test_a_part_of_a_long_text_is_not_called_a_text_of_one_sentence(tiny):
    notes = ask("mask_steps", text=("word " * 70 + "end. ") * 3)["notes"]
    assert [note["way"] for note in notes] == ["part"]


def test_no_more_of_a_text_is_looked_at_than_is_read(tiny, monkeypatch):
    lengths = []
    monkeypatch.setattr(masking_payload, "best_reader", lambda text: lengths.append(len(text)) or "tiny")
    reply = ask("mask_steps", text="😀 " + "a " * 20_000 + "\ud800")
    assert lengths == [TEXTS["obj_text"]]
    assert "Only the first" in reply["notes"][0]["sentence"]


@pytest.mark.parametrize(
    "text", ["<img src=x onerror=alert(1)>. It is text.", "😀 👩‍💻. שלום.", "a\0b. c.", "[MASK] [CLS]. x."]
)
def test_what_looks_like_something_else_is_text(tiny, text):
    reply = ask("mask_steps", text=text)
    assert reply["tokens"].count("[MASK]") == 0
    n_marks = 1 + len(set(reply["segments"]))
    assert reply["kinds"].count("s") == reply["tokens"].count("[CLS]") + reply["tokens"].count("[SEP]") == n_marks


@each_row("lang", i18n.LANGUAGES)
@each_row(
    "request_",
    [
        {"text": ""},
        {"text": " \n"},
        {"text": 5},
        {"text": "a\ud800"},
        {"model": "no-such"},
        {"model": ["tiny"]},
        {"seed": -1},
        {"seed": 1.5},
        {"seed": True},
        {"share": 0},
        {"share": "much"},
        {"words": "yes"},
        {"fates": "7:burn"},
        {"part": -1},
    ],
)
def test_odd_requests_are_refused_in_a_sentence(tiny, request_, lang):
    for function in ("mask_steps", "mask_looks", "mask_joint"):
        assert ask(function, **request_, lang=lang)["refused"][-1] in ".。"


def test_a_model_of_random_weights_says_so(tiny, monkeypatch):
    listed = [MaskedModel("tiny", "Tiny", False, tiny.config)]
    monkeypatch.setattr(objective_models, "masked_models", lambda: listed)
    assert "random weights" in ask("mask_steps")["notes"][0]["sentence"]


def test_the_better_reader_is_offered(tiny, monkeypatch):
    other = models.Loaded(tiny.model, load_named("wordpiece-16k"), tiny.config, "random")
    listed = [MaskedModel(name, name, True, tiny.config) for name in ("tiny", "large")]
    monkeypatch.setattr(objective_models, "masked_models", lambda: listed)
    monkeypatch.setattr(objective_models, "tokenizer_of", lambda name: (other if name == "large" else tiny).tokenizer)
    text = next(c for c in (chr(n) for n in range(0x4E00, 0x9FA5)) if known(other, c) and not known(tiny, c)) + "。好。"
    assert "large" in [note["way"] for note in ask("mask_steps", text=text)["notes"]]


def known(loaded, text: str) -> bool:
    return "unknown" not in {loaded.tokenizer.kind_of(token_id) for token_id in loaded.tokenizer.encode(text)}


def test_a_mask_that_is_written_is_told(tiny):
    assert "fill" in [note["way"] for note in ask("mask_steps", text="The [MASK] ran home. It ran.")["notes"]]


# ---- the endpoints -------------------------------------------------------------------------------------------------------


def test_mask_tells_what_training_would_read(tiny):
    one, reply = made(), mask(TEXT, "tiny", seed=3)
    assert reply["input_ids"] == one.example.inputs.tolist()
    assert reply["targets"] == one.example.targets.tolist()
    assert reply["segments"] == one.segments.tolist()
    assert [fate["position"] for fate in reply["fates"]] == one.positions
    assert reply["n_paid"] == sum(target != -100 for target in reply["targets"])
    place = one.positions[0]
    again = mask(TEXT, "tiny", seed=3, fates={str(place): "random"})
    assert again["inputs"][place] == again["fates"][0]["drawn"]
    assert [again["fates"][0][name] for name in ("action", "by", "throw")] == ["random", "hand", None]
    assert "一句话" in mask("only this", "tiny", lang="zh")["notes"][0]


def test_fill_mask_gives_the_models_probabilities(tiny):
    reply = fill_mask("The [MASK] sat on the [MASK].", "tiny", top_k=3)
    assert [reply["tokens"][found["position"]] for found in reply["masks"]] == ["[MASK]", "[MASK]"]
    with torch.no_grad():
        heard = torch.zeros(1, len(reply["ids"]), dtype=torch.long)
        p = tiny.model(torch.tensor([reply["ids"]]), token_type_ids=heard).logits[0].softmax(-1)
    for found in reply["masks"]:
        best = p[found["position"]].topk(3)
        assert [one["id"] for one in found["predictions"]] == best.indices.tolist()
        assert [one["probability"] for one in found["predictions"]] == pytest.approx(best.values.tolist(), rel=1e-4)
    assert reply["follows"] is None
    pair = fill_mask("A [MASK].", "tiny", second="It is [MASK].")
    assert len(pair["masks"]) == 2
    assert (pair["follows"] is None) == (tiny.config.head == "mlm")


@each_row(
    "call",
    [
        lambda: mask("", "tiny"),
        lambda: mask(5, "tiny"),
        lambda: mask(TEXT, "no-such"),
        lambda: mask(TEXT, "tiny", share=2.0),
        lambda: mask(TEXT, "tiny", fates={"0": "mask"}),
        lambda: mask(TEXT, "tiny", fates={"x": "mask"}),
        lambda: fill_mask("no mask", "tiny"),
        lambda: fill_mask("a [MASK]", "tiny", top_k=0),
        lambda: fill_mask("a [MASK]", "tiny", top_k="x"),
        lambda: fill_mask("a [MASK] \ud800", "tiny"),
        lambda: fill_mask("word [MASK] " * 300, "tiny"),
        lambda: fill_mask("x" * 20_001, "tiny"),
        lambda: fill_mask("a [MASK]", "tiny", second=None),
        lambda: fill_mask("a [MASK]", "llama-mini"),
    ],
)
def test_the_endpoints_refuse_in_a_sentence(tiny, call):
    with pytest.raises(gr.Error) as refused:
        call()
    assert refused.value.message[-1] == "."


# ---- the address, and the words ----------------------------------------------------------------------------------------


def test_what_was_chosen_is_in_the_address():
    query = {
        "mask_fates": "7:keep,9:2",
        "mask_head": "2.mean",
        "mask_two": "5,6",
        "mask_step": "9",
        "mask_words": "true",
    }
    session = Session.from_query(query)
    assert not session.problems
    assert (session.mask_fates, session.mask_step, session.mask_words) == ("7:keep,9:2", 9, True)
    again = Session.from_query(dict(part.split("=") for part in session.to_query().split("&")))
    assert again == session


@pytest.mark.parametrize(
    "query", [{"mask_fates": "7:burn"}, {"mask_head": "a.b"}, {"mask_two": "5"}, {"obj_model": "<b>"}]
)
def test_odd_addresses_are_told(query):
    assert [problem.field for problem in Session.from_query(query).problems] == list(query)


def test_every_word_of_the_section_is_shown():
    code = "".join(path.read_text(encoding="utf-8") for path in sorted(i18n.FOLDER.parent.glob("static/masking*.js")))
    named = set(re.findall(r"(?<!opening\.)(?<!payload\.)\bwords\.(\w+)", code))
    begun = tuple(set(re.findall(r"words\[`(\w+_)\$\{", code)))
    keys = {key.removeprefix("masking.view.") for key in i18n.catalogue() if key.startswith("masking.view.")}
    assert {key for key in keys - named if not key.startswith(begun)} == set()
    assert named - keys == set()
