"""Where the tokens of one pass go: for each sparse layer the router's logits, its choice and its weights; and the same
pass again with the choice made differently.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.building import STRUCTURES
from models.inspection.router_steps import RouterRule, RouterSteps, normal_numbers, router_steps, spread
from models.parts.mixtures import Mixture, RoutedMixture
from models.taps import capture, patch

SEEN = ("router_in", "router_logits", "expert_ids", "expert_weights", "dispatch", "combine", "out", "shared.out")


@dataclass(frozen=True, kw_only=True)
class RoutedLayer:
    """What one sparse layer did with a sequence of T tokens; all in fp32.

    logits (T, E): what the router scores, before any noise; for slots (T, slots). expert_ids (T, k), −1 where an expert
    was full, and weights (T, k), as the layer used them; None where tokens are mixed into slots: there are dispatch
    (T, slots), of which tokens each slot is mixed, and combine (T, slots), of which slots each token is. bias (E,): what is
    added for the choice alone. noise_size (T, E): the size of the noise that training adds. shared (T,): how long the
    shared experts' output is, as a share of the sum of its length and that of the routed experts' output.
    """

    name: str
    logits: Tensor
    expert_ids: Tensor | None = None
    weights: Tensor | None = None
    dispatch: Tensor | None = None
    combine: Tensor | None = None
    bias: Tensor | None = None
    noise_size: Tensor | None = None
    shared: Tensor | None = None

    @property
    def stack(self) -> str:
        """The stack that the layer is of, "encoder" or "text", say; empty where there is but one."""
        return self.name.partition("layers.")[0].rstrip(".")

    @property
    def index(self) -> int:
        """The layer's place in its stack."""
        return int(self.name.rpartition(".")[2])


@dataclass(frozen=True, kw_only=True)
class Rerouting:
    """Another choice on the same weights: None and 0 leave things as they are.

    chosen: experts a token; capacity: tokens an expert takes; noise: of the size that training adds, so many times, or
    where a router has no noise of its own so many standard deviations of the layer's logits; bias: by layer, added to the
    router's own for the choice alone.
    """

    chosen: int | None = None
    capacity: int | None = None
    noise: float = 0.0
    seed: int = 0
    bias: Mapping[str, Tensor] = field(default_factory=dict)


def sparse_layers(model: nn.Module) -> dict[str, Mixture]:
    """The mixtures of a model's stacks by the names of their layers, in the order of a pass.

    Those of modules that predict further tokens are left out: they are no part of writing.
    """
    found = {name: module for name, module in model.named_modules() if isinstance(module, Mixture)}
    return {name.removesuffix(".ffn"): module for name, module in found.items() if not name.startswith("mtp.")}


@torch.inference_mode()
def look(model: nn.Module, arguments: dict, again: Rerouting | None = None) -> list[RoutedLayer]:
    """The sparse layers of one pass over one sequence, `model(**arguments)`; with `again`, of a pass whose routers choose
    as it says, so that deeper layers read what the earlier ones then give."""
    run = model if again is None or again.chosen is None else with_chosen(model, again.chosen)
    layers = sparse_layers(run)
    patterns = [f"{name}.ffn.{tap}" for name in layers for tap in SEEN]
    choices = {} if again is None else _choices(model, layers, again)
    edits = {f"{name}.ffn.{tap}": edit for name, choice in choices.items() for tap, edit in choice.edits().items()}
    with patch(edits), capture(*patterns) as trace:
        run(**arguments)
    clean = {name: choice.clean for name, choice in choices.items()}
    originals = sparse_layers(model)
    return [_layer(name, originals[name], trace, clean.get(name)) for name in layers]


def with_chosen(model: nn.Module, chosen: int) -> nn.Module:
    """The same weights, in the same memory, in a model whose routers choose `chosen` experts a token.

    Its routers are plain (softmax, then the best); `look` puts its own choice in their place.
    """
    cfg = model.config
    if cfg.moe.mixing != "routed" or chosen == cfg.moe.n_experts_per_token:
        return model
    plain = replace(
        cfg.moe,
        router="softmax_topk",
        n_experts_per_token=chosen,
        normalise_weights=False,
        weight_scale=1.0,
        n_groups=None,
        n_groups_per_token=None,
        group_score="max",
        bias_update_rate=None,
        capacity=None,
    )
    with torch.device("meta"):
        other = STRUCTURES[cfg.structure](cfg.replace(moe=plain))
    other.load_state_dict(
        model.state_dict(), strict=False, assign=True
    )  # what other routers have besides is not needed
    return other.eval()


