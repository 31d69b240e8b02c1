"""Training target attention on stories, and how well it tells the word that comes next from another."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

import models
from models.forerunners.interest_data import Examples, read_examples, word_vectors
from models.forerunners.target_attention import (
    ACTIVATION_UNIT,
    POOLINGS,
    Interest,
    InterestConfig,
    TargetAttention,
)

ROUNDS, ROWS, PEAK_LR, SEED = 6, 256, 3e-3, 2018


def train_all(folder: Path, say: Callable[[str], None]) -> tuple[dict[str, TargetAttention], dict[str, float], dict]:
    """A model for each of `POOLINGS` on the same examples, the area under the curve of each on held-out stories, in per
    cent, and the counts of examples."""
    words, training, held_out = read_examples(folder, SEED)
    cfg = InterestConfig(d_vector=1)
    loaded = models.load(cfg.vectors)
    vectors = word_vectors(words, loaded.tokenizer, loaded.model.tok_embed.weight.detach())
    cfg = replace(cfg, d_vector=vectors.shape[1])
    made = {pooling: train(replace(cfg, pooling=pooling), vectors, training) for pooling in POOLINGS}
    found = {pooling: 100 * area(_logits(model, vectors, held_out), held_out.labels) for pooling, model in made.items()}
    for pooling, percent in found.items():
        say(f"{pooling}: AUC {percent:.1f}")
    return made, found, {"training": len(training), "held_out": len(held_out), "words": len(words)}


def train(cfg: InterestConfig, vectors: Tensor, examples: Examples) -> TargetAttention:
    """A model that has read the examples `ROUNDS` times; the same each time on the same machine."""
    torch.manual_seed(SEED)
    model = TargetAttention(cfg).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK_LR, weight_decay=0.05)
    order = torch.Generator().manual_seed(SEED)
    n_steps = ROUNDS * -(-len(examples) // ROWS)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_steps)
    for _ in range(ROUNDS):
        for rows in torch.randperm(len(examples), generator=order).split(ROWS):
            loss = F.binary_cross_entropy_with_logits(
                _judge(model, vectors, examples, rows).logits, examples.labels[rows]
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    model.eval()
    if cfg.pooling == ACTIVATION_UNIT and _mean_weight(model, vectors, examples) < 0:
        model.flip()  # either sign says the same; this one reads as it should: more weight, more interest
    return model


def _judge(model: TargetAttention, vectors: Tensor, examples: Examples, rows: Tensor) -> Interest:
    lists = examples.lists[rows]  # (B, S)
    return model(vectors[lists.clamp(min=0)], vectors[examples.queries[rows]], lists >= 0)


@torch.inference_mode()
def _mean_weight(model: TargetAttention, vectors: Tensor, examples: Examples) -> float:
    """Of the entries of the first examples."""
    return float(_judge(model, vectors, examples, torch.arange(min(len(examples), 4 * ROWS))).weights.mean())


@torch.inference_mode()
def _logits(model: TargetAttention, vectors: Tensor, examples: Examples) -> Tensor:
    return torch.cat(
        [_judge(model, vectors, examples, rows).logits for rows in torch.arange(len(examples)).split(ROWS)]
    )


def area(logits: Tensor, labels: Tensor) -> float:
    """The chance that a right word gets a higher score than a wrong one (area under the ROC curve); ties count half."""
    right, wrong = logits[labels > 0.5], logits[labels < 0.5]
    higher = (right[:, None] > wrong).double().mean() + 0.5 * (right[:, None] == wrong).double().mean()
    return float(higher)
