"""Recipes and mixtures: what they may say, and that the shipped ones are comparable and trainable."""

import json
import math
from dataclasses import replace

import pytest

import models
from models.errors import InputError
from models.objectives import MARKS, marks_of
from models.presets import ZOO
from models.training.card import training_of
from models.training.recipe import RECIPES, load_recipe, recipes
from models.training.run import StopRequest, train
from tests.models.little_training import CONFIG, MIXTURE, RECIPE, story_folder
from tests.rows import each_row


@pytest.fixture
def corpus(tmp_path):
    return story_folder(tmp_path)


@each_row(
    ("field", "value"),
    [
        ("objective", "telepathy"),
        ("objective", ["causal"]),
        ("seed", -1),
        ("seed", True),
        ("tokens", 63),
        ("batch_tokens", 63),
        ("sequence_length", 1),
        ("peak_lr", 0),
        ("peak_lr", "fast"),
        ("warmup_fraction", 1.0),
        ("final_lr_fraction", 1.5),
        ("momentum", 1),
        ("betas", (0.9,)),
        ("weight_decay", -0.1),
        ("clip_norm", math.nan),
        ("evaluations", 0),
        ("short_length", 16),
        ("short_length", 5),
        ("short_fraction", 0.5),
        ("short_density", 0.4),  # of an objective that leaves nothing out
        ("first_positions", "straight"),
        ("learning_layers", -1),
        ("encoder", "smollm2-135m-instruct"),
        ("encoder", "bert-minilm"),  # a causal objective does not suit it
    ],
)
def test_impossible_recipes_are_refused_by_field(field, value):
    with pytest.raises(InputError) as refusal:
        replace(RECIPE, **{field: value})
    assert refusal.value.params["field"] == field


def test_the_first_steps_may_read_short_rows():
    recipe = replace(RECIPE, short_length=8, short_fraction=0.5)
    assert [recipe.length_at(step) for step in range(recipe.steps)] == [8, 8, 8, 16, 16, 16]
    with pytest.raises(InputError, match="short_fraction"):
        replace(RECIPE, short_length=8)


def test_short_rows_may_leave_out_more():
    spans = replace(RECIPE, objective="span_corruption", short_length=8, short_fraction=0.5, short_density=0.4)
    assert [spans.is_short_at(step) for step in range(spans.steps)] == [True] * 3 + [False] * 3
    for density in (0, 1, "half"):
        with pytest.raises(InputError, match="short_density"):
            replace(spans, short_density=density)


def test_impossible_mixtures_are_refused_by_field():
    wrong = (
        ("alphabet_share", 1),
        ("plain_marks", "yes"),
        ("vocab_size", 256),
        ("algorithm", "guessing"),
        ("limits", 5),
    )
    for field, value in wrong:
        with pytest.raises(InputError) as refusal:
            replace(MIXTURE, **{field: value})
        assert refusal.value.params["field"] == field


def test_recipe_files_are_refused_in_words(tmp_path):
    with pytest.raises(InputError, match="gpt1-mini, gpt2-mini, gpt3-mini, llama-mini"):
        load_recipe("gpt5-mini")
    path = tmp_path / "r.toml"
    path.write_text("tokens = ")
    with pytest.raises(InputError, match=r"r\.toml"):
        load_recipe(path)
    path.write_text('mixture = "simple-stories"\nspeed = 3\n')
    with pytest.raises(InputError, match="unknown field speed"):
        load_recipe(path)
    path.write_text('mixture = "simple-stories"\n')
    with pytest.raises(InputError, match="missing"):
        load_recipe(path)
    path.write_text('mixture = "simple-stories"\n[card]\nspeed = 3\n')
    with pytest.raises(InputError, match=r"unknown field card\.speed"):
        load_recipe(path)
    path.write_text('mixture = "simple-stories"\ncard = 3\n')
    with pytest.raises(InputError, match=r"card must be a table, \[card\]"):
        load_recipe(path)
    path.write_text((RECIPES / "gpt2-mini.toml").read_text().replace("betas = [0.9, 0.98]", "betas = 3"))
    with pytest.raises(InputError, match=r"betas = \(3,\) cannot be: it must be two numbers"):
        load_recipe(path)
    path.write_text('mixture = "own"\n')
    for mixture, told in (("tokenizer = 5", r"\[tokenizer\]"), ("corpora = [5]", r"\[\[corpora\]\]")):
        (tmp_path / "own.toml").write_text(mixture)
        with pytest.raises(InputError, match=rf"own\.toml.*{told}"):
            load_recipe(path)
    path.write_text('mixture = "nowhere"\n')
    with pytest.raises(InputError, match=r"no mixture nowhere\.toml"):
        load_recipe(path)


