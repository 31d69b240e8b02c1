"""What a tokenizer changes of a text is told exactly: put back, the changes give what was decoded."""

import random

import pytest

from models.tokenizers import bytes_tokenizer
from models.tokenizers.round_trip import Change, round_trip
from tests.models.tokenizer_texts import SMALL, TEXTS
from tests.rows import each_row


@pytest.fixture(scope="module", params=SMALL)
def tokenizer(request):
    return SMALL[request.param]()


def applied(text: str, changes: list[Change]) -> str:
    """The text with each change made."""
    parts, done = [], 0
    for change in changes:
        assert done <= change.start <= change.end
        assert text[change.start : change.end] == change.original
        assert change.original != change.became
        parts += [text[done : change.start], change.became]
        done = change.end
    return "".join([*parts, text[done:]])


@each_row("text", TEXTS.values(), ids=TEXTS)
def test_changes_give_what_was_decoded(tokenizer, text):
    result = round_trip(tokenizer, text)
    assert result.became == tokenizer.decode(tokenizer.encode(text))
    assert result.exact == (result.became == text) == (not result.changes)
    assert applied(text, result.changes) == result.became


def test_random_texts(tokenizer):
    draw = random.Random(8)
    alphabet = "".join(TEXTS.values())
    for _ in range(150):
        text = "".join(draw.choice(alphabet) for _ in range(draw.randint(0, 25)))
        assert applied(text, round_trip(tokenizer, text).changes) == tokenizer.decode(tokenizer.encode(text))


def test_nothing_is_lost_in_bytes():
    for text in TEXTS.values():
        assert round_trip(bytes_tokenizer(), text).exact


@each_row(
    ("kind", "text", "changes"),
    [
        ("WordPiece", "the DOG", [Change(4, 7, "DOG", "dog", "lower-cased")]),
        ("WordPiece", "the  dog", [Change(4, 5, " ", "", "spaces")]),
        ("WordPiece", "the\ndog", [Change(3, 4, "\n", " ", "spaces")]),
        ("WordPiece", "é", [Change(0, 1, "é", "e", "accents")]),
        ("WordPiece", "e\u0301", [Change(1, 2, "\u0301", "", "accents")]),
        ("WordPiece", "the 犇", [Change(4, 5, "犇", "\ufffd", "unknown")]),
        ("WordPiece", "th\0e", [Change(2, 3, "\0", "", "other")]),
        ("word ends", "the,", [Change(3, 3, "", " ", "spaces")]),
        ("word ends", "the little Dog", [Change(11, 12, "D", "d", "lower-cased")]),
        ("Unigram", "ﬁ", [Change(0, 1, "ﬁ", "fi", "unicode form")]),
        ("composed", "the e\u0301", [Change(4, 6, "e\u0301", "é", "unicode form")]),
        ("marked spaces", "the▁dog", [Change(3, 4, "▁", " ", "other")]),
        ("marked spaces", "the 犇 👩", []),
        ("characters", "the 犇", [Change(4, 5, "犇", "\ufffd", "unknown")]),
        ("tekken", "the 犇", []),
    ],
)
def test_each_kind_of_change_has_its_name(kind, text, changes):
    assert round_trip(SMALL[kind](), text).changes == changes
