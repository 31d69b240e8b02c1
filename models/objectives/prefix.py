"""Prefix language modelling (Raffel et al., 2020, section 3.2.1): read a beginning in both directions, write the rest."""

import torch
from torch import Generator, Tensor

from models.errors import InputError
from models.objectives.example import IGNORED, Example
from models.objectives.marks import Marks


def prefix(ids: Tensor, marks: Marks, chance: Generator) -> Example:
    """The example of ids (L,), split at a place drawn evenly from 1 … L − 1."""
    if len(ids) < 2:
        raise InputError("text_too_short", tokens=len(ids), minimum=2)
    return split_at(ids, int(torch.randint(1, len(ids), (), generator=chance)))


def split_at(ids: Tensor, n_prefix: int) -> Example:
    """The first `n_prefix` ids (1 … L − 1) are read, each further one is predicted from those before it."""
    targets = ids[1:].clone()
    targets[: n_prefix - 1] = IGNORED
    return Example(inputs=ids[:-1], targets=targets, prefix_length=n_prefix)
