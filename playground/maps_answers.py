"""What the section "maps" of the tab of attention asks of the server."""

import time
from typing import TYPE_CHECKING

from models.errors import InputError
from playground.answering import answering, read_whole
from playground.attention_subject import Looked, looked_at
from playground.turns import turn

if TYPE_CHECKING:
    from torch import Tensor

    from models.inspection.attention import AttentionGroup

MOST_LAYERS = 400  # a number that no stack here has
COMBINED = ("head", "mean", "max", "rollout")


@answering
def attention_maps(asked: dict, lang: str) -> dict:
    """One pass of the model in hand over the text: every head of every layer, and what the heads are called."""
    from models.inspection.head_labels import label_heads
    from playground import attention_payload

    looked = looked_at(asked)
    with turn():
        begun = time.perf_counter()
        groups = pass_of(looked)
        seconds = time.perf_counter() - begun
        labels = [label_heads(group, looked.inputs.sequences) for group in groups]
    steps = attention_payload.steps_for(groups)
    return {
        "seconds": round(seconds, 4),
        "groups": [attention_payload.group(group, label, steps) for group, label in zip(groups, labels, strict=True)],
    }


@answering
def attention_exact(asked: dict, lang: str) -> dict:
    """What the large view draws, as the model computed it in fp32: `rows` (T, S), each value with seven digits.

    combine: "head" (the default), "mean" or "max" over the heads of the layer, or "rollout" up to it; contribution: lengths
    ‖p·v·W_O‖ instead of weights.
    """
    combine = asked.get("combine", "head")
    if combine not in COMBINED:
        raise InputError("not_a_choice", field="combine", value=combine, allowed=", ".join(COMBINED))
    looked = looked_at(asked)
    with turn():
        groups = pass_of(looked)
        group, layer, head = pick(groups, asked.get("group"), asked.get("layer"), asked.get("head"))
        rows = _combined(group, layer, head, combine, asked.get("contribution") is True)
    return {"rows": [[float(f"{value:.7g}") for value in row] for row in rows.tolist()]}


def _combined(group: "AttentionGroup", layer: int, head: int, combine: str, contribution: bool) -> "Tensor":
    """What the large view draws (T, S)."""
    if combine == "rollout" and group.queries == group.keys:
        from models.inspection.rollout import rollout

        return rollout(group.probs[: layer + 1])[layer]
    heads = group.probs[layer]  # (H, T, S)
    if contribution and group.value_norms is not None:
        heads = heads * group.value_norms[layer][:, None]
    return {"mean": heads.mean(0), "max": heads.amax(0)}.get(combine, heads[head])


def pass_of(looked: Looked) -> "list[AttentionGroup]":
    """What one pass has, by group; the caller has a turn."""
    from models.inspection.attention import attention_of

    return attention_of(looked.loaded.model, looked.inputs)


def pick(
    groups: "list[AttentionGroup]", name: object, layer: object, head: object
) -> "tuple[AttentionGroup, int, int]":
    """The group of this name, a layer and a head of it; raises `InputError` with what there is."""
    layer, head = (read_whole(field, value, 0, MOST_LAYERS) for field, value in (("layer", layer), ("head", head)))
    group = next((one for one in groups if one.name == name), None)
    if group is None:
        raise InputError("not_a_choice", field="group", value=name, allowed=", ".join(one.name for one in groups))
    n_layers, n_heads = group.probs.shape[:2]
    if layer >= n_layers or head >= n_heads:
        known = f"0–{n_layers - 1} × 0–{n_heads - 1}"
        raise InputError("attention_no_head", head=head, layer=layer, group=group.name, known=known)
    return group, layer, head


ANSWERS = [attention_maps, attention_exact]
