"""One text under every objective: the examples, who sees whom in them, the page's payload, and the endpoint."""

import json

import gradio as gr
import pytest
import torch

import models
from models.objectives import IGNORED, OBJECTIVES, SUITS, batch, marks_of
from models.objectives.denoisers import DENOISERS
from models.objectives.masked import CHOSEN
from models.tokenizers.catalogue import load_named
from models.tokenizers.extended import with_special_tokens
from playground.objective_passages import passages
from playground.session import BLANKS, LIMITS
from playground.side_api import NAMES, objectives
from playground.side_examples import DENOISER_KEYS, MOST_TOKENS, examples_of, marked_tokenizer
from playground.side_masks import runs, sights, suited
from playground.sides_answers import sides_make

TEXT = passages("en")[0]["text"]
TINY = {"d_model": 32, "n_layers": 1, "n_heads": 2, "n_kv_heads": 2, "d_head": 16, "d_ff": 32}
MODELS = {
    "decoder": "gpt2-mini",
    "encoder": "bert-mini",
    "prefix_decoder": "glm-10b",
    "encoder_decoder": "t5-small",
}
TAPS = {
    "encoder": "encoder.layers.0.attn.probs",
    "decoder": "decoder.layers.0.attn.probs",
    "cross": "decoder.layers.0.cross_attn.probs",
}


@pytest.fixture(scope="module")
def shown():
    return examples_of(TEXT, 3)


@pytest.fixture(scope="module")
def built():
    tokenizer = marked_tokenizer()
    made = {}
    for structure, name in MODELS.items():
        config = models.preset(name)
        sizes = TINY | ({"n_encoder_layers": 1} if structure == "encoder_decoder" else {})
        made[structure] = models.build(config.replace(vocab_size=tokenizer.vocab_size, **sizes), seed=1).eval()
    return made


def make(**request) -> dict:
    return json.loads(sides_make(json.dumps(request)))


class TestVocabulary:
    @pytest.mark.parametrize("name", ["wordpiece-4k", "characters-4k", "byte-bpe-4k"])
    def test_further_marks_follow_the_old_ids_and_no_text_spells_them(self, name):
        old = load_named(name)
        new = with_special_tokens(old, ["<sop>", "[MASK]", "<sop>"], "<sop>")
        n_new = 1 if old.special_id("[MASK]") is not None else 2
        assert new.vocab_size == old.vocab_size + n_new
        assert new.eos_id == new.special_id("<sop>") == old.vocab_size
        text = "a <sop> b [MASK] 中"
        assert new.encode(text) == old.encode(text)
        assert old.special_id("<sop>") is None

    def test_no_mark_is_missing(self):
        marks = marks_of(marked_tokenizer())
        marks.need(
            "pad", "end", "mask", "mask_to_end", "cls", "sep", "start_of_piece", "end_of_piece", "sentinels", "modes"
        )
        assert len(marks.sentinels) == 100


class TestExamples:
    def test_every_objective_and_variant_is_there(self, shown):
        found = [(side.objective, side.variant) for side in shown.sides]
        assert {objective for objective, _ in found} == set(NAMES) == {*OBJECTIVES, "masked_pairs"}
        assert set(SUITS) - set(NAMES) == {"translation"}  # which takes two texts
        assert [variant for objective, variant in found if objective == "blank_infilling"] == list(BLANKS)
        assert [variant for objective, variant in found if objective == "mixture_of_denoisers"] == list(DENOISER_KEYS)
        assert len(DENOISER_KEYS) == len(DENOISERS) == LIMITS["side_denoiser"][1] + 1

    def test_they_are_those_of_the_core(self, shown):
        ids, marks = torch.tensor(shown.ids), marks_of(marked_tokenizer())
        for name in ("causal", "prefix", "masked", "span_corruption"):
            ours = next(side.example for side in shown.sides if side.objective == name)
            theirs = OBJECTIVES[name](ids, marks, torch.Generator().manual_seed(3))
            assert torch.equal(ours.inputs, theirs.inputs)
            assert torch.equal(ours.targets, theirs.targets)

    def test_a_seed_gives_the_same_again_and_another_differs(self):
        def inputs(seed: int) -> list[list[int]]:
            return [side.example.inputs.tolist() for side in examples_of(TEXT, seed).sides]

        assert inputs(3) == inputs(3)
        assert inputs(3) != inputs(4)

    def test_a_short_text_serves_those_that_it_can_and_one_word_is_refused_in_words(self):
        assert all(side.example for side in examples_of("Hi there", 1).sides)
        assert "at least 2" in make(text="Hi", seed=1)["refused"]
        assert "至少需要 2 个" in make(text="", seed=1, lang="zh")["refused"]

    @pytest.mark.parametrize("text", ["The cat sat on the mat.", "猫坐在垫子上。"])
    def test_a_single_sentence_stays_whole_beside_one_from_elsewhere(self, text):
        shown = examples_of(text, 2)
        pair = next(side.example for side in shown.sides if side.objective == "masked_pairs")
        first = (pair.token_type_ids == 0).sum() - 2  # without [CLS] and [SEP]
        assert (int(first), pair.is_next) == (len(shown.ids), False)
        assert len(pair.inputs) > len(shown.ids) + 4

    def test_a_long_text_is_cut_and_told(self):
        long = examples_of("boat " * 500, 0)
        assert (long.n_tokens, len(long.ids)) == (500, MOST_TOKENS)

    @pytest.mark.parametrize("text", ["!?.", "😀 😀", "<b>bold</b>", "一只船，不见了", "[MASK] <extra_id_0> [SEP]"])
    def test_odd_texts(self, text):
        payload = make(text=text, seed=2)
        assert not [side for side in payload["sides"] if "refused" in side]
        assert not set(payload["ids"]) & set(payload["special"])

    @pytest.mark.parametrize(
        "wrong", [{"text": "a\ud800"}, {"text": 7}, {"text": "x" * 20_001}, {"seed": "1"}, {"seed": -1}, {"seed": None}]
    )
    def test_wrong_requests(self, wrong):
        assert make(**{"text": TEXT, "seed": 1} | wrong)["refused"]


