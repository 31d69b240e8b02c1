"""Turns to compute: a few at once, so that the machine serves all; who waits too long for one is told that it is busy."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf

from models.errors import InputError

COMPUTING = 2  # cores of the smallest machine that this runs on
PATIENCE = 30  # seconds that a visitor waits for a turn before being told that the machine is busy
GLANCE = 0.1  # seconds after which one who waits looks whether what is waited for is still wanted

_turns = threading.BoundedSemaphore(COMPUTING)


@contextmanager
def turn(cancelled: threading.Event | None = None, patience: float | None = None) -> Iterator[bool]:
    """Waits for one of `COMPUTING` turns, which everything that computes with a model takes, and gives True; or False,
    without a turn, once `cancelled` is set. Raises `InputError` "busy" after `patience` (else `PATIENCE`) seconds.

    Gradio's queue cannot do this: it would hold a stream's place from its first token to its last.
    """
    with taken(_turns, cancelled, PATIENCE if patience is None else patience) as mine:
        yield mine


@contextmanager
def taken(
    lock: "threading.Lock | threading.BoundedSemaphore", cancelled: threading.Event | None, patience: float = inf
) -> Iterator[bool]:
    """Waits for the lock and gives True; or False, without it, once `cancelled` is set. After `patience` seconds "busy"."""
    mine = _wait_for(lock, cancelled, patience)
    try:
        yield mine
    finally:
        if mine:
            lock.release()


def _wait_for(
    lock: "threading.Lock | threading.BoundedSemaphore", cancelled: threading.Event | None, patience: float
) -> bool:
    until = time.monotonic() + patience
    while not (cancelled and cancelled.is_set()):
        left = until - time.monotonic()
        if lock.acquire(timeout=max(0.0, min(GLANCE, left))):
            return True
        if left <= 0:
            raise InputError("busy")
    return False
