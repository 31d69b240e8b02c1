"""Where a mixture's tokens go on held-out text: how even the load of its experts is, and what an expert tells of a token."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from models.objectives import IGNORED, Batch, Example, batch
from models.parts.mixtures import MergedFeedForward, RoutedMixture
from models.parts.routers import Routing

ROWS_AT_ONCE = 8
SHUFFLES = 5  # of a random router, whose information is their mean


@dataclass(frozen=True)
class LayerRouting:
    """One sparse layer. `load`: each expert's share of all choices that an expert took, summing to 1; `left_out`: the share
    of choices that no expert took, because it was full.

    bits: mutual information of expert and token, over the choices that an expert took. random_bits: the same for a random
    router with the same load; it is above zero, since few choices always look a little alike.
    """

    load: tuple[float, ...]
    left_out: float
    bits: float
    random_bits: float

    @property
    def most(self) -> float:
        """The busiest expert's load over the mean."""
        return max(self.load) * len(self.load)

    @property
    def least(self) -> float:
        """The idlest expert's load over the mean."""
        return min(self.load) * len(self.load)

    @property
    def dead(self) -> int:
        """Experts that no token went to."""
        return sum(share == 0 for share in self.load)

    def to_dict(self) -> dict:
        return {
            "load": [round(share, 6) for share in self.load],
            "left_out": self.left_out,
            "most": self.most,
            "least": self.least,
            "dead": self.dead,
            "bits": self.bits,
            "random_bits": self.random_bits,
        }


def routing_of(token_ids: np.ndarray, expert_ids: np.ndarray, n_experts: int, seed: int = 0) -> LayerRouting:
    """The figures of one layer from token_ids (N,) and the experts that each went to, expert_ids (N, k), -1 for none."""
    tokens, experts = np.repeat(token_ids, expert_ids.shape[1]), expert_ids.flatten()  # (N·k,)
    taken = experts >= 0
    tokens, experts = tokens[taken], experts[taken]
    counts = np.bincount(experts, minlength=n_experts)
    chance = np.random.Generator(np.random.Philox(seed))
    shuffled = [mutual_information(tokens, chance.permutation(experts)) for _ in range(SHUFFLES)]
    return LayerRouting(
        load=tuple((counts / max(1, counts.sum())).tolist()),
        left_out=1 - float(taken.mean()),
        bits=mutual_information(tokens, experts),
        random_bits=sum(shuffled) / SHUFFLES,
    )


def mutual_information(first: np.ndarray, second: np.ndarray) -> float:
    """Σ p(a, b) log₂ p(a, b) / (p(a) p(b)), in bits, of two rows of whole numbers (N,), from how often they meet."""
    if len(first) == 0:
        return 0.0
    both = first.astype(np.int64) * (int(second.max()) + 1) + second
    return _entropy(first) + _entropy(second) - _entropy(both)


def _entropy(values: np.ndarray) -> float:
    share = np.unique(values, return_counts=True)[1] / len(values)
    return float(-(share * np.log2(share)).sum())


def sparse_layers(model: nn.Module) -> list[str]:
    """The names of the layers that send tokens to experts, in the order of a pass's `routings`."""
    return [
        name.removesuffix(".ffn")
        for name, module in model.named_modules()
        if isinstance(module, RoutedMixture) and not isinstance(module, MergedFeedForward)  # which uses all experts
    ]


@torch.inference_mode()
def measure_routing(
    model: nn.Module, examples: Sequence[Example], pad: int | None, precision: AbstractContextManager | None = None
) -> dict[str, LayerRouting]:
    """The figures of each sparse layer over the tokens of `examples`, under the layers' names; {} where there are none."""
    names = sparse_layers(model)
    if not names:
        return {}
    model.eval()
    tokens: list[list[Tensor]] = [[] for _ in names]
    experts: list[list[Tensor]] = [[] for _ in names]
    n_experts = 0
    for first in range(0, len(examples), ROWS_AT_ONCE):
        made = batch(examples[first : first + ROWS_AT_ONCE], pad)
        with precision or nullcontext():
            out = model(**made.arguments)
        for place, (name, routing) in enumerate(zip(names, out.routings, strict=True)):
            ids, is_token = _read_by(name, made, routing)
            tokens[place].append(ids[is_token])
            experts[place].append(routing.expert_ids[is_token])  # (N, k)
            n_experts = routing.probs.shape[-1]
    return {
        name: routing_of(torch.cat(ids).numpy(), torch.cat(chosen).numpy(), n_experts)
        for name, ids, chosen in zip(names, tokens, experts, strict=True)
    }


def _read_by(name: str, made: Batch, routing: Routing) -> tuple[Tensor, Tensor]:
    """The token at each place that a layer routes, (B, T), and whether it is one, or padding."""
    n_places = routing.expert_ids.shape[1]  # further tokens have fewer than the text
    if name.startswith("decoder."):
        ids, is_token = made.arguments["decoder_input_ids"], made.targets != IGNORED
    else:
        ids = made.arguments["input_ids"]
        is_token = made.arguments.get("attention_mask", torch.ones_like(ids)).bool()
    return ids[:, :n_places], is_token[:, :n_places]
