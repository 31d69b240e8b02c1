"""What a visitor changes of a pass, read from a request, and where in the text the answer is asked for."""

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from models.config import ModelConfig
from models.errors import InputError
from playground.answering import read_whole
from playground.attention_subject import Looked, looked_at
from playground.session import LIMITS
from playground.session_limits import OFF

if TYPE_CHECKING:
    from torch import Tensor

    from models.inspection.inputs import Sequence
    from models.inspection.silencing import Changes, Stack

SPEAKING = ("lm", "mlm", "mlm_nsp", "classification")  # heads whose answer is a distribution
NOTHING = "none"


@dataclass(frozen=True)
class Asked:
    """A request, read. kind: what is predicted, "next" (the token after `place`), "masked" (the one at `place`, which the
    model does not see), "class" (of the whole text or picture). sequence: of the places that may be asked about."""

    looked: Looked
    arguments: "dict[str, Tensor]"
    place: int
    kind: str
    sequence: "Sequence"


def asked_of(asked: dict) -> Asked:
    """The model, its arguments and the place of a request; raises `InputError` for a model that says nothing."""
    looked = looked_at(asked)
    config = looked.loaded.config
    if config.head not in SPEAKING:
        raise InputError("whatif_says_nothing", title=looked.known.name)
    sequences = looked.inputs.sequences
    sequence = sequences.get("text") or sequences["image"]
    if config.head == "classification":
        return Asked(looked, looked.inputs.arguments, 0, "class", sequence)
    wanted = read_whole("place", asked.get("place", -1), -1, LIMITS["what_place"][1])
    place = _usual(config, sequence) if wanted < 0 else min(wanted, len(sequence) - 1)
    if config.head == "lm":
        return Asked(looked, looked.inputs.arguments, place, "next", sequence)
    return Asked(looked, _masked(looked, place), place, "masked", sequence)


def _usual(config: ModelConfig, sequence: "Sequence") -> int:
    """Where a visitor asks who has not chosen: a decoder for what comes next, an encoder for its last word, a model that
    reads one text and writes another for the first that it writes."""
    if config.structure == "encoder_decoder":
        return 0
    if config.structure == "prefix_decoder":
        return sequence.segments.index(1) if 1 in sequence.segments else len(sequence) - 1
    if config.structure == "decoder":
        return len(sequence) - 1
    is_word = [
        kind == "t" and any(map(str.isalnum, token))
        for kind, token in zip(sequence.kinds, sequence.tokens, strict=True)
    ]
    return max((place for place, word in enumerate(is_word) if word), default=len(sequence) // 2)


def _masked(looked: Looked, place: int) -> dict:
    """The arguments with the mask at a place, where the vocabulary has one: else the model would see what it is asked."""
    from models.objectives.marks import marks_of

    arguments = dict(looked.inputs.arguments)
    mask = marks_of(looked.loaded.tokenizer).mask
    if mask is not None:
        arguments["input_ids"] = arguments["input_ids"].clone()
        arguments["input_ids"][0, place] = mask
    return arguments


LETTERS = {
    "a": ("", "attn"),
    "c": ("", "cross_attn"),
    "f": ("", "ffn"),
    "e": ("encoder", "attn"),
    "g": ("encoder", "ffn"),
}
"""What a part of a layer is called in an address: of a decoder or only stack its attention, the one to the encoder and
feed-forward, and an encoder's attention and feed-forward beside a decoder."""
ONE = re.compile(r"([acefg])(\d{1,3})(?:\.(\d{1,3}))?")


def lettered(config: ModelConfig) -> dict[str, "tuple[Stack, str]"]:
    """The letters that this model has, each with its stack and the part of its layers."""
    from models.inspection.silencing import stacks

    found = {}
    of_stack = stacks(config)
    for stack in of_stack:
        is_encoder = len(of_stack) > 1 and stack is of_stack[0]
        for letter, (side, part) in LETTERS.items():
            if (side == "encoder") == is_encoder and part in stack.parts:
                found[letter] = (stack, part)
    return {letter: found[letter] for letter in LETTERS if letter in found}


def changes_of(asked: dict, config: ModelConfig) -> "Changes":
    """The changes that a request asks for; raises `InputError` for what the model does not have."""
    from models.inspection.silencing import MEAN, ZERO, Changes, Head, SubLayer

    off = asked.get("off", NOTHING)
    if not isinstance(off, str) or not OFF.fullmatch(off):
        raise InputError("no_such_head", head=str(off)[:40])
    known, heads, sub_layers = lettered(config), [], []
    for letter, layer, head in ONE.findall("" if off == NOTHING else off):
        if letter not in known:
            raise InputError("no_such_head", head=f"{letter}{layer}")
        stack, part = known[letter]
        if head:
            heads.append(Head(stack.prefix, int(layer), part, int(head)))
        else:
            sub_layers.append(SubLayer(stack.prefix, int(layer), part))
    width = read_whole("width", asked.get("width", 4), *LIMITS["what_width"])
    method = asked.get("method", ZERO)
    if method not in (ZERO, MEAN):
        raise InputError("not_a_choice", field="method", value=method, allowed=f"{ZERO}, {MEAN}")
    changes = Changes(frozenset(heads), frozenset(sub_layers), method, width=width)
    mask = asked.get("mask") or None
    if mask is not None and not isinstance(mask, str):
        raise InputError("not_a_text", field="mask", value=mask)
    if not isinstance(asked.get("order", False), bool):
        raise InputError("not_a_flag", field="order", value=asked["order"])
    return replace(changes, mask=mask, forget_order=asked.get("order", False))
