"""The tab of tokenizers: figures, payloads, what strangers may send, and the endpoints."""

import base64
import json
import random

import gradio as gr
import pytest

from models.errors import InputError
from models.tokenizers import bytes_tokenizer
from models.tokenizers.catalogue import catalogue
from models.tokenizers.train import MAX_TEXT_BYTES as MOST_TO_TRAIN
from models.tokenizers.train import MIN_VOCAB_SIZE
from playground import token_answers as answers
from playground.i18n import LANGUAGES
from playground.session import DEFAULTS, LIMITS, TOKENIZERS, Session
from playground.token_api import compare_tokenizers, tokenize
from playground.token_figures import MAX_TEXT_BYTES, SHOWN_CHARACTERS, column, drawn_part, read_text, size_of
from playground.token_passages import PASSAGES, passage
from playground.token_pieces import Pieces
from playground.token_shelf import Named, OwnTokenizers, find, read_names
from playground.views.token_columns import column_payload
from playground.views.token_words import ALGORITHMS, title, title_of
from tests.rows import each_row

FAMILY = "👨‍👩‍👧‍👦"


def ask(function: str, /, **request) -> dict:
    return json.loads(getattr(answers, function)(json.dumps(request)))


def bytes_column(text: str):
    return column(bytes_tokenizer(), text, size_of(text))


def test_a_chinese_character_is_a_word():
    size = size_of("two words 两个字 x1")
    assert (size.characters, size.words, size.bytes) == (16, 6, 22)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cafe\u0301s", 1),
        ("हिन्दी", 1),
        ("a豈b", 3),
        ("ㄅㄆ", 2),
        ("𠮷野家", 3),
        ("コーヒー", 4),
        ("한국어", 3),
        ("don't a_b ½", 4),
        (f" .,{FAMILY} \u0301", 0),
    ],
)
def test_words_are_counted_in_every_script(text, words):
    assert size_of(text).words == words


def test_the_figures_of_bytes_are_known_beforehand():
    figures = bytes_column("aé 中").figures
    assert (figures.tokens, figures.vocab_size) == (7, 257)
    assert figures.per_character == pytest.approx(7 / 4)
    assert figures.bytes_per_token == 1
    assert (figures.unknown, figures.byte_fallback) == (0, 0)
    assert figures.seconds_per_mb > 0


def test_an_empty_text_has_no_ratios():
    figures = bytes_column("").figures
    assert (figures.tokens, figures.per_character, figures.bytes_per_token, figures.seconds_per_mb) == (
        0,
        None,
        None,
        None,
    )


def test_unknown_tokens_are_counted():
    text = f"{FAMILY} and so on"
    found = column(find("characters-8k").tokenizer, text, size_of(text))
    kinds = [found.tokenizer.kind_of(token_id) for token_id in found.encoding.ids]
    assert kinds.count("unknown") > 0
    assert found.figures.unknown == pytest.approx(kinds.count("unknown") / len(kinds))


def test_the_payload_gives_the_places_back():
    found = bytes_column(f"a {FAMILY} 中")
    payload = column_payload("bytes", "Bytes", found, "en")
    at, spans = 0, []
    for gap, length in zip(payload["gaps"], payload["lengths"], strict=True):
        spans.append((at + gap, at + gap + length))
        at += gap + length
    assert spans == list(found.encoding.byte_spans)
    assert len(payload["kinds"]) == len(payload["ids"])
    assert payload["exact"]


@each_row("name", TOKENIZERS.split(","))
@each_row("text", [passage(name) for name in PASSAGES], ids=PASSAGES)
def test_spans_of_every_passage_lie_in_the_text(name, text):
    found = column(find(name).tokenizer, text, size_of(text))
    size, reached = len(text.encode()), 0
    for start, end in found.encoding.byte_spans:
        assert 0 <= start <= end <= size
        assert start >= reached or start == end or start < reached <= size  # pieces of one character may overlap
        reached = max(reached, end)
    assert found.figures.tokens == len(found.encoding.ids)


def test_a_long_text_is_drawn_in_part_and_counted_whole():
    text = "word " * 2000
    assert len(drawn_part(text)) <= SHOWN_CHARACTERS
    assert drawn_part(text).endswith(" ")
    reply = ask("compare", text=text, tokenizers=["bytes", "byte-bpe-8k"], lang="en")
    assert reply["drawn"] < reply["size"]["characters"] == 10_000
    assert reply["columns"][0]["figures"]["tokens"] == 10_000
    assert len(reply["columns"][0]["ids"]) == reply["drawn"]


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "a\0b", "שלום \u202eabc", FAMILY, "\u200d", "İ ﬁ ½ é"])
def test_odd_texts_are_compared(text, lang):
    reply = ask("compare", text=text, tokenizers=TOKENIZERS.split(","), lang=lang)
    assert [found.get("refused") for found in reply["columns"]] == [None] * 4
    assert all(found["back"] for found in reply["columns"])


