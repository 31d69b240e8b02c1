"""Sentence pairs for training: their order, what is held out, and what a model of BERT's kind learns from them."""

from dataclasses import replace

import pytest
import torch

import models
from models.errors import InputError
from models.objectives import IGNORED, marks_of
from models.tokenizers.byte_level import ByteLevelTokenizer, bytes_tokenizer
from models.training.corpora import Corpus
from models.training.evaluate_pairs import PairScore, evaluate_pairs
from models.training.pairs import PairStream, prepare_pairs, sentence_file
from models.training.recipe import CorpusShare, Mixture, Recipe
from models.training.trainer import Trainer

LETTERS = "abcdefgh"
# Each document speaks of one letter, so that whether two parts belong together can be learnt quickly.
TEXTS = tuple(" ".join(f"{letter.upper()}{letter * n}." for n in range(1, 9)) for letter in LETTERS for _ in range(4))
CORPUS = Corpus("a.txt", tuple(text for i, text in enumerate(TEXTS) if i % 4), TEXTS[::4])
SHARES = (CorpusShare(file="a.txt", passes=2),)
RECIPE = Recipe(
    name="little",
    preset="bert-mini",
    mixture=Mixture(name="m", corpora=SHARES, vocab_size=300, tokenizer_name="t"),
    objective="masked_pairs",
    seed=3,
    tokens=40 * 320,
    batch_tokens=320,
    sequence_length=40,
    peak_lr=5e-3,
    warmup_fraction=0.1,
    final_lr_fraction=0.1,
    momentum=0.95,
    betas=(0.9, 0.98),
    weight_decay=0.1,
    clip_norm=1.0,
    evaluations=1,
)


@pytest.fixture(scope="module")
def tokenizer():
    engine = bytes_tokenizer()._engine
    engine.add_special_tokens(["[PAD]", "[CLS]", "[SEP]", "[MASK]"])
    return ByteLevelTokenizer(engine, "marked bytes", "bytes")


@pytest.fixture(scope="module")
def data(tokenizer):
    return prepare_pairs(RECIPE, tokenizer, SHARES, [CORPUS])


@pytest.fixture
def trainer(data, tokenizer):
    sizes = {"d_model": 32, "n_layers": 2, "n_heads": 2, "n_kv_heads": 2, "d_head": 16, "d_ff": 64}
    config = models.preset("bert-mini").replace(vocab_size=tokenizer.vocab_size, **sizes)
    return Trainer(RECIPE, models.build(config, seed=1), data)


def test_a_document_of_one_sentence_makes_no_pair(tokenizer):
    file = sentence_file(("One. Two.", "Only one.", ""), tokenizer)
    assert [[tokenizer.decode(ids) for ids in document] for document in file.documents] == [["One.", "Two."]]


def test_pairs_are_the_same_wherever_reading_begins(data):
    def stream():
        return PairStream(data.stream.files, [2], seed=3, max_tokens=40)

    whole = stream().read(0, 300)
    assert len(stream()._made(0)) < 150  # so that several rounds are read
    later = stream()
    assert later.read(250, 50) == whole[250:]
    assert later.read(0, 10) == whole[:10]
    assert whole[:40] != PairStream(data.stream.files, [2], seed=4, max_tokens=40).read(0, 40)
    assert stream().fingerprint() != PairStream(data.stream.files, [1], seed=3, max_tokens=40).fingerprint()


def test_a_file_is_read_in_as_many_rounds_as_it_has_passes(tokenizer):
    often, once = sentence_file(TEXTS[:4], tokenizer), sentence_file(TEXTS[4:8], tokenizer)
    stream = PairStream([often, once], [2, 1], seed=0, max_tokens=40)
    texts = ["".join(tokenizer.decode(pair.first) for pair in stream._made(turn)).lower() for turn in range(2)]
    letters = [set(text) & set(LETTERS) for text in texts]
    assert letters[0] == {"a", "b"}
    assert letters[1] == {"a"}


