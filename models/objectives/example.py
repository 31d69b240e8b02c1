"""What an objective makes of one sequence, and how several become what a model takes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Generator, Tensor

from models.objectives.marks import Marks

IGNORED = -100  # a target that counts for nothing, as torch's cross entropy has it


@dataclass(frozen=True)
class Example:
    """One sequence, ready for a model; all tensors are of integers.

    inputs (T,): what the model reads. targets: what it should say, (T,), or (T_dec,) where a decoder reads
    `decoder_inputs` (T_dec,); IGNORED at places that pay no loss. token_type_ids (T,): segments. position_ids (T,), or
    (2, T) for two-dimensional positions. prefix_length: how many first tokens see each other. is_next: the answer to
    next-sentence prediction.
    """

    inputs: Tensor
    targets: Tensor
    decoder_inputs: Tensor | None = None
    token_type_ids: Tensor | None = None
    position_ids: Tensor | None = None
    prefix_length: int | None = None
    is_next: bool | None = None

    @property
    def n_paid(self) -> int:
        """Places that pay loss."""
        return int((self.targets != IGNORED).sum())


Objective = Callable[[Tensor, Marks, Generator], Example]


@dataclass(frozen=True)
class Batch:
    """Examples side by side: `model(**arguments)` gives logits for `targets` (B, T).

    is_next (B,): 0 where the second sentence follows the first, 1 where it does not, as BERT's head has them.
    """

    arguments: dict[str, Tensor]
    targets: Tensor
    is_next: Tensor | None = None

    def to(self, device: torch.device | str) -> Self:
        """The batch on a device."""
        arguments = {name: tensor.to(device) for name, tensor in self.arguments.items()}
        return Batch(arguments, self.targets.to(device), None if self.is_next is None else self.is_next.to(device))


def batch(examples: Sequence[Example], pad: int | None = None) -> Batch:
    """Pad the examples of one objective on the right, to the longest, with `pad`, which no token sees."""
    arguments = {"input_ids": _stack([one.inputs for one in examples], pad)}
    lengths = [one.inputs.shape[-1] for one in examples]
    if min(lengths) < max(lengths):
        arguments["attention_mask"] = _stack([torch.ones_like(one.inputs) for one in examples], 0)
    if examples[0].decoder_inputs is not None:
        arguments["decoder_input_ids"] = _stack([one.decoder_inputs for one in examples], pad)
    if examples[0].token_type_ids is not None:
        arguments["token_type_ids"] = _stack([one.token_type_ids for one in examples], 0)
    if examples[0].position_ids is not None:
        arguments["position_ids"] = _stack([one.position_ids for one in examples], 0)
    if examples[0].prefix_length is not None:
        arguments["prefix_lengths"] = torch.tensor([one.prefix_length for one in examples])
    is_next = None
    if examples[0].is_next is not None:
        is_next = torch.tensor([0 if one.is_next else 1 for one in examples])
    return Batch(arguments, _stack([one.targets for one in examples], IGNORED), is_next)


def _stack(rows: Sequence[Tensor], pad: int | None) -> Tensor:
    """Rows (…, T_i) as (B, …, T), padded on the right."""
    length = max(row.shape[-1] for row in rows)
    if any(row.shape[-1] < length for row in rows) and pad is None:
        raise ValueError("sequences of different lengths need a token to pad with; pad is None")
    padded = [torch.nn.functional.pad(row, (0, length - row.shape[-1]), value=pad or 0) for row in rows]
    return torch.stack(padded)
