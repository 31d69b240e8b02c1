"""Two architectures field by field: nothing that differs is left out, every field has words, the towers have one scale."""

import re
from dataclasses import fields

import gradio as gr
import pytest

import models
from models.config import CHOICES, GROUPS, ModelConfig
from models.part_weights import PARTS
from playground.compare_api import compare_designs
from playground.comparison import Difference, compare, differences
from playground.i18n import LANGUAGES, catalogue
from playground.views.comparison import comparison, headline
from playground.views.comparison_words import choices_of, kind_of, name_of, sentence_of, times, value_of
from playground.views.palette import KINDS
from playground.views.towers import GROUND, LABEL_STEP, TALLEST, blocks, magnification, spread, towers

DOTTED = [f"{group}.{field.name}" for group, kind in GROUPS.items() for field in fields(kind)]
EVERY_FIELD = [field.name for field in fields(ModelConfig)] + DOTTED


def named(found: list[Difference]) -> dict[str, Difference]:
    return {difference.field: difference for difference in found}


def test_every_differing_field_is_told():
    presets = models.presets()
    for left, right in zip(presets, presets[7:] + presets[:7], strict=True):
        a, b = models.preset(left), models.preset(right)
        told = {difference.field.split(".")[0] for difference in differences(a, b)}
        assert told == {field.name for field in fields(ModelConfig) if getattr(a, field.name) != getattr(b, field.name)}


def test_the_same_fields_whichever_comes_first():
    a, b = models.preset("gpt2"), models.preset("deepseek-v3")
    one, other = named(differences(a, b)), named(differences(b, a))
    assert one.keys() == other.keys()
    assert all(one[field].left == other[field].right for field in one)


def test_a_group_is_opened_field_by_field():
    found = named(differences(models.preset("qwen3-235b-a22b"), models.preset("deepseek-v3")))
    assert found["moe.n_experts"] == Difference("moe.n_experts", 128, 256)
    assert (found["moe.router"].left, found["moe.router"].right) == ("softmax_topk", "sigmoid")
    assert "moe" not in found
    assert "moe.n_experts_per_token" not in found
    assert found["mla"] == Difference("mla", False, True)
    assert found["mla.kv_lora_rank"] == Difference("mla.kv_lora_rank", None, 512)


def test_what_only_follows_is_marked():
    found = named(differences(models.preset("gpt2"), models.preset("llama3-8b")))
    assert found["d_head"].follows
    assert found["rotary_dim"].follows
    assert not found["d_model"].follows
    assert not found["rope_theta"].follows


def test_equal_architectures_do_not_differ():
    assert compare("llama3-8b", "r1-distill-llama-8b").left.account.params == 8_030_261_248
    found = compare("gpt2", "gpt2")
    assert found.differences == ()
    assert "same architecture" in headline(found, "en")
    assert "<table" in comparison(found, "zh")


def test_both_sides_are_counted_at_one_context():
    found = compare("gpt2", "llama3-8b")
    assert found.left.context == found.right.context == 1024
    assert found.right.account.kv_bytes == 1024 * 131_072
    assert headline(found, "en").startswith(
        "LLaMA-3 8B has 64.5 times the parameters of GPT-2; they differ in 19 fields"
    )


def test_every_field_and_choice_has_words():
    words = catalogue()
    for field in EVERY_FIELD:
        assert name_of(field, "en")
        assert kind_of(field) in KINDS
        key = field.replace(".", "_")
        if choices_of(field):
            for choice in choices_of(field):
                assert {f"compare.choice.{key}.{choice}", f"compare.clause.{key}.{choice}"} <= words.keys()
        elif field != "mask_pattern":
            assert f"compare.about.{key}" in words
    for mask in CHOICES["mask"]:
        assert {f"compare.choice.mask.{mask}", f"compare.clause.mask.{mask}"} <= words.keys()
    assert {f"compare.choice.biases.{name}" for name in CHOICES["biases"]} <= words.keys()
    assert {f"compare.part.{part}" for part in PARTS} <= words.keys()


