"""Build without a browser: which presets can be chosen, what runs here and what instead, what follows from a choice."""

import re

import pytest

import models
import playground.start  # noqa: F401 (prepares Gradio's import, so it comes before everything that imports Gradio)
from models.errors import InputError
from playground import services
from playground.design_form import values_of
from playground.design_screen import Cache, change
from playground.i18n import LANGUAGES
from playground.preset_lists import family_choices, family_of, first_of, near_presets, preset_choices, runs_here
from playground.tabs.build import used
from tests.playground.test_build import GPT2, changed, note, opened

# --- what runs here ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "instead"), [("gpt3-175b", "GPT-3 Small"), ("llama1-65b", "LLaMA mini")])
def test_the_refusal_of_a_giant_names_presets_that_run(name, instead):
    assert instead in used(opened(name), "en")[0]
    assert instead in near_presets(name)
    titles = {models.preset_info(other).title: other for other in models.presets()}
    assert all(runs_here(titles[title]) for title in near_presets(name))


def test_the_refusal_names_a_depth_that_runs():
    shown = opened("gpt2-xl")
    n_layers = services.deepest(shown.config)
    assert f"n_layers = {n_layers} or fewer" in used(shown, "en")[0]
    services.check_size(shown.config.replace(n_layers=n_layers))
    with pytest.raises(InputError):
        services.check_size(shown.config.replace(n_layers=n_layers + 1))
    assert services.deepest(models.preset("gpt3-175b")) is None
    assert services.deepest(GPT2) == GPT2.n_layers


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_limit_is_told_before_anybody_asks(lang):
    giant = note(opened("gpt2-xl", lang), "limit")
    assert "1.56" in giant
    assert "200" in giant
    assert "201" in note(changed(opened(lang=lang), lang, n_layers=201, d_model=12)[0], "limit")
    assert note(opened("gpt2", lang), "limit") == ""
    assert note(opened("llama-mini", lang), "limit") == ""


def test_an_invalid_form_is_not_taken_and_the_field_is_named():
    refused, _ = changed(opened(), d_model=770)
    sentence, design = used(refused, "en")
    assert design is None
    assert "Query heads (n_heads)" in sentence
    assert "770" in sentence
    mended, _ = change(refused, "en", "gpt2", values_of(GPT2), Cache())
    assert used(mended, "en")[1] == "gpt2"


def test_every_preset_can_be_chosen_in_its_family():
    names = []
    for _, family in family_choices():
        own = [name for _, name in preset_choices(family)]
        assert {family_of(name) for name in own} == {family}
        assert own[0] == first_of(family)
        trained = [models.preset_info(name).trained for name in own]
        assert trained == sorted(trained, reverse=True)
        names += own
    assert sorted(names) == sorted(models.presets())


def test_families_come_in_order_of_age_under_names_of_their_own():
    words = [word for word, _ in family_choices()]
    years = [int(word.rpartition(" · ")[2]) for word in words]
    assert years == sorted(years)
    assert len(set(words)) == len(words)
    assert {"★ GPT-2 · 2019", "GPT-3 · 2020", "LLaMA-1 · 2023"} <= set(words)


def test_a_preset_says_whether_it_runs_here():
    words = {name: word for word, name in preset_choices("gpt2")}
    assert words["gpt2-mini"].startswith("★")
    assert words["gpt2"].startswith("GPT-2")
    assert words["gpt2-xl"].startswith("◌")


# --- what follows, and what a window saves ----------------------------------------------------------------------------


def test_what_moves_along_is_told_as_following():
    changes = changed(opened(), n_heads=8)[0].texts["changes"]
    assert "changes (1)" in changes
    assert changes.count('class="follows"') == 2
    assert re.search(r'class="follows"><dt>[^<]*d_head.*?<del>64</del> → <ins>96</ins>', changes)


def test_what_is_chosen_does_not_follow():
    changes = changed(opened(), d_head=32)[0].texts["changes"]
    assert "d_head" in changes
    assert 'class="follows"' not in changes


def test_a_windows_cache_is_explained_beside_it():
    figures = changed(opened(), mask_pattern="causal,causal,sliding", window=100)[0].texts["figures"]
    assert "4 of 12 layers" in figures
    assert "at most 100 tokens" in figures
    assert "sliding" not in opened().texts["figures"].split('<div class="figures">')[0]
