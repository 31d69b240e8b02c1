"""Build without a browser: which presets can be chosen, what runs here and what instead, what follows from a choice."""

import html
import json
import re

import pytest

import models
import playground.start  # noqa: F401 (prepares Gradio's import, so it comes before everything that imports Gradio)
from models.combinations import HEADS_OF, MASKS_OF
from models.config import CHOICES
from models.errors import InputError
from playground import limits
from playground.design_api import build_design
from playground.design_controls import options_of
from playground.design_form import values_of
from playground.design_limit import silent_key, writes
from playground.design_measure import counted
from playground.design_screen import Cache, Shown, change, measured, redraw, show_card
from playground.i18n import LANGUAGES, say
from playground.preset_lists import (
    ALL,
    card_of,
    family_choices,
    family_of,
    first_of,
    near_presets,
    preset_choices,
    runs_here,
)
from playground.session import parse_design
from playground.tabs.build import used
from tests.playground.test_build import GPT2, changed, note, opened


def sheet_without_number(shown: Shown) -> dict:
    return {**json.loads(shown.texts["form"]), "answer": None}


# --- what runs here ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "instead"), [("gpt3-175b", "GPT-3 Small"), ("llama1-65b", "LLaMA mini")])
def test_the_refusal_of_a_giant_names_presets_that_run(name, instead):
    assert instead in used(opened(name), "en")[0]
    assert instead in near_presets(name)
    titles = {models.preset_info(other).title: other for other in models.presets()}
    assert all(runs_here(titles[title]) for title in near_presets(name))


def test_the_refusal_names_a_depth_that_runs():
    shown = opened("gpt2-xl")
    n_layers = limits.deepest(shown.config)
    assert f"n_layers = {n_layers} or fewer" in used(shown, "en")[0]
    limits.check_size(shown.config.replace(n_layers=n_layers))
    with pytest.raises(InputError):
        limits.check_size(shown.config.replace(n_layers=n_layers + 1))
    assert limits.deepest(models.preset("gpt3-175b")) is None
    assert limits.deepest(GPT2) == GPT2.n_layers


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


def test_every_preset_and_every_card_can_be_chosen_in_its_family():
    names = []
    for _, family in family_choices("en")[1:]:
        own = [name for _, name in preset_choices(family, "en")]
        assert {family_of(name) for name in own} == {family}
        assert own[0] == first_of(family)
        cards = [card_of(name) is not None for name in own]
        assert cards == sorted(cards)
        trained = [models.preset_info(name).trained for name in own if not card_of(name)]
        assert trained == sorted(trained, reverse=True)
        names += own
    assert sorted(names) == sorted([*models.presets(), *(card.name for card in models.cards())])
    assert [name for _, name in preset_choices(ALL, "en")] == names


@pytest.mark.parametrize("lang", LANGUAGES)
def test_families_come_in_order_of_age_under_names_of_their_own(lang):
    words = [word for word, _ in family_choices(lang)[1:]]
    years = [int(word.rpartition(" · ")[2]) for word in words]
    assert years == sorted(years)
    assert len(set(words)) == len(words)
    assert {"GPT-3 · 2020", "LLaMA-1 · 2023"} <= {word.removeprefix("★ ") for word in words}


def test_a_preset_says_whether_it_runs_here():
    words = {name: word for word, name in preset_choices("gpt2", "en")}
    assert words["gpt2-mini"].startswith("★")
    assert words["gpt2"].startswith("GPT-2")
    assert words["gpt2-xl"].startswith("◌")


def test_a_card_says_in_the_list_what_it_shows():
    assert {name: word for word, name in preset_choices("deepseek-v3", "en")}["deepseek-r1"].endswith("as DeepSeek-V3")
    assert preset_choices("gpt4", "en") == [("GPT-4 · no numbers", "gpt-4")]


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


# --- other structures -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gpt2", "deepseek-v3", "bert-base-uncased", "t5-small", "glm-10b", "vit-b16-224"])
@pytest.mark.parametrize("structure", CHOICES["structure"])
def test_any_model_may_change_its_structure(name, structure):
    shown, updates = changed(opened(name), structure=structure, reads="text")
    assert shown.refusal is None
    assert shown.config.structure == structure
    assert shown.values["head"] in HEADS_OF[structure]
    assert set(shown.config.mask_pattern) <= set(MASKS_OF[structure])
    again, updates = changed(shown)
    # The form describes this very model; the picture no longer marks the change.
    assert set(updates) <= {"diagram", "form"}
    assert sheet_without_number(again) == sheet_without_number(shown)


