"""Build without a browser: what cannot be used says so where it is seen, and what is known about a preset is told."""

import json
from html import escape

import pytest

import models
from playground.design_controls import elem_id
from playground.design_screen import Cache, Shown, change, show_card
from playground.i18n import LANGUAGES, say
from playground.views.design_title import preset_note
from playground.views.numbers import NARROW
from tests.playground.test_build import changed, note, opened


def test_the_banner_names_the_control_at_fault_as_a_link_to_it():
    refused, updates = changed(opened(), d_model=770)
    link = '<a href="#build-n-heads" data-control="n_heads" data-group="attention">Query heads (n_heads)</a>'
    assert link in updates["title"]
    assert link in note(refused, "limit")
    assert elem_id("moe.n_experts") == "build-moe-n-experts"


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_design_that_cannot_be_used_says_so_before_it_is_asked_for(lang):
    def usable(shown: Shown) -> bool:
        return json.loads(shown.texts["form"])["usable"]

    assert usable(opened(lang=lang))
    refused, _ = changed(opened(lang=lang), lang, d_model=770)
    carded, _ = show_card(opened(lang=lang), lang, "gpt-4")
    for shown in (refused, carded, opened("gpt3-175b", lang)):
        assert not usable(shown)
        assert note(shown, "limit")
    mended, _ = change(refused, lang, "gpt2", opened().values, Cache())
    assert usable(mended)
    assert note(mended, "limit") == ""


def test_an_emptied_box_of_the_figures_is_refused_while_the_design_is_refused():
    refused, _ = changed(opened(), d_model=770)
    again, updates = changed(refused, cache=Cache(batch=None), d_model=770)
    assert "batch is empty; give a number from 1 to" in note(again, "batch")
    assert 'role="alert"' in note(again, "n_heads")
    _, updates = changed(again, cache=Cache(batch=2), d_model=770)
    assert "2 × 1" in updates["figures"]


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("name", ["gpt2", "t5-small"])
def test_what_is_to_be_known_about_a_preset_stands_under_its_title(name, lang):
    told = escape(models.preset_info(name).notes[lang])
    shown = opened(name, lang)
    assert f'<p class="preset-note">{told}' in shown.texts["title"]
    other, _ = changed(shown, lang, n_layers=5)
    prefix = say(lang, "build.title.note_on", preset=models.preset_info(name).title)
    assert f'<p class="preset-note">{prefix}{told}' in other.texts["title"]


def test_a_note_in_english_alone_is_marked_so_and_numbers_stay_whole():
    html = preset_note({"en": "About <10 000> tokens"}, None, "zh")
    assert html == f'<p class="preset-note"><span lang="en">About &lt;10{NARROW}000&gt; tokens</span>（英文）</p>'
    assert preset_note({}, None, "zh") == ""
