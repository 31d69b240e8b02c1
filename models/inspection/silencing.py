"""Interventions on a pass: silence heads or whole sub-layers, see through another mask, forget the order of the tokens.

Nothing here touches a model that others use: silencing goes through `models.patch`, and what the weights cannot say is a
second model that shares them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from models.building import allocate
from models.config import ModelConfig, SparsePattern
from models.errors import InputError
from models.inspection.groups import groups_of
from models.parts.masks import MASKS, Extent, causal
from models.taps import capture, patch

ZERO, MEAN = "zero", "mean"


@dataclass(frozen=True)
class Stack:
    """A stack of layers whose heads can be silenced: `prefix` stands before its taps' names ("", "encoder.", "text.", …);
    parts: which of "attn", "cross_attn" and "ffn" its layers have, in the order of computing."""

    prefix: str
    n_layers: int
    n_heads: int
    parts: tuple[str, ...]


def stacks(config: ModelConfig) -> tuple[Stack, ...]:
    """The stacks of an architecture, in the order in which a pass runs them."""
    parts: dict[str, list[str]] = {}
    sizes: dict[str, tuple[int, int]] = {}
    for group in groups_of(config):
        parts.setdefault(group.path_of_layers, []).append(group.part)
        sizes[group.path_of_layers] = (group.n_layers, group.config.n_heads)
    return tuple(Stack(prefix, *sizes[prefix], (*parts[prefix], "ffn")) for prefix in parts)


@dataclass(frozen=True, order=True)
class Head:
    """One head: of the stack with that prefix, in a layer's "attn" or "cross_attn"; layer and head count from 0."""

    prefix: str
    layer: int
    part: str
    head: int

    @property
    def tap(self) -> str:
        """Where its reading can be seen and replaced."""
        return f"{self.prefix}layers.{self.layer}.{self.part}.head_out"


@dataclass(frozen=True, order=True)
class SubLayer:
    """A layer's whole "attn", "cross_attn" or "ffn"."""

    prefix: str
    layer: int
    part: str


def all_heads(config: ModelConfig) -> list[Head]:
    """Every head of every stack: first the stack's own attention layer by layer, then that to the encoder."""
    return [
        Head(stack.prefix, layer, part, head)
        for stack in stacks(config)
        for part in stack.parts
        if part != "ffn"
        for layer in range(stack.n_layers)
        for head in range(stack.n_heads)
    ]


@dataclass(frozen=True)
class Changes:
    """What is changed of a pass.

    heads: silenced by `method`, "zero" (the head reads nothing) or "mean" (at every place it reads what it reads on
    average over this text, which keeps the usual and drops what it says about this token); sub_layers add nothing to the
    stream. mask: one of the catalogue, in every layer, or None for the model's own; `width` is its number: window, block,
    prefix or drawn keys. forget_order: positions are dropped.
    """

    heads: frozenset[Head] = frozenset()
    sub_layers: frozenset[SubLayer] = frozenset()
    method: str = ZERO
    mask: str | None = None
    width: int = 4
    forget_order: bool = False

    def __bool__(self) -> bool:
        return bool(self.heads or self.sub_layers or self.mask or self.forget_order)


@torch.inference_mode()
def run(model: nn.Module, arguments: Mapping[str, Tensor], changes: Changes, **further) -> Tensor:
    """The logits of `model(**arguments, **further)`, with the changes made: those of one sequence, (1, T, V)."""
    config = model.config
    arguments = dict(arguments)
    _check(config, changes)
    if changes.forget_order:
        model, arguments = without_order(model, arguments)
    if changes.mask is not None:
        arguments |= seen_through(config, changes.mask, changes.width, arguments)
    means = means_of(model, arguments, changes.heads) if changes.method == MEAN and changes.heads else {}
    with patch(dict(_edits(changes, means))):
        return model(**arguments, **further).logits


def _check(config: ModelConfig, changes: Changes) -> None:
    """Raises `InputError` for a head or sub-layer that the model does not have, or an unknown method."""
    if changes.method not in (ZERO, MEAN):
        raise InputError("not_a_choice", field="method", value=changes.method, allowed=f"{ZERO}, {MEAN}")
    known = {
        (stack.prefix, layer, part): stack.n_heads
        for stack in stacks(config)
        for layer in range(stack.n_layers)
        for part in stack.parts
    }
    for one in (*changes.heads, *changes.sub_layers):
        n_heads = known.get((one.prefix, one.layer, one.part), 0)
        is_there = n_heads and (isinstance(one, SubLayer) or (one.part != "ffn" and 0 <= one.head < n_heads))
        if not is_there:
            name = f"{one.prefix}{one.layer}.{one.part}" + (f".{one.head}" if isinstance(one, Head) else "")
            raise InputError("no_such_head", head=name)