def noise_of(layer: int, logits: Tensor, size: Tensor | None, again: Rerouting) -> Tensor | None:
    """The noise (T, E) that `again` adds to the logits (T, E) of the sparse layer that is the `layer`-th of the pass."""
    if not again.noise:
        return None
    drawn = torch.from_numpy(normal_numbers(again.seed, layer, *logits.shape))
    return again.noise * drawn * (spread(logits) if size is None else size.double())


class _Choice:
    """Makes one layer's choice anew: a pass comes by what the router reads, its logits, its choice and its weights, in
    this order."""

    def __init__(self, place: int, mixture: RoutedMixture, rule: RouterRule, again: Rerouting, added: Tensor | None):
        self.place, self.mixture, self.rule, self.again = place, mixture, rule, again
        own = getattr(mixture.router, "selection_bias", None)
        self.bias = own if added is None else added if own is None else own + added
        self.size: Tensor | None = None
        self.clean: Tensor | None = None
        self.steps: RouterSteps | None = None

    def edits(self) -> dict[str, Callable[[Tensor], Tensor]]:
        """What is done at each tap of the router."""
        return {
            "router_in": self._read,
            "router_logits": self._choose,
            "expert_ids": lambda value: self.steps.taken_ids[None],
            "expert_weights": lambda value: self.steps.taken_weights[None],
        }

    def _read(self, x: Tensor) -> Tensor:
        self.size = noise_size(self.mixture, x[0])
        return x

    def _choose(self, logits: Tensor) -> Tensor:
        self.clean = logits[0].detach()  # (T, E)
        noise = noise_of(self.place, self.clean, self.size, self.again)
        self.steps = router_steps(self.clean, self.rule, self.bias, noise)
        return self.steps.noisy[None]


def _choices(model: nn.Module, layers: dict[str, Mixture], again: Rerouting) -> dict[str, _Choice]:
    """For each layer that sends tokens to experts, by name."""
    rule = RouterRule.of(model.config.moe, again.chosen, again.capacity)
    return {
        name: _Choice(place, mixture, rule, again, again.bias.get(name))
        for place, (name, mixture) in enumerate(sparse_layers(model).items())
        if model.config.moe.mixing == "routed" and name in layers
    }


def noise_size(mixture: Mixture, x: Tensor) -> Tensor | None:
    """The size (T, E) of the noise that training adds to the logits of x (T, D); None for routers without it."""
    weight = getattr(mixture.router, "noise_weight", None)
    return None if weight is None else F.softplus(F.linear(x.float(), weight.float()))


def _layer(name: str, module: Mixture, trace: Mapping[str, Tensor], clean: Tensor | None) -> RoutedLayer:
    def seen(tap: str) -> Tensor | None:
        value = trace.get(f"{name}.ffn.{tap}")
        return None if value is None else value[0]

    read, logits = seen("router_in"), seen("router_logits") if clean is None else clean
    if logits is None:  # Soft MoE scores tokens and slots
        logits = F.linear(read.float(), module.router.slots.float())  # (T, slots)
    return RoutedLayer(
        name=name,
        logits=logits.float(),
        expert_ids=seen("expert_ids"),
        weights=None if (weights := seen("expert_weights")) is None else weights.float(),
        dispatch=seen("dispatch"),
        combine=seen("combine"),
        bias=getattr(module.router, "selection_bias", None),
        noise_size=noise_size(module, read),
        shared=_shared(seen("out"), seen("shared.out")),
    )


def _shared(out: Tensor, shared: Tensor | None) -> Tensor | None:
    if shared is None:
        return None
    lengths = [part.float().norm(dim=-1) for part in (shared, out - shared)]  # (T,) each
    return lengths[0] / (lengths[0] + lengths[1]).clamp(min=1e-20)
