"""The endpoint /routing."""

import base64
from typing import TYPE_CHECKING

from models.errors import InputError
from playground.tab import asked_in, refusals
from playground.turns import turn
from playground.views.numbers import exact

if TYPE_CHECKING:
    from playground.expert_look import Pass

MODEL = "deepseek-v3-mini"  # which the page shows, too: its weights are trained
FORMATS = ("json", "safetensors")
MOST_LISTED = 300_000  # numbers of an answer in JSON


def routing(
    text: str,
    model: str = MODEL,
    target: str = "",
    n_experts_per_token: int | None = None,
    capacity: int | None = None,
    noise: float = 0.0,
    seed: int = 1,
    format: str = "json",
    lang: str = "en",
) -> dict:
    """Where a mixture sends the tokens of a text: every sparse layer's router logits, choice and weights in one pass.

    Args:
        text: at most 20,000 characters, of which the first 256 tokens are read
        model: a design string with experts: a preset's name, optionally with changed fields ("mixtral-mini",
            "mixtral-mini~moe.n_experts=8"); another is answered with the names of small mixtures
        target: what the decoder of an encoder-decoder reads; empty: spans of the text that its encoder does not see
        n_experts_per_token: so many experts a token in every layer, instead of the model's own number
        capacity: an expert takes the first so many choices of the pass; 1 to 256
        noise: on the logits, 0 to 4 times as large as in training, or where a router has no noise of its own so many
            standard deviations of the layer's logits
        seed: of the noise
        format: "json", or "safetensors" for a file; json holds at most 300,000 numbers
        lang: "en" or "zh", the language of the sentences

    Returns:
        model, trained: which model, and whether its weights are trained or random
        router: its rule: router, n_experts, chosen, normalise, weight_scale, n_groups, n_groups_per_token, group_score,
            capacity
        sequences: by name ("text"; for an encoder "source", for pictures "image") its tokens
        notes: a sentence for each thing that is odd about the pass
        layers: for each sparse layer its name (layers are counted from 0, as in "layers.1"), sequence, load (each expert's
            share of the choices), entropy of that load in bits, dead experts, dropped choices, balance and z losses, and in
            JSON logits (T, E), expert_ids (T, k), −1 where an expert was full, weights (T, k), and bias (E) or null
        file: with format="safetensors" such a file in base64, with the tensors NAME.logits, NAME.expert_ids, NAME.weights
            and NAME.bias: safetensors.torch.load(base64.b64decode(answer["file"]))
    """
    lang = asked_in(lang)
    with refusals(lang):
        from playground import expert_look, expert_payload

        if format not in FORMATS:
            raise InputError("not_a_choice", field="format", value=format, allowed=", ".join(FORMATS))
        settings = {"chosen": n_experts_per_token, "capacity": capacity, "noise": noise, "seed": seed}
        asked = expert_look.asked_of({"model": model, "text": text, "target": target, **settings})
        run = expert_look.passed(asked)
        as_file = format == "safetensors"
        with turn():
            layers = [_told(run, place) for place in range(len(run.layers))]
            if not as_file:
                _add_arrays(layers, run)
        told = expert_payload.payload(run, asked, lang)
    return {
        "model": model,
        "trained": run.found.trained,
        "router": told["rule"],
        "sequences": {name: one["tokens"] for name, one in told["sequences"].items()},
        "notes": told["notes"],
        "layers": layers,
        **({"file": _file(run)} if as_file else {}),
    }


def _told(run: "Pass", place: int) -> dict:
    import numpy as np

    from playground.expert_payload import choice_of, losses_of

    layer = run.layers[place]
    expert_ids = choice_of(run, layer)[0].numpy()
    counts = np.bincount(expert_ids[expert_ids >= 0], minlength=run.found.config.moe.n_experts)
    share = counts / max(1, counts.sum())
    balance, z = losses_of(run, layer)
    return {
        "name": layer.name,
        "sequence": run.sequence_of(layer),
        "load": share.tolist(),
        "entropy": float(-(share * np.log2(share, out=np.zeros_like(share), where=share > 0)).sum()),
        "dead": int((counts == 0).sum()),
        "dropped": int((expert_ids < 0).sum()),
        "balance": balance,
        "z": z,
    }


def _add_arrays(told: list[dict], run: "Pass") -> None:
    from playground.expert_payload import choice_of

    count = sum(layer.logits.numel() + 2 * choice_of(run, layer)[0].numel() for layer in run.layers)
    if count > MOST_LISTED:
        raise InputError("experts_too_many", scores=exact(count), limit=exact(MOST_LISTED))
    for one, layer in zip(told, run.layers, strict=True):
        ids, weights = choice_of(run, layer)
        one |= {"logits": layer.logits.tolist(), "expert_ids": ids.tolist(), "weights": weights.tolist()}
        one["bias"] = None if layer.bias is None else layer.bias.tolist()


def _file(run: "Pass") -> str:
    from safetensors.torch import save

    from playground.expert_payload import choice_of

    tensors = {}
    for layer in run.layers:
        ids, weights = choice_of(run, layer)
        named = {"logits": layer.logits, "expert_ids": ids, "weights": weights, "bias": layer.bias}
        tensors |= {f"{layer.name}.{name}": value.contiguous() for name, value in named.items() if value is not None}
    return base64.b64encode(save(tensors)).decode()
