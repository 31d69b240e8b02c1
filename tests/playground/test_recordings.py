"""What Generate opens with: a shipped model's recording, or a sentence that there is none."""

import json
from types import SimpleNamespace

import pytest

import models
from playground import recordings
from playground.design_limit import writes
from playground.generation import SETTINGS
from playground.prompt_ways import opening_prompt, way_in_hand
from playground.session import Session
from playground.tabs import generate as tab
from playground.views.generation import CODED
from tests.playground.runs import TINY, lines

WRITERS = [name for name in models.zoo() if writes(models.preset(name))]


def opening(design: str) -> list[dict]:
    content = recordings.first_screen(design).removeprefix("opening:")
    if not content.startswith("{"):
        content = recordings.served(content.removeprefix(recordings.PLACE)).decode()
    return lines(content)


def test_a_random_model_has_no_recording_and_says_so():
    messages = opening(TINY)
    assert messages[0]["empty"]
    assert "random weights" in messages[0]["notes"][0]["en"]


def test_a_model_that_writes_nothing_is_not_said_to():
    design = "bert-base-uncased~n_layers=2~d_model=48~n_heads=4~d_head=12~d_ff=64"
    (start,) = opening(design)
    sentences = [note["en"] for note in start["notes"]]
    assert sentences[0].startswith("It gives vectors and writes no text")
    assert "choose one above" in sentences[1]
    button = tab.first_screen(design, SimpleNamespace(session_hash="visitor"))[2]
    assert button["interactive"] is False


@pytest.mark.parametrize("name", WRITERS)
def test_a_shipped_model_opens_with_its_recording(name):
    assert len(recordings.first_screen(name)) < 100
    messages = opening(name)
    assert messages[0]["source"] == "recorded"
    assert messages[-1]["kind"] == "end"


@pytest.mark.parametrize("name", WRITERS)
def test_a_recording_ends_with_the_blanks_filled_in_where_there_were_any(name):
    kept = json.loads((recordings.FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    told = opening(name)[-1]["sentence"]["en"].partition("With the blanks filled in")[2]
    assert bool(told) == (way_in_hand(name) in ("spans", "blank"))
    if way_in_hand(name) == "blank":
        assert f"his{kept['text']} went to the park" in told


@pytest.mark.parametrize("name", WRITERS)
def test_most_logits_of_a_recording_come_later(name):
    """What the page opens with is a third of the whole; the rest is served at the address that it names."""
    kept = json.loads((recordings.FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    start, *steps, _ = opening(name)
    (later,) = lines(recordings.served(start["later"].removeprefix(recordings.PLACE)).decode())
    coded = [{key: step[key] for key in CODED if key in step} for step in steps]
    assert later["steps"] + coded[-1:] == [{key: step[key] for key in CODED} for step in kept["steps"]]
    assert not any(coded[:-1])


@pytest.mark.parametrize("name", WRITERS)
def test_a_recording_is_what_the_controls_say(name):
    """The page opens with the session's defaults in its controls: the text beside them was written with just these."""
    kept = json.loads((recordings.FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    prompt = opening_prompt(way_in_hand(name))
    assert kept["settings"] == {"prompt": prompt, **{name: getattr(Session(), name) for name in SETTINGS}}
    assert kept["finish"] != "length" or len(kept["steps"]) == Session().max_new_tokens
    start = opening(name)[0]
    assert start["prompt"].removesuffix(" → ") == prompt
    assert start["most"] == Session().max_new_tokens


@pytest.mark.parametrize("name", WRITERS)
def test_recordings_are_of_the_shipped_weights(name):
    kept = json.loads((recordings.FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    anew = recordings.record(name)
    assert kept["text"] == anew["text"]
    for old, new in zip(kept["steps"], anew["steps"], strict=True):
        assert old["raw"] == pytest.approx(new["raw"], abs=1e-4)


def test_nothing_else_is_served():
    for name in ("", "llama-mini", "llama-mini.json", "../zoo/llama-mini/config.json", "gpt2-0123456789abcdef.jsonl"):
        assert recordings.served(name) is None


def test_recordings_stay_small():
    sizes = [path.stat().st_size for path in recordings.FOLDER.glob("*.json")]
    assert max(sizes) < 400_000
