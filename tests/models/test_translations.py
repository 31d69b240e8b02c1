"""Sentence pairs: how they are read, batched and held out; what a translator learns of them; and chrF."""

import json
from collections import Counter
from dataclasses import replace

import pytest
import torch

import models
from models.errors import InputError
from models.objectives import IGNORED, marks_of
from models.objectives.translation import SIMPLIFIED, TRADITIONAL, script_of, translation
from models.tokenizers.byte_level import bytes_tokenizer
from models.tokenizers.extended import with_special_tokens
from models.training.chrf import chrf
from models.training.evaluate_translations import looked_up
from models.training.recipe import CorpusShare, Mixture, Recipe
from models.training.run import StopRequest, train
from models.training.trainer import Trainer
from models.training.translations import SentencePair, TranslationStream, prepare_translations, read_parallel

WORDS = {"one": "一", "two": "二", "three": "三", "four": "四", "five": "五"}
PAIRS = [(f"{a} {b} {n}", f"{WORDS[a]}{WORDS[b]}{n}") for a in WORDS for b in WORDS for n in range(16)]
SHARES = (CorpusShare(file="a.tsv"),)
RECIPE = Recipe(
    name="little",
    preset="transformer-mini",
    mixture=Mixture(name="m", corpora=SHARES, vocab_size=300, tokenizer_name="t", prompt="one two 3\ntwo|one 4"),
    objective="translation",
    seed=3,
    tokens=40 * 512,
    batch_tokens=512,
    sequence_length=32,
    peak_lr=1e-2,
    warmup_fraction=0.1,
    final_lr_fraction=0.1,
    momentum=0.95,
    betas=(0.9, 0.98),
    weight_decay=0.0,
    clip_norm=1.0,
    evaluations=1,
)
SIZES = {"d_model": 32, "n_layers": 1, "n_encoder_layers": 1, "n_heads": 2, "n_kv_heads": 2, "d_head": 16, "d_ff": 64}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("pairs")
    (made / "a.tsv").write_text("".join(f"{en}\t{zh}\tmade here\n" for en, zh in PAIRS) + "\nno pair\n\t空\n", "utf-8")
    return made


@pytest.fixture(scope="module")
def tokenizer():
    return with_special_tokens(bytes_tokenizer(), [TRADITIONAL])


@pytest.fixture(scope="module")
def data(folder, tokenizer):
    return prepare_translations(RECIPE, tokenizer, SHARES, [read_parallel(folder, "a.tsv")])


def test_script_is_told_by_the_characters_of_the_standards():
    assert script_of("汉语") == script_of("你好") == script_of("") == SIMPLIFIED
    assert script_of("漢語") == TRADITIONAL
    assert script_of("汉語") == SIMPLIFIED  # in neither standard as a whole


def test_a_sentence_is_held_out_with_all_its_translations(tmp_path):
    lines = [f"Number {i}.\t第{i}。\tme\nNumber {i}.\t{i}號。\tme" for i in range(400)]
    (tmp_path / "b.tsv").write_text("\n".join(lines), "utf-8")
    file = read_parallel(tmp_path, "b.tsv")
    assert len(file.training) + len(file.validation) == 800
    held = Counter(pair.source for pair in file.validation)
    assert held
    assert set(held.values()) == {2}
    assert not held.keys() & {pair.source for pair in file.training}
    (tmp_path / "empty.tsv").write_text("nothing", "utf-8")
    with pytest.raises(InputError, match=r"empty\.tsv"):
        read_parallel(tmp_path, "empty.tsv")


def test_example_asks_for_a_script_and_ends_both_sides(tokenizer):
    marks = marks_of(tokenizer)
    example = translation([5, 6], [7, 8, 9], marks, tokenizer.special_id(TRADITIONAL))
    assert example.inputs.tolist() == [257, 5, 6, 256]
    assert example.decoder_inputs.tolist() == [256, 7, 8, 9]
    assert example.targets.tolist() == [7, 8, 9, 256]
    assert translation([5], [7], marks).inputs.tolist() == [5, 256]


def test_a_round_reads_each_pair_once_in_batches_of_like_lengths(data):
    stream = data.stream
    assert stream.per_round == sum(len(file.pairs) for file in stream.files) // 16 * 16
    whole = stream.read(0, 2 * stream.per_round)
    assert max(Counter(whole[: stream.per_round]).values()) == 1
    lengths = [[len(pair.source) for pair in whole[start : start + 16]] for start in range(0, stream.per_round, 16)]
    assert sum(max(row) - min(row) for row in lengths) < 0.3 * sum(max(row) for row in lengths)
    assert whole[: stream.per_round] != whole[stream.per_round :]
    again = TranslationStream(stream.files, seed=3, rows=16, max_tokens=32)
    assert again.read(stream.per_round - 8, 16) == whole[stream.per_round - 8 : stream.per_round + 8]
    assert again.fingerprint() == stream.fingerprint()
    assert TranslationStream(stream.files, seed=4, rows=16, max_tokens=32).fingerprint() != stream.fingerprint()


