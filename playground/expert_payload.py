"""A pass through a mixture as plain values for the page's scripts: numbers of whole layers as base64."""

import base64
from collections.abc import Sequence

import numpy as np
import torch

from models.inspection.expert_habits import KINDS, Habits, habits, quarters, sentences_of, token_kinds
from models.inspection.router_costs import ROUTES, mixture_cost, route
from models.inspection.router_steps import RouterRule
from models.inspection.routing import RoutedLayer
from models.parts.balancing import router_losses
from models.parts.routers import Routing
from playground.expert_look import MOST_TOKENS, Asked, Pass
from playground.i18n import say
from playground.views.numbers import exact

LABELS = ("token", "kind", "place", "sentence")


def payload(run: Pass, asked: Asked, lang: str) -> dict:
    """Everything that the page draws from: the sequences, the layers, the rule, the losses."""
    moe = run.found.config.moe
    return {
        "title": run.found.title,
        "trained": run.found.trained,
        "design": run.found.design,
        "structure": run.found.config.structure,
        "sequences": {name: _sequence(run, name) for name in run.inputs.sequences},
        "moe": {
            "router": moe.router,
            "mixing": moe.mixing,
            "expert": moe.expert,
            "n_experts": moe.n_experts,
            "n_shared": moe.n_shared_experts,
            "chosen": moe.n_experts_per_token,
            "capacity": moe.capacity,
            "rate": moe.bias_update_rate,
            "aux_loss_coef": moe.aux_loss_coef,
            "z_loss_coef": moe.z_loss_coef,
        },
        "rule": _rule(RouterRule.of(moe)),
        "layers": [layer_of(run, layer) for layer in run.layers],
        "notes": notes(run, asked, lang),
    }


def _rule(rule: RouterRule) -> dict:
    return {name: getattr(rule, name) for name in RouterRule.__dataclass_fields__}


def _sequence(run: Pass, name: str) -> dict:
    sequence = run.inputs.sequences[name]
    pieces = pieces_of(run, name)
    return {
        "tokens": list(sequence.tokens),
        "kinds": sequence.kinds,
        "pieces": None if pieces is None else [piece.decode("latin-1") for piece in pieces],
    }


def pieces_of(run: Pass, name: str) -> list[bytes] | None:
    """The bytes that each token adds to the text; None for the patches of a picture."""
    sequence = run.inputs.sequences[name]
    if sequence.ids is None:
        return None
    size = run.tokenizer.vocab_size
    return [b"" if token_id >= size else run.tokenizer.shares([token_id])[0] for token_id in sequence.ids]


def layer_of(run: Pass, layer: RoutedLayer) -> dict:
    """One layer; where tokens are mixed into slots, the weight of an expert is the sum of its slots' shares."""
    ids, weights = choice_of(run, layer)
    balance, z = losses_of(run, layer)
    return {
        "name": layer.name,
        "stack": layer.stack,
        "sequence": run.sequence_of(layer),
        "index": layer.index,
        "n_tokens": layer.logits.shape[0],
        "n_scores": layer.logits.shape[1],
        "k": ids.shape[1],
        "logits": _floats(layer.logits),
        "ids": _base64(ids.numpy().astype("<i2")),
        "weights": _floats(weights),
        "bias": None if layer.bias is None else layer.bias.tolist(),
        "noise": None if layer.noise_size is None else _floats(layer.noise_size),
        "shared": None if layer.shared is None else [round(share, 5) for share in layer.shared.tolist()],
        "balance": balance,
        "z": z,
    }


def choice_of(run: Pass, layer: RoutedLayer) -> tuple[torch.Tensor, torch.Tensor]:
    """Experts (T, k) and their weights (T, k), of slots too."""
    if layer.expert_ids is not None:
        return layer.expert_ids, layer.weights
    n_experts = run.found.config.moe.n_experts
    shares = layer.combine.float().unflatten(-1, (n_experts, -1)).sum(-1)  # (T, E)
    return torch.arange(n_experts).expand(shares.shape), shares


