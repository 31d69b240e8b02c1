"""A training small enough for a test: its texts, recipe and model."""

from pathlib import Path

import numpy as np

import models
from models import tokenizers
from models.training.data import HeldOut, TokenFile, TokenStream, TrainingData
from models.training.recipe import CorpusShare, Mixture, Recipe

STORIES = [f"Once there was a dog. It had {i} bones and {i * 7} friends. The end." for i in range(300)]
MIXTURE = Mixture(name="m", corpora=(CorpusShare(file="a.txt", passes=9),), vocab_size=300, tokenizer_name="t")
RECIPE = Recipe(
    name="little",
    preset="llama-mini",
    mixture=MIXTURE,
    objective="causal",
    seed=3,
    tokens=6 * 64,
    batch_tokens=64,
    sequence_length=16,
    peak_lr=5e-3,
    warmup_fraction=0.2,
    final_lr_fraction=0.1,
    momentum=0.95,
    betas=(0.9, 0.98),
    weight_decay=0.1,
    clip_norm=1.0,
    evaluations=2,
)
CONFIG = models.ModelConfig(
    vocab_size=257,
    max_seq_len=16,
    d_model=16,
    n_layers=2,
    n_heads=2,
    d_ff=24,
    position="learned",
    norm="layernorm",
    biases=("q", "norm"),
    tie_embeddings=True,
)


def story_data() -> TrainingData:
    """The stories as bytes; the first of them serve as held out."""
    tokenizer = tokenizers.bytes_tokenizer()
    rows = [[256, *tokenizer.encode(story)] for story in STORIES]
    file = TokenFile(np.array(sum(rows, []), dtype=np.uint16), np.cumsum([0, *map(len, rows)]))
    held_out = (HeldOut("a.txt", file.ids[:200]),)
    return TrainingData(tokenizer, MIXTURE.corpora, TokenStream([file], [1], seed=3), held_out)


def story_folder(parent: Path) -> Path:
    """A new folder with the stories as a corpus file."""
    folder = parent / "corpus"
    folder.mkdir()
    (folder / "a.txt").write_text("\n<|endoftext|>\n".join(STORIES), encoding="utf-8")
    return folder
