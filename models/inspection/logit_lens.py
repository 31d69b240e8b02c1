"""The logit lens: what each layer would say, were it the last (nostalgebraist 2020, "interpreting GPT: the logit lens",
https://www.lesswrong.com/posts/AcKRB8wDpdaN6v6ru/interpreting-gpt-the-logit-lens).

The residual stream after every layer goes through the model's own last steps: final norm, then the head.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.errors import InputError
from models.taps import capture

HEADS = ("lm", "mlm", "mlm_nsp")


@dataclass(frozen=True)
class Lens:
    """Row 0 is what enters the first layer, row i + 1 what layer i leaves; the last row is the model's answer.

    ids, probabilities (L + 1, T, k): the likeliest tokens of each, the likeliest first. entropy (L + 1, T): of the whole
    distribution, in nats. divergence (L + 1, T): KL(answer ‖ row), in nats, 0 in the last row. answered (L + 1, T): the
    probability of the token that the model answers in the end.
    """

    ids: Tensor
    probabilities: Tensor
    entropy: Tensor
    divergence: Tensor
    answered: Tensor


@torch.inference_mode()
def logit_lens(model: nn.Module, arguments: Mapping[str, Tensor], k: int = 5, places: slice = slice(None)) -> Lens:
    """The lens on a pass over one sequence, at some of its places (of an encoder-decoder those of the decoder).

    Raises `InputError` where there is no head over a vocabulary.
    """
    config = model.config
    if config.head not in HEADS:
        raise InputError("lens_needs_vocabulary")
    prefix = "decoder." if config.structure == "encoder_decoder" else ""
    taps = [f"{prefix}layers.0.resid_pre", *(f"{prefix}layers.{layer}.resid_post" for layer in range(config.n_layers))]
    with capture(*taps) as trace:
        model(**arguments)
    streams = [trace[tap][0, places] for tap in taps]  # (T, D) each
    answer = says(model, streams[-1])  # (T, V)
    rows = [_row(says(model, stream), answer, k) for stream in streams]
    return Lens(*(torch.stack(column) for column in zip(*rows, strict=True)))


def says(model: nn.Module, stream: Tensor) -> Tensor:
    """Log-probabilities (T, V) that the model's last steps make of a residual stream (T, D)."""
    stack = model.decoder if model.config.structure == "encoder_decoder" else model
    x = stream[None] if stack.final_norm is None else stack.final_norm(stream[None])  # (1, T, D)
    if model.config.head == "lm":
        logits = model.lm_head(x, model.tok_embed.weight)
    else:
        logits = model.mlm_head(x, model.tok_embed.weight)
    return F.log_softmax(logits[0].float(), dim=-1)


def _row(said: Tensor, answer: Tensor, k: int) -> tuple[Tensor, ...]:
    """Of log-probabilities (T, V): the k likeliest ids and their probabilities, entropy, divergence, and the answer's."""
    best = said.topk(min(k, said.shape[-1]), dim=-1)
    shares = said.exp()
    entropy = -torch.where(shares > 0, shares * said, 0.0).sum(dim=-1)
    true = answer.exp()
    divergence = torch.where(true > 0, true * (answer - said), 0.0).sum(dim=-1).clamp(min=0.0)
    answered = shares.gather(-1, answer.argmax(dim=-1, keepdim=True))[:, 0]
    return best.indices, best.values.exp(), entropy, divergence, answered
