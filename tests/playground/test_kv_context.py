"""The KV cache against the context: curves agree with the account, and with the figures of the papers."""

import json

import pytest

import models
from models.account import BYTES
from models.errors import InputError
from playground.i18n import LANGUAGES
from playground.kv_context import KINDS, MEMORIES, NAMED, Curve, curves_of, named_curves
from playground.views.kv_context import context_payload

TITLES = {name: models.preset_info(name).title for name in NAMED}


def by_key(curves: list[Curve]) -> dict[str, Curve]:
    return {curve.key: curve for curve in curves}


@pytest.mark.parametrize("name", ["gpt2", "llama3-8b", "deepseek-v3", "gpt3-175b", "t5-base", "glm-10b", "chatglm2-6b"])
def test_the_own_curve_is_the_account(name):
    cfg = models.preset(name)
    own = next(curve for curve in curves_of(cfg) if curve.own)
    for context in {1, 100, cfg.max_seq_len}:
        for dtype in BYTES:
            assert own.kv_bytes(context, 1, 3, dtype) == models.account(cfg, context, batch=3, dtype=dtype).kv_bytes


@pytest.mark.parametrize(("kind", "changes"), [("mha", {}), ("mqa", {}), ("gqa", {"n_kv_heads": 8})])
def test_other_kinds_are_those_of_a_model_of_that_kind(kind, changes):
    cfg = models.preset("llama2-7b").replace(attention=kind, **changes)
    assert by_key(curves_of(models.preset("llama2-7b")))[kind].kv_bytes(777, 1) == models.account(cfg, 777).kv_bytes


def test_a_window_stops_the_growth():
    cfg = models.preset("llama2-7b").replace(mask_pattern=["sliding"], window=512)
    curve = by_key(curves_of(models.preset("llama2-7b")))["sliding"]
    for context in (100, 512, 4096):
        assert curve.kv_bytes(context, 512) == models.account(cfg, context).kv_bytes
    assert curve.kv_bytes(10**6, 512) == curve.kv_bytes(512, 512)


def test_latents_without_own_ranks_follow_the_paper():
    """DeepSeek-V2, table 1: 4.5 · d_head numbers a layer, what grouped-query attention has with 2.25 groups."""
    cfg = models.preset("llama2-7b")
    assert by_key(curves_of(cfg))["mla"].growing == 4.5 * cfg.d_head * cfg.n_layers


def test_known_figures():
    """Bytes a token in 16 bits: Touvron et al. 2023; DeepSeek-V3 with its latents and with all its heads cached."""
    known = by_key(list(named_curves()))
    assert known["llama2-70b"].kv_bytes(1, 1) == 327_680
    assert known["llama3.1-405b"].kv_bytes(1, 1) == 516_096
    assert known["deepseek-v3"].kv_bytes(1, 1) == 70_272
    assert by_key(curves_of(models.preset("deepseek-v3")))["mha"].kv_bytes(1, 1) == 4_997_120


def test_a_model_with_windows_is_also_drawn_as_it_is():
    curves = curves_of(models.preset("gpt3-175b"))
    assert [curve.key for curve in curves if curve.own] == ["own"]
    assert curves[0].kv_bytes(2048, 1) == models.account(models.preset("gpt3-175b"), 2048).kv_bytes


def test_two_heads_cannot_be_grouped():
    cfg = models.preset("llama-mini").replace(attention="mha", n_heads=2, n_kv_heads=None, d_head=None)
    assert "gqa" not in by_key(curves_of(cfg))


def test_what_writes_no_text_is_refused():
    with pytest.raises(InputError, match="structure"):
        curves_of(models.preset("bert-base-uncased"))


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_payload_holds_what_the_browser_draws(lang):
    cfg = models.preset("llama3-8b")
    sheet = json.loads(context_payload(cfg, "LLaMA-3 8B", TITLES, lang))
    assert [curve["key"] for curve in sheet["curves"]] == [kind for kind in KINDS if kind != "own"]
    assert [curve["key"] for curve in sheet["known"]] == list(NAMED)
    assert sheet["memories"] == list(MEMORIES)
    assert sheet["bytes"] == BYTES
    assert sheet["curves"][1]["params"] == 8_030_261_248
    assert sheet["longest"] == 8192
    assert "{tokens}" in sheet["words"]["outgrows"]
    assert all(sheet["words"].values())
