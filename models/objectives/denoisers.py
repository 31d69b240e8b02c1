"""UL2's mixture of denoisers (Tay et al., 2022, table 1): seven ways to corrupt a text, announced by a mode token.

R: short spans, little corrupted. X: long spans or much corrupted. S: a beginning is read, the rest is written.
"""

from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from models.objectives.example import Example
from models.objectives.marks import Marks
from models.objectives.span_corruption import Span, corrupt, draw_spans


@dataclass(frozen=True)
class Denoiser:
    """mode: its place in `Marks.modes`. mean_length None: one span at the end, of `density` of the text on average."""

    name: str
    mode: int
    mean_length: float | None
    density: float


R, S, X = range(3)
DENOISERS: tuple[Denoiser, ...] = (
    Denoiser("R, spans of 3, 15 %", R, 3, 0.15),
    Denoiser("R, spans of 8, 15 %", R, 8, 0.15),
    Denoiser("S, the last 25 %", S, None, 0.25),
    Denoiser("X, spans of 3, 50 %", X, 3, 0.5),
    Denoiser("X, spans of 8, 50 %", X, 8, 0.5),
    Denoiser("X, spans of 64, 15 %", X, 64, 0.15),
    Denoiser("X, spans of 64, 50 %", X, 64, 0.5),
)


def mixture_of_denoisers(ids: Tensor, marks: Marks, chance: Generator) -> Example:
    """The example of ids (L,) by one of the seven, each as likely as any other."""
    return denoise(ids, DENOISERS[int(torch.randint(len(DENOISERS), (), generator=chance))], marks, chance)


def denoise(ids: Tensor, denoiser: Denoiser, marks: Marks, chance: Generator) -> Example:
    """The example of ids (L,) by one denoiser; its mode token, where the vocabulary has any, comes first."""
    example = corrupt(ids, draw_for(denoiser, len(ids), chance), marks)
    if not marks.modes:
        return example
    return replace(example, inputs=torch.cat((torch.tensor([marks.modes[denoiser.mode]]), example.inputs)))


def draw_for(denoiser: Denoiser, n_tokens: int, chance: Generator) -> list[Span]:
    """The spans that a denoiser corrupts. The last span of S has any length from one token to twice its share."""
    if denoiser.mean_length is not None:
        return draw_spans(n_tokens, chance, denoiser.density, denoiser.mean_length)
    longest = max(1, min(n_tokens - 1, round(2 * denoiser.density * n_tokens)))
    length = 1 + int(torch.randint(longest, (), generator=chance))
    return [(n_tokens - length, n_tokens)]
