"""Generate without a browser: what is read of a prompt, the payload, the handlers, recordings and the endpoint."""

import base64
import json
import threading
import time
import zlib
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
import torch

import models
from models.errors import InputError
from models.sampling import Sampling
from models.tokenizers import bytes_tokenizer
from playground import recordings, services
from playground.generation import GLANCE, SETTINGS, Runs, in_chunks, observe, read_prompt, read_settings
from playground.generation_api import generate_text, token_text
from playground.i18n import LANGUAGES
from playground.session import DEFAULTS, MAX_PROMPT, Session
from playground.shell import build_app
from playground.tabs import generate as tab
from playground.views import generation as payload

TINY = "llama-mini~n_layers=1~d_model=48~d_ff=64~d_head=8~vocab_size=300~max_seq_len=64"
WIDE = "llama-mini~n_layers=1~d_model=8~d_ff=8~n_heads=1~n_kv_heads=1~d_head=8~attention=mha~vocab_size=50257"
USUAL = {name: DEFAULTS[name] for name in SETTINGS}
VISITOR = SimpleNamespace(session_hash="visitor")
NASTY = [
    "<script>alert(1)</script>",
    "${alert(1)}",
    "{{alert}}",
    "{{{value}}}",
    "</article><img src=x onerror=alert(1)>",
]


def begin(prompt="Once", design=TINY, **settings):
    """The handler: it yields (payload, Stop button)."""
    values = {**USUAL, "max_new_tokens": 12, **settings}
    return tab.stream(VISITOR, design, prompt, *(values[name] for name in SETTINGS))


def begun(**settings):
    """The handler of a longer text of which the first line is out."""
    values = begin(max_new_tokens=30, **settings)
    while not isinstance(next(values)[0], str):
        pass
    return values


def run(**asked) -> list[tuple]:
    """All that the handler yields."""
    return list(begin(**asked))


def lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def final(values) -> list[dict]:
    """The messages of the longest payload of a run."""
    return lines(max((text for text, _ in values if isinstance(text, str)), key=len))


def steps(messages) -> list[dict]:
    return [message for message in messages if message["kind"] == "step"]


def ids(messages) -> list[int]:
    return [step["id"] for step in steps(messages)]


def notes(prompt: str, lang: str = "en") -> str:
    return " ".join(note[lang] for note in final(run(prompt=prompt))[0]["notes"])


# ---- what is read of a prompt ----


def test_a_short_prompt_is_read_whole():
    reading = read_prompt(bytes_tokenizer(), "Hi", 64, 12)
    assert reading.ids == tuple(b"Hi")
    assert (reading.text, reading.n_tokens, reading.is_cut) == ("Hi", 2, False)


def test_of_a_long_prompt_the_end_is_read_with_room_for_the_text():
    reading = read_prompt(bytes_tokenizer(), "abcdefghij" * 20, 64, 12)
    assert len(reading.ids) == 64 - 12
    assert reading.n_tokens == 200
    assert reading.text.endswith("hij")


def test_a_great_length_leaves_half_of_the_context_to_the_prompt():
    assert len(read_prompt(bytes_tokenizer(), "a" * 200, 64, 500).ids) == 32


def test_a_cut_inside_a_character_shows_no_broken_glyph():
    reading = read_prompt(bytes_tokenizer(), "你" * 100, 65, 1)
    assert len(reading.ids) == 64
    assert reading.text == "你" * 21


def test_an_empty_prompt_starts_from_the_end_of_text():
    tokenizer = bytes_tokenizer()
    assert read_prompt(tokenizer, "", 64, 12).ids == (tokenizer.eos_id,)


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b", "\0\udfffab"])
def test_what_is_no_text_is_left_out(text):
    reading = read_prompt(bytes_tokenizer(), text, 64, 12)
    assert reading.text == "ab"
    assert reading.n_dropped == len(text) - 2


def test_a_hundred_thousand_characters_are_read():
    reading = read_prompt(bytes_tokenizer(), "word " * 25_000, 64, 12)
    assert reading.n_tokens == MAX_PROMPT
    assert reading.n_clipped == 25_000


