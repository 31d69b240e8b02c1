"""Attention before transformers: both scores by their formulas, what padding may not change, and the shipped models."""

import random
from dataclasses import replace
from datetime import date

import pytest
import torch

from models.errors import InputError
from models.forerunners.dates import make_data, ordinal, phrase
from models.forerunners.files import SHIPPED, load, save, scores_of, shipped, shipped_interest
from models.forerunners.interest_training import area
from models.forerunners.recipe import RECIPES, Recipe
from models.forerunners.recurrent import TRANSLATORS, RecurrentConfig
from models.forerunners.scores import AdditiveScore, MultiplicativeScore
from models.forerunners.target_attention import POOLINGS, InterestConfig, TargetAttention, weigh
from models.forerunners.training import train
from models.forerunners.translating import Translator
from models.forerunners.words import LONGEST, Words, english_words, source_ids

KINDS = tuple(RECIPES)


def built(kind: str, attention: bool = True) -> torch.nn.Module:
    torch.manual_seed(3)
    cfg = RecurrentConfig(kind=kind, n_source=20, n_target=11, d_embed=6, d_state=8, attention=attention)
    return TRANSLATORS[kind](cfg).eval()


@torch.no_grad()
def test_the_scores_are_those_of_the_papers():
    torch.manual_seed(0)
    state, memory = torch.randn(2, 5), torch.randn(2, 3, 4)
    additive, general = AdditiveScore(5, 4, 7), MultiplicativeScore(5, 4)
    for b in range(2):
        for j in range(3):
            hidden = torch.tanh(additive.of_state.weight @ state[b] + additive.of_memory.weight @ memory[b, j])
            assert torch.allclose(additive(state, additive.prepare(memory))[b, j], additive.v @ hidden, atol=1e-6)
            product = state[b] @ general.of_memory.weight @ memory[b, j]
            assert torch.allclose(general(state, general.prepare(memory))[b, j], product, atol=1e-6)
    for score in (additive, general):
        prepared = score.prepare(memory)
        assert torch.allclose(score.terms(state, prepared).sum(-1), score(state, prepared), atol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("attention", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_padding_changes_nothing(kind, attention):
    model = built(kind, attention)
    short, long = torch.tensor([[4, 7, 2, 0, 0], [3, 5, 6, 9, 2]]), torch.tensor([3, 5])
    before = torch.tensor([[2, 4, 5], [2, 8, 3]])
    together = model(short, long, before)
    alone = model(short[:1, :3], long[:1], before[:1])
    assert torch.allclose(together[:1], alone, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_translation_shows_what_its_weights_are_made_of(kind):
    source = Words.of([["monday", "june", "1"]], 6)
    model = TRANSLATORS[kind](RecurrentConfig(kind=kind, n_source=len(source), n_target=6, d_embed=6, d_state=8)).eval()
    translator = Translator(model, source, Words.of([["日", "一", "月"]], 6))
    found = translator.translate("Monday, June 1", longest=4)
    assert found.words == ("monday", ",", "june", "1", "<end>")
    assert found.unknown == (False, True, False, False, False)
    assert torch.allclose(found.weights.sum(-1), torch.ones(len(found.characters)), atol=1e-6)
    assert torch.allclose(found.energies.softmax(-1), found.weights, atol=1e-6)
    terms = translator.terms("Monday, June 1", found, 1)
    assert torch.allclose(terms.sum(-1), found.energies[1], atol=1e-5)


def test_days_are_written_as_they_are_said():
    assert [ordinal(day) for day in (1, 2, 3, 11, 12, 13, 21, 22, 23, 30)] == [
        "1st", "2nd", "3rd", "11th", "12th", "13th", "21st", "22nd", "23rd", "30th",
    ]  # fmt: skip
    said = {phrase(date(2017, 6, 25), random.Random(seed)) for seed in range(300)}
    assert ("the 25th of June, 2017", "2017年6月25日") in said
    assert all(chinese.startswith("2017年6月25日") for _, chinese in said)
    assert all(("Sunday" in english) == ("星期日" in chinese) for english, chinese in said)
    assert all(("half past" in english) == ("半" in chinese) for english, chinese in said)


def test_no_held_out_phrase_is_trained_on():
    data = make_data(replace(RECIPES["luong"], n_pairs=400))
    assert data.held_out
    assert not set(data.held_out) & {pair.source for pair in data.known}
    assert all(word in data.source for source in data.held_out for word in english_words(source))


@pytest.mark.parametrize("kind", KINDS)
def test_a_recipe_learns_and_makes_the_same_model_again(kind, tmp_path):
    recipe = Recipe(kind=kind, d_embed=8, d_state=12, n_pairs=150, rounds=2, rows=16, warmup=2, seed=5)
    data = make_data(recipe)
    lines: list[str] = []
    model, history = train(recipe, data, lines.append)
    again, _ = train(recipe, data, lines.append)
    assert history[1] < history[0]
    assert all(torch.equal(one, other) for one, other in zip(model.parameters(), again.parameters(), strict=True))
    save(Translator(model, data.source, data.target), tmp_path)
    read = load(tmp_path)
    for one, other in zip(model.parameters(), read.model.parameters(), strict=True):
        assert torch.allclose(one, other, atol=2e-3)
    assert (read.source, read.target) == (data.source, data.target)


def test_what_cannot_be_read_is_refused():
    words = shipped("luong").source
    for text, code in ((" ", "before_no_words"), ("one " * (LONGEST + 1), "before_too_long")):
        with pytest.raises(InputError) as refused:
            source_ids(words, text)
        assert refused.value.code == code


@pytest.mark.parametrize("kind", KINDS)
def test_the_shipped_translator_says_what_its_card_says(kind):
    translator, scores = shipped(kind), scores_of(kind)["scores"]
    card = (SHIPPED / kind / "CARD.md").read_text(encoding="utf-8")
    assert f"| this model | {scores['exact']:.1f}% | {scores['chrf']:.1f} |" in card
    assert scores["exact"] > max(scores["exact_without"], scores["exact_looked_up"])
    samples = [line[2:].split(" → ") for line in card.splitlines() if " → " in line and line.startswith("- ")]
    assert len(samples) >= 5
    for source, said in samples:
        assert translator.translate(source).text == said


def test_what_ships_is_small():
    assert sum(path.stat().st_size for path in SHIPPED.rglob("*.safetensors")) < 2_000_000


def test_weights_of_a_list_need_not_sum_to_one():
    torch.manual_seed(1)
    activations, is_entry = torch.randn(1, 4), torch.tensor([[True, True, True, False]])
    unit, softmax, alike = (weigh(activations, is_entry, pooling) for pooling in POOLINGS)
    assert torch.equal(unit[0, :3], activations[0, :3])
    assert float(unit[0, 3]) == 0
    assert torch.allclose(softmax[0], torch.tensor([*activations[0, :3].softmax(-1), 0.0]))
    assert alike.tolist() == [[1.0, 1.0, 1.0, 0.0]]


@torch.no_grad()
@pytest.mark.parametrize("pooling", POOLINGS)
def test_the_order_of_a_list_and_its_padding_do_not_count(pooling):
    torch.manual_seed(2)
    model = TargetAttention(InterestConfig(d_vector=6, d_interest=4, pooling=pooling)).eval()
    entries, query = torch.randn(1, 3, 6), torch.randn(1, 6)
    plain = model(entries, query, torch.ones(1, 3, dtype=torch.bool))
    padded = torch.cat((entries[:, [2, 0, 1]], torch.randn(1, 2, 6)), dim=1)
    other = model(padded, query, torch.tensor([[True] * 3 + [False] * 2]))
    assert torch.allclose(plain.logits, other.logits, atol=1e-5)


@torch.no_grad()
def test_either_sign_of_the_weights_says_the_same():
    torch.manual_seed(4)
    model = TargetAttention(InterestConfig(d_vector=6, d_interest=4)).eval()
    asked = torch.randn(2, 3, 6), torch.randn(2, 6), torch.ones(2, 3, dtype=torch.bool)
    before = model(*asked)
    model.flip()
    after = model(*asked)
    assert torch.allclose(before.logits, after.logits, atol=1e-6)
    assert torch.allclose(before.weights, -after.weights, atol=1e-6)


def test_area_is_the_chance_that_right_beats_wrong():
    labels = torch.tensor([1.0, 0.0, 1.0, 0.0])
    assert area(torch.tensor([3.0, 1.0, 2.0, 0.0]), labels) == 1.0
    assert area(torch.tensor([1.0, 1.0, 1.0, 1.0]), labels) == 0.5
    assert area(torch.tensor([0.0, 1.0, 3.0, 2.0]), labels) == 0.5


def test_the_shipped_target_attention_beats_chance():
    assert shipped_interest().config.pooling == "unit"
    assert scores_of("interest")["auc"]["unit"] > 60
