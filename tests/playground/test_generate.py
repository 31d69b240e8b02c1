"""Generate without a browser: runs as the handler yields them."""

import base64
import re
import threading
import time

import gradio as gr
import numpy as np
import pytest
import torch

from models.errors import InputError
from models.sampling_settings import Sampling
from models.tokenizers import bytes_tokenizer
from playground import services
from playground.generation import Runs, in_chunks, observe
from playground.i18n import LANGUAGES
from playground.prompt_reading import read_prompt
from playground.shell import build_app
from playground.tabs import generate as tab
from playground.turns import GLANCE
from playground.views import generation as payload
from tests.playground.runs import NASTY, TINY, VISITOR, WIDE, begin, begun, final, ids, lines, notes, run, steps


def test_a_run_streams_a_payload_that_only_grows():
    texts = [text for text, _ in run() if isinstance(text, str)]
    assert len(texts) >= 2
    for shorter, longer in zip(texts, texts[1:], strict=False):
        assert longer.startswith(shorter)
    messages = lines(texts[-1])
    assert [messages[0]["kind"], messages[-1]["kind"]] == ["start", "end"]
    assert len(steps(messages)) == 12
    assert messages[-1]["finish"] == "length"
    assert len(messages[0]["prompt_ids"]) == len(
        messages[0]["prompt"].encode()
    )  # what the model has read, byte by byte


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
    # Weights at random may draw the end token: the text is then complete, only shorter.
    assert len(steps(messages)) == 12 or messages[-1]["finish"] == "stop"
    assert messages[0]["prompt"] == "".join(c for c in prompt if c not in "\0\ud800")


def test_an_empty_prompt_needs_a_token_to_start_from():
    tokenizer = bytes_tokenizer()
    tokenizer.eos_id = None
    with pytest.raises(InputError) as refused:
        read_prompt(tokenizer, "\0", 64, 12)
    assert refused.value.code == "prompt_empty"


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
    assert messages[0]["bars"] == {"vocabulary": "50\u202f257", "size": "131\u202fKiB", "kept": "3"}


def test_dropped_distributions_are_told_at_their_tokens_and_not_above_every_text(monkeypatch):
    assert final(run())[0]["bars"] is None
    monkeypatch.setattr(payload, "LOGITS_BUDGET", 3 * payload.bytes_per_step(50257))
    start = final(run(design=WIDE, max_new_tokens=5))[0]
    assert not any("distribution" in note["en"] or "distribution" in note["zh"] for note in start["notes"])
    assert set(start["bars"]) <= set(re.findall(r"\{(\w+)\}", start["words"]["en"]["next_top_dropped"]))


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

    def hold(design, cancelled):
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


def test_of_runs_that_begin_at_once_one_goes_on():
    class Slow:
        """A lock after which others come first."""

        lock = threading.Lock()

        def __enter__(self):
            self.lock.acquire()

        def __exit__(self, *_):
            self.lock.release()
            time.sleep(0.05)

    runs = Runs()
    runs._lock = Slow()
    together = threading.Barrier(3)
    ended = []

    def visit():
        together.wait(30)
        with runs.begin("a") as run:
            together.wait(30)
            ended.append(run.cancelled.is_set())
            together.wait(30)

    visits = [threading.Thread(target=visit) for _ in range(3)]
    for each in visits:
        each.start()
    for each in visits:
        each.join()
    assert sorted(ended) == [False, True, True]


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


def test_rank_counts_from_the_best():
    loaded = services.hold(TINY)
    reading = read_prompt(loaded.tokenizer, "Once", 64, 12)
    for observed in observe(loaded, reading, Sampling(temperature=1.0, seed=5), 12):
        order = torch.from_numpy(observed.logits).argsort(descending=True).tolist()
        assert order.index(observed.step.token_id) + 1 == observed.rank
