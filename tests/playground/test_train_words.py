"""What the tab that trains says: names of designs in a race, and hints for what cannot be trained."""

import pytest

from playground.design_strings import parse_design
from playground.session import TRAIN_SMALL
from playground.views.train_words import race_words
from tests.playground.trainings import TINY, ask

BERT = "bert-mini~d_model=16~n_layers=1~n_heads=2~d_head=8~d_ff=24~max_seq_len=64"
MIXTURE = "mixtral-mini~moe.n_experts=8"


def named(*designs: str, lang: str = "en") -> list[str]:
    return race_words([(one.base, one.config) for one in map(parse_design, designs)], lang)


class TestNames:
    """A design of a race is called by its preset, and by what sets it apart from others of that preset."""

    def test_one_preset_needs_no_name(self):
        assert named(TINY, f"{TINY}~norm=layernorm") == ["RMSNorm", "LayerNorm"]

    def test_designs_of_different_presets_keep_its_name(self):
        names = named(TINY, f"{TINY}~norm=layernorm", BERT, "llama3-8b")
        assert names == ["LLaMA mini: RMSNorm", "LLaMA mini: LayerNorm", "BERT mini, changed", "LLaMA-3 8B"]

    def test_as_many_differences_are_told_as_tell_them_apart(self):
        designs = (TINY, f"{TINY}~norm=layernorm", f"{TINY}~norm=layernorm~position=alibi~activation=relu")
        names = named(*designs, f"{TINY}~norm=layernorm~position=alibi")
        assert len(set(names)) == 4
        assert not any(name.startswith("1.") for name in names)

    def test_what_differs_within_the_experts_is_told(self):
        assert named(MIXTURE, f"{MIXTURE}~moe.n_experts_per_token=1") == [
            "Experts a token uses (n_experts_per_token) 2",
            "Experts a token uses (n_experts_per_token) 1",
        ]

    def test_equal_designs_are_numbered(self):
        assert named("llama-mini", "llama-mini", lang="zh")[1].startswith("2. ")


class TestCompared:
    """Before a race starts it is said whether its losses can be compared."""

    def test_designs_that_differ_in_one_choice_can(self):
        assert ask("compare", designs=[TINY, f"{TINY}~norm=layernorm"]) == {
            "names": ["RMSNorm", "LayerNorm"],
            "note": "",
        }

    @pytest.mark.parametrize("lang", ["en", "zh"])
    def test_other_objectives_and_tokenizers_are_told(self, lang):
        for other, told in ((BERT, "BERT mini"), (f"{TRAIN_SMALL}~n_layers=1", "stories-4k")):
            answer = ask("compare", designs=[TINY, other], lang=lang)
            assert len(answer["names"]) == 2
            assert told in answer["note"]

    @pytest.mark.parametrize("designs", [[TINY, "nothing"], [TINY, 5], "gpt2", []])
    def test_nothing_is_told_of_what_cannot_race(self, designs):
        assert ask("compare", designs=designs) == {"names": [], "note": ""}


class TestHints:
    """What is wrong with a design is told with names that help."""

    def test_an_unknown_preset_is_answered_with_those_that_are_trained_here(self):
        refusal = ask("check", design="llama")["refusal"]
        assert "llama-mini" in refusal
        assert "llama3-8b" not in refusal
        for name in refusal.rsplit(": ", 1)[1].rstrip(".").split(", "):
            assert "sentence" in ask("check", design=name)

    @pytest.mark.parametrize("design", ["", " ", "~n_layers=2"])
    def test_no_design_has_a_sentence_of_its_own(self, design):
        for lang, told in (("en", "There is no design here"), ("zh", "这里没有设计")):
            assert told in ask("check", design=design, lang=lang)["refusal"]

    @pytest.mark.parametrize(
        ("design", "told"),
        [("llama-mini~n_head=2", "n_heads"), ("mixtral-mini~moe.expert_count=2", "moe.n_experts")],
    )
    def test_an_unknown_field_is_answered_with_the_nearest(self, design, told):
        refusal = ask("check", design=design)["refusal"]
        assert told in refusal
        assert refusal.count(",") <= 4

    def test_groups_that_cannot_be_are_not_offered(self):
        for lang in ("en", "zh"):
            refusal = ask("check", design="llama-mini~n_heads=2~n_kv_heads=1", lang=lang)["refusal"]
            assert "–" not in refusal
            assert "mqa" in refusal


class TestSettings:
    """A result names the settings that it was trained with, in the words in which the fields are checked."""

    @pytest.mark.parametrize("section", ["one", "race", "experts"])
    def test_a_recorded_training_can_be_compared_with_the_fields(self, section):
        recorded = ask("opening")["recorded"][section]
        for about in recorded["about"]:
            assert ask("check", design=about["design"])["design"] == about["design"]
        assert recorded["settings"]["tokens"] == recorded["lanes"][0]["budget"]
        assert recorded["settings"]["text"] in dict(ask("opening")["texts"])

    def test_one_design_written_in_two_ways_is_one(self):
        written = [ask("check", design=f"{TINY}{more}")["design"] for more in ("", "~norm=rmsnorm", "~norm=layernorm")]
        assert written[0] == written[1] != written[2]
