"""Turns to compute: given back, waited for in patience, and no longer than they are wanted."""

import threading
import time

import pytest

from models.errors import InputError
from playground import turns
from playground.turns import COMPUTING, turn


def test_who_no_longer_wants_a_turn_does_not_wait_for_it():
    cancelled = threading.Event()
    with turn(), turn():
        threading.Timer(0.05, cancelled.set).start()
        begun = time.monotonic()
        with turn(cancelled) as mine:
            assert not mine
        assert time.monotonic() - begun < 5
    with turn(threading.Event()) as mine:  # what was not taken was not given back
        assert mine
        assert turns._turns.acquire(blocking=False)
        assert not turns._turns.acquire(blocking=False)
        turns._turns.release()


def test_a_turn_is_given_back_after_an_error():
    for _ in range(COMPUTING + 1):
        with pytest.raises(KeyError), turn():
            raise KeyError


def test_no_turn_within_patience_says_busy(monkeypatch):
    monkeypatch.setattr(turns, "PATIENCE", 0.01)
    with turn(), turn(), pytest.raises(InputError) as refused, turn():
        pytest.fail("a third turn was given")
    assert refused.value.code == "busy"