@pytest.mark.parametrize(
    ("room", "told"),
    [
        ({"vocab_size": 290}, "at most the 290 ids of llama-mini, not 300"),
        ({"max_seq_len": 8}, "context of llama-mini, 8"),
    ],
    ids=str,
)
def test_a_model_too_small_for_its_recipe_is_refused_before_it_learns(room, told, corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(models, "preset", lambda name: CONFIG.replace(**{"vocab_size": 300, **room}))
    with pytest.raises(InputError, match=told):
        train(RECIPE, corpus, tmp_path / "work", tmp_path / "out", StopRequest(), lambda text: None)


def test_shipped_models_differ_in_architecture_only():
    """Of the decoders data, order, budget and the parameters that a token uses are alike; a learning rate may suit the
    architecture."""
    everything = [load_recipe(name) for name in recipes()]
    known = [recipe for recipe in everything if (recipe.objective, recipe.mixture.name) == ("causal", "simple-stories")]
    assert {"gpt2-mini", "llama-mini"} <= {recipe.preset for recipe in known}
    for recipe in known:
        assert replace(recipe, name="", preset="", peak_lr=1e-3) == replace(known[0], name="", preset="", peak_lr=1e-3)
    sizes = [models.account(models.preset(recipe.preset)).active_params for recipe in known]
    assert max(sizes) <= 4_000_000
    assert max(sizes) / min(sizes) < 1.1


def test_the_zoo_is_small_enough_to_ship():
    """One model of every family, in bfloat16: what a clone of the project carries."""
    families = [
        "transformer",
        "gpt1",
        "gpt2",
        "bert",
        "t5",
        "bloom",
        "llama",
        "glm",
        "qwen3",
        "mixtral",
        "switch",
        "deepseek-v3",
    ]
    zoo = [models.preset(f"{name}-mini") for name in families] + [
        models.preset(f"{name}-mini-zh") for name in ("llama", "bert")
    ]
    counts = [models.account(config) for config in zoo]
    assert max(count.active_params for count in counts) <= 4_000_000
    assert 2 * sum(count.params for count in counts) <= 100_000_000


@pytest.mark.parametrize(
    ("preset", "objective", "prompt"),
    [("t5-mini", "span_corruption", "Once <extra_id_0> a dog."), ("glm-mini", "blank_infilling", "Once [MASK] a dog.")],
)
def test_models_that_fill_in_blanks_are_trained_and_answer_in_their_card(
    preset, objective, prompt, corpus, tmp_path, monkeypatch
):
    sizes = {"d_model": 16, "n_layers": 1, "n_heads": 2, "n_kv_heads": 2, "d_head": 8, "d_ff": 24}
    n_marks = len(MARKS[objective])
    small = models.preset(preset).replace(**sizes, vocab_size=300 + n_marks)
    monkeypatch.setattr(models, "preset", lambda name: small)
    recipe = replace(RECIPE, objective=objective, mixture=replace(MIXTURE, prompt=prompt), batch_tokens=64)
    assert train(recipe, corpus, tmp_path / "work", tmp_path / "out", StopRequest(), lambda text: None)
    written = models.load(tmp_path / "out")
    assert written.tokenizer.vocab_size == 300 + n_marks
    assert marks_of(written.tokenizer).specials >= set(range(300, 300 + n_marks))
    card = (tmp_path / "out/CARD.md").read_text()
    assert f"“{prompt}”".replace("<", r"\<") in card
    assert "What the model writes for the blanks" in card


def test_shipped_cards_say_how_their_recipes_train():
    for folder in sorted(ZOO.iterdir()):
        history = json.loads((folder / "history.json").read_text())
        told = training_of(load_recipe(folder.name), history)
        assert " ".join(told.split()) in " ".join((folder / "CARD.md").read_text().split()), folder.name


def test_a_card_says_what_sets_a_training_apart():
    glm, switch, gpt = ((ZOO / f"{name}-mini/CARD.md").read_text() for name in ("glm", "switch", "gpt2"))
    assert "from 50% of the rows one long blank is left out" in glm
    assert "0.003, 11.3 times that for the table of tokens" in switch  # √128, see models.training.trainer.table_times
    assert "for the routers of its experts; peak" in " ".join(switch.split())
    assert "routers" not in gpt
    assert "left out" not in gpt
    assert "times that" not in gpt
