"""Next-token prediction (Radford et al., 2018, equation 1): at each place, predict the token that follows."""

from torch import Generator, Tensor

from models.objectives.example import Example
from models.objectives.marks import Marks


def causal(ids: Tensor, marks: Marks | None = None, chance: Generator | None = None) -> Example:
    """Inputs are all of ids (L,) but the last, targets all but the first; every place pays."""
    return Example(inputs=ids[:-1], targets=ids[1:])
