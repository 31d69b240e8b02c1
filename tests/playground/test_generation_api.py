"""The endpoint /generate."""

import gradio as gr
import pytest

from models.tokenizers import bytes_tokenizer
from playground.generation_api import generate_text, token_text
from tests.playground.runs import TINY, final, ids, run


def test_the_endpoint_answers_with_text_and_tokens():
    answer = generate_text("Once", TINY, max_new_tokens=4, seed=3)
    assert answer == generate_text("Once", TINY, max_new_tokens=4, seed=3)
    assert [len(answer["tokens"]), answer["finish"], answer["seed"]] == [4, "length", 3]
    assert [answer["prompt_tokens"], answer["read_tokens"]] == [4, 4]
    assert {"id", "text", "probability", "raw_probability"} == set(answer["tokens"][0])
    assert ids(final(run(seed=3, max_new_tokens=4))) == [token["id"] for token in answer["tokens"]]


@pytest.mark.parametrize(("lang", "words"), [("en", "at most"), ("zh", "最多")])
def test_the_endpoint_refuses_in_a_sentence(lang, words):
    with pytest.raises(gr.Error, match=words):
        generate_text("Once", "gpt3-175b", lang=lang)


def test_tokens_without_characters_are_named():
    tokenizer = bytes_tokenizer()
    assert token_text(tokenizer, 65) == "A"
    assert token_text(tokenizer, 0xE4) == "<0xE4>"
    assert token_text(tokenizer, tokenizer.eos_id) == "<|endoftext|>"
    assert token_text(tokenizer, 50_000) == "<id 50000>"


@pytest.mark.parametrize("name", ["bert-base-uncased", "vit-b16-224", "clip-vit-b32"])
def test_the_endpoint_says_which_models_do_not_write(name):
    with pytest.raises(gr.Error, match="does not write text"):
        generate_text("Once", name)
