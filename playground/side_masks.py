"""Who sees whom in a model that reads an example, by the core's own masks; and which architectures an objective suits."""

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import models
from models.config import ModelConfig

if TYPE_CHECKING:
    from torch import Tensor

    from models.objectives import Example

PRESETS = {
    "decoder": "gpt2",
    "encoder": "bert-base-uncased",
    "prefix_decoder": "glm-10b",
    "encoder_decoder": "t5-small",
}
"""A preset of each structure, whose layers say what is seen."""

POSITIONS_OF_BLANKS = ("learned_2d", "rotary_2d")  # a token of a blank has two positions


@dataclass(frozen=True)
class Sight:
    """Who sees whom, boolean (T, S): True where the query of a row may look at the key of a column.

    kind: "self", or "encoder", "decoder" and "cross" of an encoder-decoder.
    """

    kind: str
    seen: "Tensor"


def sights(structure: str, example: "Example") -> list[Sight]:
    """The masks under which a model of this structure reads an example."""
    import torch

    from models.parts.masks import Visibility, visibility

    config = models.preset(PRESETS[structure])

    def of(layer, n_tokens: int, prefix: int | None = None) -> "Tensor":
        lengths = None if prefix is None else torch.tensor([prefix])
        view = visibility(layer, None, 0, n_tokens, None, None, torch.device("cpu"), lengths)
        return view.allowed(torch.Size((n_tokens, n_tokens)), torch.device("cpu")).reshape(n_tokens, n_tokens)

    n_read = len(example.inputs)
    if structure != "encoder_decoder":
        return [Sight("self", of(config.layer(0), n_read, example.prefix_length))]
    n_written = len(example.decoder_inputs)
    cross = Visibility().allowed(torch.Size((n_written, n_read)), torch.device("cpu"))
    return [
        Sight("encoder", of(config.encoder_layer(0), n_read)),
        Sight("decoder", of(config.layer(0), n_written)),
        Sight("cross", cross),
    ]


def runs(row: list[bool]) -> list[tuple[int, int]]:
    """The stretches (start, end) of a row that are True."""
    found, start = [], None
    for place, seen in enumerate([*row, False]):
        if seen and start is None:
            start = place
        elif not seen and start is not None:
            found.append((start, place))
            start = None
    return found


@cache
def suited(objective: str) -> tuple[models.Family, ...]:
    """The families with a model that the objective can train, in their order."""
    from models.objectives import SUITS

    def fits(name: str) -> bool:
        return _fits(objective, models.preset(name), SUITS[objective])

    return tuple(family for family in models.families() if any(fits(name) for name in family.presets))


def _fits(objective: str, config: ModelConfig, structures: tuple[str, ...]) -> bool:
    """Whether a model has the structure that the objective asks for, the head that answers it, and what else it needs.

    A text encoder without a head is one that was published so: the head of its training was left out.
    """
    if config.structure not in structures or config.image is not None:
        return False
    if objective == "masked":
        return config.head in ("mlm", "mlm_nsp", "none")
    if objective == "masked_pairs":
        return config.head in ("mlm_nsp", "none") and config.pooler and config.n_segments == 2
    return config.head == "lm" and (objective != "blank_infilling" or config.position in POSITIONS_OF_BLANKS)
