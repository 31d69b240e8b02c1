"""How well a model of BERT's kind answers on held-out documents, beside what guessing without a model gets right."""

import math
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, astuple, dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import nn

from models.objectives import IGNORED, Example, batch
from models.training.evaluate import device_of

ROWS_AT_ONCE = 16


@dataclass(frozen=True)
class PairScore:
    """Over `masked` predicted tokens and `pairs` sentence pairs of held-out text.

    nats: summed cross-entropy of the tokens. top1, top5: tokens that were the first, or among the first five, of the
    prediction. right: pairs judged rightly. The guesses: unigram_top1 and unigram_top5 always name the commonest tokens
    of the training texts, majority always gives the commoner answer of a file's pairs.
    """

    masked: int
    nats: float
    top1: int
    top5: int
    unigram_top1: int
    unigram_top5: int
    pairs: int
    right: int
    majority: int

    def __add__(self, other: Self) -> Self:
        return PairScore(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))

    @property
    def loss(self) -> float:
        """Nats per masked token."""
        return self.nats / self.masked

    @property
    def perplexity(self) -> float:
        return math.exp(self.loss)

    def to_dict(self) -> dict:
        return asdict(self) | {"loss": self.loss, "perplexity": self.perplexity}


@torch.no_grad()
def evaluate_pairs(
    model: nn.Module,
    examples: Sequence[Example],
    pad: int,
    commonest: Sequence[int],
    precision: AbstractContextManager | None = None,
) -> PairScore:
    """Score `examples` of masked sentence pairs; `commonest`: the five commonest ids of the training texts, in order."""
    model.eval()
    nats, top1, top5, right = 0.0, 0, 0, 0
    answers: Counter[int] = Counter()
    paid = []
    for start in range(0, len(examples), ROWS_AT_ONCE):
        made = batch(examples[start : start + ROWS_AT_ONCE], pad).to(device_of(model))
        chosen = made.targets != IGNORED  # (B, T)
        with precision or nullcontext():
            out = model(**made.arguments, logits_at=chosen)
        logits, targets = out.logits.float(), made.targets[chosen]  # (N, V), (N,)
        nats += F.cross_entropy(logits, targets, reduction="sum").item()
        ranked = logits.topk(5).indices == targets[:, None]
        top1 += int(ranked[:, 0].sum())
        top5 += int(ranked.any(dim=1).sum())
        right += int((out.nsp_logits.argmax(-1) == made.is_next).sum())
        answers.update(made.is_next.tolist())
        paid += targets.tolist()
    counts = Counter(paid)
    return PairScore(
        masked=len(paid),
        nats=nats,
        top1=top1,
        top5=top5,
        unigram_top1=counts[commonest[0]],
        unigram_top5=sum(counts[token_id] for token_id in commonest[:5]),
        pairs=sum(answers.values()),
        right=right,
        majority=max(answers.values()),
    )
