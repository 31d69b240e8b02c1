"""Next-token prediction (Radford et al., 2018, equation 1): at each place, predict the token that follows."""

from torch import Generator, Tensor

from models.objectives.example import Example


def causal(ids: Tensor, generator: Generator | None = None) -> Example:
    """Inputs are the first L - 1 ids of each row (B, L), targets the last L - 1; every place counts."""
    return Example(inputs=ids[:, :-1], targets=ids[:, 1:], loss_mask=None)
