"""Where a training runs: on the processor or a GPU, in one process or in several that share the model between them.

Several processes, on one machine or more, are started by `torchrun`; each holds a slice of every weight and of its
optimizer's state (FSDP, Zhao et al., 2023, arXiv:2304.11277; PyTorch's `fully_shard`) and makes its share of each batch's
rows. What they exchange is exchanged in calls that all of them make, in the same order.
"""

import os
from contextlib import AbstractContextManager, nullcontext
from typing import Self

import torch
import torch.distributed as dist
from torch import Tensor, nn

from models.errors import InputError


class Processes:
    """This process among all: `rank` of `n_processes`; alone unless `of_torchrun` says otherwise."""

    def __init__(self, device: str = "cpu", rank: int = 0, n_processes: int = 1) -> None:
        self.device, self.rank, self.n_processes = torch.device(device), rank, n_processes
        self._mesh = None
        if n_processes > 1:
            dist.init_process_group("nccl" if self.device.type == "cuda" else "gloo")
            self._mesh = dist.init_device_mesh(self.device.type, (n_processes,))

    @classmethod
    def of_torchrun(cls, device: str = "cpu") -> Self:
        """As the variables say that torchrun sets; without them, this process alone. On GPUs, each process has its own."""
        n_processes = int(os.environ.get("WORLD_SIZE", "1"))
        if device == "cuda" and n_processes > 1:
            device = f"cuda:{os.environ['LOCAL_RANK']}"
            torch.cuda.set_device(device)
        return cls(device, int(os.environ.get("RANK", "0")), n_processes)

    @property
    def is_first(self) -> bool:
        """The process that speaks and writes files."""
        return self.rank == 0

    @property
    def bf16(self) -> bool:
        """Whether the device multiplies bf16 itself; elsewhere it is emulated and slower than fp32."""
        return torch.cuda.is_bf16_supported() if self.device.type == "cuda" else bf16_is_native()

    def precision(self) -> AbstractContextManager:
        """bf16 where the device has it."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16) if self.bf16 else nullcontext()

    def share_out(self, model: nn.Module) -> nn.Module:
        """The model on the device; of several processes, each keeps its slice of every weight."""
        model.to(self.device)
        if self._mesh is not None:
            from torch.distributed.fsdp import fully_shard

            for name, module in model.named_modules():
                if name.split(".")[-2:-1] == ["layers"]:
                    fully_shard(module, mesh=self._mesh)
            # By default the outermost keeps its weights whole until the way back, and a validation has none.
            fully_shard(model, mesh=self._mesh, reshard_after_forward=True)
        return model

    def own_rows(self, rows: list) -> list:
        """This process's share of a batch. Raises InputError("rows_not_divisible")."""
        if len(rows) % self.n_processes:
            raise InputError("rows_not_divisible", rows=len(rows), processes=self.n_processes)
        return rows[self.rank :: self.n_processes]

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over all processes, on each."""
        if self._mesh is not None:
            dist.all_reduce(tensor)
        return tensor

    def any(self, *flags: bool) -> list[bool]:
        """Of each flag whether it holds in some process."""
        return self.sum(torch.tensor(flags, dtype=torch.long, device=self.device)).bool().tolist()

    def after_first(self) -> AbstractContextManager:
        """A block that the first process runs before the others, which find there what it has made."""
        return nullcontext() if self._mesh is None else _AfterFirst(self.is_first)

    def close(self) -> None:
        if self._mesh is not None:
            dist.destroy_process_group()


class _AfterFirst:
    def __init__(self, is_first: bool) -> None:
        self._is_first = is_first

    def __enter__(self) -> None:
        if not self._is_first:
            dist.barrier()

    def __exit__(self, *_: object) -> None:
        if self._is_first:
            dist.barrier()


def device_named(name: str) -> str:
    """ "auto", "cpu" or "cuda" as a device; raises InputError("device_missing") where there is no such GPU."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("device_missing", device=name)
    return name


def whole(tensor: Tensor) -> Tensor:
    """A tensor that processes share, put together; any other as it is."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


def sliced_like(tensor: Tensor, other: Tensor) -> Tensor:
    """A whole tensor in the slices, and on the device, in which processes share `other`."""
    tensor = tensor.to(other.device)
    if not hasattr(other, "full_tensor"):
        return tensor
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(tensor, other.device_mesh, other.placements, src_data_rank=None)


def bf16_is_native() -> bool:
    """Whether this processor multiplies bf16 itself; elsewhere bf16 is emulated and slower than fp32."""
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
