"""Next-sentence prediction on the page: documents, what was drawn, the model's answer, the scoreboard, and the endpoint."""

import json
import math
from pathlib import Path

import gradio as gr
import pytest
import torch

import models
from models.errors import InputError
from models.objectives import marks_of
from models.objectives.next_sentence import Pair, draw_pairs, joined
from models.objectives.sentences import sentences
from models.tokenizers.catalogue import load_named
from models.training.corpora import clean, documents, read_corpus
from models.training.recipe import load_recipe, recipes
from playground import pairs_answers as answers
from playground import services
from playground.i18n import LANGUAGES
from playground.objective_models import masked_models, tokenizer_of
from playground.pair_api import next_sentence
from playground.pair_building import MOST_PAIRS
from playground.pair_documents import COLLECTIONS, FOLDER, GROUPS, documents_of, join, own_documents, read, texts_of
from playground.pair_judging import hold_judge, judge, typed_pair
from playground.pair_score import HeldOut, Scoreboard, Share, held_out_pairs, languages_of, scoreboard, summary
from playground.session import DEFAULTS, LIMITS, PAIRS_FROM
from tests.rows import each_row

CORPORA = Path(__file__).resolve().parents[3] / "shared" / "corpora"
MODEL = masked_models()[0].name
REQUEST = {"model": MODEL, "documents": "stories", "text": "", "seed": 3, "tokens": 64}


@pytest.fixture(scope="module")
def tokenizer():
    return load_named("wordpiece-8k")


@pytest.fixture(scope="module")
def loaded():
    return hold_judge(MODEL)[1]


def ask(function: str, /, **request) -> dict:
    return json.loads(getattr(answers, function)(json.dumps(request)))


class TestDocuments:
    def test_the_files_are_clean_documents_of_several_sentences(self):
        for file in (file for files in GROUPS.values() for file in files):
            text, plain_marks = (FOLDER / f"{file}.txt").read_text(encoding="utf-8"), file.startswith("en")
            assert list(texts_of(file)) == documents(text, plain_marks)
            for document in texts_of(file):
                assert document == clean(document, plain_marks)
                assert len(sentences(document)) >= 5
        assert len(texts_of("en-stories")) > 2 * len(COLLECTIONS)

    @pytest.mark.skipif(not CORPORA.is_dir(), reason="the texts of the trainings are not beside the repository")
    def test_no_bert_was_trained_on_them(self):
        trained = [recipe for name in recipes() if (recipe := load_recipe(name)).objective == "masked_pairs"]
        assert {"bert-mini", "bert-mini-zh"} <= {recipe.name for recipe in trained}
        for mixture in {recipe.mixture.name: recipe.mixture for recipe in trained}.values():
            files = [read_corpus(CORPORA, share.file, mixture.plain_marks) for share in mixture.corpora]
            read_by_it = "\n".join(document for file in files for document in file.training)
            for document in (document for group in GROUPS.values() for file in group for document in texts_of(file)):
                assert max(sentences(document), key=len) not in read_by_it

    def test_the_choices_are_those_of_the_address(self):
        assert (*COLLECTIONS, "own") == PAIRS_FROM
        assert LIMITS["pair_at"][1] == MOST_PAIRS - 1

    def test_an_empty_line_begins_a_document(self, tokenizer):
        own = own_documents("One. Two.\n\n  \nThree.\r\n\r\nFour.\nFive.", tokenizer)
        assert [document.sentences for document in own] == [("One.", "Two."), ("Three.",), ("Four.", "Five.")]
        assert all(document.own for document in own)

    @pytest.mark.parametrize(("text", "begin"), [("A boat.", "Ella"), ("一只船。", "小兔子")])
    def test_a_document_alone_gets_companions_in_its_language(self, tokenizer, text, begin):
        first, second, third = own_documents(text, tokenizer)
        assert (first.own, second.own, third.own) == (True, False, False)
        assert second.sentences[0].startswith(begin)

    @pytest.mark.parametrize("text", ["", " \n\n ", "\u200b"])
    def test_a_text_without_a_token_is_refused(self, tokenizer, text):
        with pytest.raises(InputError) as refused:
            own_documents(text, tokenizer)
        assert refused.value.code == "pair_no_sentence"

    def test_the_text_of_a_part_loses_what_was_cut(self, tokenizer):
        document = read("One boat. It is red. No more.", tokenizer)
        assert document.text(0, 2) == "One boat. It is red."
        assert document.text(0, 2, cut_front=1, cut_end=2) == "boat. It is"
        assert document.text(0, 2, cut_front=4) == "is red."
        assert join(["他说", "你好。"]) == "他说你好。"
        assert join(["He said", "你好"]) == "He said 你好"


