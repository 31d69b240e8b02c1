"""Models that do not continue a prompt: those that fill in blanks, translate, or answer. All of them with random weights."""

from dataclasses import replace

import pytest
import torch

import models
from models.objectives import MARKS, marks_of
from models.prompts import WAYS, way_of, with_blanks_filled
from models.tokenizers import bytes_tokenizer
from models.tokenizers.extended import with_special_tokens
from playground import model_facts, prompt_ways, services
from playground.generation import observe, read_settings
from playground.generation_api import generate_text
from playground.prompt_reading import read_marked
from playground.prompt_ways import EXAMPLES, opening_prompt, suited, way_in_hand
from playground.subject import subject_of, take
from playground.tabs import generate as tab
from playground.transcript import Transcript
from tests.playground.runs import TINY, USUAL, final, ids, lines, run

SIZES = {"d_model": 16, "n_layers": 1, "n_heads": 2, "n_kv_heads": 2, "d_head": 8, "d_ff": 24, "max_seq_len": 48}
OBJECTIVES = {"t5-mini": "span_corruption", "glm-mini": "blank_infilling", "transformer-mini": "translation"}


def little(name: str) -> models.Loaded:
    """A small model of the form with the marks that its training needs, as its trained one has them."""
    tokenizer = with_special_tokens(bytes_tokenizer(), MARKS[OBJECTIVES[name]])
    sizes = SIZES | ({"n_positions": 50} if name == "glm-mini" else {})
    if models.preset(name).structure == "encoder_decoder":
        sizes["n_encoder_layers"] = 1
    config = models.preset(name).replace(vocab_size=tokenizer.vocab_size, **sizes)
    return models.Loaded(models.build(config, seed=2), tokenizer, config, "zoo")


@pytest.fixture(params=OBJECTIVES)
def in_hand(request, monkeypatch):
    """One of them as the model in hand, whatever the design string says."""
    loaded = little(request.param)
    known = replace(model_facts.inhand(request.param), config=loaded.config, trained=True, weights=request.param)
    monkeypatch.setattr(model_facts, "inhand", lambda design: known)
    monkeypatch.setattr(services, "hold", lambda design, cancelled=None: loaded)
    monkeypatch.setattr(prompt_ways, "tokenizer_of", lambda weights: loaded.tokenizer)
    return request.param, loaded


def test_that_only_the_first_of_several_blanks_is_filled_in_is_said(in_hand):
    name, _ = in_hand
    start, *_ = final(run(prompt="Once [MASK] dog [MASK] cat", design=name, max_new_tokens=2))
    is_said = any("has 2 blanks. Only the first" in note["en"] for note in start["notes"])
    assert is_said == (name == "glm-mini")


WAY = {"t5-mini": "spans", "glm-mini": "blank", "transformer-mini": "translation"}
PROMPTS = {"t5-mini": "Once <extra_id_0> dog", "glm-mini": "Once [MASK] dog", "transformer-mini": "Good day."}


def test_the_page_writes_what_the_model_was_trained_for(in_hand):
    name, loaded = in_hand
    start, *messages = final(run(prompt=PROMPTS[name], design=name, top_k=0, max_new_tokens=6))
    reading = read_marked(loaded.config, loaded.tokenizer, PROMPTS[name], 48, 6)
    assert start["prompt"] == f"{PROMPTS[name]} → "
    assert start["notes"][0]["en"].startswith({"glm-mini": "This model fills in the blank: "}.get(name, "This model "))
    sampling, most = read_settings({**USUAL, "top_k": 0, "max_new_tokens": 6})
    alone = list(
        models.generate(loaded.model, list(reading.ids), sampling, most, stop_ids=reading.stop_ids, blank=reading.blank)
    )
    assert ids(messages) == [step.token_id for step in alone]
    told = generate_text(PROMPTS[name], name, top_k=0, max_new_tokens=6)
    assert [token["id"] for token in told["tokens"]] == ids(messages)


def test_marks_in_the_prompt_are_read_as_marks(in_hand):
    name, loaded = in_hand
    marks = marks_of(loaded.tokenizer)
    reading = read_marked(loaded.config, loaded.tokenizer, PROMPTS[name], 48, 6)
    assert reading.way == WAY[name] == way_in_hand(name)
    expected = {"t5-mini": marks.sentinels[:1], "glm-mini": (marks.mask,), "transformer-mini": ()}[name]
    assert [one for one in reading.ids if one in marks.specials and one != marks.end] == list(expected)
    assert not reading.is_cut


def test_a_long_prompt_leaves_room_for_the_answer(in_hand):
    name, loaded = in_hand
    subject, _ = take(name)
    for length in (30, 46, 47, 48, 49, 90):
        reading = read_marked(loaded.config, loaded.tokenizer, "x" * length, subject.readable, 12)
        answers = loaded.config.structure == "encoder_decoder"
        assert len(reading.ids) <= (48 if answers else 48 - 12)
        assert reading.n_tokens == length
        assert reading.is_cut == (reading.n_read < length)
        written = list(observe(loaded, reading, models.Sampling(seed=length), 12))
        assert written[-1].step.finish in ("length", "stop")


