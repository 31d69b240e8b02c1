"""Memory on large pages: what is in it is the same, and the system says that it lies there."""

import platform
from pathlib import Path

import pytest
import torch

from models import large_pages
from models.large_pages import LARGE_PAGE

N_BYTES = 8 * LARGE_PAGE
ENABLED = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def has_large_pages() -> bool:
    version = tuple(int(part) for part in platform.release().split(".")[:2] if part.isdigit())
    return ENABLED.exists() and "[never]" not in ENABLED.read_text() and version >= (6, 1)


def on_large_pages(address: int) -> int:
    """How many bytes of the mapping that holds `address` lie on large pages."""
    inside = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        name, *rest = line.split()
        if "-" in name and not name.endswith(":"):
            begin, end = (int(side, 16) for side in name.split("-"))
            inside = begin <= address < end
        elif inside and name == "AnonHugePages:":
            return int(rest[0]) * 1024
    raise AssertionError("nothing is mapped there")


@pytest.mark.skipif(not has_large_pages(), reason="this system has no large pages to move memory to (Linux 6.1)")
def test_memory_in_use_is_moved_and_stays_what_it_was():
    tensor = torch.arange(N_BYTES // 4, dtype=torch.int32)
    address = tensor.data_ptr()
    large_pages.move(address, N_BYTES)
    assert tensor.data_ptr() == address
    assert torch.equal(tensor, torch.arange(N_BYTES // 4, dtype=torch.int32))
    assert on_large_pages(address + N_BYTES // 2) >= N_BYTES - 2 * LARGE_PAGE


def test_little_memory_is_left_where_it_is():
    tensor = torch.arange(8)
    large_pages.move(tensor.data_ptr(), tensor.nbytes)
    assert tensor.tolist() == list(range(8))
    assert large_pages.empty((3, 2), torch.float32).shape == (3, 2)


def test_a_large_empty_tensor_can_be_written():
    tensor = large_pages.empty((1024, 2048), torch.bfloat16)
    assert tensor.shape == (1024, 2048)
    assert tensor.fill_(3).sum(dtype=torch.float32) == 3 * 1024 * 2048