@pytest.mark.parametrize(
    ("change", "code"),
    [({"seed": None}, "number_empty"), ({"seed": 1.5}, "not_an_integer"), ({"temperature": -1}, "out_of_range")]
    + [({"seed": seed}, "out_of_range") for seed in (-1, 2**31)]
    + [({"temperature": 2.1}, "out_of_range"), ({"top_k": 201}, "out_of_range"), ({"top_p": 0.0}, "out_of_range")]
    + [({"temperature": None}, "number_empty"), ({"min_p": "0.1"}, "not_a_number"), ({"top_k": 2.5}, "not_an_integer")],
)
def test_settings_that_cannot_be_are_refused(change, code):
    with pytest.raises(InputError) as refused:
        read_settings({**USUAL, **change})
    assert refused.value.code == code


def test_the_length_has_limits():
    assert read_settings({**USUAL, "max_new_tokens": 12.0})[1] == 12
    for length in (0, 513):
        with pytest.raises(InputError):
            read_settings({**USUAL, "max_new_tokens": length})


# ---- payload ----


def test_halves_are_distances_to_the_highest():
    logits = np.array([3.0, -2.5, 7.25, -np.inf], dtype=np.float32)
    message = payload.halves(logits)
    distances = np.frombuffer(base64.b64decode(message["halves"]), "<f2")
    assert message["peak"] == 7.25
    assert distances[:3].tolist() == [-4.25, -9.75, 0.0]
    assert distances[3] < -60_000
    assert len(message["halves"]) == payload.bytes_per_step(4)


def test_codes_keep_the_best_exactly_and_the_probability_of_the_rest():
    logits = np.random.default_rng(0).normal(0, 4, 4096).astype(np.float32)
    message = payload.encode_codes(logits)
    scale = payload.code_scale()
    read = message["peak"] + message["shift"] - np.array(scale["distances"])[
        [ord(code) - scale["first"] for code in message["codes"]]
    ]
    for token_id, distance in message["exact"]:
        read[token_id] = message["peak"] - distance
    wanted, found = np.exp(logits - logits.max()), np.exp(read - logits.max())
    best = [token_id for token_id, _ in message["exact"]]
    np.testing.assert_allclose(found[best], wanted[best], rtol=2e-3)
    assert found.sum() == pytest.approx(wanted.sum(), rel=2e-3)


def test_the_budget_keeps_the_newest():
    assert payload.steps_kept(4096) > DEFAULTS["max_new_tokens"]
    assert payload.steps_kept(50257) * payload.bytes_per_step(50257) <= payload.LOGITS_BUDGET


@pytest.mark.parametrize("text", NASTY)
def test_a_line_holds_no_markup(text):
    line = payload.line("start", prompt=text)
    assert "<" not in line
    assert json.loads(line)["prompt"] == text


# ---- runs ----


def test_a_run_streams_a_payload_that_only_grows():
    texts = [text for text, _ in run() if isinstance(text, str)]
    assert len(texts) >= 2
    for shorter, longer in zip(texts, texts[1:], strict=False):
        assert longer.startswith(shorter)
    messages = lines(texts[-1])
    assert [messages[0]["kind"], messages[-1]["kind"]] == ["start", "end"]
    assert len(steps(messages)) == 12
    assert messages[-1]["finish"] == "length"


def test_steps_carry_probability_rank_and_logits_over_the_whole_vocabulary():
    step = steps(final(run(top_k=1)))[0]
    logits = np.frombuffer(base64.b64decode(step["halves"]), "<f2").astype(np.float64)
    assert len(logits) == 300
    assert step["rank"] == 1
    assert step["probability"] == 1.0
    assert np.exp(logits)[step["id"]] / np.exp(logits).sum() == pytest.approx(step["raw"], rel=5e-3)


def test_same_seed_same_text():
    assert ids(final(run(seed=3))) == ids(final(run(seed=3)))
    assert ids(final(run(seed=3))) != ids(final(run(seed=4)))


@pytest.mark.parametrize("prompt", ["", "😀👩‍🚀", "从前有一只小猫", "\0\ud800", *NASTY])
def test_any_prompt_runs(prompt):
    messages = final(run(prompt=prompt))
    assert len(steps(messages)) == 12
    assert messages[0]["prompt"] == "".join(c for c in prompt if c not in "\0\ud800")


def test_what_happened_to_the_prompt_is_said():
    assert "begins a text of its own" in notes("")
    assert "200 tokens" in notes("a" * 200)
    assert "2 characters" in notes("a\0\ud800b")
    assert "100\u202f000 characters" in notes("a" * 100_001)
    assert "weights of this model are random" in notes("Once")
    assert "权重是随机的" in notes("Once", lang="zh")


