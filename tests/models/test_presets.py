"""The preset files are complete and exact, and `diff` tells two of them apart."""

import tomllib
from dataclasses import fields

import pytest

from models.config import ModelConfig
from models.diff import diff
from models.errors import InputError
from models.presets import FOLDER, preset, preset_info, presets
from models.weights.zoo import ZOO, zoo, zoo_config

# Exact counts, each confirmed against the Hugging Face class of the family on the meta device.
EXACT = {
    "gpt1": 116_534_784,
    "gpt2": 124_439_808,
    "gpt2-medium": 354_823_168,
    "gpt2-large": 774_030_080,
    "gpt2-xl": 1_557_611_200,
    "gpt3-small": 125_226_240,
    "gpt3-medium": 355_871_744,
    "gpt3-large": 760_300_032,
    "gpt3-xl": 1_315_723_264,
    "gpt3-2.7b": 2_651_553_280,
    "gpt3-6.7b": 6_658_404_352,
    "gpt3-13b": 12_853_386_240,
    "gpt3-175b": 174_604_259_328,
    "llama1-7b": 6_738_415_616,
    "llama1-13b": 13_015_864_320,
    "llama1-33b": 32_528_943_616,
    "llama1-65b": 65_285_660_672,
    "llama2-7b": 6_738_415_616,
    "llama2-13b": 13_015_864_320,
    "llama2-70b": 68_976_648_192,
    "llama3-8b": 8_030_261_248,
    "llama3-70b": 70_553_706_496,
    "llama3.1-8b": 8_030_261_248,
    "llama3.1-70b": 70_553_706_496,
    "llama3.1-405b": 405_853_388_800,
    "llama3.2-1b": 1_235_814_400,
    "llama3.2-3b": 3_212_749_824,
    "llama3.3-70b": 70_553_706_496,
    "smollm2-135m": 134_515_008,
}
ROTARY_FIELDS = {"rope_theta", "rope_layout", "rotary_dim", "rope_scaling"}


def test_every_published_size_is_there_with_its_exact_count():
    assert {name: preset_info(name).params for name in presets() if not name.endswith("-mini")} == EXACT


def test_order_is_by_year_then_family_and_size():
    infos = [preset_info(name) for name in presets()]
    assert infos == sorted(infos, key=lambda info: (info.year, info.family, info.params, info.name))
    assert presets().index("gpt2") < presets().index("gpt3-175b") < presets().index("llama1-7b")


@pytest.mark.parametrize("name", presets())
def test_a_file_spells_out_every_choice(name):
    written = tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
    expected = {field.name for field in fields(ModelConfig)} - {"rotary_dim", "rope_scaling", "window"}
    if preset(name).position != "rotary":
        expected -= ROTARY_FIELDS
    assert expected <= set(written), expected - set(written)
    about = written["about"]
    assert about["source"]
    assert set(about["notes"]) == {"en", "zh"}
    assert all(note.strip() for note in about["notes"].values())
    assert set(about["assumed"]) <= {field.name for field in fields(ModelConfig)}


@pytest.mark.parametrize("name", presets())
def test_published_figure_is_near_the_exact_one(name):
    info = preset_info(name)
    if info.published_params is None:
        assert name.endswith("-mini")
    else:  # GPT-2's paper is the furthest off: 117M for 124M
        assert info.published_params == pytest.approx(info.params, rel=0.06)


@pytest.mark.parametrize("name", presets())
def test_preset_survives_a_round_trip(name):
    assert ModelConfig.from_dict(preset(name).to_dict()) == preset(name)


def test_details_that_differ_between_generations():
    assert preset("llama2-7b").attention == "mha"
    assert preset("llama2-70b").n_kv_heads == 8
    assert preset("llama1-7b").norm_eps == 1e-6
    assert preset("llama2-7b").norm_eps == 1e-5
    assert preset("llama3-8b").rope_theta == 500_000.0
    assert preset("llama3-8b").rope_scaling is None
    assert preset("llama3.1-8b").rope_scaling.factor == 8.0
    assert preset("llama3.2-1b").rope_scaling.factor == 32.0
    assert preset("llama3.2-3b").tie_embeddings
    assert not preset("llama3.3-70b").tie_embeddings
    assert preset("gpt1").block == "post"
    assert not preset("gpt1").final_norm
    assert "window" in preset_info("gpt3-175b").assumed


def test_unknown_preset_names_its_neighbours():
    with pytest.raises(InputError, match="llama3-8b") as caught:
        preset("lama3-8b")
    assert caught.value.code == "unknown_preset"
    with pytest.raises(InputError, match="gpt1, gpt2"):
        preset_info("../config")


def test_trained_presets_and_shipped_models_are_the_same_in_name_and_configuration():
    trained = {name for name in presets() if preset_info(name).trained}
    folders = {path.parent.name: path.parent for path in ZOO.glob("*/model.safetensors")}
    assert trained == set(folders) == set(zoo()) != set()
    for name in trained:
        assert zoo_config(name) == preset(name), name


def test_diff_is_what_changed_in_the_order_of_the_fields():
    assert diff(preset("gpt2"), preset("gpt2")) == []
    assert diff(preset("gpt2"), preset("gpt2").replace(norm="rmsnorm", biases=())) == [
        ("norm", "layernorm", "rmsnorm"),
        ("biases", ("q", "k", "v", "o", "ffn", "norm"), ()),
    ]
    longer = diff(preset("llama3-8b"), preset("llama3.1-8b"))
    assert [field for field, _, _ in longer] == ["max_seq_len", "rope_scaling"]


def test_diff_leaves_out_what_only_follows():
    wider = preset("gpt2").replace(d_model=1536)
    assert wider.d_head == 128
    assert diff(preset("gpt2"), wider) == [("d_model", 768, 1536)]
    assert diff(preset("gpt2"), preset("gpt2").replace(d_head=32)) == [("d_head", 64, 32)]
    assert diff(preset("gpt2"), preset("gpt2").replace(attention="mqa")) == [("attention", "mha", "mqa")]
    assert ("n_kv_heads", 12, 4) in diff(preset("gpt2"), preset("gpt2").replace(attention="gqa", n_kv_heads=4))


def test_diff_shows_rotary_details_only_where_they_act():
    to_rotary = {field: (old, new) for field, old, new in diff(preset("gpt2"), preset("llama3-8b"))}
    assert to_rotary["position"] == ("learned", "rotary")
    assert to_rotary["rope_theta"] == (None, 500_000.0)
    assert not ROTARY_FIELDS & {field for field, _, _ in diff(preset("llama3-8b"), preset("gpt2"))}


@pytest.mark.parametrize("old", ["gpt1", "gpt2", "gpt3-175b", "llama2-70b", "llama3.1-405b"])
@pytest.mark.parametrize("new", ["gpt2-xl", "gpt3-13b", "llama1-7b", "llama3.2-1b"])
def test_the_changes_make_one_preset_into_the_other(old, new):
    changes = {field: value for field, _, value in diff(preset(old), preset(new))}
    changed = preset(old).replace(**changes)
    if changed.position != "rotary":
        changed = changed.replace(rope_theta=preset(new).rope_theta)
    assert changed == preset(new)
