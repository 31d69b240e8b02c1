"""Every explanation ends in what the library does with the same tokenizer and the same text."""

import base64
import json
import random
from pathlib import Path

import pytest
import tokenizers as hf
from tokenizers import models as hf_models
from tokenizers import pre_tokenizers, trainers

from models.errors import InputError
from models.tokenizers import bytes_tokenizer, load, ranks, steps
from models.tokenizers.catalogue import SHIPPED
from models.tokenizers.engine_files import read_tokenizer_json
from models.tokenizers.files import load_file
from models.tokenizers.ranks import read_tekken
from models.tokenizers.train import wordpiece_parts
from tests.models.step_texts import CHINESE, ENGLISH, HUG, REPEATS, TEXTS, WORDS, found_tokens, library_tokens
from tests.models.tokenizer_texts import SMALL, tekken_parts

PUBLISHED = Path(__file__).resolve().parents[3] / "shared" / "tokenizers"


def random_text(seed: int) -> str:
    """Few letters, so that many pairs are equally frequent and many symbols overlap with themselves."""
    draw = random.Random(seed)
    return " ".join("".join(draw.choices("abc", k=draw.randint(1, 9))) for _ in range(60))


def library_merges(text, pre_tokenizer, n_ids, **settings) -> list[tuple[str, str]]:
    engine = hf.Tokenizer(hf_models.BPE())
    engine.pre_tokenizer = pre_tokenizer
    engine.train_from_iterator([text], trainers.BpeTrainer(vocab_size=n_ids, show_progress=False, **settings))
    return [tuple(merge) for merge in json.loads(engine.to_str())["model"]["merges"]]


def merges(found) -> list[tuple[str, str]]:
    return [step.winner for step in found[:-1]]


@pytest.mark.parametrize("text", [ENGLISH, CHINESE, ENGLISH + CHINESE, REPEATS, HUG, *map(random_text, range(5))])
def test_bpe_learns_the_merges_of_the_library(text):
    found = steps.bpe_training(text, 200)
    theirs = library_merges(text, pre_tokenizers.Whitespace(), 10_000)
    assert merges(found) == theirs[: len(found) - 1]
    assert len(found) == min(200, len(theirs)) + 1


@pytest.mark.parametrize("text", [ENGLISH, CHINESE, REPEATS, "👩‍👩‍👧 é"])
def test_bpe_over_bytes_learns_the_merges_of_the_library(text):
    found = steps.bpe_training(text, 200, unit="byte")
    cutter, alphabet = pre_tokenizers.ByteLevel(add_prefix_space=False), pre_tokenizers.ByteLevel.alphabet()
    assert merges(found) == library_merges(text, cutter, 10_000, initial_alphabet=alphabet)[: len(found) - 1]
    assert set(found[0].vocabulary) == set(alphabet)


@pytest.mark.parametrize("text", [ENGLISH, HUG, REPEATS, random_text(6)])
def test_bpe_with_word_ends_learns_the_merges_of_the_library(text):
    found = steps.bpe_training(text, 100, end="</w>")
    # The library numbers marked characters in an order of its own; given as special tokens, in the order of the list.
    plain = sorted(set(text) - set(" \n"))
    ordered = [*plain, *(f"{character}</w>" for character in plain)]
    settings = {"special_tokens": ordered, "end_of_word_suffix": "</w>"}
    assert merges(found) == library_merges(text, pre_tokenizers.Whitespace(), 10_000, **settings)[: len(found) - 1]


def test_each_bpe_step_follows_from_the_one_before():
    found = steps.bpe_training(random_text(7), 100)
    for before, after in zip(found, found[1:], strict=False):
        counts = {}
        for symbols, count in before.words:
            for pair in zip(symbols, symbols[1:], strict=False):
                counts[pair] = counts.get(pair, 0) + count
        assert dict(before.counts) == counts
        assert [count for _, count in before.counts] == sorted(counts.values(), reverse=True)
        assert before.counts[0][0] == before.winner
        assert before.merged == "".join(before.winner)
        assert after.vocabulary[: len(before.vocabulary)] == before.vocabulary
        assert before.merged in after.vocabulary
        assert [("".join(word), count) for word, count in after.words] == [("".join(w), c) for w, c in before.words]
    assert found[-1].number == len(found) - 1
    assert (found[-1].winner is None) == (not found[-1].counts)


def test_wordpiece_score_and_count_differ():
    by_count, by_score = (steps.wordpiece_training(HUG, 3, rule) for rule in ("count", "score"))
    assert by_count[0].merged == "##ug"
    assert by_score[0].merged == "##gs"
    assert by_score[0].scores[0] == (("##g", "##s"), 5, 5 / (20 * 5))
    assert {pair: score for pair, _, score in by_count[0].scores}["##u", "##g"] == 20 / (36 * 20)