def test_a_full_context_ends_the_text():
    messages = final(run(prompt="a" * 30, max_new_tokens=500))
    assert messages[-1]["finish"] == "context"
    assert len(steps(messages)) == 64 - 30 + 1  # the last token is written, and need not be read


def test_a_large_vocabulary_keeps_the_logits_of_the_newest_tokens(monkeypatch):
    monkeypatch.setattr(payload, "LOGITS_BUDGET", 3 * payload.bytes_per_step(50257))
    messages = final(run(design=WIDE, max_new_tokens=5))
    assert all("halves" not in step and len(step["top"]) == 10 for step in steps(messages))
    kept = next(message for message in messages if message["kind"] == "logits")
    assert (kept["first"], len(kept["steps"])) == (2, 3)
    assert "newest 3 tokens" in " ".join(note["en"] for note in messages[0]["notes"])


@pytest.mark.parametrize(
    ("change", "words"),
    [({"seed": None}, "Seed is empty"), ({"design": "nosuch"}, "nosuch"), ({"design": "gpt3-175b"}, "at most")],
)
def test_a_refusal_is_one_sentence_and_no_text(change, words):
    messages = final(run(**change))
    assert words in messages[0]["sentence"]["en"]
    assert [message["kind"] for message in messages] == ["refused"]


def test_a_number_beyond_its_slider_is_refused_in_our_words():
    (message,) = final(run(temperature=5))
    assert message["sentence"]["en"] == "Temperature = 5 is out of range; allowed: 0 to 2."
    assert message["sentence"]["zh"].startswith("温度 = 5 超出范围")


def test_gradio_does_not_check_numbers_before_us():
    """Its own refusals are English, and come before the handler runs."""
    (event,) = [event for event in build_app().fns.values() if event.fn is tab.stream]
    assert not event.preprocess


def test_every_sentence_comes_in_every_language():
    messages = final(run(prompt=""))
    sentences = [messages[0]["meta"], *messages[0]["notes"], messages[0]["words"], messages[-1]["sentence"]]
    assert len(sentences) >= 5
    assert all(set(sentence) == set(LANGUAGES) for sentence in sentences)


def test_stop_ends_the_run_between_two_tokens():
    values = begun()
    tab.stop_run(VISITOR)
    rest = list(values)
    assert final(rest)[-1]["finish"] == "cancelled"
    assert steps(final(rest)) == []
    assert rest[-1][1] == gr.update(interactive=False)


@pytest.fixture
def slow_model(monkeypatch):
    """Models take until the event is set to be ready."""
    ready = threading.Event()

    def hold(design):
        assert ready.wait(30)
        raise InputError("busy")

    monkeypatch.setattr(services, "hold", hold)
    yield ready
    ready.set()


def test_stop_does_not_wait_for_the_model(slow_model):
    values = begin()
    assert [next(values)[0] for _ in range(3)] == [gr.skip()] * 3
    tab.stop_run(VISITOR)
    begun = time.monotonic()
    rest = list(values)
    assert time.monotonic() - begun < 5 * GLANCE + 1
    assert not slow_model.is_set()
    assert rest == [(gr.skip(), gr.update(interactive=False))]


def test_leaving_while_the_model_is_made_ready_ends_the_run(slow_model):
    values = begin()
    next(values)
    next(values)
    run = tab.runs._running[VISITOR.session_hash]
    values.close()
    assert run.cancelled.is_set()
    assert tab.runs._running == {}


def test_what_hinders_the_model_is_told(slow_model):
    slow_model.set()
    (message,) = final(run())
    assert message["sentence"]["en"] == "The machine is busy with other visitors; try again in a moment."


def test_a_second_run_of_a_visitor_ends_the_first():
    runs = Runs()
    with runs.begin("a") as first, runs.begin("b") as other:
        with runs.begin("a") as second:
            assert first.cancelled.is_set()
            assert not second.cancelled.is_set()
        runs.stop("b")
        assert other.cancelled.is_set()
    runs.stop("a")  # nothing runs: nothing happens


def test_leaving_ends_the_run():
    values = begun()
    values.close()
    assert tab.runs._running == {}


