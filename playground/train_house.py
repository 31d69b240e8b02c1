"""Trainings of visitors: one for each, two at a time for the house, the others wait in a line; stopped when forsaken.

Each training is a thread that computes in slices, a `turn` for each, so that other visitors still compute.
"""

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from models.errors import InputError
from playground.session import LIMITS
from playground.train_designs import Trainable, trainable, with_balance
from playground.train_texts import Text
from playground.turns import turn

if TYPE_CHECKING:
    from playground.train_lane import Lane, Track

AT_ONCE = 2
MAX_WAITING = 12
MAX_REMEMBERED = 32  # trainings, those that are over included
MAX_RACERS = 4
MAX_SECONDS = 180.0  # of computing, all designs of a race together
SAMPLE_EVERY = 4.0  # seconds of computing
FORSAKEN = 15.0  # seconds without a question after which a training stops
FORSAKEN_IDLE = 90.0  # the same where it waits, is paused or out of sight: browsers let hidden pages ask once a minute
PAUSED_MOST = 600.0  # seconds
GLANCE = 0.1
YIELD = 0.004  # seconds between two turns, in which others take theirs
FOR_EVER = float("inf")


@dataclass
class Order:
    """What a visitor wants trained: designs, on one text, for a number of tokens each."""

    designs: list[Trainable]
    text: Text
    tokens: int
    seed: int
    balance: str | None = None


@dataclass
class Training:
    """One order being carried out.

    state: "waiting", "running", "paused" or "over"; why it is over: "finished", "diverged" (to the end, but a loss is no
    longer a number), "stopped", "time" or "failed", with the `error`. `asked` is when its visitor last looked, `is_in_sight`
    whether the page was then in front.
    """

    order: Order
    visitor: str
    name: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    state: str = "waiting"
    why: str | None = None
    error: InputError | None = None
    tracks: "list[Track]" = field(default_factory=list)
    balance: str | None = None
    asked: float = field(default_factory=time.monotonic)
    is_in_sight: bool = True
    stopped: threading.Event = field(default_factory=threading.Event)
    paused: threading.Event = field(default_factory=threading.Event)
    lanes: "list[Lane]" = field(default_factory=list, repr=False)

    @property
    def seconds(self) -> float:
        """Seconds of computing so far."""
        return sum(track.seconds for track in self.tracks)

    @property
    def is_over(self) -> bool:
        return self.state == "over"

    @property
    def is_wanted(self) -> bool:
        """Whether its visitor still looks, and has not stopped it; one that nobody looks at is stopped by asking."""
        patience = FORSAKEN if self.state == "running" and self.is_in_sight else FORSAKEN_IDLE
        if time.monotonic() - self.asked > patience:
            self.stopped.set()
        return not self.stopped.is_set()


