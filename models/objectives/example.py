"""What an objective hands to the trainer."""

from collections.abc import Callable
from typing import NamedTuple

from torch import Generator, Tensor


class Example(NamedTuple):
    """One batch, ready for the model."""

    inputs: Tensor  # (B, T) ids that the model reads
    targets: Tensor  # (B, T) ids that it should predict at the same place
    loss_mask: Tensor | None  # (B, T) True where the prediction counts; None: everywhere


Objective = Callable[[Tensor, Generator], Example]