def test_repetition_is_counted_from_what_the_text_begins_with(in_hand):
    """The penalty of the page and of the core fall on the same tokens: an encoder's prompt is no part of the text."""
    name, loaded = in_hand
    start, *_ = final(run(prompt=PROMPTS[name], design=name, max_new_tokens=2))
    begun = [loaded.config.decoder_start_id] if loaded.config.structure == "encoder_decoder" else None
    reading = read_marked(loaded.config, loaded.tokenizer, PROMPTS[name], 48, 2)
    assert start["begun_ids"] == (begun or list(reading.ids))


def test_without_a_blank_one_is_told_where_to_put_it():
    for name, sentence in (("t5-mini", "write <extra_id_0>"), ("glm-mini", "a blank at its end")):
        loaded = little(name)
        reading = read_marked(loaded.config, loaded.tokenizer, "Once upon", 48, 6)
        subject = subject_of({"en": "m", "zh": "m"}, True, loaded.config, loaded.tokenizer)
        (start,) = lines(Transcript(subject, reading, models.Sampling(), 6).text)
        assert sentence in start["notes"][0]["en"]
        assert reading.after == (" [gMASK]" if name == "glm-mini" else "")


def test_the_prompt_is_shown_with_its_blanks_filled_in():
    t5, glm = little("t5-mini").tokenizer, little("glm-mini").tokenizer
    one, two = marks_of(t5).sentinels[:2]
    asked = [*b"A ", one, *b" sat ", two, *b".", 256]
    answer = [one, *b"cat", two, *b"down", 256, *b"never"]
    filled = with_blanks_filled("spans", marks_of(t5), asked, answer)
    assert t5.decode(filled) == "A cat sat down."
    assert with_blanks_filled("spans", marks_of(t5), [*b"A", 256], answer) is None
    assert with_blanks_filled("spans", marks_of(t5), asked, [*b"no mark"]) is None
    marks = marks_of(glm)
    filled = with_blanks_filled("blank", marks, [*b"A ", marks.mask, *b" sat"], [*b"cat", marks.end_of_piece])
    assert glm.decode(filled) == "A cat sat"
    assert with_blanks_filled("blank", marks, [*b"A", marks.mask_to_end], [*b"b"]) is None


def test_the_end_of_a_run_says_the_filled_text(in_hand):
    name, loaded = in_hand
    subject, _ = take(name)
    reading = read_marked(loaded.config, loaded.tokenizer, PROMPTS[name], 48, 6)
    transcript = Transcript(subject, reading, models.Sampling(), 6)
    transcript._written = [*marks_of(loaded.tokenizer).sentinels[:1], *b" a"]
    transcript.end("length")
    sentence = lines(transcript.text)[-1]["sentence"]["en"]
    filled = "" if name == "transformer-mini" else " With the blanks filled in: “Once a dog”"
    assert sentence == f"The length that was asked for is reached.{filled}"


def test_the_prompt_and_its_examples_suit_the_model(in_hand):
    name, _ = in_hand
    prompt, *rows = tab.suit_prompt(name, opening_prompt("continue"))
    assert prompt == opening_prompt(WAY[name])
    assert [row["visible"] is True for row in rows] == [way == WAY[name] for way in EXAMPLES]
    kept = tab.suit_prompt(name, "typed by a visitor")[0]
    assert kept == {"__type__": "update"}


def test_a_decoder_opens_in_the_language_that_it_has_learnt():
    assert way_in_hand("llama-mini") == way_in_hand("deepseek-v3-mini") == "continue"
    assert way_in_hand("llama-mini-zh") == "continue_chinese"
    assert way_in_hand("llama-mini-zh~n_layers=2") == "continue"  # of random weights, which know no language
    assert suited("Once upon a time", "continue_chinese") == "从前，有一只小"


def test_a_decoder_keeps_the_prompt_of_old():
    assert way_in_hand(TINY) == way_in_hand("bert-mini") == way_in_hand("no such model") == "continue"
    assert suited("typed", "spans") == "typed"
    assert suited(opening_prompt("spans"), "continue") == opening_prompt("continue")
    assert set(EXAMPLES) - {"continue_chinese"} < set(WAYS)
    assert way_of(models.preset("t5-small"), None) == "answer"
    assert way_of(models.preset("glm-10b"), None) == "continue"


def test_a_model_that_only_answers_says_so(monkeypatch):
    config = models.preset("t5-mini").replace(vocab_size=257, n_encoder_layers=1, **SIZES)
    loaded = models.Loaded(models.build(config), bytes_tokenizer(), config, "random")
    monkeypatch.setattr(services, "hold", lambda design, cancelled=None: loaded)
    start, *_ = final(run(prompt="Hello", design="t5-mini~n_layers=1", max_new_tokens=2))
    assert any("decoder begins a text of its own" in note["en"] for note in start["notes"])
    assert torch.is_tensor(loaded.model.weight)
