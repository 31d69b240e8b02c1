"""What is read of a prompt, and of the settings."""

import pytest

from models.errors import InputError
from models.tokenizers import bytes_tokenizer
from playground.generation import read_settings
from playground.prompt_reading import read_prompt
from playground.session import MAX_PROMPT
from tests.playground.runs import USUAL


def test_a_short_prompt_is_read_whole():
    reading = read_prompt(bytes_tokenizer(), "Hi", 64, 12)
    assert reading.ids == tuple(b"Hi")
    assert (reading.text, reading.n_tokens, reading.is_cut) == ("Hi", 2, False)


def test_of_a_long_prompt_the_end_is_read_with_room_for_the_text():
    reading = read_prompt(bytes_tokenizer(), "abcdefghij" * 20, 64, 12)
    assert len(reading.ids) == 64 - 12
    assert reading.n_tokens == 200
    assert reading.text.endswith("hij")


def test_a_great_length_leaves_half_of_the_context_to_the_prompt():
    assert len(read_prompt(bytes_tokenizer(), "a" * 200, 64, 500).ids) == 32


def test_a_cut_inside_a_character_shows_no_broken_glyph():
    reading = read_prompt(bytes_tokenizer(), "你" * 100, 65, 1)
    assert len(reading.ids) == 64
    assert reading.text == "你" * 21


def test_an_empty_prompt_starts_from_the_end_of_text():
    tokenizer = bytes_tokenizer()
    assert read_prompt(tokenizer, "", 64, 12).ids == (tokenizer.eos_id,)


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b", "\0\udfffab"])
def test_what_is_no_text_is_left_out(text):
    reading = read_prompt(bytes_tokenizer(), text, 64, 12)
    assert reading.text == "ab"
    assert reading.n_dropped == len(text) - 2


def test_a_hundred_thousand_characters_are_read():
    reading = read_prompt(bytes_tokenizer(), "word " * 25_000, 64, 12)
    assert reading.n_tokens == MAX_PROMPT
    assert reading.n_clipped == 25_000


@pytest.mark.parametrize(
    ("change", "code"),
    [({"seed": None}, "number_empty"), ({"seed": 1.5}, "not_an_integer"), ({"temperature": -1}, "out_of_range")]
    + [({"seed": seed}, "out_of_range") for seed in (-1, 2**31)]
    + [({"temperature": 2.1}, "out_of_range"), ({"top_k": 201}, "out_of_range"), ({"top_p": 0.0}, "out_of_range")]
    + [({"temperature": None}, "number_empty"), ({"min_p": "0.1"}, "not_a_number"), ({"top_k": 2.5}, "not_an_integer")],
)
def test_settings_that_cannot_be_are_refused(change, code):
    with pytest.raises(InputError) as refused:
        read_settings({**USUAL, **change})
    assert refused.value.code == code


def test_the_length_has_limits():
    assert read_settings({**USUAL, "max_new_tokens": 12.0})[1] == 12
    for length in (0, 513):
        with pytest.raises(InputError):
            read_settings({**USUAL, "max_new_tokens": length})
