"""The payload of a run: logits on their way to the browser, and lines that hold no markup."""

import base64
import json

import numpy as np
import pytest

from playground.session import DEFAULTS
from playground.views import generation as payload
from tests.playground.runs import NASTY


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
    steps = [ord(code) - scale["first"] for code in message["codes"]]
    read = message["peak"] + message["shift"] - np.array(scale["distances"])[steps]
    for token_id, distance in message["exact"]:
        read[token_id] = message["peak"] - distance
    wanted, found = np.exp(logits - logits.max()), np.exp(read - logits.max())
    best = [token_id for token_id, _ in message["exact"]]
    np.testing.assert_allclose(found[best], wanted[best], rtol=2e-3)
    assert found.sum() == pytest.approx(wanted.sum(), rel=2e-3)


def test_the_budget_holds_every_step_of_a_small_vocabulary_and_bounds_a_large_one():
    assert payload.steps_kept(4096) > DEFAULTS["max_new_tokens"]
    assert payload.steps_kept(50257) * payload.bytes_per_step(50257) <= payload.LOGITS_BUDGET


@pytest.mark.parametrize("text", NASTY)
def test_a_line_holds_no_markup(text):
    line = payload.line("start", prompt=text)
    assert "<" not in line
    assert json.loads(line)["prompt"] == text
