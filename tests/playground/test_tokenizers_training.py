"""Training on a visitor's text: in the background, with progress, bounded, stopped, kept and packed."""

import io
import json
import threading
import time
import zipfile
from base64 import b64decode

import pytest

from models.tokenizers import bytes_tokenizer
from playground import token_answers as answers
from playground import token_training
from playground.session import TRAINED
from playground.token_passages import passage
from playground.token_training import FORSAKEN, Job, Jobs, Stopped
from tests.rows import each_row


def ask(function: str, /, **request) -> dict:
    return json.loads(getattr(answers, function)(json.dumps(request)))


def outcome(job: str) -> dict:
    """What a training ends with."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        reply = ask("trained", job=job)
        if "refused" in reply or reply["done"]:
            return reply
        time.sleep(0.05)
    raise AssertionError("the training did not end")


@pytest.mark.parametrize("algorithm", TRAINED)
def test_every_algorithm_trains_is_compared_and_downloaded(algorithm):
    text = passage("english") + "\n" + passage("chinese")
    item = outcome(ask("train", algorithm=algorithm, vocab_size=600, text=text)["job"])["done"]
    assert item["vocab_size"] <= 600
    column = ask("compare", text="The river", tokenizers=[item["name"], "bytes"])["columns"][0]
    assert 0 < column["figures"]["tokens"] < 9 or algorithm == "characters"
    names = zipfile.ZipFile(io.BytesIO(b64decode(ask("download", tokenizer=item["name"])["zip"]))).namelist()
    assert {"tokenizer.json", "tokenizer.model"} & set(names)


@each_row(
    "wrong",
    [
        {"algorithm": "gzip"},
        {"algorithm": None},
        {"vocab_size": 5},
        {"vocab_size": 10**9},
        {"vocab_size": "600"},
        {"vocab_size": True},
        {"text": "  "},
        {"text": 5},
        {"text": "a\ud800"},
        {"text": "x" * 1_000_001},
    ],
    ids=lambda wrong: str(wrong)[:40],
)
@each_row("lang", ["en", "zh"])
def test_what_cannot_be_trained_is_refused(wrong, lang):
    reply = ask("train", **{"algorithm": "byte-bpe", "vocab_size": 600, "text": "hello", **wrong}, lang=lang)
    assert reply["refused"][-1] in ".。"


def test_a_training_stops_when_it_is_told_or_forsaken():
    told = Job("x")
    told.progress(0.5, "learning")
    told.stopped.set()
    with pytest.raises(Stopped):
        told.progress(0.6, "learning")
    forsaken = Job("x", asked=time.monotonic() - FORSAKEN - 1)
    with pytest.raises(Stopped):
        forsaken.progress(0.1, "reading")


def test_a_stopped_training_says_so(monkeypatch):
    go = threading.Event()

    def slow(algorithm, text, vocab_size, progress):
        go.wait(10)
        progress(0.5, "learning")
        return bytes_tokenizer()

    monkeypatch.setattr(token_training, "train_on_text", slow)
    job = ask("train", algorithm="byte-bpe", vocab_size=600, text="hello")["job"]
    ask("stop", job=job)
    go.set()
    assert "stopped" in outcome(job)["refused"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_training_that_breaks_says_so_and_keeps_no_place(monkeypatch):
    monkeypatch.setattr(token_training, "train_on_text", lambda *_: 1 / 0)
    for _ in range(token_training.MAX_JOBS):
        job = ask("train", algorithm="byte-bpe", vocab_size=600, text="hello")["job"]
        assert "failed" in outcome(job)["refused"]


def test_a_trained_one_is_called_by_the_size_that_it_came_to():
    job = ask("train", algorithm="byte-bpe", vocab_size=1024, text="low lower lowest")["job"]
    done = outcome(job)["done"]
    assert done["vocab_size"] < 300
    assert done["title"] == f"Yours: Byte-level BPE, {done['vocab_size']}"
    assert "1024" not in ask("train", algorithm="byte-bpe", vocab_size=9, text="low")["refused"]


def test_trainings_are_bounded(monkeypatch):
    go = threading.Event()
    monkeypatch.setattr(token_training, "train_on_text", lambda *_: go.wait(10) and bytes_tokenizer())
    jobs = Jobs(most=4)
    names = [jobs.begin("en", "byte-bpe", "hello", 600) for _ in range(2)]
    with pytest.raises(ValueError, match="busy"):
        jobs.begin("en", "byte-bpe", "hello", 600)
    go.set()
    until = time.monotonic() + 20
    while any(jobs.get(name).named is None for name in names) and time.monotonic() < until:
        time.sleep(0.02)
    assert jobs.begin("en", "byte-bpe", "hello", 600)


@pytest.mark.parametrize("job", ["no-such", None, ["x"]])
def test_an_unknown_training_is_refused(job):
    assert "make it again" in ask("trained", job=job)["refused"]
    assert "make it again" in ask("stop", job=job)["refused"]
