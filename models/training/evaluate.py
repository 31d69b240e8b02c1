"""The validation loss: how well a model predicts documents that it never saw."""

import math
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from typing import Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from models.tokenizers import Tokenizer
from models.training.data import HeldOut

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
    precision: AbstractContextManager | None = None,
) -> Score:
    """Score `ids` (n_tokens,) in windows of `sequence_length` that do not overlap; each token but the first counts.

    `byte_counts` (vocab_size,): how many bytes of text each id stands for.
    """
    model.eval()
    nats = 0.0
    full = (len(ids) - 1) // sequence_length
    rows = [ids[i * sequence_length : (i + 1) * sequence_length + 1] for i in range(full)]
    batches = [np.stack(rows[i : i + ROWS_AT_ONCE]) for i in range(0, full, ROWS_AT_ONCE)]
    rest = ids[full * sequence_length :]
    if len(rest) > 1:
        batches.append(rest[None])
    for batch in batches:
        block = torch.from_numpy(batch.astype(np.int64))  # (B, T + 1)
        with precision or nullcontext():
            logits = model(block[:, :-1]).logits  # (B, T, V)
        nats += F.cross_entropy(logits.flatten(0, 1).float(), block[:, 1:].flatten(), reduction="sum").item()
    return Score(nats, len(ids) - 1, int(byte_counts[ids[1:]].sum()))


def evaluate_all(
    model: nn.Module,
    held_out: tuple[HeldOut, ...],
    sequence_length: int,
    tokenizer: Tokenizer,
    precision: AbstractContextManager | None = None,
) -> dict[str, Score]:
    """The score of each corpus's held-out part, by file."""
    byte_counts = np.array([len(tokenizer.bytes_of(i)) for i in range(tokenizer.vocab_size)])
    return {part.file: evaluate(model, part.ids, sequence_length, byte_counts, precision) for part in held_out}


def total(scores: dict[str, Score]) -> Score:
    """All corpora together, every token counting the same."""
    return sum(scores.values(), start=Score(0.0, 0, 0))