class TestBuilding:
    def test_what_is_shown_is_what_the_objective_drew(self, loaded):
        shown = ask("pairs_build", **REQUEST)
        found = documents_of("stories", "", loaded.tokenizer)
        drawn = list(draw_pairs([one.ids for one in found], 64, torch.Generator().manual_seed(3)))[:MOST_PAIRS]
        assert len(shown["pairs"]) == len(drawn)
        for pair, one in zip(shown["pairs"], drawn, strict=True):
            assert (pair["is_next"], pair["document"], pair["place"]) == (one.pair.is_next, one.document, one.place)
            assert len(pair["cuts"]) == len(one.cuts)
            source = shown["documents"][pair["document"]]["sentences"][pair["place"] : pair["place"] + pair["n_first"]]
            tokens = [token for sentence in source for token in sentence["tokens"]]
            kept = tokens[pair["cuts"].count("0") : len(tokens) - pair["cuts"].count("1")]
            assert kept == [loaded.tokenizer.token(token_id) for token_id in one.pair.first]

    def test_the_same_seed_gives_the_same_pairs_and_another_others(self):
        assert ask("pairs_build", **REQUEST) == ask("pairs_build", **REQUEST)
        assert ask("pairs_build", **REQUEST) != ask("pairs_build", **REQUEST | {"seed": 4})

    def test_documents_that_the_model_cannot_read_are_told_with_a_better_reader(self):
        read = ask("pairs_build", **REQUEST | {"documents": "stories", "model": "bert-mini"})["reading"]
        assert (read["unknown"], read["better"]) == (0, None)
        foreign = ask("pairs_build", **REQUEST | {"documents": "chinese", "model": "bert-mini"})["reading"]
        assert 0 < foreign["unknown"] <= foreign["tokens"]
        assert foreign["better"] == "bert-mini-zh"

    def test_a_text_without_a_sentence_boundary_makes_random_pairs_only(self):
        shown = ask("pairs_build", **REQUEST | {"documents": "own", "text": "one word"})
        assert [pair["is_next"] for pair in shown["pairs"] if shown["documents"][pair["document"]]["own"]] == [False]

    @pytest.mark.parametrize("text", ["word", "...!!!", "😀", "<b>bold</b> & more.", "a." * 3_000, "x" * 19_000])
    def test_odd_texts_become_pairs(self, text):
        shown = ask("pairs_build", **REQUEST | {"documents": "own", "text": text})
        assert "refused" not in shown
        own = shown["documents"][0]
        assert own["sentences"][0]["text"] in text
        judged = ask("pairs_judge", **REQUEST | {"documents": "own", "text": text, "at": 0})
        assert 0 < judged["probability"] < 1
        assert len(judged["tokens"]) <= 64

    @each_row("lang", LANGUAGES)
    @each_row(
        "wrong",
        [
            {"documents": "own", "text": "a\ud800b"},
            {"documents": "own", "text": ""},
            {"documents": "own", "text": "x" * 20_001},
            {"documents": "own", "text": ["x"]},
            {"documents": "elsewhere"},
            {"documents": ["own"]},
            {"tokens": 4},
            {"tokens": 1_000_000},
            {"tokens": "64"},
            {"seed": -1},
            {"seed": True},
            {"model": "gpt2"},
            {"model": None},
        ],
    )
    def test_a_wrong_request_gets_a_sentence(self, wrong, lang):
        refused = ask("pairs_build", **REQUEST | wrong | {"lang": lang})["refused"]
        assert bool([one for one in refused if "\u4e00" <= one <= "\u9fff"]) == (lang == "zh")

    def test_a_pair_beyond_the_last_gets_a_sentence(self):
        assert "out of range" in ask("pairs_judge", **REQUEST, at=1_000)["refused"]


class TestJudging:
    def test_the_probability_is_that_of_transformers(self, tmp_path, loaded):
        transformers = pytest.importorskip("transformers")
        models.export_hf(loaded.model, loaded.tokenizer, tmp_path)
        theirs = transformers.BertForPreTraining.from_pretrained(tmp_path).eval()
        head = transformers.BertForNextSentencePrediction.from_pretrained(tmp_path).eval()
        pair = typed_pair("The boat was gone.", "He sat down on the sand and cried.", loaded.tokenizer)
        ids, segments = joined(pair, marks_of(loaded.tokenizer))
        with torch.no_grad():
            whole = theirs(ids[None], token_type_ids=segments[None]).seq_relationship_logits
            alone = head(ids[None], token_type_ids=segments[None]).logits
        ours = next_sentence("The boat was gone.", "He sat down on the sand and cried.", MODEL)["probability"]
        assert ours == pytest.approx(whole.softmax(-1)[0, 0].item(), abs=1e-6)
        assert ours == pytest.approx(alone.softmax(-1)[0, 0].item(), abs=1e-6)

    def test_the_tokens_are_those_of_the_pair(self, loaded):
        judged = judge(loaded, typed_pair("A boat.", "It sank.", loaded.tokenizer))
        middle = judged.tokens.index("[SEP]")
        assert (judged.tokens[0], judged.tokens[-1], judged.cut) == ("[CLS]", "[SEP]", 0)
        assert judged.segments == [0] * (middle + 1) + [1] * (len(judged.tokens) - middle - 1)

    def test_what_is_longer_than_the_context_is_cut_and_told(self, loaded):
        answer = next_sentence("boat " * 400, "It sank.", MODEL)
        assert len(answer["tokens"]) == answer["limit"] == loaded.config.max_seq_len
        n_tokens = len(loaded.tokenizer.encode("boat " * 400 + "It sank."))
        assert answer["cut"] == n_tokens + 3 - answer["limit"]

    def test_unknown_characters_are_told(self):
        answer = next_sentence("😀", "<script>alert(1)</script>", MODEL)
        assert answer["unknown"][0] == 1
        assert {answer["tokens"][place] for place in answer["unknown"]} == {"[UNK]"}

    @pytest.mark.parametrize(
        ("first", "second", "told"),
        [
            ("", "b", "Text A has no token"),
            ("a", " \n", "Text B has no token"),
            ("a\ud800", "b", "surrogate"),
            ("a", 7, "must be a text"),
        ],
    )
    def test_refusals(self, first, second, told):
        with pytest.raises(gr.Error, match=told):
            next_sentence(first, second, MODEL)

    def test_an_unknown_model_is_answered_with_those_there_are(self):
        with pytest.raises(gr.Error, match=MODEL):
            next_sentence("a", "b", "gpt2-mini")