@pytest.mark.parametrize("text", [ENGLISH, HUG, REPEATS, ENGLISH + CHINESE, random_text(8)])
def test_wordpiece_by_count_learns_the_pieces_of_the_library(text):
    found = steps.wordpiece_training(text, 100)
    normalizer, cutter = wordpiece_parts()
    plain = sorted({symbol.removeprefix("##") for word, _ in found[0].words for symbol in word})
    ordered = ["[UNK]", *plain, *(f"##{character}" for character in plain)]
    engine = hf.Tokenizer(hf_models.WordPiece(unk_token="[UNK]"))
    engine.normalizer, engine.pre_tokenizer = normalizer, cutter
    size = len(ordered) + len(found[-1].vocabulary) - len(found[0].vocabulary)
    trainer = trainers.WordPieceTrainer(vocab_size=size, special_tokens=ordered, show_progress=False)
    engine.train_from_iterator([text], trainer)
    theirs = sorted(engine.get_vocab().items(), key=lambda item: item[1])
    learnt = [piece for piece, _ in theirs[len(ordered) :]]
    assert learnt == found[-1].vocabulary[len(found[0].vocabulary) :]


@pytest.mark.parametrize("rule", ["count", "score"])
def test_wordpiece_scores_are_those_of_the_words(rule):
    for step in steps.wordpiece_training(random_text(9), 60, rule):
        symbols = {}
        for word, count in step.words:
            for symbol in word:
                symbols[symbol] = symbols.get(symbol, 0) + count
        assert [(pair, count) for pair, count, _ in step.scores] == step.counts
        assert all(score == count / (symbols[a] * symbols[b]) for (a, b), count, score in step.scores)
        order = [count if rule == "count" else score for _, count, score in step.scores]
        assert order == sorted(order, reverse=True)


@pytest.fixture(scope="module")
def ranked(tmp_path_factory):
    """The merges of a shipped vocabulary as tiktoken's ranks, in a file of Mistral's form."""
    shipped = load(SHIPPED / "byte-bpe-4k")
    pieces = [shipped.bytes_of(i) for i in range(1, shipped.vocab_size)]
    pieces = sorted(pieces[:256]) + pieces[256:]
    parts = {
        "config": {
            "pattern": r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
            "default_vocab_size": len(pieces) + 3,
            "default_num_special_tokens": 3,
        },
        "vocab": [{"rank": i, "token_bytes": base64.b64encode(piece).decode()} for i, piece in enumerate(pieces)],
    }
    path = tmp_path_factory.mktemp("ranks") / "tekken.json"
    path.write_text(json.dumps(parts), encoding="utf-8")
    return load_file(path)


@pytest.fixture(params=[f"{algorithm}-{size}" for algorithm in ("byte-bpe", "sp-bpe") for size in ("4k", "8k", "16k")])
def bpe(request):
    return load(SHIPPED / request.param)


def check_bpe(tokenizer):
    for word in WORDS:
        found = steps.bpe_encoding(tokenizer, word)
        assert found[-1].pieces == library_tokens(tokenizer, word), word
        for before, after in zip(found, found[1:], strict=False):
            if before.chosen is not None:
                assert len(after.pieces) == len(before.pieces) - 1
                ranks = [rank for *_, rank in before.candidates if rank is not None]
                assert before.candidates[before.chosen][3] == min(ranks)


def test_bpe_steps_end_in_the_tokens_of_the_library(bpe):
    check_bpe(bpe)


def test_bpe_steps_end_in_the_tokens_of_tiktoken(ranked):
    assert type(ranked.bare()).__module__.startswith("tiktoken")
    check_bpe(ranked)


def test_ranks_count_merges_alone(ranked):
    """As for the merges of tokenizer.json: neither the 256 bytes nor the special ids before them are merges."""
    shipped = load(SHIPPED / "byte-bpe-4k")
    for word in WORDS[:20]:
        theirs, found = (steps.bpe_encoding(tokenizer, word)[0].candidates for tokenizer in (shipped, ranked))
        assert found == theirs


@pytest.mark.parametrize("name", ["gpt1", "llama2", "chatglm2"])
def test_bpe_steps_of_published_vocabularies_end_in_their_tokens(name):
    if not (PUBLISHED / name).is_dir():
        pytest.skip("the published vocabularies are not beside the repository")
    check_bpe(load(PUBLISHED / name))


def engine_bpe(model: dict, pre_tokenizer=None) -> hf.Tokenizer:
    engine = hf.Tokenizer(hf_models.BPE(**model))
    engine.pre_tokenizer = pre_tokenizer or pre_tokenizers.Whitespace()
    return engine


@pytest.mark.parametrize(
    "settings",
    [
        {"end_of_word_suffix": "</w>", "unk_token": "<unk>"},
        {"end_of_word_suffix": "</w>", "unk_token": "<unk>", "fuse_unk": True},
        {"unk_token": "<unk>", "ignore_merges": True},
        {},
    ],
)
def test_bpe_steps_know_the_settings_of_tokenizer_json(settings, tmp_path):
    end = settings.get("end_of_word_suffix", "")
    letters = [*"abcdefghijklmnopqrstuvwxyz", *(f"{letter}{end}" for letter in "abcdefghijklmnopqrstuvwxyz" if end)]
    pairs = [("t", "h"), ("a", f"n{end}"), ("th", f"e{end}"), ("m", "i"), ("mi", "l"), ("mil", "l"), ("o", "n")]
    vocab = {token: i for i, token in enumerate(["<unk>", *letters, *("".join(pair) for pair in pairs), "donkey"])}
    engine = engine_bpe({"vocab": vocab, "merges": pairs, **settings})
    engine.save(str(tmp_path / "tokenizer.json"))
    tokenizer = load(tmp_path)
    for word in ["the", "mill", "than", "donkey", "on", "naïve", "X", "éé mill", ""]:
        assert steps.bpe_encoding(tokenizer, word)[-1].pieces == library_tokens(tokenizer, word)


