"""One pass of a model over a masked text: what enters it, what it answers, where it looks."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

import models
from models.embedding_parts import EmbeddingParts, embedding_parts
from models.objectives import IGNORED
from playground.masking import Masking

if TYPE_CHECKING:
    from models.transformer import Transformer

N_LIKELIEST = 10


@dataclass(frozen=True)
class Answer:
    """What the model says at one position that pays loss. rank: 1 where the true token was the likeliest; loss in nats."""

    position: int
    true_id: int
    probability: float
    rank: int
    loss: float
    likeliest: list[tuple[int, float]]


@dataclass(frozen=True)
class Pass:
    """attention (L, H, N, T): the rows of the N positions that pay loss. follows: the probability that B follows A."""

    parts: EmbeddingParts
    answers: list[Answer]
    attention: Tensor | None
    follows: float | None

    @property
    def loss(self) -> float:
        """In all, in nats."""
        return sum(one.loss for one in self.answers)

    @property
    def mean(self) -> float:
        return self.loss / len(self.answers)

    @property
    def perplexity(self) -> float:
        return math.exp(self.mean)


@torch.inference_mode()
def run(model: "Transformer", masking: Masking) -> Pass:
    """Embeds, reads and answers; the caller has a turn."""
    ids, segments, at = masking.example.inputs, masking.segments, masking.positions
    heard = segments if model.segment_embed is not None else None
    paid = masking.example.targets[None] != IGNORED
    with models.capture("layers.*.attn.probs") as trace:
        out = model(ids[None], token_type_ids=None if heard is None else heard[None], logits_at=paid)
    log_probs = F.log_softmax(out.logits.float(), dim=-1)  # (N, V)
    rows = [trace[f"layers.{index}.attn.probs"][0][:, at] for index in range(len(trace))]  # each (H, N, T)
    follows = None
    if out.nsp_logits is not None and bool(masking.segments.any()):
        follows = float(out.nsp_logits[0].softmax(-1)[0])
    return Pass(
        embedding_parts(model, ids, heard),
        [_answer(position, int(masking.ids[position]), row) for position, row in zip(at, log_probs, strict=True)],
        torch.stack(rows).float() if rows else None,
        follows,
    )


def _answer(position: int, true_id: int, log_probs: Tensor) -> Answer:
    likeliest = log_probs.topk(min(N_LIKELIEST, len(log_probs)))
    return Answer(
        position,
        true_id,
        float(log_probs[true_id].exp()),
        1 + int((log_probs > log_probs[true_id]).sum()),
        float(-log_probs[true_id]),
        list(zip(likeliest.indices.tolist(), likeliest.values.exp().tolist(), strict=True)),
    )
