"""Who trains and who waits: one training a visitor, two at a time, a line for the others; and the endpoint."""

import threading
import time

import pytest

from models.errors import InputError
from playground import model_facts, train_house
from playground.train_api import train
from playground.train_house import House, Training, read_order
from playground.train_texts import read
from playground.views.train_payload import told
from tests.playground.trainings import TINY, ask, ended, order
from tests.rows import each_row

SPARSE = (
    "mixtral-mini~max_seq_len=64~d_model=16~n_layers=2~n_heads=2~n_kv_heads=1~d_head=8~attention=mqa~vocab_size=300"
    "~moe.n_experts=4~moe.n_experts_per_token=1~moe.d_expert=8"
)


class TestHouse:
    """One training a visitor, two at a time, the others in a line; forsaken ones stop."""

    @pytest.fixture
    def slow(self, monkeypatch):
        """Trainings that last until the event is set."""
        go = threading.Event()

        def learn(training):
            while training.is_wanted and not training.paused.is_set():
                if go.wait(0.01):
                    return "finished"
            return None if training.paused.is_set() and training.is_wanted else "stopped"

        monkeypatch.setattr(train_house, "learn", learn)
        yield go
        go.set()

    @staticmethod
    def state(house, training, wanted):
        until = time.monotonic() + 20
        while house.get(training.name).state != wanted and time.monotonic() < until:
            time.sleep(0.01)
        assert training.state == wanted

    def test_two_train_and_the_others_wait_in_their_order(self, slow):
        house = House()
        wanted = read_order([TINY], read("stories-en"), 10_000, 7)
        trainings = []
        for number in range(4):
            trainings.append(house.begin(wanted, f"visitor {number}"))
            if number < 2:
                self.state(house, trainings[number], "running")
        assert [house.place(training) for training in trainings] == [0, 0, 1, 2]
        trainings[2].stopped.set()
        self.state(house, trainings[2], "over")
        assert house.place(trainings[3]) == 1
        trainings[0].paused.set()  # makes room for others
        self.state(house, trainings[3], "running")
        self.state(house, trainings[0], "paused")
        trainings[0].paused.clear()
        self.state(house, trainings[0], "waiting")
        slow.set()
        for training in (trainings[0], trainings[1], trainings[3]):
            self.state(house, training, "over")
            assert training.why == "finished"

    def test_a_visitors_next_training_takes_the_place_of_the_one_before(self, slow):
        house = House()
        wanted = read_order([TINY], read("stories-en"), 10_000, 7)
        first = house.begin(wanted, "me")
        self.state(house, first, "running")
        second = house.begin(wanted, "me")
        self.state(house, first, "over")
        self.state(house, second, "running")

    def test_the_line_is_bounded(self, slow):
        house = House(at_once=1, most_waiting=2)
        wanted = read_order([TINY], read("stories-en"), 10_000, 7)
        running = house.begin(wanted, "a")
        self.state(house, running, "running")
        for visitor in "bc":
            house.begin(wanted, visitor)
        for visitor in "da":
            with pytest.raises(InputError) as refused:
                house.begin(wanted, visitor)
            assert refused.value.code == "train_full"
        assert not running.stopped.is_set()  # its visitor has lost nothing by asking
        house.begin(wanted, "b")  # takes the place of its visitor's in the line

    def test_a_training_stops_when_nobody_looks(self, slow, monkeypatch):
        monkeypatch.setattr(train_house, "FORSAKEN", 0.1)
        house = House()
        training = house.begin(read_order([TINY], read("stories-en"), 10_000, 7), "me")
        until = time.monotonic() + 20
        while training.state != "over" and time.monotonic() < until:
            time.sleep(0.01)
        assert training.why == "stopped"

    def test_a_page_out_of_sight_may_ask_less_often(self, slow, monkeypatch):
        house = House()
        training = house.begin(read_order([TINY], read("stories-en"), 10_000, 7), "me")
        self.state(house, training, "running")
        house.get(training.name, is_in_sight=False)
        monkeypatch.setattr(train_house, "FORSAKEN", 0.1)
        time.sleep(0.4)
        assert training.state == "running"

    def test_what_was_stopped_in_the_line_has_learnt_nothing(self):
        training = Training(read_order([TINY], read("stories-en"), 10_000, 7), "me", state="over", why="stopped")
        assert "nothing has been learnt" in told(training, 0, [], "en")["sentence"]

    def test_the_time_of_a_training_is_bounded(self, monkeypatch):
        monkeypatch.setattr(train_house, "MAX_SECONDS", 0.0)
        news = ended(ask("begin", **order(tokens=400_000))["training"])
        assert news["why"] == "time"
        assert news["lanes"][0]["step"] == 1
        assert model_facts.inhand(news["lanes"][0]["model"]).steps == 1

    def test_a_training_is_paused_continued_and_stopped(self):
        training = ask("begin", **order(tokens=400_000))["training"]
        for action, state in (("pause", "paused"), ("go", "running"), ("stop", "over")):
            assert ask("steer", training=training, action=action) == {}
            self.state(train_house.house, train_house.house.get(training), state)
        assert ask("look", training=training)["why"] == "stopped"

    @each_row(
        "wrong",
        [
            {"designs": []},
            {"designs": [TINY] * 5},
            {"designs": "gpt2"},
            {"designs": [None]},
            {"tokens": 5},
            {"tokens": 10**9},
            {"tokens": "10000"},
            {"tokens": True},
            {"seed": -1},
            {"text": "nothing"},
            {"text": ["own"]},
            {"text": "own"},
            {"text": "own", "own": "short"},
            {"text": "own", "sent": "nothing"},
            {"balance": "bias"},
            {"balance": "often", "designs": [SPARSE]},
        ],
        ids=str,
    )
    def test_an_order_that_cannot_be_is_refused(self, wrong):
        for lang in ("en", "zh"):
            assert ask("begin", **{**order(), **wrong}, lang=lang)["refused"][-1] in ".。"

    @pytest.mark.parametrize("name", ["none", None, ["x"]])
    def test_an_unknown_training_is_refused(self, name):
        assert "begin it again" in ask("look", training=name)["refused"]
        assert "begin it again" in ask("steer", training=name, action="stop")["refused"]


def test_the_endpoint_trains_and_tells_the_curve():
    answers = list(train(designs=[TINY, f"{TINY}~norm=layernorm"], tokens=10_000))
    assert all(answer["state"] != "over" for answer in answers[:-1])
    assert answers[-1]["why"] == "finished"
    designs = answers[-1]["designs"]
    assert [design["name"] for design in designs] == ["RMSNorm", "LayerNorm"]
    assert all(design["curve"][-1][1] < design["curve"][0][2] for design in designs)


def test_who_leaves_the_endpoint_stops_its_training():
    answers = train(designs=[TINY], tokens=400_000)
    next(answers)
    training = list(train_house.house._trainings.values())[-1]
    answers.close()
    TestHouse.state(train_house.house, training, "over")  # its thread must not outlive the tests
    assert training.why == "stopped"