def test_a_change_made_before_the_last_answer_came_leaves_what_it_said():
    start = opened()
    typed = {**start.values, "structure": "encoder"}
    now, _ = change(start, "en", "gpt2", typed, Cache(), seen=start.answer)
    assert now.values["head"] == "mlm"
    for edits in ({}, {"n_layers": 5}):  # the same event again; another control, both with the head of before
        later, _ = change(now, "en", "gpt2", {**typed, **edits}, Cache(), seen=start.answer)
        assert later.refusal is None
        assert later.values["head"] == "mlm"
        assert later.config == now.config.replace(**edits)
    chosen, _ = change(now, "en", "gpt2", {**now.values, "head": "lm"}, Cache(), seen=now.answer)
    assert chosen.refusal is not None  # whoever has seen the answer means it


def test_what_the_structure_does_not_take_is_told_as_following():
    listed = changed(opened(), structure="encoder")[0].texts["changes"]
    assert "changes (1)" in listed
    assert listed.count('class="follows"') == 2
    assert "does not take “causal”" in listed
    assert "does not take “next token (lm)”" in listed


def test_the_details_of_a_new_kind_of_position_follow():
    listed = changed(opened(), position="rotary")[0].texts["changes"]
    assert "changes (1)" in listed
    assert listed.count("at its usual value") == 2


def test_groups_differ_field_by_field():
    listed = changed(opened("deepseek-v3"), **{"moe.n_experts": 512, "moe.n_groups": 16})[0].texts["changes"]
    assert "changes (2)" in listed
    assert "<del>256</del> → <ins>512</ins>" in listed
    gone = changed(opened("mixtral-8x7b"), experts="none")[0].texts["changes"]
    assert "8 experts, 2 a token" in gone
    assert "same feed-forward layer" in gone


@pytest.mark.parametrize(
    ("name", "edits", "there", "gone"),
    [
        (
            "gpt2",
            {},
            {"n_positions"},
            {"n_encoder_layers", "mla.kv_lora_rank", "moe.router", "image.image_size", "reads"},
        ),
        (
            "gpt2",
            {"experts": "routed"},
            {"moe.router", "moe.n_experts_per_token"},
            {"moe.capacity", "moe.n_groups_per_token"},
        ),
        ("gpt2", {"experts": "routed", "moe.router": "switch"}, {"moe.capacity"}, {"moe.n_experts_per_token"}),
        ("gpt2", {"attention": "mla"}, {"mla.kv_lora_rank", "rope_theta"}, {"d_head", "n_positions", "rotary_dim"}),
        ("gpt2", {"mask_pattern": "lsh"}, {"sparse.n_hashes"}, {"sparse.n_random", "window"}),
        ("bert-base-uncased", {}, {"pooler", "reads", "n_segments"}, {"mtp_depth"}),
        ("bert-base-uncased", {"experts": "slots"}, {"moe.slots_per_expert"}, {"moe.router", "moe.aux_loss_coef"}),
        ("vit-b16-224", {}, {"image.patch_size", "n_classes"}, {"vocab_size", "position", "max_seq_len"}),
        ("clip-vit-b32", {}, {"vision_tower.d_model", "d_projection"}, {"tie_embeddings", "pooler"}),
        ("t5-small", {}, {"n_encoder_layers", "relative_buckets"}, {"embed_norm", "n_segments"}),
    ],
)
def test_only_what_applies_is_shown(name, edits, there, gone):
    shown, _ = changed(opened(name), **edits)
    assert shown.refusal is None
    sheet = json.loads(shown.texts["form"])
    assert all(sheet["shown"][control] for control in there)
    assert not any(sheet["shown"][control] for control in gone)
    assert sheet["groups"]["vision"] == (name in ("vit-b16-224", "clip-vit-b32"))


def test_choices_are_limited_to_what_the_structure_takes():
    assert options_of("head", "encoder", "text") == HEADS_OF["encoder"]
    assert options_of("head", "encoder", "image") == ("classification", "none")
    assert "causal,sliding" in options_of("mask_pattern", "decoder", "text")
    assert "bidirectional" not in options_of("mask_pattern", "decoder", "text")


def test_the_vision_tower_changes_with_its_controls():
    shown, updates = changed(opened("clip-vit-b32"), **{"vision_tower.n_layers": 6, "image.patch_size": 16})
    tower = shown.config.vision_tower
    assert (tower.n_layers, tower.max_seq_len, tower.image.patch_size) == (6, 197, 16)
    assert parse_design(updates["design"]).config == shown.config
    assert "Vision tower: Layers (n_layers)" in updates["changes"]


