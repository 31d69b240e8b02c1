"""The tab of tokenizers beside its columns: steps of the algorithms, the passages, what each tokenizer is."""

import json

import pytest

from models.tokenizers import bytes_tokenizer
from models.tokenizers.catalogue import catalogue
from playground import token_answers as answers
from playground.i18n import LANGUAGES
from playground.session import DEFAULTS
from playground.token_passages import PASSAGES, measured, passage
from playground.token_shelf import find
from playground.views.token_chart import passage_chart
from playground.views.token_words import source_of

FAMILY = "👨‍👩‍👧‍👦"


def ask(function: str, /, **request) -> dict:
    return json.loads(getattr(answers, function)(json.dumps(request)))


# ---- steps -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["bpe", "wordpiece", "unigram"])
def test_a_training_is_shown_step_by_step(algorithm):
    reply = ask("steps", algorithm=algorithm, text=passage("english"))
    assert len(reply["lanes"]) == (2 if algorithm == "wordpiece" else 1)
    assert all(len(lane) > 3 for lane in reply["lanes"])


def test_the_vocabulary_grows_by_what_is_merged():
    lane = ask("steps", algorithm="bpe", text=DEFAULTS["tok_text"])["lanes"][0]
    assert lane[0]["added"]
    assert all(len(step["added"]) <= 1 for step in lane[1:])
    assert [step["added"] for step in lane[1:4]] == [[step["merged"]] for step in lane[:3]]


@pytest.mark.parametrize("text", [passage("english"), DEFAULTS["tok_text"], passage("english")[:300]])
def test_the_numbers_of_unigram_s_pieces_add_up(text):
    lane = ask("steps", algorithm="unigram", text=text)["lanes"][0]
    for step, following in zip(lane, lane[1:], strict=False):
        left = step["n_pieces"] - len(step["removed"])
        assert following["n_pieces"] == left - len(following["faded"]) + len(following["returned"])
    assert lane[-1]["returned"]


@pytest.mark.parametrize("name", ["byte-bpe-8k", "sp-bpe-8k", "wordpiece-8k", "unigram-8k", "characters-8k", "bytes"])
@pytest.mark.parametrize("word", ["unhappiness", "分词器", f"<b>{FAMILY}", "a\0b"])
def test_a_word_is_cut_as_the_tokenizer_cuts_it(name, word):
    reply = ask("steps", tokenizer=name, word=word)
    assert reply["ids"] == find(name).tokenizer.encode(word)
    if reply["kind"] == "bpe":
        assert reply["steps"][-1]["pieces"] == reply["tokens"]
    if reply["kind"] == "unigram":
        edges = [reply["lattice"]["edges"][edge] for edge in reply["lattice"]["best"]]
        assert "".join(edge[2] for edge in edges) == reply["lattice"]["text"]


@pytest.mark.parametrize(
    "wrong", [{"algorithm": "gzip", "text": "a"}, {"algorithm": [], "text": "a"}, {"algorithm": "bpe"}]
)
def test_odd_steps_are_refused(wrong):
    assert ask("steps", **wrong)["refused"][-1] == "."
    assert "empty" in ask("steps", algorithm="bpe", text=" \n")["refused"]
    assert "at most 2000" in ask("steps", algorithm="bpe", text="a" * 2001)["refused"]
    assert "at most 64" in ask("steps", tokenizer="bytes", word="a" * 65)["refused"]


# ---- passages --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_chart_has_a_bar_for_each_passage(lang):
    found = [measured(find(name)) for name in ("bytes", "byte-bpe-8k")]
    figure = passage_chart(found, lang)
    assert [len(trace.x) for trace in figure.data] == [6, 6]
    text = passage("chinese")
    assert figure.data[0].y[1] == pytest.approx(len(text.encode()) / len(text))


def test_the_survey_s_figures_stand_beside_measured_ones(monkeypatch):
    reply = ask("survey", tokenizers=["bytes", "byte-bpe-8k"])
    rows = {row["title"]: row for row in reply["rows"]}
    assert rows["Bytes"]["chinese"][0] > 2.5
    assert rows["Bytes"]["printed"] is None
    assert rows["BLOOM"] == {"title": "BLOOM", "printed": 250_880, "remark": "bloom"}
    assert rows["ChatGLM-6B"]["printed"] == 130_528
    assert next(row["printed"] for title, row in rows.items() if title.startswith("LLaMA")) == 32_000
    assert reply["characters"]["english"] == len(passage("english"))
    monkeypatch.setattr(answers, "SURVEY", {"bytes": 32_000})
    (row,) = (row for row in ask("survey", tokenizers=["bytes", "byte-bpe-8k"])["rows"] if row["printed"])
    assert (row["printed"], row["vocab_size"]) == (32_000, 257)


def test_the_chart_has_a_table():
    reply = ask("kinds", tokenizers=["bytes", "byte-bpe-8k"], lang="zh")
    assert len(reply["passages"]) == len(PASSAGES)
    assert reply["rows"][0][0] == "逐字节"
    assert reply["rows"][0][2] == pytest.approx(len(passage("chinese").encode()) / len(passage("chinese")))


@pytest.mark.parametrize("lang", LANGUAGES)
def test_each_tokenizer_says_what_it_is(lang):
    for entry in catalogue():
        source = source_of(entry.name, lang)
        assert source
        if entry.command and lang == "en":
            assert source == entry.source
    column_ = ask("compare", text="a", tokenizers=["bytes", "wordpiece-8k"], lang=lang)["columns"][1]
    assert column_["about"]["special"] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert column_["about"]["n_special"] == 5
    own_one = answers.kept("mine", bytes_tokenizer(), lang)
    mine = ask("compare", text="a", tokenizers=["bytes", own_one["name"]], lang=lang)["columns"][1]["about"]
    assert mine["source"] == source_of("yours", lang)
    assert mine["licence"]


def test_a_step_sends_only_the_words_that_it_changes():
    lane = ask("steps", algorithm="bpe", text=DEFAULTS["tok_text"])["lanes"][0]
    words = {}
    for step in lane:
        changed = {place: pieces for place, pieces, _ in step["words"]}
        assert all(words.get(place) != pieces for place, pieces in changed.items())
        words |= changed
        if step["winner"]:
            left, right = step["winner"]
            assert any([left, right] == pieces[at : at + 2] for pieces in words.values() for at in range(len(pieces)))


def test_the_library_s_own_pruning_is_told_beside_ours():
    text = passage("english")
    last = ask("steps", algorithm="unigram", text=text)["lanes"][0][-1]
    beside = ask("steps", algorithm="unigram-library", text=text)
    assert last["n_pieces"] == beside["same"] + len(beside["instead"])
    assert not {piece for piece, *_ in last["pieces"]} & set(beside["instead"])
    assert beside["same"] > 30