def losses_of(run: Pass, layer: RoutedLayer) -> tuple[float | None, float | None]:
    """The balance loss and the z-loss of one layer, as training computes them; None where the router has none."""
    moe = run.found.config.moe
    if moe.mixing != "routed":
        return None, None
    probs = layer.logits.sigmoid() if moe.router == "sigmoid" else layer.logits.softmax(-1)
    routing = Routing(layer.weights[None], layer.expert_ids[None], probs[None], layer.logits[None])
    losses = router_losses([routing], moe)
    return float(losses.balance), float(losses.z)


def notes(run: Pass, asked: Asked, lang: str) -> list[str]:
    """What a reader must know of this pass, a sentence each."""
    found: list[tuple[str, dict]] = []
    if not run.found.trained:
        found.append(("random", {"title": run.found.title}))
    if run.inputs.parts > 1:
        found.append(("cut", {"tokens": exact(run.inputs.n_tokens), "most": exact(MOST_TOKENS)}))
    if run.corrupted:
        found.append(("corrupted", {}))
    if max(map(len, run.inputs.sequences.values())) == 1:
        found.append(("one_token", {}))
    return [say(lang, f"experts.note.{code}", **values) for code, values in found]


def habits_payload(run: Pass, place: int) -> dict:
    """What each expert of one layer gets most: for each kind of label its information, its chance and its rows. Where every
    token meets every expert, it counts for the one with the largest weight."""
    layer = run.layers[place]
    name = run.sequence_of(layer)
    ids, weights = choice_of(run, layer)
    n_experts = run.found.config.moe.n_experts
    if ids.shape[1] == n_experts:  # nobody is left out: the strongest tells
        ids = ids.gather(-1, weights.argmax(-1, keepdim=True))
    expert_ids = ids.numpy()
    named = labels_of(run, name, len(expert_ids))
    kinds = {label: habits(values, expert_ids, n_experts) for label, values in named.items()}
    return {label: _habits(found) for label, found in kinds.items()} | {"kinds": list(KINDS)}


def labels_of(run: Pass, name: str, n_tokens: int) -> dict[str, np.ndarray]:
    """A whole number a token for each of `LABELS` that a sequence has."""
    sequence, pieces = run.inputs.sequences[name], pieces_of(run, name)
    if pieces is None:
        return {"place": quarters(n_tokens)}
    return {
        "token": _first_places(sequence.ids[:n_tokens]),
        "kind": token_kinds(pieces)[:n_tokens],
        "place": quarters(n_tokens),
        "sentence": sentences_of(pieces)[:n_tokens],
    }


def _first_places(ids: Sequence[int]) -> np.ndarray:
    """Where each token's id first stands in the text: a label that the page can name."""
    return np.array([ids.index(token_id) for token_id in ids])


def _habits(found: Habits) -> dict:
    rows = [[row.expert, row.label, row.count, row.of, row.expected, row.p, row.low, row.high] for row in found.rows]
    values = {"bits": found.bits, "random": found.random_bits, "high": found.random_high, "p": found.p}
    return {**values, "asked": found.asked, "rows": rows}


def costs(run: Pass) -> list[dict]:
    """What the sparse layers cost with each way to route, on as many tokens as were read."""
    cfg = run.found.config
    n_tokens = max(layer.logits.shape[0] for layer in run.layers)
    made = []
    for name in ROUTES:
        moe = route(cfg.moe, name, n_tokens)
        cost = mixture_cost(cfg, moe, n_tokens)
        made.append(
            {
                "name": name,
                "rule": _rule(RouterRule.of(moe)),
                "mixing": moe.mixing,
                "params": cost.params,
                "active": cost.active,
                "flops": cost.flops_per_token,
            }
        )
    return made


def _floats(values: torch.Tensor) -> str:
    return _base64(values.float().contiguous().numpy().astype("<f4"))


def _base64(values: np.ndarray) -> str:
    return base64.b64encode(values.tobytes()).decode()