def test_another_model_in_hand_silences_the_run():
    values = begun()
    tab.first_screen(TINY, VISITOR)
    assert [text for text, _ in values if isinstance(text, str)] == []


def test_a_chunk_is_computed_in_a_turn():
    loaded = services.hold(TINY)
    reading = read_prompt(loaded.tokenizer, "Once", 64, 12)
    entered = []

    class Turn:
        def __init__(self, cancelled):
            self.cancelled = cancelled

        def __enter__(self):
            entered.append(True)

        def __exit__(self, *_):
            entered.append(False)

    steps_to_come = observe(loaded, reading, Sampling(seed=1), 5)
    chunks = list(in_chunks(steps_to_come, 0.0, Turn, threading.Event()))
    assert [len(chunk) for chunk, _ in chunks] == [1] * 5
    assert entered == [True, False] * 5


# ---- first screen ----


def opening(design: str) -> list[dict]:
    text = recordings.first_screen(design)
    return lines(zlib.decompress(base64.b64decode(text.removeprefix("deflate:"))).decode())


def test_a_random_model_has_no_recording_and_says_so():
    messages = opening(TINY)
    assert messages[0]["empty"]
    assert "random weights" in messages[0]["notes"][0]["en"]


@pytest.mark.parametrize("name", models.zoo())
def test_a_shipped_model_opens_with_its_recording(name):
    assert len(recordings.first_screen(name)) < 175_000
    messages = opening(name)
    assert messages[0]["source"] == "recorded"
    assert messages[-1]["kind"] == "end"


@pytest.mark.parametrize("name", models.zoo())
def test_a_recording_is_what_the_controls_say(name):
    """The page opens with the session's defaults in its controls: the text beside them was written with just these."""
    kept = json.loads((recordings.FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    assert kept["settings"] == {name: getattr(Session(), name) for name in ("prompt", *SETTINGS)}
    assert kept["finish"] != "length" or len(kept["steps"]) == Session().max_new_tokens
    start = opening(name)[0]
    assert (start["prompt"], start["most"]) == (Session().prompt, Session().max_new_tokens)


@pytest.mark.parametrize("name", models.zoo())
def test_recordings_are_of_the_shipped_weights(name):
    kept = json.loads((recordings.FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    anew = recordings.record(name)
    assert kept["text"] == anew["text"]
    for old, new in zip(kept["steps"], anew["steps"], strict=True):
        assert old["raw"] == pytest.approx(new["raw"], abs=1e-4)


def test_recordings_stay_small():
    sizes = [path.stat().st_size for path in recordings.FOLDER.glob("*.json")]
    assert sum(sizes) < 1_000_000


# ---- endpoint ----


def test_the_endpoint_answers_with_text_and_tokens():
    answer = generate_text("Once", TINY, max_new_tokens=8, seed=3)
    assert answer == generate_text("Once", TINY, max_new_tokens=8, seed=3)
    assert [len(answer["tokens"]), answer["finish"], answer["seed"]] == [8, "length", 3]
    assert [answer["prompt_tokens"], answer["read_tokens"]] == [4, 4]
    assert {"id", "text", "probability", "raw_probability"} == set(answer["tokens"][0])
    assert ids(final(run(seed=3, max_new_tokens=8))) == [token["id"] for token in answer["tokens"]]


@pytest.mark.parametrize(("lang", "words"), [("en", "at most"), ("zh", "最多")])
def test_the_endpoint_refuses_in_a_sentence(lang, words):
    with pytest.raises(gr.Error, match=words):
        generate_text("Once", "gpt3-175b", lang=lang)


def test_tokens_without_characters_are_named():
    tokenizer = bytes_tokenizer()
    assert token_text(tokenizer, 65) == "A"
    assert token_text(tokenizer, 0xE4) == "<0xE4>"
    assert token_text(tokenizer, tokenizer.eos_id) == "<|endoftext|>"
    assert token_text(tokenizer, 50_000) == "<id 50000>"


def test_rank_counts_from_the_best():
    loaded = services.hold(TINY)
    reading = read_prompt(loaded.tokenizer, "Once", 64, 12)
    for observed in observe(loaded, reading, Sampling(temperature=1.0, seed=5), 12):
        order = torch.from_numpy(observed.logits).argsort(descending=True).tolist()
        assert order.index(observed.step.token_id) + 1 == observed.rank
