"""What callers of the API may send instead of what is asked for: each is refused in one sentence, in their language."""

import threading

import gradio as gr
import pytest

import models
from models.errors import MAX_QUOTED, InputError
from playground import limits
from playground.design_api import build_design
from playground.design_form import values_of
from playground.design_screen import Cache, Shown, change, redraw
from playground.generation import Runs, in_chunks
from playground.generation_api import generate_text
from playground.i18n import LANGUAGES, explain
from playground.prompt_reading import read_prompt
from playground.session import parse_design
from playground.subject import take
from playground.tabs import generate as tab
from playground.transcript import Transcript
from playground.turns import turn
from tests.rows import each_row

SHORT = "llama-mini~n_layers=1~d_model=48~d_ff=64~d_head=8~vocab_size=300"
NO_TEXTS = [None, 5, ["gpt2"], {"a": 1}, True]


def refusal(ask, *arguments, **options) -> str:
    """The sentence that a caller reads."""
    with pytest.raises(gr.Error) as refused:
        ask(*arguments, **options)
    assert refused.value.message[-1] in ".。"
    return refused.value.message


@pytest.mark.parametrize("value", NO_TEXTS)
def test_what_is_no_text_is_refused_by_name(value):
    assert "prompt = " in refusal(generate_text, value, SHORT)
    assert "model = " in refusal(generate_text, "Once", value)
    assert "preset = " in refusal(build_design, value)
    assert "dtype = " in refusal(build_design, "gpt2", dtype=value)
    assert "必须是文本" in refusal(build_design, value, lang="zh")


@pytest.mark.parametrize("lang", [None, 5, ["zh"], {"a": 1}, "fr"])
def test_an_unknown_language_is_refused_in_english(lang):
    assert refusal(build_design, "gpt2", lang=lang) == f"lang = {lang} is not known; allowed: en, zh."


@each_row(
    "overrides",
    [
        {"self": 1},
        {"cls": 1},
        {"biases": 5},
        {"biases": {"q": 1}},
        {"biases": [["q"]]},
        {"mask_pattern": 5},
        {"norm": ["rmsnorm"]},
        {"rope_theta": 10**400},
        {"n_layers": 10**400},
        {"rope_scaling": 5},
        {"rope_scaling": "linear"},
        {"rope_scaling": ["linear"]},
        {"rope_scaling": {"kind": "linear", "factor": {}, "original_max_seq_len": 8}},
        {"rope_scaling": {"self": 1}},
        {"mask_pattern": ["causal"] * 129},
        {"rope_scaling": {}},
        [],
        "n_layers",
    ],
    ids=lambda overrides: str(overrides)[:40],
)
@each_row("lang", LANGUAGES)
def test_odd_overrides_are_refused(overrides, lang):
    refusal(build_design, "gpt2", overrides, lang=lang)


@pytest.mark.parametrize(
    "change",
    [{"temperature": "hot"}, {"top_k": None}, {"top_p": []}, {"seed": -1}, {"seed": 10**30}, {"max_new_tokens": {}}],
    ids=str,
)
def test_odd_settings_are_refused(change):
    assert next(iter(change)) in refusal(generate_text, "Once", SHORT, **change)


def test_what_is_quoted_is_clipped():
    for sentence in (
        refusal(build_design, "x" * 100_000),
        refusal(build_design, "gpt2", {"y" * 100_000: 1}),
        refusal(build_design, "gpt2", {"norm": "z" * 100_000}),
        refusal(generate_text, list(range(100_000))),
    ):
        assert len(sentence) < 1000
        assert "…" in sentence
    error = InputError("not_a_text", field="prompt", value="x" * MAX_QUOTED)
    assert error.params["value"] == "x" * MAX_QUOTED
    assert "x" * MAX_QUOTED in explain("zh", error)


def test_typed_patterns_are_bounded():
    shown, _ = redraw(Shown(), "en", "gpt2", models.preset("gpt2"), Cache())
    pattern = ",".join(["causal"] * 100_000)
    typed = {**values_of(models.preset("gpt2")), "mask_pattern": pattern}
    refused, updates = change(shown, "en", "gpt2", typed, Cache())
    assert refused.valid_title
    assert "100000 entries" in updates["form"]
    assert len(updates["form"]) < 20_000


def test_of_a_prompt_no_more_is_read_than_the_machine_has_room_for():
    subject, loaded = take(f"{SHORT}~position=alibi~max_seq_len=1000000")
    reading = read_prompt(loaded.tokenizer, "word " * 20_000, subject.readable, 512)
    assert len(reading.ids) + 512 <= limits.MAX_READ
    sampling, most = tab.read_settings({**SETTINGS, "max_new_tokens": 512})
    transcript = Transcript(subject, reading, sampling, most)
    assert "at most 4\u202f096 are read here" in transcript.text.encode().decode("unicode_escape")


SETTINGS = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "repetition_penalty": 1.0, "seed": 7}


def test_a_run_stays_forgotten():
    runs = Runs()
    with runs.begin("a") as run:
        runs.stop("a", forget=True)
        runs.stop("a")
        assert run.forgotten


def test_stop_does_not_wait_for_a_turn():
    cancelled = threading.Event()
    cancelled.set()
    with turn(), turn():
        assert list(in_chunks(iter(()), 1.0, turn, cancelled)) == [([], "cancelled")]


@pytest.mark.parametrize("value", NO_TEXTS)
def test_designs_are_texts(value):
    with pytest.raises(InputError, match="must be a text"):
        parse_design(value)
