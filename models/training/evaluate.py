"""The validation loss: how well a model predicts documents that it never saw."""

import math
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from functools import reduce
from operator import add
from typing import Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from models.objectives import IGNORED, Marks, Objective, batch
from models.objectives.causal import causal

ROWS_AT_ONCE = 8


@dataclass(frozen=True)
class Score:
    """A sum of cross-entropies over predicted tokens, and how much text those tokens are."""

    nats: float
    tokens: int
    bytes: int

    def __add__(self, other: Self) -> Self:
        return Score(self.nats + other.nats, self.tokens + other.tokens, self.bytes + other.bytes)

    @property
    def loss(self) -> float:
        """Nats per token."""
        return self.nats / self.tokens

    @property
    def perplexity(self) -> float:
        return math.exp(self.loss)

    @property
    def bits_per_byte(self) -> float:
        """Comparable between tokenizers, as loss and perplexity are not."""
        return self.nats / math.log(2) / self.bytes

    def to_dict(self) -> dict:
        return asdict(self) | {
            "loss": self.loss,
            "perplexity": self.perplexity,
            "bits_per_byte": self.bits_per_byte,
        }


@torch.inference_mode()
def evaluate(
    model: nn.Module,
    ids: np.ndarray,
    sequence_length: int,
    byte_counts: np.ndarray,
    objective: Objective = causal,
    marks: Marks | None = None,
    precision: AbstractContextManager | None = None,
) -> Score:
    """Score `ids` (n_tokens,) in windows of `sequence_length` that do not overlap; for next-token prediction each token
    but the first counts, for the others those that the objective draws, always the same ones.

    `byte_counts` (vocab_size,): how many bytes of text each id stands for.
    """
    model.eval()
    score = Score(0.0, 0, 0)
    chance = torch.Generator().manual_seed(0)
    starts = range(0, len(ids) - 1, sequence_length)
    windows = [torch.from_numpy(ids[start : start + sequence_length + 1].astype(np.int64)) for start in starts]
    for first in range(0, len(windows), ROWS_AT_ONCE):
        examples = [objective(window, marks, chance) for window in windows[first : first + ROWS_AT_ONCE]]
        made = batch(examples, marks.pad if marks else 0)
        with precision or nullcontext():
            logits = model(**made.arguments).logits  # (B, T, V)
        flat = made.targets.flatten()
        paid = flat[flat != IGNORED]
        nats = F.cross_entropy(logits.flatten(0, 1).float(), flat, ignore_index=IGNORED, reduction="sum").item()
        score += Score(nats, len(paid), int(byte_counts[paid.numpy()].sum()))
    return score


def total(scores: dict[str, Score]) -> Score:
    """All corpora together, every token counting the same."""
    return reduce(add, scores.values())
