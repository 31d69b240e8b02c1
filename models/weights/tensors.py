"""Weights under the names that files use: between a module's fused parameters and one tensor for each map.

A module may keep several maps in one parameter (`FusedLinear`, `Experts`); files, other projects and the parameter table
name each map on its own: `layers.0.attn.q_proj.weight`. `Row`s say how a file of another project spells and packs the
same tensors.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.errors import InputError
from models.parts.experts import Experts
from models.parts.linear import FusedLinear

NAMED_AT_MOST = 8


@dataclass(frozen=True)
class Packing:
    """How one tensor of a file holds one or more of ours.

    pack: our tensors, in order, to the file's tensor; unpack: the file's tensor and our output widths to our tensors.
    Both also take tensors on the meta device, which is how the file's shape is known before anything is read.
    """

    pack: Callable[[Sequence[Tensor]], Tensor]
    unpack: Callable[[Tensor, Sequence[int]], Sequence[Tensor]]


def _stacked(tensors: Sequence[Tensor]) -> Tensor:
    # Of a single tensor nothing is to be joined; torch.cat() on "meta" would make torch import its compiler, for seconds.
    # It may also be a number without dimensions, which cannot be split.
    return tensors[0] if len(tensors) == 1 else torch.cat(list(tensors))


STACKED = Packing(
    pack=_stacked, unpack=lambda packed, widths: packed.split(list(widths)) if len(widths) > 1 else [packed]
)
"""One below the other along the output, as `nn.Linear` keeps its weight: (out, in)."""

TRANSPOSED = Packing(
    pack=lambda tensors: _stacked(tensors).movedim(0, -1),
    unpack=lambda packed, widths: packed.movedim(-1, 0).split(list(widths)),
)
"""As `STACKED`, but the file has (in, out), the `Conv1D` of GPT and GPT-2; a bias has one dimension and stays."""


def per_head(n_heads: int) -> Packing:
    """Several maps head by head, and within a head one map below the other: q, then k, then v (BLOOM, ChatGLM)."""

    def pack(tensors: Sequence[Tensor]) -> Tensor:
        heads = [tensor.unflatten(0, (n_heads, -1)) for tensor in tensors]  # (H, d_head, …)
        return torch.stack(heads, dim=1).flatten(0, 2)

    def unpack(packed: Tensor, widths: Sequence[int]) -> Sequence[Tensor]:
        return [part.flatten(0, 1) for part in packed.unflatten(0, (n_heads, len(widths), -1)).unbind(1)]

    return Packing(pack, unpack)


def shaped(shape: Sequence[int], own: Sequence[int]) -> Packing:
    """One tensor that the file has in the `shape` there, and that is `own` here."""
    return Packing(
        pack=lambda tensors: tensors[0].reshape(tuple(shape)),
        unpack=lambda packed, widths: [packed.reshape(tuple(own))],
    )


@dataclass(frozen=True)
class Row:
    """One tensor of a file: its name there, the names it has here, and how it holds them."""

    there: str
    here: tuple[str, ...]
    packing: Packing = STACKED


def named_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Every parameter and persistent buffer of `model` under its single name, in the order of the module.

    The tensors are detached views: writing into them changes the model.
    """
    packed = {path: module for path, module in model.named_modules() if isinstance(module, FusedLinear | Experts)}
    told: set[str] = set()
    tensors: dict[str, Tensor] = {}
    for name, tensor in model.state_dict().items():
        path = name.rpartition(".")[0]
        if path not in packed:
            tensors[name] = tensor
        elif path not in told:
            told.add(path)
            tensors.update(_parts(path, packed[path]))
    return tensors


def _parts(path: str, module: FusedLinear | Experts) -> Iterable[tuple[str, Tensor]]:
    owner = path.rpartition(".")[0]
    for name, (weight, bias) in module.parts().items():
        full_name = f"{owner}.{name}" if owner else name
        yield f"{full_name}.weight", weight.detach()
        if bias is not None:
            yield f"{full_name}.bias", bias.detach()


def same_names(model: nn.Module) -> list[Row]:
    """The rows of a file that uses our own names."""
    return [Row(name, (name,)) for name in named_tensors(model)]


def assign(
    model: nn.Module,
    tensors: Mapping[str, Tensor],
    rows: Iterable[Row] | None = None,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Copy `tensors` into `model`, whose parameters take `dtype`; a model on the meta device comes to the processor.

    rows: how the names of `tensors` stand for the model's; None where they are the same. Raises
    `InputError("weights_mismatch")` that names every missing, unknown or wrongly shaped tensor (the first few of each),
    before anything is written. Peak memory is the model and one tensor.
    """
    targets = named_tensors(model)
    rows = same_names(model) if rows is None else list(rows)
    assert set(targets) == {name for row in rows for name in row.here}, "a layout must name every parameter"
    _check_fit({row.there: _shape_there(row, targets) for row in rows}, tensors)
    model.to(dtype)
    if next(model.parameters()).is_meta:
        # As `to_empty` does, for which torch imports half a second's worth the first time.
        model._apply(lambda weight: torch.empty(weight.shape, dtype=weight.dtype, device="cpu"))
    targets = named_tensors(model)
    for row in rows:
        destinations = [targets[name] for name in row.here]
        widths = [target.shape[0] if target.dim() else 1 for target in destinations]
        pieces = row.packing.unpack(tensors[row.there], widths)
        for target, piece in zip(destinations, pieces, strict=True):
            target.copy_(piece)


def pack(model: nn.Module, rows: Iterable[Row], dtype: torch.dtype) -> dict[str, Tensor]:
    """The model's weights as a file with these rows has them: copies of type `dtype` that share no memory.

    Buffers keep their own type: they are what training counts up in steps that `dtype` might round away.
    """
    sources, buffers = named_tensors(model), {name for name, _ in model.named_buffers()}

    def copied(row: Row) -> Tensor:
        packed = row.packing.pack([sources[name] for name in row.here])
        return packed.to(packed.dtype if buffers.issuperset(row.here) else dtype, copy=True).contiguous()

    return {row.there: copied(row) for row in rows}


def _shape_there(row: Row, targets: Mapping[str, Tensor]) -> tuple[int, ...]:
    return tuple(row.packing.pack([torch.empty(targets[name].shape, device="meta") for name in row.here]).shape)


def _check_fit(expected: Mapping[str, tuple[int, ...]], found: Mapping[str, Tensor]) -> None:
    missing = [name for name in expected if name not in found]
    unknown = [name for name in found if name not in expected]
    misshapen = [
        f"{name} {tuple(found[name].shape)} ≠ {shape}"
        for name, shape in expected.items()
        if name in found and tuple(found[name].shape) != shape
    ]
    if missing or unknown or misshapen:
        raise InputError(
            "weights_mismatch", missing=_first(missing), unknown=_first(unknown), misshapen=_first(misshapen)
        )


def _first(names: list[str]) -> str:
    shown = ", ".join(names[:NAMED_AT_MOST]) or "–"
    hidden = len(names) - NAMED_AT_MOST
    return f"{shown} … (+{hidden})" if hidden > 0 else shown