def test_a_wrong_second_part_comes_from_the_same_file(tokenizer):
    files = [sentence_file(TEXTS[:12], tokenizer), sentence_file(TEXTS[12:24], tokenizer)]  # a to c, d to f
    for pair in PairStream(files, [1, 1], seed=0, max_tokens=40).read(0, 200):
        first, second = ({"abc".find(letter) >= 0 for letter in set(tokenizer.decode(ids).lower()) & set("abcdef")}
                         for ids in (pair.first, pair.second))  # fmt: skip
        assert first == second
    lonely = PairStream([sentence_file(TEXTS[:1], tokenizer)], [1], seed=0, max_tokens=40)
    with pytest.raises(InputError, match="document"):
        lonely.read(0, 1)


def test_documents_held_out_make_the_same_examples_each_time(data, tokenizer):
    again = prepare_pairs(RECIPE, tokenizer, SHARES, [CORPUS])
    for mine, other in zip(data.held_out["a.txt"], again.held_out["a.txt"], strict=True):
        assert torch.equal(mine.inputs, other.inputs)
        assert torch.equal(mine.targets, other.targets)
    with pytest.raises(InputError, match="No text is left to measure the loss on"):
        prepare_pairs(RECIPE, tokenizer, SHARES, [Corpus("a.txt", TEXTS, ())])


def test_both_objectives_are_learnt(trainer, data):
    before = data.scores(RECIPE, trainer.model)["a.txt"]
    losses = [progress.loss for progress in trainer]
    after = data.scores(RECIPE, trainer.model)["a.txt"]
    assert losses[-1] < 0.7 * losses[0]
    assert after.loss < 0.8 * before.loss
    assert (after.masked, after.pairs) == (before.masked, before.pairs)


def test_short_pairs_come_first(tokenizer):
    recipe = replace(RECIPE, short_length=20, short_fraction=0.25)
    data = prepare_pairs(recipe, tokenizer, SHARES, [CORPUS])
    for step, length in ((0, 20), (9, 20), (10, 40)):
        examples = data.examples(recipe, step, torch.Generator().manual_seed(1))
        assert len(examples) == recipe.batch_tokens // length
        assert 0.8 * length < max(len(example.inputs) for example in examples) <= length


def test_what_is_counted(data, tokenizer):
    """A model that always names one token first, and always says the same of a pair."""
    marks = marks_of(tokenizer)
    examples = data.held_out["a.txt"]
    targets = torch.cat([example.targets[example.targets != IGNORED] for example in examples]).tolist()

    class Stubborn(torch.nn.Module):
        def forward(self, input_ids, logits_at, **_):
            logits = torch.zeros(int(logits_at.sum()), tokenizer.vocab_size)
            logits[..., ord("a")] = 2.0
            return models.ModelOutput(logits=logits, nsp_logits=torch.tensor([[1.0, 0.0]]).expand(len(input_ids), 2))

    score = evaluate_pairs(Stubborn(), examples, marks.pad, (ord("b"), ord("."), 0, 1, 2))
    assert score.masked == len(targets)
    assert score.top1 == targets.count(ord("a"))
    assert score.unigram_top1 == targets.count(ord("b"))
    assert score.unigram_top5 == targets.count(ord("b")) + targets.count(ord("."))
    assert score.pairs == len(examples)
    assert score.right == sum(example.is_next for example in examples)
    assert score.majority == max(score.right, score.pairs - score.right)


def test_scores_add_up():
    parts = [PairScore(10, 20.0, 3, 5, 1, 2, 4, 3, 2), PairScore(30, 20.0, 7, 15, 3, 6, 6, 3, 4)]
    whole = parts[0] + parts[1]
    assert whole == PairScore(40, 40.0, 10, 20, 4, 8, 10, 6, 6)
    assert whole.loss == 1.0
    assert whole.to_dict()["perplexity"] == pytest.approx(2.718281828)


def test_a_decoder_is_not_trained_on_pairs(data):
    with pytest.raises(InputError, match="objective"):
        Trainer(RECIPE, models.build(models.preset("gpt2-mini").replace(n_layers=1)), data)
    with pytest.raises(InputError, match="masked_pairs"):
        replace(RECIPE, objective="guessing")