class TestScore:
    def test_wilsons_interval(self):
        # Wilson's bounds solve |share − p| = z·√(p(1 − p)/n) for p.
        for right, n in [(81, 100), (1, 3), (0, 20), (20, 20)]:
            low, high = Share(right, n).interval
            for bound in (low, high):
                if 1e-9 < bound < 1 - 1e-9:
                    assert abs(right / n - bound) == pytest.approx(1.959964 * math.sqrt(bound * (1 - bound) / n))
        assert Share(0, 20).interval[0] == 0
        assert Share(20, 20).interval[1] == pytest.approx(1)

    def test_the_pairs_are_many_and_the_same_each_time(self, loaded):
        lang = languages_of(loaded.tokenizer)[0]
        pairs = held_out_pairs(lang, loaded.tokenizer)
        assert len(pairs) >= 90
        assert [one.pair for one in pairs] == [one.pair for one in held_out_pairs(lang, loaded.tokenizer)]
        assert 0.35 < sum(one.pair.is_next for one in pairs) / len(pairs) < 0.55
        assert {one.group for one in pairs} == set(GROUPS[lang])

    def test_languages_are_those_that_the_vocabulary_spells(self, tokenizer):
        assert languages_of(tokenizer) == ["en", "zh"]
        assert languages_of(load_named("stories-4k"))[0] == "en"

    def test_the_summary_counts(self):
        def pair(is_next: bool) -> HeldOut:
            return HeldOut("en-stories", Pair((5,), (6,), is_next), "a", "b")

        score = summary([pair(True), pair(True), pair(False), pair(False), pair(False)], [0.9, 0.2, 0.4, 0.7])
        assert (score["all"]["right"], score["all"]["n"], score["all"]["majority"]) == (2, 4, 0.5)
        assert score["kinds"]["real"]["right"] == score["kinds"]["random"]["right"] == 1
        assert [(error["kind"], error["probability"]) for error in score["errors"]] == [
            ("missed", 0.2),
            ("invented", 0.7),
        ]

    def test_each_pair_is_judged_once(self, loaded, monkeypatch):
        board = Scoreboard(loaded.tokenizer, languages_of(loaded.tokenizer)[0])
        board.pairs = board.pairs[:20]
        passes = []
        hook = loaded.model.register_forward_hook(lambda module, inputs, output: passes.append(len(output.nsp_logits)))
        try:
            assert not board.is_known
            assert board.upto(0, loaded) == board.upto(1, loaded)[:16]
            assert board.is_known
            board.upto(1, loaded)
        finally:
            hook.remove()
        assert passes == [16, 4]
        alone = judge(loaded, board.pairs[3].pair).probability
        assert board.upto(1, loaded)[3] == pytest.approx(alone, abs=1e-5)  # padding changes nothing

    def test_a_scoreboard_keeps_no_weights(self, loaded, monkeypatch):
        monkeypatch.setattr(services, "hold", None)  # what would load them
        scoreboard.cache_clear()
        assert scoreboard(MODEL, languages_of(loaded.tokenizer)[0]).pairs

    def test_the_answer_goes_part_by_part(self):
        about = ask("pairs_score", model=MODEL)
        first = ask("pairs_score", model=MODEL, part=0)
        assert first["n_pairs"] == about["n_pairs"]
        assert first["all"]["n"] == 16
        assert "out of range" in ask("pairs_score", model=MODEL, part=first["parts"])["refused"]


def test_the_tab_opens_with_an_example_that_every_model_can_read():
    opening = ask("pairs_opening")
    assert [one["name"] for one in opening["collections"]] == list(PAIRS_FROM)
    for first, second in opening["examples"].values():
        for name in (*COLLECTIONS, "own"):  # no step shows what the example gives away
            assert first not in str(documents_of(name, "A text. Another.", tokenizer_of(MODEL)))
        assert 0 < ask("pairs_ask", model=MODEL, first=first, second=second)["probability"] < 1
    assert DEFAULTS["pair_first"] == DEFAULTS["pair_second"] == ""
