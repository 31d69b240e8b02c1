"""Where a text is cut into sentences."""

import time

import pytest

from models.objectives.sentences import sentences
from tests.rows import each_row


@each_row(
    ("text", "expected"),
    [
        ("One dog. Two dogs!  Three?", ["One dog.", "Two dogs!", "Three?"]),
        ('"Stop!" he cried. "Why?" She ran.', ['"Stop!" he cried.', '"Why?"', "She ran."]),
        ("Mr. Fox met Dr. J. Hare at 3.15 p.m. today.", ["Mr. Fox met Dr. J. Hare at 3.15 p.m. today."]),
        ("So did I. He too.", ["So did I.", "He too."]),
        ("She said no. He left.", ["She said no.", "He left."]),
        ("她笑了。“真的吗？”他问。走吧！！", ["她笑了。", "“真的吗？”", "他问。", "走吧！！"]),
        ("他等着……后来天亮了。", ["他等着……", "后来天亮了。"]),
        ("Wait… what did he say? She left…", ["Wait… what did he say?", "She left…"]),
        ("他在s城。cp是什么？", ["他在s城。", "cp是什么？"]),
        (
            "Unforgettable etc. Then approx. 5 went, not Dept. Nine.",
            ["Unforgettable etc. Then approx. 5 went, not Dept. Nine."],
        ),
        ("A title\n\nThe first line. The second.", ["A title", "The first line.", "The second."]),
        ("no end", ["no end"]),
        ("", []),
        (" \n\t", []),
        ("...", ["..."]),
    ],
)
def test_where_sentences_end(text, expected):
    assert sentences(text) == expected


@pytest.mark.parametrize(
    "text", ["A" * 20_000 + "! B", "a." * 10_000 + "! B", "A. " * 6_667], ids=["word", "points", "initials"]
)
def test_a_long_line_is_read_as_fast_as_many_short_ones(text):
    begun = time.process_time()
    sentences(text)
    assert time.process_time() - begun < 0.5


def test_nothing_but_spaces_is_lost():
    text = "He said: \"Go!\" 'No.' (Or so.) Then — nothing… 他走了。Fine."
    assert "".join("".join(sentences(text)).split()) == "".join(text.split())
