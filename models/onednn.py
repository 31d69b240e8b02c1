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
    meanwhile stays right, but may round otherwise, and take longer: bf16 products of many rows do, as in training.
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


def is_enabled() -> bool:
    """Whether PyTorch is to compute with oneDNN, by the switch as it stands when nobody has set it aside."""
    with _LOCK:
        return _was_enabled if _users else torch.backends.mkldnn.enabled


def is_set_aside() -> bool:
    """Whether any thread has set it aside just now."""
    return _users > 0
