"""oneDNN set aside for a while, so that PyTorch computes with kernels of its own."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_LOCK = threading.Lock()
_users = 0
_was_enabled = True


@contextmanager
def set_aside() -> Iterator[None]:
    """Within it PyTorch's own kernels compute.

    The switch is the whole process's: it stays off until the last thread that wants it so has left. What others compute
    meanwhile stays right, and may take longer: bf16 products of many rows do, as in training.
    """
    global _users, _was_enabled
    with _LOCK:
        if _users == 0:
            _was_enabled = torch.backends.mkldnn.enabled
        _users += 1
        torch.backends.mkldnn.enabled = False
    try:
        yield
    finally:
        with _LOCK:
            _users -= 1
            if _users == 0:
                torch.backends.mkldnn.enabled = _was_enabled
