"""The preset files are complete and exact, their families and cards are in order, and `diff` tells two of them apart."""

import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from models import zoo
from models.config import GROUPS, ModelConfig
from models.diff import diff
from models.errors import InputError
from models.presets import FOLDER, NOT_PRESETS, cards, families, preset, preset_info, presets
from tests.rows import each_row

COUNTS = tomllib.loads(Path(__file__).with_name("exact_counts.toml").read_text(encoding="utf-8"))
# Made by this project, so nobody published them.
OWN = tuple(name for name in presets() if name.endswith(("-mini", "-mini-zh")))
UNSTATED = (*OWN, "bert-base-chinese", "minilm-l6", "reformer-crime-and-punishment")  # their sources print no count
ROTARY_FIELDS = {"rope_theta", "rope_layout", "rotary_dim", "rope_scaling"}
DERIVABLE = ("n_encoder_layers", "n_kv_heads", "d_head", "rotary_dim", "n_positions", "residual_alpha")

# Fields that a file names only where they apply: to these positions …
OF_POSITIONS = {
    "rope_theta": ("rotary", "rotary_2d"),
    "rope_layout": ("rotary", "rotary_2d"),
    "rotary_dim": ("rotary", "rotary_2d"),
    "sinusoid_layout": ("sinusoidal",),
    "relative_buckets": ("relative",),
    "relative_max_distance": ("relative",),
    "n_positions": ("learned", "learned_2d"),
    "position_offset": ("learned",),
    "axial_shape": ("axial",),
    "axial_dims": ("axial",),
}
# … or these structures.
OF_STRUCTURES = {
    "n_encoder_layers": ("encoder_decoder",),
    "decoder_start_id": ("encoder_decoder",),
    "pooler": ("encoder",),
    "mtp_depth": ("decoder",),
    "d_projection": ("two_towers",),
    "vision_tower": ("two_towers",),
}


def expected_fields(cfg: ModelConfig) -> set[str]:
    """What a file for `cfg` has to spell out."""
    sometimes = {"window", "n_classes", "residual_alpha", "text_end_id"}
    expected = {field.name for field in fields(ModelConfig)} - set(GROUPS) - sometimes
    expected -= {field for field, positions in OF_POSITIONS.items() if cfg.position not in positions}
    expected -= {field for field, structures in OF_STRUCTURES.items() if cfg.structure not in structures}
    if cfg.structure != "encoder" or cfg.image is not None:
        expected.discard("n_segments")
    if cfg.block == "deepnorm":
        expected.add("residual_alpha")
    if cfg.head == "classification":
        expected.add("n_classes")
    return expected


def test_every_published_size_is_there_with_its_exact_count():
    assert {name: preset_info(name).params for name in presets() if name not in OWN} == COUNTS["params"]
    assert len(COUNTS["params"]) == 102


def test_active_counts_are_those_of_sparse_models():
    sparse = [name for name in presets() if preset(name).moe is not None and name not in OWN]
    stated = {name: preset_info(name).active_params for name in sparse}
    assert stated == COUNTS["active"]
    dense = [preset_info(name) for name in presets() if preset(name).moe is None]
    assert all(info.active_params == info.params for info in dense)


@each_row("name", presets())
def test_a_file_spells_out_every_choice(name):
    written = tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
    cfg = preset(name)
    assert expected_fields(cfg) <= set(written), expected_fields(cfg) - set(written)
    about = written["about"]
    assert about["source"]
    assert set(about["notes"]) == {"en", "zh"}
    assert all(note.strip() for note in about["notes"].values())
    assert set(about["assumed"]) <= {field.name for field in fields(ModelConfig)}


@each_row("name", presets())
def test_published_figures_are_near_the_exact_ones(name):
    info = preset_info(name)
    assert (info.published_params is None) == (name in UNSTATED)
    if info.published_params is not None:  # GPT-2's paper is the furthest off: 117M for 124M
        assert info.published_params == pytest.approx(info.params, rel=0.06)
    if info.published_active is not None:  # DeepSeek-V2-Lite's leaves the embedding table out
        assert info.published_active == pytest.approx(info.active_params, rel=0.11)


@each_row("name", presets())
def test_preset_survives_a_round_trip(name):
    assert ModelConfig.from_dict(preset(name).to_dict()) == preset(name)


def test_order_is_by_family_then_year_and_size():
    order = [family.name for family in families()]
    infos = [preset_info(name) for name in presets()]
    assert infos == sorted(infos, key=lambda info: (order.index(info.family), info.year, info.params, info.name))
    assert presets()[:2] == ["transformer-mini", "transformer-base"]
    assert presets().index("gpt2") < presets().index("gpt3-175b") < presets().index("llama1-7b")


def test_families_are_complete_and_in_the_order_of_their_years():
    found = families()
    assert [name for family in found for name in family.presets] == presets()
    years = [family.year for family in found]
    assert years == sorted(years)
    for family in found:
        assert family.presets
        assert family.year == min(preset_info(name).year for name in family.presets)
        assert set(family.title) == {"en", "zh"}
    assert not set(NOT_PRESETS) & set(presets())


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