@each_row("lang", LANGUAGES)
@each_row(
    "request_",
    [
        {},
        {"text": "a", "tokenizers": ["bytes"]},
        {"text": "a", "tokenizers": ["bytes"] * 2},
        {"text": "a", "tokenizers": "bytes,gpt2"},
        {"text": "a", "tokenizers": [1, 2]},
        {"text": 5, "tokenizers": ["bytes", "byte-bpe-8k"]},
        {"text": "a\ud800", "tokenizers": ["bytes", "byte-bpe-8k"]},
        {"text": "x" * (MAX_TEXT_BYTES + 1), "tokenizers": ["bytes", "byte-bpe-8k"]},
        {"sent": "nothing", "tokenizers": ["bytes", "byte-bpe-8k"]},
        {"sent": ["x"], "tokenizers": ["bytes", "byte-bpe-8k"]},
    ],
    ids=lambda request: str(request)[:50],
)
def test_odd_requests_are_refused_in_a_sentence(request_, lang):
    refused = ask("compare", **request_, lang=lang)["refused"]
    assert refused[-1] in ".。"


@pytest.mark.parametrize("request_", ["", "[1]", "nonsense", None, 5, "[" * 100_000])
def test_what_is_no_request_is_refused(request_):
    for answer in (answers.opening, answers.compare, answers.steps, answers.train, answers.bring):
        assert "did not arrive whole" in json.loads(answer(request_))["refused"]


def test_a_tokenizer_that_is_not_there_spoils_no_other_column():
    reply = ask("compare", text="a", tokenizers=["bytes", "no-such", "own-gone"])
    assert reply["columns"][0]["figures"]["tokens"] == 1
    assert "no-such" in reply["columns"][1]["refused"]
    assert "make it again" in reply["columns"][2]["refused"]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_tokenizer_is_listed(lang):
    reply = ask("opening", lang=lang)
    assert [item["name"] for item in reply["tokenizers"]] == [entry.name for entry in catalogue()]
    assert all(item["available"] for item in reply["tokenizers"] if item["shipped"])
    assert all(item["command"] for item in reply["tokenizers"] if not item["available"])
    assert {entry.algorithm for entry in catalogue()} <= ALGORITHMS.keys()
    assert len(reply["passages"]) == len(PASSAGES)


def test_ours_are_called_by_their_algorithm():
    assert title("characters-8k", "Characters 8k", "characters", "zh") == "逐字符 8k"
    assert title("gpt2", "GPT-2", "byte-level BPE", "zh") == "GPT-2"
    assert title_of(Named("bytes", "Bytes", bytes_tokenizer()), "zh") == "逐字节"


def test_the_default_tokenizers_are_shipped():
    shipped = {entry.name for entry in catalogue() if entry.command is None}
    assert {*read_names(TOKENIZERS.split(",")), DEFAULTS["tok_with"]} <= shipped


def test_limits_are_those_of_the_trainer():
    assert LIMITS["train_size"][0] == MIN_VOCAB_SIZE
    assert MAX_TEXT_BYTES == MOST_TO_TRAIN


# ---- what comes in pieces, and what is kept --------------------------------------------------------------------------


def test_pieces_make_a_whole_once():
    waiting = Pieces()
    for index, part in enumerate([b"ab", b"cd"]):
        waiting.add("x", index, base64.b64encode(part).decode(), 10)
    assert waiting.take("x") == b"abcd"
    with pytest.raises(InputError):
        waiting.take("x")


def test_pieces_are_bounded():
    waiting = Pieces(most=2)
    data = base64.b64encode(b"12345").decode()
    waiting.add("x", 0, data, 8)
    with pytest.raises(InputError, match="at most 8"):
        waiting.add("x", 1, data, 8)
    for name in "abc":
        waiting.add(name, 0, data, 8)
    with pytest.raises(InputError):
        waiting.take("a")
    for wrong in [("b", 2, data), ("b", 0, "§"), (None, 0, data), ("b", "0", data), ("b" * 65, 0, data)]:
        with pytest.raises(InputError):
            waiting.add(*wrong, 8)


def test_a_long_text_comes_in_pieces():
    text = "中文 text " * 40_000
    data = text.encode()
    half = len(data) // 2
    for index, part in enumerate((data[:half], data[half:])):
        assert "size" in ask("piece", name="t", index=index, data=base64.b64encode(part).decode(), kind="text")
    reply = ask("compare", sent="t", tokenizers=["bytes", "byte-bpe-8k"])
    assert reply["size"]["characters"] == len(text)


