"""Trainings of the tab, asked for as its page asks."""

import json
import time

from playground import train_answers

TINY = "llama-mini~max_seq_len=64~d_model=16~n_layers=1~n_heads=2~attention=mqa~n_kv_heads=1~d_head=8~d_ff=24~vocab_size=300"


def ask(function: str, /, **request) -> dict:
    return json.loads(getattr(train_answers, function)(json.dumps(request)))


def order(*designs: str, tokens: int = 10_000, **more) -> dict:
    return {
        "designs": list(designs or (TINY,)),
        "text": "stories-en",
        "tokens": tokens,
        "seed": 7,
        "visitor": "me",
        **more,
    }


def ended(training: str) -> dict:
    """How a training ends."""
    until = time.monotonic() + 120
    while time.monotonic() < until:
        news = ask("look", training=training, seen=[])
        if news["state"] == "over":
            return news
        time.sleep(0.05)
    raise AssertionError("the training did not end")