def means_of(model: nn.Module, arguments: Mapping[str, Tensor], heads: Iterable[Head]) -> dict[str, Tensor]:
    """What the heads of each of these heads' layers read on average over the places of a pass, by tap: (1, H, 1, d_head)."""
    taps = {head.tap for head in heads}
    with capture(*taps) as trace:
        model(**arguments)
    return {tap: trace[tap].mean(dim=2, keepdim=True) for tap in taps}


def _edits(changes: Changes, means: Mapping[str, Tensor]) -> Iterator[tuple[str, Callable[[Tensor], Tensor]]]:
    by_tap: dict[str, list[int]] = {}
    for one in sorted(changes.heads):
        by_tap.setdefault(one.tap, []).append(one.head)
    for tap, heads in by_tap.items():
        yield tap, _silencer(heads, means.get(tap))
    for one in changes.sub_layers:
        yield f"{one.prefix}layers.{one.layer}.{one.part}.out", torch.zeros_like


def _silencer(heads: Sequence[int], mean: Tensor | None) -> Callable[[Tensor], Tensor]:
    def edit(read: Tensor) -> Tensor:  # (B, H, T, d_head)
        changed = read.clone()
        changed[:, heads] = 0.0 if mean is None else mean[:, heads]
        return changed

    return edit


CONTENT = ("lsh", "kmeans")  # they choose by queries and keys of their own
SWAPPABLE = tuple(name for name in MASKS if name not in CONTENT)


def seen_through(config: ModelConfig, name: str, width: int, arguments: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The argument that has every layer of the (decoder's) stack see through a mask of the catalogue.

    In a model that writes, a pattern that looks both ways is cut at the query, as in the catalogue's decoders; only
    "bidirectional" and "prefix" let it see what comes after. Raises `InputError` for a mask that brings an attention of
    its own.
    """
    if name not in SWAPPABLE:
        raise InputError("not_a_choice", field="mask", value=name, allowed=", ".join(SWAPPABLE))
    if config.image is not None or config.structure == "two_towers":
        raise InputError("mask_of_images")
    two_stacks = config.structure == "encoder_decoder"
    n_tokens = arguments["decoder_input_ids" if two_stacks else "input_ids"].shape[1]
    allowed = pattern(name, width, n_tokens, looks_back=config.structure != "encoder")
    return {"decoder_attention_mask" if two_stacks else "attention_mask": allowed[None, None]}  # (1, 1, T, S)


def pattern(name: str, width: int, n_tokens: int, looks_back: bool) -> Tensor:
    """A mask of the catalogue over `n_tokens`, (T, S), True where a query may look."""
    width = max(1, width)
    sparse = SparsePattern(dilation=2, n_global=1, block_size=width, n_random=min(width, 64))
    layer = _LIKE.layer(0)
    layer = replace(
        layer, mask=name, window=max(2, width), causal=looks_back and name not in ("bidirectional", "prefix")
    )
    mask = MASKS[name]
    queries, keys = torch.arange(n_tokens)[:, None], torch.arange(n_tokens)[None, :]
    allowed = mask.pattern(layer, sparse, Extent(n_tokens, n_tokens, min(width, n_tokens)))(queries, keys)
    if mask.looks_back or layer.causal:
        allowed = allowed & causal()(queries, keys)
    return allowed.expand(n_tokens, n_tokens)


_LIKE = ModelConfig(
    vocab_size=1, max_seq_len=1, d_model=2, n_layers=1, n_heads=1, d_ff=1
)  # only its layer is asked for


def without_order(model: nn.Module, arguments: Mapping[str, Tensor]) -> tuple[nn.Module, dict[str, Tensor]]:
    """The model and arguments of a pass that does not know the places of its tokens.

    Trained positions (a table, or biases by distance) become zeros; sines, rotation and ALiBi are left out. Latent
    attention has no form without rotation: all its tokens stand at place 0. Raises `InputError` where there is nothing to
    drop.
    """
    config, arguments = model.config, dict(arguments)
    if config.position == "none":
        raise InputError("no_position_to_drop")
    if config.structure == "two_towers":
        raise InputError("order_of_towers")
    if config.attention == "mla":
        return model, arguments | {"position_ids": torch.zeros_like(arguments["input_ids"])}
    state = model.state_dict()
    trained = [name for name in state if name.startswith(_POSITIONS)]
    if trained:
        state |= {name: torch.zeros_like(state[name]) for name in trained}
    else:
        config = config.replace(position="none", **dict.fromkeys(_OF_POSITION))
    twin = allocate(config, "meta")
    twin.load_state_dict(state, assign=True)
    return twin, {name: value for name, value in arguments.items() if trained or name != "position_ids"}


_POSITIONS = ("position.", "encoder.position.", "decoder.position.")
_OF_POSITION = ("rope_theta", "rope_layout", "rotary_dim", "rope_scaling", "sinusoid_layout")
