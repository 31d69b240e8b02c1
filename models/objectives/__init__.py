"""What a model is trained to predict: from ids to inputs, targets and the places that pay loss.

An objective is a function `(ids (L,), marks, chance) -> Example` for one sequence; `chance`, a generator, is its only
source of chance, so that a training, and a screen, can be repeated. Each module also tells what it drew (`draw_…`), for
whoever wants to watch; `batch` pads examples to what a model takes. Next-sentence prediction needs documents rather than
ids: `next_sentence` makes its pairs. Registry: `OBJECTIVES`.
"""

from models.objectives import blank_infilling, causal, denoisers, masked, prefix, span_corruption
from models.objectives.example import IGNORED, Batch, Example, Objective, batch
from models.objectives.marks import Marks, marks_of

OBJECTIVES: dict[str, Objective] = {
    "causal": causal.causal,
    "prefix": prefix.prefix,
    "masked": masked.masked,
    "span_corruption": span_corruption.span_corruption,
    "blank_infilling": blank_infilling.blank_infilling,
    "mixture_of_denoisers": denoisers.mixture_of_denoisers,
}
"""Objectives of plain text, by name."""

SUITS: dict[str, tuple[str, ...]] = {
    "causal": ("decoder",),
    "prefix": ("prefix_decoder",),
    "masked": ("encoder",),
    "span_corruption": ("encoder_decoder",),
    "blank_infilling": ("prefix_decoder",),
    "mixture_of_denoisers": ("encoder_decoder",),
    "masked_pairs": ("encoder",),
}
"""The structures that each objective trains, that of pairs of sentences included."""

__all__ = ["IGNORED", "OBJECTIVES", "Batch", "Example", "Marks", "Objective", "SUITS", "batch", "marks_of"]
