"""The lineages: every step a valid model, one change at a time, each segment ending exactly at its preset."""

import re
from itertools import pairwise

import pytest

import models
from models.errors import InputError
from playground.design_strings import changed
from playground.i18n import LANGUAGES
from playground.lineage import _read, longest, route, route_end, route_names
from playground.views.lineage import lineage
from playground.views.lineage_mask import masks_of, sees
from playground.views.lineage_step import step_card, what_changes

WANTED = {"bert-base-uncased", "t5-base", "glm-10b", "bloom-7b1", "switch-base-8", "deepseek-v3"}


def steps():
    return [(name, number, step) for name in route_names() for number, step in enumerate(route(name).steps)]


@pytest.mark.parametrize("name", route_names())
def test_a_route_leads_through_its_presets_exactly(name):
    walked = route(name)
    assert walked.stops[0] == "transformer-base"
    for stop in walked.stops:
        assert walked.steps[walked.stop_of(stop)].config == models.preset(stop)
    assert walked.steps[-1].config == models.preset(route_end(name))


def test_the_routes_lead_where_they_should():
    assert {route_end(name) for name in route_names()} == WANTED
    families = [models.preset_info(stop).family for stop in route("deepseek-v3").stops]
    assert families == ["transformer", "gpt1", "gpt2", "llama1", "llama2", "llama3", "qwen3", "deepseek-v3"]


def test_the_longest_route_is_counted_from_the_data():
    assert longest() == max(len(route(name).steps) for name in route_names()) - 1


def test_every_step_changes_something_and_only_what_it_says():
    for name, number, step in steps():
        if not number:
            continue
        told = {change.field for change in step.changes if not change.follows}
        followed = {change.field for change in step.changes} - set(step.chosen)
        assert told & set(step.chosen), (name, number)
        of_position = {"rope_theta", "rope_layout", "sinusoid_layout", "relative_buckets", "relative_max_distance"}
        derived = {"moe.offset", "n_encoder_layers", "n_kv_heads", "d_head", "rotary_dim", "n_positions"}
        assert followed <= of_position | derived, (name, number)


def leaves(values: dict) -> list[str]:
    """The fields that a step sets; a group that it makes counts as one."""
    made = {"mla", "rope_scaling"}
    names = []
    for name, value in values.items():
        if isinstance(value, dict) and name not in made and "n_experts_per_token" not in value:
            names += [f"{name}.{inner}" for inner in value]
        else:
            names += ["moe"] if name == "moe" and len(value) > 1 else [name]
    return names


def test_several_fields_change_at_once_only_where_they_must():
    """The reason is given, and none of the fields could have been changed first by itself to the same end."""
    for segment in _read()["segments"]:
        config = models.preset(segment["from"])
        for entry in segment["steps"]:
            several = len(leaves(entry["set"])) > 1
            assert several == ("together" in entry), entry["en"]
            if several and "mla" not in entry["set"] and "head" not in entry["set"]:
                assert not all(_alone(config, name, value) for name, value in _single(entry["set"])), entry["en"]
            config = changed(config, entry["set"])


def _single(values: dict) -> list[tuple[str, object]]:
    found = []
    for name, value in values.items():
        found += (
            [(name, {inner: part}) for inner, part in value.items()] if isinstance(value, dict) else [(name, value)]
        )
    return found


def _alone(config, name: str, value: object) -> bool:
    try:
        changed(config, {name: value})
    except InputError:
        return False
    return True


def test_every_step_has_a_sentence_and_a_paper():
    for name, number, step in steps():
        if number:
            assert set(step.sentences) == set(LANGUAGES), (name, number)
            assert step.paper.year >= 2016
            assert step.sentences["en"].endswith(".")
            assert step.sentences["zh"].endswith("。")
            assert re.search(r"[\u4e00-\u9fff]", step.sentences["zh"])
            assert not re.search(r"[\u4e00-\u9fff][,;:?!]|[，。；：？！] ", step.sentences["zh"])
            assert set(step.together) in (set(), set(LANGUAGES))


def test_no_paper_is_unused():
    data = _read()
    assert {entry["paper"] for segment in data["segments"] for entry in segment["steps"]} == set(data["papers"])


def test_figures_are_counted():
    walked = route("deepseek-v3")
    shared = next(step for step in walked.steps if step.config.attention == "gqa")
    assert shared.account.kv_bytes_per_token == 327_680
    card = step_card(walked, walked.steps.index(shared), "en")
    assert "−2.19\u202fMiB (−87.5\u202f%)" in card
    assert "so both change at once" in card
    assert "Ainslie et al. 2023" in card


def test_masks_change_where_the_structure_does():
    first, second = route("glm").steps[0].config, route("glm").steps[-1].config
    assert [kind for _, kind in masks_of(first)] == ["bidirectional", "causal", "bidirectional"]
    assert masks_of(second) == (("prefix", "prefix"),)
    assert [sees("prefix", query, key) for query, key in ((0, 3), (0, 4), (5, 4))] == [True, False, True]
    assert not sees("causal", 0, 1)
    assert "The mask changes" in step_card(route("bert"), 1, "en")
    assert "The mask stays" in step_card(route("bert"), 2, "en")


def test_an_encoder_has_no_cache():
    assert "none" in step_card(route("bert"), 1, "en")
    assert route("bert").steps[1].account.kv_bytes == 0


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("name", route_names())
def test_a_view_has_a_card_and_a_row_for_every_step(name, lang):
    walked, markup = route(name), lineage(route(name), lang)
    assert markup.count("<div data-step=") == len(walked.steps)
    assert markup.count('<tr><th scope="row">') >= len(walked.steps)
    assert not re.search(r"\bNone\b|\blineage\.\w+\.|\{|`", markup)
    assert all(what_changes(step, lang) for step in walked.steps[1:])


def test_curves_rise_with_their_figures():
    markup = lineage(route("t5"), "en")
    line = re.search(r'<path class="line" d="M0 ([\d.]+)(.*?)"', markup)
    heights = [float(line[1]), *map(float, re.findall(r"V([\d.]+)", line[2]))]
    counts = [step.account.params for step in route("t5").steps]
    for (low, high), (first, second) in zip(pairwise(heights), pairwise(counts), strict=True):
        assert (high < low) == (second > first) or abs(second - first) / first < 1e-3
