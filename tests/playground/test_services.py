"""Holding models: by name or design, each built once, within bounds, with the right tokenizer."""

import threading
import time
from types import SimpleNamespace

import pytest
import torch

import models
from models.errors import InputError
from models.weights import zoo as weights_zoo
from playground import limits, model_facts, services, turns
from playground.session import design_string
from playground.subject import take

TINY = "llama-mini~n_layers=1~d_model=48~d_ff=64~d_head=8"


@pytest.fixture
def fresh(monkeypatch):
    """An empty shelf, so that tests do not see each other's models."""
    monkeypatch.setattr(services, "_shelf", services.Shelf(services.MAX_CACHED_BYTES))
    return services


def test_a_changed_design_is_built_with_seed_0(fresh):
    loaded = fresh.hold(TINY)
    assert loaded.origin == "random"
    assert loaded.config.n_layers == 1
    again = models.build(loaded.config, seed=0)
    for one, other in zip(loaded.model.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)


def test_one_model_is_built_once_for_all_who_ask(fresh, monkeypatch):
    calls = []

    def slow_build(config, seed):
        calls.append(config)
        time.sleep(0.1)
        return models.building.build(config, seed)

    monkeypatch.setattr(models, "build", slow_build)
    held = []
    visitors = [threading.Thread(target=lambda: held.append(fresh.hold(TINY))) for _ in range(8)]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    assert len(calls) == 1
    assert len({id(loaded) for loaded in held}) == 1


@pytest.fixture
def slow_build(monkeypatch):
    """Building begins, and goes on until the other event is set."""
    begun, ready = threading.Event(), threading.Event()

    def build(config, seed):
        begun.set()
        assert ready.wait(30)
        return models.building.build(config, seed)

    monkeypatch.setattr(models, "build", build)
    yield begun, ready
    ready.set()


def test_who_waits_for_a_model_holds_no_turn(fresh, slow_build, monkeypatch):
    monkeypatch.setattr(turns, "PATIENCE", 1)
    begun, ready = slow_build
    taken = []
    visitors = [threading.Thread(target=lambda: taken.append(take(TINY, threading.Event()))) for _ in range(3)]
    for visitor in visitors:
        visitor.start()
    assert begun.wait(30)
    while [building.threads for building in fresh._shelf._building.values()] != [3]:
        time.sleep(0.01)
    with turns.turn() as mine:
        assert mine
    ready.set()
    for visitor in visitors:
        visitor.join()
    assert len({id(loaded) for _, loaded in taken}) == 1


def test_who_no_longer_wants_a_model_does_not_wait_for_it(fresh, slow_build):
    begun, ready = slow_build
    builder = threading.Thread(target=take, args=(TINY,))
    builder.start()
    assert begun.wait(30)
    cancelled = threading.Event()
    threading.Timer(0.05, cancelled.set).start()
    assert take(TINY, cancelled) is None
    assert not ready.is_set()
    ready.set()
    builder.join()
    assert take(TINY) is not None


def test_equal_configurations_share_one_model(fresh):
    assert fresh.hold("gpt2-mini~n_layers=1") is fresh.hold("gpt2-mini~n_layers=1~d_ff=768")


def test_a_failed_build_does_not_block_the_next(fresh):
    shelf = services.Shelf(100)

    def fail():
        raise RuntimeError("no memory")

    with pytest.raises(RuntimeError):
        shelf.get("a", fail)
    assert shelf.get("a", lambda: _model(10)) is not None


def _model(n_bytes, head="mlm"):
    weights = SimpleNamespace(parameters=lambda: [torch.zeros(n_bytes, dtype=torch.uint8)])
    return SimpleNamespace(model=weights, config=SimpleNamespace(head=head))


def test_the_least_recently_used_goes_first():
    shelf = services.Shelf(max_bytes=100)
    for key in ("a", "b"):
        shelf.get(key, lambda: _model(40))
    shelf.get("a", pytest.fail)
    shelf.get("c", lambda: _model(40))
    assert shelf.keys() == ["a", "c"]


def test_what_writes_counts_twice():
    """Its weights are laid out a second time for that."""
    shelf = services.Shelf(max_bytes=100)
    for key in ("a", "b"):
        shelf.get(key, lambda: _model(40, head="lm"))
    assert shelf.keys() == ["b"]


def test_one_model_is_kept_however_large():
    shelf = services.Shelf(max_bytes=100)
    shelf.get("large", lambda: _model(400))
    assert shelf.keys() == ["large"]


def test_too_large_is_refused_with_size_and_limit(fresh):
    with pytest.raises(InputError) as refused:
        fresh.hold("gpt3-175b")
    assert refused.value.code == "model_too_large"
    assert "175" in refused.value.params["size"]
    assert "200" in refused.value.params["limit"]


@pytest.mark.parametrize(("vocab_size", "algorithm_size"), [(257, 257), (300, 257)])
def test_small_vocabularies_read_bytes(fresh, vocab_size, algorithm_size):
    assert fresh.hold(f"{TINY}~vocab_size={vocab_size}").tokenizer.vocab_size == algorithm_size


def test_a_vocabulary_without_room_for_bytes_is_refused(fresh):
    with pytest.raises(InputError) as refused:
        fresh.hold(f"{TINY}~vocab_size=100")
    assert refused.value.code == "vocabulary_too_small"


def test_too_many_layers_are_refused_however_small(fresh):
    assert limits.check_design(f"{TINY}~n_layers={limits.MAX_LAYERS}") is None
    with pytest.raises(InputError) as refused:
        fresh.hold(f"{TINY}~n_layers={limits.MAX_LAYERS + 1}")
    assert refused.value.code == "model_too_deep"


def test_the_shelf_holds_a_number_of_models():
    shelf = services.Shelf(max_bytes=100, max_models=2)
    for key in "abc":
        shelf.get(key, lambda: _model(1))
    assert shelf.keys() == ["b", "c"]


def test_the_shelf_remembers_only_what_is_being_built():
    shelf = services.Shelf(max_bytes=100)
    for _ in range(2):
        shelf.get("a", lambda: _model(1))
    with pytest.raises(KeyError):
        shelf.get("b", {}.popitem)
    assert shelf._building == {}


@pytest.fixture
def a_zoo(tmp_path, monkeypatch):
    """A zoo whose llama-mini has random weights and a tokenizer of bytes: enough to load."""
    model = models.build(models.preset("llama-mini"), seed=3)
    models.save(model, models.tokenizers.bytes_tokenizer(), tmp_path / "llama-mini")
    monkeypatch.setattr(model_facts, "trained_models", lambda: ["llama-mini"])
    monkeypatch.setattr(models, "load", lambda name: models.weights.load(tmp_path / name))
    return tmp_path


def test_a_shipped_models_configuration_gets_its_weights(fresh, a_zoo):
    design = design_string("gpt2", models.preset("llama-mini"))
    loaded = fresh.hold(design)
    trained = models.weights.load(a_zoo / "llama-mini").model.tok_embed.weight
    assert torch.equal(loaded.model.tok_embed.weight, trained)
    assert fresh.hold("llama-mini") is loaded


def test_zoo_names_are_presets():
    assert [name for name in weights_zoo() if name not in models.presets()] == []