def test_no_words_for_fields_that_are_gone():
    keys = {field.replace(".", "_") for field in EVERY_FIELD}
    for key in catalogue():
        if key.startswith(("compare.name.", "compare.about.")):
            assert key.rpartition(".")[2] in keys, key


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_sentence_explains_both_choices(lang):
    sentence = sentence_of(Difference("norm", "layernorm", "rmsnorm"), lang)
    assert "LayerNorm" in sentence
    assert "RMSNorm" in sentence
    assert sentence[-1] in ".。"
    assert sentence.count(sentence[-1]) == 1


@pytest.mark.parametrize("lang", LANGUAGES)
def test_all_presets_can_be_compared(lang):
    for right in models.presets():
        markup = comparison(compare("clip-vit-b32", right), lang)
        assert not re.search(r"\bNone\b|\{|\bcompare\.", markup), right


def test_values_are_written_for_readers():
    assert value_of("biases", ("q", "ffn"), "en") == "queries, feed-forward"
    assert value_of("biases", (), "zh") == "无"
    assert value_of("mask_pattern", ("causal", "sliding"), "zh") == "因果、滑动窗口"
    assert value_of("rope_theta", 500_000.0, "en") == "500\u202f000"
    assert value_of("moe.router", "sigmoid", "en") == "sigmoid"
    assert value_of("axial_shape", (64, 128), "en") == "64, 128"
    assert (times(3, 2), times(12_345, 1), times(1, 60)) == ("1.5", "12\u202f345", "0.0167")


def heights(markup: str) -> list[tuple[float, float, float]]:
    """x, top and height of every block of the towers."""
    found = re.findall(r'class="block[^"]*" x="([\d.]+)" y="([\d.]+)" width="[\d.]+" height="([\d.]+)"', markup)
    return [tuple(map(float, numbers)) for numbers in found]


def test_the_towers_have_one_scale():
    small, large = (models.account(models.preset(name)) for name in ("gpt2", "llama3-8b"))
    by_column: dict[float, float] = {}
    for x, _, height in heights(towers((("GPT-2", small), ("LLaMA-3 8B", large)), "en")):
        by_column[x] = by_column.get(x, 0) + height
    left, lens, right = (by_column[x] for x in sorted(by_column))
    assert right == pytest.approx(TALLEST, abs=0.1)
    assert left / right == pytest.approx(small.params / large.params, rel=0.01)
    assert lens / left == pytest.approx(magnification(small.params, large.params), rel=0.02)


def test_like_sizes_are_not_magnified():
    a, b = (models.account(models.preset(name)) for name in ("llama1-7b", "llama3-8b"))
    columns = {x for x, _, _ in heights(towers((("A", a), ("B", b)), "en"))}
    assert len(columns) == 2
    assert magnification(a.params, b.params) == 1


def test_blocks_add_up_and_stacks_are_joined():
    account = models.account(models.preset("t5-base"))
    found = blocks(account)
    assert sum(block.count for block in found) == account.params
    assert [block.name for block in found].count("attn") == 1


def test_labels_do_not_meet():
    places = spread([GROUND - 1, GROUND - 2, GROUND - 3, GROUND - 300])
    assert all(low - high >= LABEL_STEP for low, high in zip(places, places[1:], strict=False))
    crowded = spread([40.0 - index for index in range(5)])
    assert min(crowded) >= 16
    assert len(set(crowded)) == 5


def test_titles_are_escaped():
    account = models.account(models.preset("gpt2"))
    assert "<b>" not in towers((("<b>", account), ("<i>", account)), "en")


def test_the_endpoint_answers_with_figures_and_sentences():
    answer = compare_designs("gpt2", "gpt2~norm=rmsnorm~biases=q,k,v,o,ffn")
    assert [field["field"] for field in answer["fields"]] == ["norm", "biases"]
    assert answer["fields"][1]["left"] == ["q", "k", "v", "o", "ffn", "norm"]
    assert answer["left"]["figures"]["params"]["value"] == 124_439_808
    assert sum(part["count"] for part in answer["right"]["parts"]) == answer["right"]["figures"]["params"]["value"]


@pytest.mark.parametrize("value", [None, 5, ["gpt2"], "gpt5", "gpt2~x", "gpt2~n_heads=5"])
def test_the_endpoint_refuses_in_one_sentence(value):
    for sides in ((value, "gpt2"), ("gpt2", value)):
        with pytest.raises(gr.Error) as refused:
            compare_designs(*sides, lang="zh")
        assert refused.value.message[-1] in "。."