class House:
    """All trainings by secret name, those inside, and the line of those that wait."""

    def __init__(self, at_once: int = AT_ONCE, most_waiting: int = MAX_WAITING, most: int = MAX_REMEMBERED):
        self.at_once, self.most_waiting, self.most = at_once, most_waiting, most
        self._trainings: OrderedDict[str, Training] = OrderedDict()
        self._line: list[Training] = []
        self._inside: list[Training] = []
        self._changed = threading.Condition()

    def begin(self, order: Order, visitor: str) -> Training:
        """Begins a training; one of the same visitor that still goes on is stopped. Raises `InputError` "train_full", and
        then stops none."""
        training = Training(order, visitor, balance=order.balance)
        with self._changed:
            ahead = [other for other in self._line if other.visitor != visitor and not other.stopped.is_set()]
            if len(ahead) >= self.most_waiting:
                raise InputError("train_full")
            for other in self._trainings.values():
                if other.visitor == visitor:
                    other.stopped.set()
            self._trainings[training.name] = training
            self._line.append(training)
            self._forget()
        threading.Thread(target=self._run, args=(training,), name="training", daemon=True).start()
        return training

    def get(self, name: object, is_in_sight: bool = True) -> Training:
        """The training of that name; asking keeps it going, for longer where the page that asks is out of sight. Raises
        `InputError` "train_gone"."""
        with self._changed:
            if not isinstance(name, str) or name not in self._trainings:
                raise InputError("train_gone")
            training = self._trainings[name]
        training.asked, training.is_in_sight = time.monotonic(), is_in_sight
        return training

    def place(self, training: Training) -> int:
        """How many wait before it, itself included; 0 for one that does not wait."""
        with self._changed:
            return self._line.index(training) + 1 if training in self._line else 0

    def _forget(self) -> None:
        over = [name for name, training in self._trainings.items() if training.is_over]
        while len(self._trainings) > self.most and over:
            del self._trainings[over.pop(0)]

    def _enter(self, training: Training) -> bool:
        """Waits for a place inside; False if the training is no longer wanted."""
        with self._changed:
            while training.is_wanted:
                if self._line[0] is training and len(self._inside) < self.at_once:
                    self._line.remove(training)
                    self._inside.append(training)
                    return True
                self._changed.wait(GLANCE)
            self._line.remove(training)
            self._changed.notify_all()
            return False

    def _leave(self, training: Training) -> None:
        with self._changed:
            self._inside.remove(training)
            self._changed.notify_all()

    def _run(self, training: Training) -> None:
        """The thread of a training, from the line to its end."""
        try:
            while training.why is None:
                self._spell(training)
        except InputError as error:
            training.error, training.why = error, "failed"
        finally:
            with self._changed:
                if training in self._line:
                    self._line.remove(training)
            training.why = training.why or "failed"
            for lane in training.lanes:
                lane.keep()
            training.lanes = []
            training.state = "over"

    def _spell(self, training: Training) -> None:
        """One stay inside: until the training ends or is paused."""
        if not self._enter(training):
            training.why = "stopped"
            return
        training.state = "running"
        training.asked = time.monotonic()
        try:
            training.why = learn(training)
        finally:
            self._leave(training)
        if training.why is None:
            training.state = "paused"
            self._wait_to_go_on(training)

    def _wait_to_go_on(self, training: Training) -> None:
        """While it is paused it keeps no place; after that it goes to the end of the line."""
        until = time.monotonic() + PAUSED_MOST
        while training.paused.is_set() and training.is_wanted and time.monotonic() < until:
            time.sleep(GLANCE)
        if training.paused.is_set() or not training.is_wanted:
            training.why = "stopped"
            return
        training.state = "waiting"
        with self._changed:
            self._line.append(training)


def learn(training: Training) -> str | None:
    """Trains until the end, and says why it ended; None if it was paused. The designs of a race take steps by turns."""
    if not training.lanes:
        _in_turn(training, lambda: _prepare(training))
    while training.is_wanted:
        waiting = [lane for lane in training.lanes if not lane.finished]
        if not waiting:
            return "diverged" if any(track.diverged for track in training.tracks) else "finished"
        if training.seconds > MAX_SECONDS:
            return "time"
        if training.paused.is_set():
            return None
        lane = min(waiting, key=lambda lane: lane.track.tokens)
        _in_turn(training, lambda lane=lane: _advance(training, lane))
        time.sleep(YIELD)
    return "stopped"


def _in_turn(training: Training, compute: Callable[[], None]) -> None:
    with turn(training.stopped, FOR_EVER) as mine:
        if mine:
            compute()


def _prepare(training: Training) -> None:
    from playground.train_lane import Lane

    order = training.order
    lanes = [Lane(design, order.text, order.tokens, order.seed, order.balance) for design in order.designs]
    for lane in lanes:
        lane.sample()
    training.tracks = [lane.track for lane in lanes]
    training.lanes = lanes


def _advance(training: Training, lane: "Lane") -> None:
    """One step of a lane, and a sample where one is due."""
    lane.balance = training.balance
    lane.step()
    if lane.finished or lane.track.seconds - lane.sampled > SAMPLE_EVERY:
        lane.sample()


def as_designs(designs: object) -> list:
    """`designs`, which must be a list of as many as can race; raises `InputError`."""
    if not isinstance(designs, list) or not 1 <= len(designs) <= MAX_RACERS:
        count = len(designs) if isinstance(designs, list) else 0
        raise InputError("train_race", least=1, most=MAX_RACERS, count=count)
    return designs


def read_order(designs: object, text: Text, tokens: object, seed: object, balance: object = None) -> Order:
    """An order of what a request says; raises `InputError`."""
    numbers = {"train_tokens": tokens, "train_seed": seed}
    for name, value in numbers.items():
        low, high = LIMITS[name]
        if not isinstance(value, int) or isinstance(value, bool):
            raise InputError("not_an_integer", field=name.removeprefix("train_"), value=value)
        if not low <= value <= high:
            raise InputError("out_of_range", field=name.removeprefix("train_"), value=value, low=low, high=high)
    checked = [trainable(design, text.is_english) for design in as_designs(designs)]
    if balance is not None:
        for design in checked:
            with_balance(design.config, balance)
    return Order(checked, text, tokens, seed, balance)


house = House()
