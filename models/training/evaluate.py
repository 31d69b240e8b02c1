"""The validation loss: how well a model predicts documents that it never saw."""

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from functools import reduce
from operator import add
from typing import Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from models.objectives import IGNORED, Example, Marks, Objective, batch
from models.objectives.causal import causal
from models.tokenizers import Tokenizer

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


def windows(
    ids: np.ndarray, sequence_length: int, objective: Objective = causal, marks: Marks | None = None
) -> list[Example]:
    """What an objective makes of `ids` (n_tokens,) in windows of `sequence_length` that do not overlap, always the same.

    For next-token prediction each token but the first pays, for the others those that the objective draws.
    """
    chance = torch.Generator().manual_seed(0)
    starts = range(0, len(ids) - 1, sequence_length)
    pieces = (torch.from_numpy(ids[start : start + sequence_length + 1].astype(np.int64)) for start in starts)
    return [objective(piece, marks, chance) for piece in pieces]


def byte_counts_of(tokenizer: Tokenizer) -> np.ndarray:
    """How many bytes of text each id stands for, (vocab_size,)."""
    return np.array([len(tokenizer.bytes_of(token_id)) for token_id in range(tokenizer.vocab_size)])


def device_of(model: nn.Module) -> torch.device:
    """Where the model's weights are."""
    return next((parameter.device for parameter in model.parameters()), torch.device("cpu"))


@torch.no_grad()  # inference mode would make the weights that processes put together useless for training
def evaluate(
    model: nn.Module,
    examples: Sequence[Example],
    byte_counts: np.ndarray,
    pad: int | None = None,
    precision: AbstractContextManager | None = None,
) -> Score:
    """Score every place of `examples` that pays; `byte_counts` as `byte_counts_of` has them, `pad` what pads a batch."""
    model.eval()
    score = Score(0.0, 0, 0)
    for first in range(0, len(examples), ROWS_AT_ONCE):
        made = batch(examples[first : first + ROWS_AT_ONCE], pad).to(device_of(model))
        paid = made.targets != IGNORED  # (B, T)
        targets = made.targets[paid]  # (N,)
        with precision or nullcontext():
            logits = model(**made.arguments, logits_at=paid).logits  # (N, V)
        nats = F.cross_entropy(logits.float(), targets, reduction="sum").item()
        score += Score(nats, len(targets), int(byte_counts[targets.cpu().numpy()].sum()))
    return score


def total(scores: dict[str, Score]) -> Score:
    """All corpora together, every token counting the same."""
    return reduce(add, scores.values())
