"""Runs of Generate for the tests: the handler's yields, and the messages of a payload."""

import json
from types import SimpleNamespace

from playground.generation import SETTINGS
from playground.session import DEFAULTS
from playground.tabs import generate as tab

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


def begin(prompt="Once", design=TINY, chat=True, **settings):
    """The handler: it yields (payload, Stop button)."""
    values = {**USUAL, "max_new_tokens": 12, **settings}
    return tab.stream(VISITOR, design, prompt, chat, *(values[name] for name in SETTINGS))


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
