"""The endpoint /attention."""

import base64
from typing import TYPE_CHECKING

from models.errors import InputError
from playground.answering import read_whole
from playground.attention_answers import reading
from playground.attention_subject import looked_at
from playground.maps_answers import pass_of
from playground.session import DEFAULT_MODEL
from playground.tab import asked_in, refusals
from playground.turns import turn
from playground.views.numbers import exact

if TYPE_CHECKING:
    from models.inspection.attention import AttentionGroup

MOST_LISTED = 500_000  # numbers of an answer in JSON
FORMATS = ("json", "safetensors")


def attention(
    text: str,
    model: str = DEFAULT_MODEL,
    second: str = "",
    layer: int | None = None,
    head: int | None = None,
    part: int = 0,
    picture: str = "scene",
    format: str = "json",
    lang: str = "en",
) -> dict:
    """Where the heads of a model look in one pass over a text, as the model computed it, in fp32.

    Args:
        text: at most 20,000 characters; what an encoder-decoder's encoder or a prefix decoder's prefix reads
        model: a design string: a preset's name, optionally with changed fields ("llama-mini", "gpt2~n_layers=6")
        second: what an encoder-decoder or prefix decoder has written (empty: it writes some tokens itself), or the second
            sentence of an encoder with segments
        layer, head: only this layer, only this head of each layer, counted from 0 (the page counts from 1)
        part: of a text that is longer than what is looked at at once (at most 512 tokens, fewer for many heads), which part,
            counted from 0
        picture: what a model of images is shown: "scene" (a house), "stripes" or "disc"; it needs no text
        format: "json", or "safetensors" for a file; json holds at most 500,000 weights
        lang: "en" or "zh", the language of the sentences

    Returns:
        model, trained: which model, and whether its weights are trained or random
        part, parts: which part of the text, of how many
        sequences: by name ("text"; for an encoder "source", for pictures "image") its tokens and ids
        notes: a sentence for each thing that is odd about the text
        groups: for each stack its name ("self", "encoder", "decoder", "cross", "text", "vision"), queries and keys (names of
            sequences), layers, heads, kv_heads, labels (for each layer and head what it does, by the numbers), scores, and
            in JSON probs (layers, heads, queries, keys) and value_norms (layers, heads, keys), the lengths ‖v·W_O‖, or null
        file: with format="safetensors" such a file in base64, with the tensors NAME.probs, NAME.visible (what the mask
            left) and NAME.value_norms: safetensors.torch.load(base64.b64decode(answer["file"]))
    """
    lang = asked_in(lang)
    with refusals(lang):
        if format not in FORMATS:
            raise InputError("not_a_choice", field="format", value=format, allowed=", ".join(FORMATS))
        looked = looked_at({"design": model, "text": text, "second": second, "part": part, "picture": picture})
        read_whole("part", part, 0, looked.inputs.parts - 1)
        with turn():
            groups = [_only(group, layer, head) for group in pass_of(looked)]
            told = [_described(group, looked.inputs.sequences) for group in groups]
        as_file = format == "safetensors"
        if not as_file:
            _add_arrays(told, groups)
        read = reading(looked, lang)
    return {
        "model": model,
        "trained": read["trained"],
        "part": read["part"]["index"],
        "parts": read["part"]["count"],
        "sequences": {name: {"tokens": one["tokens"], "ids": one["ids"]} for name, one in read["sequences"].items()},
        "notes": [note["sentence"] for note in read["notes"]],
        "groups": told,
        **({"file": _file(groups)} if as_file else {}),
    }


def _only(group: "AttentionGroup", layer: object, head: object) -> "AttentionGroup":
    """The group with the chosen layer and head alone."""
    from dataclasses import replace

    n_layers, n_heads = group.probs.shape[:2]
    chosen = []
    for field, value, most in (("layer", layer, n_layers), ("head", head, n_heads)):
        if value is not None:
            read_whole(field, value, 0, most - 1)
        chosen.append(slice(None) if value is None else slice(value, value + 1))
    norms = group.value_norms
    return replace(
        group,
        probs=group.probs[chosen[0], chosen[1]],
        visible=group.visible[chosen[0], chosen[1]],
        n_kv_heads=group.n_kv_heads if head is None else 1,
        value_norms=None if norms is None else norms[chosen[0], chosen[1]],
    )


def _described(group: "AttentionGroup", sequences: dict) -> dict:
    from models.inspection.head_labels import label_heads

    labels = label_heads(group, sequences)
    n_layers, n_heads = group.probs.shape[:2]
    return {
        "name": group.name,
        "queries": group.queries,
        "keys": group.keys,
        "layers": n_layers,
        "heads": n_heads,
        "kv_heads": group.n_kv_heads,
        "labels": labels.names,
        "scores": {
            name: [[None if one != one else one for one in row] for row in score.tolist()]
            for name, score in labels.scores.items()
        },
    }


def _add_arrays(told: list[dict], groups: "list[AttentionGroup]") -> None:
    count = sum(group.probs.numel() for group in groups)
    if count > MOST_LISTED:
        raise InputError("attention_too_long", count=exact(count), limit=exact(MOST_LISTED))
    for one, group in zip(told, groups, strict=True):
        one["probs"] = group.probs.tolist()
        one["value_norms"] = None if group.value_norms is None else group.value_norms.tolist()


def _file(groups: "list[AttentionGroup]") -> str:
    from safetensors.torch import save

    tensors = {}
    for group in groups:
        tensors[f"{group.name}.probs"] = group.probs.contiguous()
        tensors[f"{group.name}.visible"] = group.visible.contiguous()
        if group.value_norms is not None:
            tensors[f"{group.name}.value_norms"] = group.value_norms.contiguous()
    return base64.b64encode(save(tensors)).decode()
