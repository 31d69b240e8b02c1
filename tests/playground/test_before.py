"""The section "Before transformers": maps, a weight taken apart, the same text in a transformer, one query over a list."""

import json
import math

import pytest

from playground.before_answers import ANSWERS
from playground.session import DEFAULTS

ASK = {function.__name__: function for function in ANSWERS}
GIVEN = {name: DEFAULTS[name] for name in ("before_text", "din_query", "din_list")}


def answer(name: str, **asked) -> dict:
    return json.loads(ASK[name](json.dumps({**GIVEN, "lang": "en", **asked})))


@pytest.mark.parametrize("kind", ["bahdanau", "luong"])
def test_the_default_phrase_is_translated_and_read_where_a_reader_would(kind):
    reply = answer("before_translation", kind=kind)
    assert reply["text"] == "2017年6月25日星期日晚上7点半"
    assert all(sum(row) == pytest.approx(1, abs=1e-4) for row in reply["weights"])
    assert len(reply["weights"]) == len(reply["characters"])


@pytest.mark.parametrize("kind", ["bahdanau", "luong"])
def test_a_weight_is_made_of_its_terms(kind):
    whole, step = answer("before_translation", kind=kind), answer("before_step", kind=kind, step=3)
    assert step["weights"] == whole["weights"][3]
    for terms, energy in zip(step["terms"], step["energies"], strict=True):
        assert sum(terms) == pytest.approx(energy, abs=5e-3)
    total = sum(step["exponentials"])
    for energy, exponential, weight in zip(step["energies"], step["exponentials"], step["weights"], strict=True):
        assert exponential == pytest.approx(math.exp(energy - max(step["energies"])), abs=1e-4)
        assert weight == pytest.approx(exponential / total, abs=1e-4)


def test_the_same_text_stands_in_a_transformer():
    reply = answer("before_ours")
    for heads in reply["maps"]:
        for rows in heads:
            assert len(rows) == len(reply["rows"])
            assert all(len(row) == len(reply["columns"]) and sum(row) == pytest.approx(1, abs=5e-3) for row in rows)
        for average, *of_heads in zip(*(head[-1] for head in heads), strict=True):
            assert average == pytest.approx(sum(of_heads) / len(of_heads), abs=1e-3)
    assert reply["model"] in reply["about"]


def test_one_query_looks_over_a_list():
    reply = answer("before_target")
    assert reply["entries"] == [entry.strip() for entry in DEFAULTS["din_list"].split(",")]
    assert sum(reply["softmax"]) == pytest.approx(1, abs=1e-4)
    exponentials = [math.exp(one) for one in reply["unit"]]
    assert reply["softmax"] == pytest.approx([one / sum(exponentials) for one in exponentials], abs=1e-4)
    twice = answer("before_target", din_list=f"{DEFAULTS['din_list']}, {DEFAULTS['din_list']}")
    assert sum(twice["unit"]) == pytest.approx(2 * sum(reply["unit"]), abs=1e-3)  # what a softmax would hide
    assert answer("before_target", din_list="雨，伞、 dog")["entries"] == ["雨", "伞", "dog"]


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("before_translation", {"before_text": " "}),
        ("before_translation", {"before_text": "ha " * 60}),
        ("before_translation", {"before_text": 7}),
        ("before_translation", {"kind": "cho"}),
        ("before_translation", {"kind": ["bahdanau"]}),
        ("before_step", {"step": -1}),
        ("before_step", {"step": "first"}),
        ("before_target", {"din_query": " "}),
        ("before_target", {"din_list": ",,"}),
        ("before_target", {"din_list": "a," * 40}),
        ("before_target", {"din_list": ["a"]}),
    ],
    ids=str,
)
def test_odd_requests_are_refused_in_a_sentence(name, asked):
    assert answer(name, **asked)["refused"]


def test_any_text_gives_some_answer():
    for text in ("👩‍💻", "你好", "<b>June</b>", "1", "Feb 30, 1234"):
        reply = answer("before_translation", before_text=text)
        assert reply["characters"], text
