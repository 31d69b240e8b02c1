"""Masked language modelling (Devlin et al., 2019, section 3.1 and appendix A.1): restore the tokens that were chosen.

Of 15 % of the positions, 80 % become [MASK], 10 % a token drawn from the vocabulary, 10 % stay as they are: at
fine-tuning there is no [MASK], so the model must not learn that what is not masked needs no thought.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Generator, Tensor

from models.errors import InputError
from models.objectives.example import IGNORED, Example
from models.objectives.marks import Marks

CHOSEN, MASKED, RANDOM = 0.15, 0.8, 0.1


@dataclass(frozen=True)
class Fate:
    """What happens to one chosen position: a throw in [0, 1) decides between "mask", "random" and "keep".

    drawn: the token of the vocabulary that takes its place if it is "random".
    """

    position: int
    throw: float
    drawn: int

    @property
    def action(self) -> str:
        if self.throw < MASKED:
            return "mask"
        return "random" if self.throw < MASKED + RANDOM else "keep"


def masked(ids: Tensor, marks: Marks, chance: Generator) -> Example:
    """The example of ids (L,): position by position, 15 % of those that are text."""
    return apply(ids, draw(ids, marks, chance), marks)


def draw(
    ids: Tensor, marks: Marks, chance: Generator, share: float = CHOSEN, words: Sequence[Sequence[int]] | None = None
) -> list[Fate]:
    """The fates of the positions chosen in ids (L,), in order of position.

    round(share · number of text tokens) positions, at least one; never a special token. words: the positions of each
    word, to choose whole words only: in random order, each that still fits into the number (Google's BERT, 2019); a
    first word longer than that is taken none the less. Raises InputError("nothing_to_mask") for a text without tokens.
    """
    marks.need("mask")
    specials = marks.specials
    free = [position for position, token_id in enumerate(ids.tolist()) if token_id not in specials]
    if not free:
        raise InputError("nothing_to_mask")
    n_chosen = max(1, round(share * len(free)))
    groups = [[position] for position in free]
    if words is not None:
        allowed = set(free)
        groups = [group for word in words if (group := [position for position in word if position in allowed])]
    chosen: list[int] = []
    for index in torch.randperm(len(groups), generator=chance).tolist():
        if not chosen or len(chosen) + len(groups[index]) <= n_chosen:
            chosen += groups[index]
        if len(chosen) >= n_chosen:
            break
    text = text_ids(marks)
    throws = torch.rand(len(chosen), generator=chance).tolist()
    drawn = text[torch.randint(len(text), (len(chosen),), generator=chance)].tolist()
    return [Fate(*fate) for fate in sorted(zip(chosen, throws, drawn, strict=True))]


@lru_cache(maxsize=64)
def text_ids(marks: Marks) -> Tensor:
    """All ids that are no marks; of a large vocabulary, finding them takes longer than all else that is drawn."""
    specials = marks.specials
    return torch.tensor([token_id for token_id in range(marks.vocab_size) if token_id not in specials])


def apply(ids: Tensor, fates: Sequence[Fate], marks: Marks) -> Example:
    """The inputs after the fates; the chosen positions alone pay loss, also those that stay as they are."""
    inputs, targets = ids.clone(), torch.full_like(ids, IGNORED)
    for fate in fates:
        targets[fate.position] = ids[fate.position]
        if fate.action != "keep":
            inputs[fate.position] = marks.mask if fate.action == "mask" else fate.drawn
    return Example(inputs=inputs, targets=targets)