class TestSights:
    def test_a_model_of_the_structure_attends_where_the_picture_says(self, shown, built):
        for side in shown.sides:
            structure = SUITS[side.objective][0]
            with torch.no_grad(), models.capture("*.probs") as trace:
                built[structure](**batch([side.example], 0).arguments)
            for one in sights(structure, side.example):
                probs = trace[TAPS.get(one.kind, "layers.0.attn.probs")][0]  # (H, T, S)
                assert torch.equal(probs.amax(0) > 0, one.seen), (side.objective, one.kind)

    def test_runs(self):
        assert runs([True, True, False, True]) == [(0, 2), (3, 4)]
        assert runs([False, False]) == []

    def test_each_objective_suits_published_families(self):
        names = {objective: [family.name for family in suited(objective)] for objective in SUITS}
        assert {"gpt2", "gpt3"} < set(names["causal"])
        assert names["masked_pairs"] == ["bert"]
        assert set(names["masked"]) == {"bert", "longformer", "bigbird"}
        assert "t5" in names["span_corruption"]
        assert "gpt2" not in names["span_corruption"]
        assert "glm" in names["blank_infilling"]


class TestPayload:
    def test_what_is_drawn_gives_the_examples_back(self, shown):
        payload = make(text=TEXT, seed=3)
        assert payload["ids"] == shown.ids
        for drawn, side in zip(payload["sides"], shown.sides, strict=True):
            assert drawn["inputs"] == side.example.inputs.tolist()
            assert [IGNORED if one is None else one for one in drawn["targets"]] == side.example.targets.tolist()
            assert drawn["n_paid"] == side.example.n_paid + (side.objective == "masked_pairs")  # [CLS]
            for picture, one in zip(drawn["masks"], sights(drawn["structure"], side.example), strict=True):
                assert sum(end - start for row in picture["rows"] for start, end in row) == int(one.seen.sum())

    def test_it_is_small(self):
        assert len(sides_make(json.dumps({"text": "boat " * 500, "seed": 3}))) < 100_000

    def test_both_positions_of_glm_and_the_segments_of_a_pair(self):
        sides = {(side["objective"], side["variant"]): side for side in make(text=TEXT, seed=3)["sides"]}
        blanks = sides["blank_infilling", "short"]
        assert len(blanks["positions"]) == 2
        assert blanks["positions"][1][: blanks["prefix"]] == [0] * blanks["prefix"]
        pair = sides["masked_pairs", None]
        assert set(pair["segments"]) == {0, 1}
        assert pair["is_next"] in (True, False)


class TestEndpoint:
    def test_an_answer_has_arrays_of_the_right_shapes(self):
        answer = objectives(TEXT, seed=3)
        assert {example["objective"] for example in answer["examples"]} == set(NAMES)
        for example in answer["examples"]:
            n_read = len(example["inputs"])
            paid = [target for target in example["targets"] if target is not None]
            assert len(paid) == example["n_paid"] - (example["is_next"] is not None)
            marks = sum(token.startswith(("<", "[")) for token in example["target_tokens"] if token is not None)
            assert example["n_text_paid"] == len(paid) - marks
            n_text = len(example["inputs"]) - 3 if example["objective"] == "masked_pairs" else len(answer["ids"])
            assert example["text_share"] == example["n_text_paid"] / n_text
            if example["decoder_inputs"] is None:
                assert len(example["targets"]) == n_read == len(example["attention"]["self"])
            else:
                n_written = len(example["decoder_inputs"])
                assert len(example["targets"]) == n_written == len(example["attention"]["cross"])
                assert len(example["attention"]["cross"][0]) == n_read
        masked = next(example for example in answer["examples"] if example["objective"] == "masked")
        assert masked["n_paid"] == round(CHOSEN * len(answer["ids"]))

    def test_some_objectives_alone(self):
        answer = objectives(TEXT, 3, ["causal", "prefix"])
        assert [example["objective"] for example in answer["examples"]] == ["causal", "prefix"]
        causal = answer["examples"][0]["attention"]["self"]
        assert causal[0][:2] == [1, 0]

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            ({"objectives": ["nsp"]}, "masked_pairs"),
            ({"text": "Hi"}, "at least 2"),
            ({"seed": -1}, "out of range"),
            ({"objectives": 7}, "causal"),
        ],
    )
    def test_refusals(self, arguments, told):
        with pytest.raises(gr.Error, match=told):
            objectives(**{"text": TEXT} | arguments)