def test_the_oldest_own_tokenizer_is_dropped():
    kept = OwnTokenizers(most=2)
    names = [kept.keep(str(index), bytes_tokenizer()).name for index in range(3)]
    assert len(set(names)) == 3
    with pytest.raises(InputError):
        kept.get(names[0])
    assert kept.get(names[2]).title == "2"


def send_file(content: bytes, name: str) -> dict:
    ask("piece", name="f", index=0, data=base64.b64encode(content).decode(), kind="file")
    return ask("bring", sent="f", file=name)


def test_a_file_is_opened_and_a_broken_one_refused(tmp_path):
    bytes_tokenizer().save(tmp_path)
    item = send_file((tmp_path / "tokenizer.json").read_bytes(), "../../tokenizer.json")
    assert (item["title"], item["vocab_size"]) == ("tokenizer.json", 257)
    assert ask("compare", text="ab", tokenizers=[item["name"], "bytes"])["columns"][0]["figures"]["tokens"] == 2
    noise = random.Random(1)
    for name in ("tokenizer.json", "spiece.model", "x.tiktoken", "vocab.txt", "x.bin", ""):
        assert "refused" in send_file(noise.randbytes(2000), name), name
    assert "refused" in ask("bring", file=5, sent="f")
    assert "refused" in ask("bring", hub=["x"])


# ---- the endpoints -----------------------------------------------------------------------------------------------------


def test_tokenize_lists_every_token():
    reply = tokenize("A中", "bytes")
    assert reply["ids"] == [65, *"中".encode()]
    assert reply["byte_spans"] == [[0, 1], [1, 2], [2, 3], [3, 4]]
    assert reply["char_spans"] == [[0, 1], [1, 2], [1, 2], [1, 2]]
    assert (reply["exact"], reply["back"]) == (True, "A中")
    assert (reply["special_tokens"], reply["licence"]) == ({"<|endoftext|>": 256}, "none needed")
    assert "完全相同" in tokenize("A中", "bytes", "zh")["sentence"]


def test_compare_tokenizers_measures_each():
    reply = compare_tokenizers("hello 中文", ["bytes", "wordpiece-8k"])
    assert (reply["characters"], reply["words"], reply["bytes"]) == (8, 3, 12)
    assert [row["name"] for row in reply["tokenizers"]] == ["bytes", "wordpiece-8k"]
    assert reply["tokenizers"][0]["tokens"] == 12
    assert len(compare_tokenizers("a")["tokenizers"]) == 4


@pytest.mark.parametrize(
    "call",
    [
        lambda: tokenize(5),
        lambda: tokenize("a", "no-such"),
        lambda: tokenize("a", None),
        lambda: tokenize("a" * 200_001),
        lambda: tokenize("\ud800"),
        lambda: compare_tokenizers("a", ["bytes"]),
        lambda: compare_tokenizers("a", ["bytes", "no-such"]),
        lambda: compare_tokenizers("a", {"bytes": 1}),
        lambda: compare_tokenizers(None),
    ],
)
def test_the_endpoints_refuse_in_a_sentence(call):
    with pytest.raises(gr.Error) as refused:
        call()
    assert refused.value.message[-1] == "."


def test_a_text_is_read_or_refused():
    assert read_text("x" * MAX_TEXT_BYTES)
    with pytest.raises(InputError, match="at most 1000000"):
        read_text("中" * (MAX_TEXT_BYTES // 3 + 1))


# ---- the address -------------------------------------------------------------------------------------------------------


def test_what_was_chosen_is_in_the_address():
    session = Session.from_query(
        {"tokenizers": "bytes,gpt2", "text": "a b", "tok_steps": "unigram", "train_size": "700"}
    )
    assert not session.problems
    assert "tokenizers=bytes,gpt2" in session.to_query()
    again = Session.from_query(dict(part.split("=") for part in session.to_query().split("&")))
    assert (again.tokenizers, again.tok_steps, again.train_size) == ("bytes,gpt2", "unigram", 700)


@pytest.mark.parametrize(
    "query",
    [
        {"tokenizers": "bytes"},
        {"tokenizers": "a,b,c,d,e,f,g"},
        {"tokenizers": "<b>,gpt2"},
        {"tok_with": "a,b"},
        {"tok_section": "x"},
        {"train_with": "gzip"},
        {"train_size": "1"},
        {"tok_text": "a" * 2001},
    ],
)
def test_odd_addresses_are_told(query):
    session = Session.from_query(query)
    assert [problem.field for problem in session.problems] == list(query)
