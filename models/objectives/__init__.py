"""What a model is trained to predict: from ids to inputs, targets and the places that pay loss.

An objective is a function `(ids (L,), marks, chance) -> Example` for one sequence; `chance`, a generator, is its only
source of chance, so that a training, and a screen, can be repeated. Each module also tells what it drew (`draw_…`), for
whoever wants to watch; `batch` pads examples to what a model takes. Next-sentence prediction needs documents rather than
ids: `next_sentence` makes its pairs; `translation` takes a sentence and its translation. Registry: `OBJECTIVES`.
"""

from models.objectives import blank_infilling, causal, denoisers, masked, prefix, span_corruption, translation
from models.objectives.example import IGNORED, Batch, Example, Objective, batch
from models.objectives.marks import Marks, marked_ids, marks_of

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
    "translation": ("encoder_decoder",),
}
"""The structures that each objective trains, those of pairs of sentences and of translations included."""

MARKS: dict[str, tuple[str, ...]] = {
    "span_corruption": tuple(f"<extra_id_{number}>" for number in range(32)),
    "blank_infilling": ("[MASK]", "[gMASK]", "<|startofpiece|>", "<|endofpiece|>"),
    "translation": translation.SCRIPTS,
}
"""What a byte-level vocabulary gets in addition, for the objectives that need marks. 32 sentinels serve the spans of rows
of up to 620 tokens."""

__all__ = [
    "IGNORED",
    "MARKS",
    "OBJECTIVES",
    "SUITS",
    "Batch",
    "Example",
    "Marks",
    "Objective",
    "batch",
    "marked_ids",
    "marks_of",
]