def test_what_is_often_told_wrongly():
    assert preset("gpt3-175b").vocab_size == 50_257
    assert preset("chatglm2-6b").block == "pre"
    assert preset("chatglm2-6b").norm == "rmsnorm"
    assert preset("chatglm-6b").ffn == "plain"
    assert preset("glm-130b").ffn == "gated"
    assert preset("glm-10b").structure == "prefix_decoder"
    assert preset("glm-10b").block == "pre"
    assert preset("glm-130b").block == preset("chatglm-6b").block == "deepnorm"
    positions = [preset(name).position for name in ("glm-10b", "chatglm-6b", "glm-130b", "chatglm2-6b")]
    assert positions == ["learned_2d", "rotary_2d", "rotary", "rotary"]
    assert preset("chatglm2-6b").rotary_dim == 64
    assert preset("chatglm-6b").vocab_size == 130_528
    assert preset("bloom-176b").vocab_size == 250_880
    assert preset("qwen1-7b").attention == "mha"
    assert preset("qwen2-7b").attention == "gqa"
    assert preset("qwen2.5-7b").biases == ("q", "k", "v")
    assert preset("qwen3-8b").biases == ()
    assert preset("qwen3-8b").qk_norm
    assert all(preset(name).moe is None for name in presets() if name.startswith(("llama", "glm")))
    assert not preset("t5-small").scale_scores
    assert preset("t5-small").scale_logits
    assert not preset("t5-v1_1-small").tie_embeddings
    assert not preset("t5-v1_1-small").scale_logits
    assert preset("transformer-base").scale_embeddings
    assert [preset(name).activation for name in ("bert-base-uncased", "gpt1", "clip-vit-b32")] == [
        "gelu",
        "gelu_tanh",
        "gelu_quick",
    ]
    v2, v3 = preset("deepseek-v2").moe, preset("deepseek-v3").moe
    assert (v2.router, v2.normalise_weights, v2.group_score) == ("softmax_topk", False, "max")
    assert (v3.router, v3.normalise_weights, v3.group_score) == ("sigmoid", True, "top2")
    assert [layer for layer in range(12) if preset("switch-base-8").layer(layer).sparse] == [1, 3, 5, 7, 9, 11]
    assert [layer for layer in range(12) if preset("reformer-enwik8").layer(layer).attention == "lsh"] == [2, 6, 10]
    assert preset("longformer-base-4096").position_offset == 2


def test_r1_and_what_was_distilled_from_it_share_architectures():
    assert preset("deepseek-r1") == preset("deepseek-r1-zero") == preset("deepseek-v3")
    assert preset("r1-distill-llama-70b") == preset("llama3.3-70b")
    assert preset("r1-distill-llama-8b") == preset("llama3.1-8b")
    assert preset("flan-t5-xl") == preset("t5-v1_1-xl")
    assert preset("alpaca-7b") == preset("llama1-7b")
    assert [field for field, _, _ in diff(preset("chatglm2-6b"), preset("chatglm3-6b"))] == ["max_seq_len"]
    assert preset_info("deepseek-r1").name == "deepseek-v3"
    assert preset_info("deepseek-v3").also_called == ("deepseek-r1", "deepseek-r1-zero")


def test_cards_say_what_is_not_known_and_give_no_numbers():
    by_name = {card.name: card for card in cards()}
    assert [card.year for card in cards()] == sorted(card.year for card in cards())
    for card in cards():
        assert card.name not in presets()
        assert set(card.known) == {"en", "zh"}
        assert card.source
        assert card.shares is None or card.like is None
        assert bool(card.unknown) == (card.shares is None), card.name
        assert {card.shares, card.like} - {None} <= set(presets())
    for name in ("gpt-3.5", "gpt-4"):
        text = " ".join((*by_name[name].known.values(), *by_name[name].unknown.values()))
        assert by_name[name].shares is None
        assert by_name[name].like is None
        assert not any(digit in text.replace("GPT-3", "") for digit in "0123456789")
        with pytest.raises(InputError):
            preset(name)


def test_unknown_preset_names_its_neighbours():
    with pytest.raises(InputError, match="llama3-8b") as caught:
        preset("lama3-8b")
    assert caught.value.code == "unknown_preset"
    with pytest.raises(InputError, match="deepseek-r1"):
        preset("deepsek-r1")
    for name in ("../config", "families", "unpublished"):
        with pytest.raises(InputError):
            preset_info(name)


def test_trained_are_those_that_can_be_loaded():
    assert [name for name in sorted(presets()) if preset_info(name).trained] == [n for n in zoo() if n in presets()]


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
    assert diff(preset("gpt2"), preset("gpt2").replace(max_seq_len=2048)) == [("max_seq_len", 1024, 2048)]
    deeper = {field for field, _, _ in diff(preset("chatglm-6b"), preset("glm-130b"))}
    assert "n_layers" in deeper
    assert "residual_alpha" not in deeper


def test_diff_shows_details_of_positions_only_where_they_act():
    to_rotary = {field: (old, new) for field, old, new in diff(preset("gpt2"), preset("llama3-8b"))}
    assert to_rotary["position"] == ("learned", "rotary")
    assert to_rotary["rope_theta"] == (None, 500_000.0)
    assert not ROTARY_FIELDS & {field for field, _, _ in diff(preset("llama3-8b"), preset("gpt2"))}
    to_t5 = {field: (old, new) for field, old, new in diff(preset("transformer-base"), preset("t5-small"))}
    assert to_t5["relative_buckets"] == (None, 32)
    assert "sinusoid_layout" not in to_t5


@pytest.mark.parametrize("old", [*presets()[::7], "gpt1", "gpt3-175b", "llama3.1-405b", "deepseek-v3"])
def test_the_changes_make_one_preset_into_any_other(old):
    a = preset(old)
    for new in presets():
        b = preset(new)
        kept = {field: getattr(b, field) for field in DERIVABLE if getattr(a, field) == getattr(b, field)}
        changes = {field: value for field, _, value in diff(a, b)}
        assert a.replace(**kept | changes) == b, new
