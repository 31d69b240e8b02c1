"""Memory on large pages, where the system has them.

A processor keeps at hand where a few thousand pages lie. Weights that are read from end to end for every token are spread
over more than that of the usual size (4 kB), and looking the others up takes part of the time; of 2 MB they need few.
"""

import ctypes
import mmap
from contextlib import suppress

import torch
from torch import Tensor

LARGE_PAGE = 1 << 21  # bytes
MADV_COLLAPSE = 25  # of linux/mman.h, from Linux 6.1 on; Python's mmap has no name for it


def empty(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """A tensor like `torch.empty`'s."""
    n_bytes = torch.Size(shape).numel() * dtype.itemsize
    if n_bytes < LARGE_PAGE or not hasattr(mmap, "MADV_HUGEPAGE"):
        return torch.empty(shape, dtype=dtype)
    memory = mmap.mmap(-1, n_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with suppress(OSError):  # a system may be made without them
        memory.madvise(mmap.MADV_HUGEPAGE)
    return torch.frombuffer(memory, dtype=dtype).view(shape)


def move(address: int, n_bytes: int) -> None:
    """Moves memory that is in use already: what is in it, and its address, stay as they are.

    What shares the first and the last page comes along; less than half a page is not worth that. A system that has no
    such pages, or none to spare, leaves it all.
    """
    if n_bytes < LARGE_PAGE // 2 or not hasattr(mmap, "MADV_HUGEPAGE"):
        return
    begin = address // LARGE_PAGE * LARGE_PAGE
    length = -(-(address + n_bytes - begin) // LARGE_PAGE) * LARGE_PAGE
    madvise = ctypes.CDLL(None).madvise
    for advice in (mmap.MADV_HUGEPAGE, MADV_COLLAPSE):
        madvise(ctypes.c_void_p(begin), ctypes.c_size_t(length), advice)