def test_a_refusal_within_a_group_stands_at_its_control():
    refused, _ = changed(opened("deepseek-v3"), **{"moe.n_groups": 7})
    assert "cannot be divided" in note(refused, "moe.n_groups")
    refused, _ = changed(opened("mixtral-8x7b"), **{"moe.n_experts_per_token": 9})
    assert "cannot use 9 of 8" in note(refused, "moe.n_experts_per_token")
    refused, _ = changed(opened(), position="axial", axial_dims="1, x")
    assert "whole numbers" in note(refused, "axial_dims")
    refused, _ = changed(opened(), experts="slots")
    assert "structure = encoder" in note(refused, "experts")


# --- what is known of a model by name, and what is counted ------------------------------------------------------------


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("card", [card for card in models.cards() if not card.shares], ids=lambda card: card.name)
def test_a_card_without_a_design_shows_no_numbers(card, lang):
    shown, updates = show_card(opened(lang=lang), lang, card.name)
    assert card.known[lang] in html.unescape(updates["card"])
    assert card.unknown[lang] in html.unescape(updates["card"])
    assert updates["title"] == ""
    assert json.loads(updates["form"])["alone"]
    assert updates["design"] == card.name
    assert used(shown, lang)[1] is None
    back, updates = redraw(shown, lang, "gpt2", GPT2, Cache())
    assert updates["card"] == ""
    assert "GPT-2" in updates["title"]
    assert "alone" not in json.loads(back.texts["form"])


def test_a_card_that_shares_an_architecture_opens_that():
    shown, updates = redraw(Shown(), "en", "deepseek-r1", models.preset("deepseek-r1"), Cache())
    assert "architecture of DeepSeek-V3" in updates["card"]
    assert "DeepSeek-R1" in updates["title"]
    assert updates["design"] == "deepseek-r1"
    assert "671" in updates["title"]


@pytest.mark.parametrize("name", ["gpt2", "deepseek-v3", "switch-c-2048", "t5-small", "clip-vit-b32", "vit-b16-224"])
def test_formulas_are_held_against_the_built_model(name):
    shown, updates = measured(opened(name), "en", counted(models.preset(name)))
    table = updates["table"]
    assert "≠" not in table
    assert table.count("✓") == len(shown.account.parts) + 1
    wrong = dict.fromkeys(counted(models.preset(name)), 1)
    assert "≠" in measured(opened(name), "en", wrong)[1]["table"]


def test_a_tower_of_layers_is_not_counted():
    with pytest.raises(InputError) as refused:
        counted(GPT2.replace(n_layers=5_000))
    assert refused.value.code == "too_deep_to_count"


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("name", ["bert-base-uncased", "vit-b16-224", "clip-vit-b32", "longformer-base-4096"])
def test_a_model_that_does_not_write_says_so_and_may_be_taken(name, lang):
    shown = opened(name, lang)
    sentence = say(lang, silent_key(shown.config))
    assert not writes(shown.config)
    if runs_here(name):
        assert sentence in note(shown, "limit")
        told, design = used(shown, lang)
        assert design == name
        assert sentence in told
    assert writes(models.preset("t5-small"))


def test_figures_that_say_nothing_are_left_out():
    assert "FLOPs for each token" in opened("bert-base-uncased").texts["figures"]
    assert "keeps no cache" in opened("bert-base-uncased").texts["figures"]
    assert 'data-figure="kv_bytes"' not in opened("bert-base-uncased").texts["figures"]
    assert 'data-figure="kv_bytes_per_token_read"' in opened("t5-small").texts["figures"]
    assert 'data-figure="flops_per_token_naive"' in opened("deepseek-v3").texts["figures"]
    assert 'data-figure="active_params"' in opened("mixtral-8x7b").texts["figures"]
    assert 'data-figure="active_params"' not in opened("gpt2").texts["figures"]
    four, eight = (opened(cache=Cache(ranks=ranks)).texts["figures"] for ranks in (4, 8))
    assert four != eight


def test_the_endpoint_takes_nested_overrides():
    answer = build_design(
        "deepseek-v3", {"moe": {"n_experts": 64, "n_groups": 4, "n_groups_per_token": 2}, "mla": {"kv_lora_rank": 256}}
    )
    assert answer["config"]["moe"]["n_experts"] == 64
    assert answer["config"]["moe"]["router"] == "sigmoid"
    assert answer["config"]["mla"]["kv_lora_rank"] == 256
    assert [change["field"] for change in answer["diff"]] == ["mla", "moe"]
    assert json.loads(json.dumps(answer)) == answer
    assert "moe" not in build_design("mixtral-8x7b", {"moe": None})["config"]
    assert build_design("clip-vit-b32", {"vision_tower": {"n_layers": 2}})["config"]["vision_tower"]["n_layers"] == 2


def test_too_few_layers_for_experts_are_no_way_out():
    """One layer in two has experts, so that a single layer would be no such model."""
    shown = opened("switch-c-2048")
    assert limits.deepest(shown.config) is None
    assert used(shown, "en")[1] is None