def test_long_sentences_and_too_few_pairs(data, folder, tokenizer):
    file = read_parallel(folder, "a.tsv")
    short = prepare_translations(replace(RECIPE, sequence_length=13, batch_tokens=208), tokenizer, SHARES, [file])
    assert max(len(pair.source) for pair in short.stream.files[0].pairs) == 11
    assert short.stream.n_tokens < data.stream.n_tokens
    with pytest.raises(InputError, match="pairs of sentences"):
        prepare_translations(RECIPE, tokenizer, SHARES, [replace(file, training=file.training[:9])])


def test_translation_is_learnt_and_resumed_exactly(data, tokenizer, tmp_path):
    config = models.preset("transformer-mini").replace(vocab_size=tokenizer.vocab_size, **SIZES)
    whole = Trainer(RECIPE, models.build(config, seed=1), data)
    before = whole.validate()
    losses = [progress.loss for progress in whole]
    assert losses[-1] < 0.5 * losses[0]
    assert whole.validate() < 0.5 * before
    half = Trainer(RECIPE, models.build(config, seed=1), data)
    for progress in half:
        if progress.step == 20:
            break
    half.save(tmp_path / "state.safetensors")
    resumed = Trainer(RECIPE, models.build(config, seed=2), data)
    resumed.resume(tmp_path / "state.safetensors")
    assert [progress.loss for progress in resumed] == losses[20:]
    assert all(torch.equal(a, b) for a, b in zip(resumed.model.parameters(), whole.model.parameters(), strict=True))


def test_run_writes_translations_and_how_good_they_are(folder, tmp_path, monkeypatch):
    config = models.preset("transformer-mini").replace(vocab_size=301, **SIZES)
    monkeypatch.setattr(models, "preset", lambda name: config)
    out = tmp_path / "out"
    assert train(replace(RECIPE, tokens=2 * 512), folder, tmp_path / "work", out, StopRequest(), lambda text: None)
    history, card = json.loads((out / "history.json").read_text()), (out / "CARD.md").read_text("utf-8")
    scores = history["translations"]["a.tsv"]
    assert set(scores) == {"sentences", "chrf", "chrf_looked_up"}
    assert scores["chrf_looked_up"] > 20  # other sentences of the same words are near
    assert "32 pairs of sentences in 2 steps of 16" in card
    assert "| one two 3 | " in card
    assert f"| {scores['chrf']:.1f} | {scores['chrf_looked_up']:.1f} |" in card


def test_padding_pays_nothing(data):
    from models.objectives import batch

    pairs = sorted(data.stream.read(0, data.stream.per_round), key=lambda pair: len(pair.target))
    made = batch(data._examples([pairs[0], pairs[-1]]), 256)
    assert int((made.targets[0] != IGNORED).sum()) == len(pairs[0].target) + 1
    assert int(made.arguments["attention_mask"][0].sum()) == len(pairs[0].source) + 1


def test_chrf_is_that_of_its_authors():
    """38.70… is what sacrebleu 2.6.0 computes (chrF2, no word n-grams)."""
    said = ["他有一只小猫。", "我不知道", "The cat sat"]
    references = [["他有两只猫。", "他养了一只小猫。"], ["我不知道。"], ["A cat sat on the mat"]]
    assert chrf(said, references) == pytest.approx(38.702526082852486, abs=1e-9)
    assert chrf(["一样"], [["一样"]]) == 100
    assert chrf(["一样"], [["不同"]]) == chrf([""], [["不同"]]) == 0


def test_the_guess_is_the_most_similar_sentence_of_the_same_script():
    training = [
        SentencePair("I like the big dog.", "大狗", SIMPLIFIED),
        SentencePair("I like the cat.", "猫", SIMPLIFIED),
        SentencePair("The cat!", "貓", TRADITIONAL),
    ]
    asked = [("the cat", SIMPLIFIED), ("The Dog", SIMPLIFIED), ("the dog", TRADITIONAL)]
    assert looked_up(asked, training) == ["猫", "大狗", "貓"]
    assert looked_up([("the dog", TRADITIONAL)], training[:2]) == [""]