def test_bpe_never_merges_two_words():
    step = steps.bpe_encoding(load(SHIPPED / "byte-bpe-4k"), "a a")[-1]
    assert step.pieces == ["a", "Ġa"]
    assert step.candidates == [(0, "a", "Ġa", None)]


@pytest.mark.parametrize("size", ["4k", "8k", "16k"])
def test_wordpiece_steps_end_in_the_tokens_of_the_library(size):
    tokenizer = load(SHIPPED / f"wordpiece-{size}")
    for text in TEXTS:
        assert found_tokens(steps.wordpiece_encoding(tokenizer, text), "[UNK]") == library_tokens(tokenizer, text), text


def test_wordpiece_tries_the_longest_first():
    first, *_ = steps.wordpiece_encoding(load(SHIPPED / "wordpiece-4k"), "donkeyish")
    assert [piece for piece, _ in first.tried] == ["donkeyish"[:end] for end in range(9, 9 - len(first.tried), -1)]
    assert [known for _, known in first.tried] == [False] * (len(first.tried) - 1) + [True]
    assert first.tried[-1][0] == first.found


def endless(parts: dict) -> dict:
    """A tokenizer.json, changed so that its pattern backtracks for ever on many a's and a b."""
    split = {"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Isolated", "invert": False}
    cutters = [split, *filter(None, [parts.get("pre_tokenizer")])]
    return parts | {"pre_tokenizer": {"type": "Sequence", "pretokenizers": cutters}}


@pytest.mark.parametrize(
    ("kind", "call"),
    [
        ("byte-level", steps.bpe_encoding),
        ("WordPiece", steps.wordpiece_encoding),
        ("Unigram", steps.unigram_lattice),
    ],
)
def test_a_pattern_without_end_is_given_up(kind, call):
    parts = endless(json.loads(SMALL[kind]().to_json()))
    tokenizer = read_tokenizer_json(json.dumps(parts), parts, "tokenizer.json", "endless")
    assert call(tokenizer, "a dog")
    with pytest.raises(InputError) as refusal:
        call(tokenizer, "a" * 60 + "b")
    assert refusal.value.code == "tokenizer_gave_up"


def tekken_with(pattern: str):
    parts = tekken_parts()
    return read_tekken(parts | {"config": parts["config"] | {"pattern": pattern}}, "tekken.json", "tekken")


def test_a_pattern_that_only_tiktoken_can_finish_is_given_up(monkeypatch):
    monkeypatch.setattr(ranks, "CUTTING_SECONDS", 0.05)
    tokenizer = tekken_with(r"(?:aa|a|a+)+$|\s|\S")
    assert len(tokenizer.encode("a" * 40 + "b")) == 41
    with pytest.raises(InputError) as refusal:
        steps.bpe_encoding(tokenizer, "a" * 40 + "b")
    assert refusal.value.code == "tokenizer_gave_up"


def test_groups_in_a_pattern_change_nothing():
    tokenizer = tekken_with(r"( ?)(\S+)|(\s)")
    assert steps.bpe_encoding(tokenizer, "the  dog")[-1].pieces == library_tokens(tokenizer, "the  dog")


@pytest.mark.parametrize(
    ("call", "wanted"),
    [
        (lambda: steps.bpe_encoding(bytes_tokenizer(), "a"), "BPE"),
        (lambda: steps.bpe_encoding(load(SHIPPED / "unigram-4k"), "a"), "BPE"),
        (lambda: steps.wordpiece_encoding(load(SHIPPED / "sp-bpe-4k"), "a"), "WordPiece"),
        (lambda: steps.unigram_lattice(load(SHIPPED / "sp-bpe-4k"), "a"), "Unigram"),
    ],
)
def test_steps_of_another_algorithm_are_refused(call, wanted):
    with pytest.raises(InputError, match=wanted) as refusal:
        call()
    assert refusal.value.code == "train_other_algorithm"


@pytest.mark.parametrize(
    "call",
    [
        lambda text: steps.bpe_training(text, 5),
        lambda text: steps.wordpiece_training(text, 5),
        lambda text: steps.unigram_pruning(text),
        lambda text: steps.bpe_encoding(load(SHIPPED / "byte-bpe-4k"), text),
        lambda text: steps.wordpiece_encoding(load(SHIPPED / "wordpiece-4k"), text),
        lambda text: steps.unigram_lattice(load(SHIPPED / "unigram-4k"), text),
    ],
)
def test_lone_surrogates_are_refused_and_empty_texts_are_not(call):
    with pytest.raises(InputError) as refusal:
        call("a\ud800")
    assert refusal.value.code == "text_surrogate"
    call("")
