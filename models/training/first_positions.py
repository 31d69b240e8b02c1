"""How trained positions begin: so that a place's neighbours can be found before training has found any use for them.

From random numbers a small model first has to learn which of its positions are near each other, and nothing rewards one
half of that: on little text it may never happen.
"""

from collections.abc import Callable

import torch
from torch import nn

from models.errors import InputError
from models.parts.positions import LearnedPosition, LearnedPosition2d, SinusoidalPosition
from models.parts.score_biases import RelativeBias

NEAR = 8  # from this distance on, a head begins with the same bias for all places


@torch.no_grad()
def begin_with_waves(position: LearnedPosition | LearnedPosition2d) -> None:
    """Fill a table of learned positions, (N, D), with sinusoids as large as the random numbers that it begins with."""
    places = torch.arange(len(position.weight))
    waves = SinusoidalPosition(position.weight.shape[1]).embed(torch.zeros_like(position.weight), places)
    position.weight.copy_(waves * position.weight.std() / waves.std())


@torch.no_grad()
def begin_nearby(position: RelativeBias) -> None:
    """Let each head begin by looking at one neighbour, and e times less at every place further away from that.

    The first head looks one place back, the next one ahead, then two back, and so on; where nothing ahead may be seen,
    one, two, three places back. A bucket of several distances gets their mean.
    """
    n_buckets, n_heads = position.weight.shape
    distances = torch.arange(-position.max_distance, position.max_distance + 1)
    buckets = position.buckets(distances)
    for head in range(n_heads):
        neighbour = -(head + 1) if position.causal else (head // 2 + 1) * (-1) ** (head + 1)
        biases = -(distances - neighbour).abs().clamp(max=NEAR).float()
        position.weight[:, head] = torch.zeros(n_buckets).scatter_reduce(0, buckets, biases, "mean", include_self=False)


BEGINNINGS: dict[str, tuple[tuple[type[nn.Module], ...], Callable[[nn.Module], None]]] = {
    "sinusoidal": ((LearnedPosition, LearnedPosition2d), begin_with_waves),
    "near": ((RelativeBias,), begin_nearby),
}
"""By name: the positions that can begin so, and what fills them. "random" leaves all as it is."""

FIRST_POSITIONS = ("random", *BEGINNINGS)


def begin_positions(model: nn.Module, name: str) -> None:
    """Fill the trained positions of `model` as `name` says. Raises InputError("recipe_field") where it has none such."""
    if name == "random":
        return
    kinds, begin = BEGINNINGS[name]
    found = [module for module in model.modules() if isinstance(module, kinds)]
    if not found:
        fitting = ["random", *(other for other, (suited, _) in BEGINNINGS.items() if _has(model, suited))]
        raise InputError("recipe_field", field="first_positions", value=name, allowed=" or ".join(fitting))
    for position in found:
        begin(position)


def _has(model: nn.Module, kinds: tuple[type[nn.Module], ...]) -> bool:
    return any(isinstance(module, kinds) for module in model.modules())
