"""How trained positions begin: so that a place's neighbours can be found before training has found any use for them.

From random numbers a small model first has to learn which of its positions are near each other, and nothing rewards one
half of that: on little text it may never happen.
"""

from collections.abc import Callable

import torch
from torch import nn

from models.errors import InputError
from models.parts.linear import FusedLinear
from models.parts.positions import LearnedPosition, LearnedPosition2d, SinusoidalPosition
from models.parts.score_biases import RelativeBias

NEAR = 8  # from this distance on, a head begins with the same bias for all places
LOUD = 2.0  # how much larger than random numbers the waves are that heads find neighbours by
SHARP = 1.4  # what those heads multiply waves by, queries and keys alike


@torch.no_grad()
def begin_with_waves(model: nn.Module) -> None:
    """Fill a table of learned positions, (N, D), with sinusoids as large as the random numbers that it begins with."""
    table = model.position.weight
    waves = SinusoidalPosition(table.shape[1]).embed(torch.zeros_like(table), torch.arange(len(table)))
    table.copy_(waves * table.std() / waves.std())


@torch.no_grad()
def begin_with_neighbours(model: nn.Module) -> None:
    """Fill a table of learned positions with waves, and let each head of the first layer look at one neighbour.

    A wave at the next place is the wave here, turned by its frequency: where a head turns the waves of its queries and not
    those of its keys, a query meets the key of a neighbour. The shortest waves are used, which tell places best apart.
    """
    begin_with_waves(model)
    model.position.weight.mul_(LOUD)
    cfg = model.config
    frequencies = SinusoidalPosition(cfg.d_model).frequencies[: cfg.d_head // 2]
    here = torch.eye(2 * len(frequencies), cfg.d_model)  # picks sine and cosine of each of the shortest waves
    weights = {name: weight for name, (weight, _) in _first_projection(model).parts().items()}
    queries, keys = (weights[name].unflatten(0, (-1, cfg.d_head)) for name in ("q_proj", "k_proj"))  # (H, d_head, D)
    keys[:, : len(here)] += SHARP * here
    for head, query in enumerate(queries):
        angles = frequencies * _neighbour(head)
        sin, cos = angles.sin(), angles.cos()
        turns = torch.stack((cos, sin, -sin, cos), dim=-1).view(-1, 2, 2)  # (d_head/2, 2, 2)
        query[: len(here)] += SHARP * torch.block_diag(*turns) @ here


@torch.no_grad()
def begin_nearby(model: nn.Module) -> None:
    """Let each head begin by looking at one neighbour, and e times less at every place further away from that.

    Where nothing ahead may be seen, the heads look one, two, three places back. A bucket of several distances gets their
    mean; there the places ahead share the bucket of the own place, at which heads so begin by looking hardly at all.
    """
    for position in _modules(model, RelativeBias):
        n_buckets, n_heads = position.weight.shape
        distances = torch.arange(-position.max_distance, position.max_distance + 1)
        buckets = position.buckets(distances)
        for head in range(n_heads):
            neighbour = -(head + 1) if position.causal else _neighbour(head)
            biases = -(distances - neighbour).abs().clamp(max=NEAR).float()
            means = torch.zeros(n_buckets).scatter_reduce(0, buckets, biases, "mean", include_self=False)
            position.weight[:, head] = means


def _neighbour(head: int) -> int:
    """Heads take turns: the first looks one place back, the next one ahead, then two back, and so on."""
    return (head // 2 + 1) * (-1) ** (head + 1)


def _modules(model: nn.Module, kind: type[nn.Module]) -> list[nn.Module]:
    return [module for module in model.modules() if isinstance(module, kind)]


def _first_projection(model: nn.Module) -> FusedLinear:
    """What makes queries and keys in the first layer."""
    return next(part for part in _modules(model.layers[0], FusedLinear) if {"q_proj", "k_proj"} <= set(part.widths))


def _has_table(model: nn.Module) -> bool:
    return isinstance(getattr(model, "position", None), LearnedPosition | LearnedPosition2d)


def _has_readable_table(model: nn.Module) -> bool:
    return _has_table(model) and any("k_proj" in part.widths for part in _modules(model.layers[0], FusedLinear))


def _has_biases(model: nn.Module) -> bool:
    return bool(_modules(model, RelativeBias))


Fill = tuple[Callable[[nn.Module], bool], Callable[[nn.Module], None]]
BEGINNINGS: dict[str, tuple[Fill, ...]] = {
    "sinusoidal": ((_has_table, begin_with_waves),),
    "near": ((_has_biases, begin_nearby), (_has_readable_table, begin_with_neighbours)),
}
"""By name: which models can begin so, and how. "random" leaves all as it is."""

FIRST_POSITIONS = ("random", *BEGINNINGS)


def begin_positions(model: nn.Module, name: str) -> None:
    """Fill the trained positions of `model` as `name` says. Raises InputError("recipe_field") where it has none such."""
    if name == "random":
        return
    for suits, begin in BEGINNINGS[name]:
        if suits(model):
            return begin(model)
    fitting = ["random", *(other for other, ways in BEGINNINGS.items() if any(suits(model) for suits, _ in ways))]
    raise InputError("recipe_field", field="first_positions", value=name, allowed=" or ".join(fitting))
