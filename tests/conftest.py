"""For all tests: they run in two processes, a file at a time, those in the browser first (pyproject.toml; `pytest -n 0`
runs them in one, for a debugger)."""

import gc
import os

import pytest

# One thread a process, so that the two do not fight over the cores. Read when torch is imported, hence before anything.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# What is imported and collected stays to the end; looking for garbage in it takes a quarter of the time of collecting.
THRESHOLDS = gc.get_threshold()
gc.set_threshold(0)


def pytest_collection_finish():
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)


CHATTING = "llama-mini~n_layers=1~d_model=48~d_ff=64~d_head=8~vocab_size=300~max_seq_len=300"


@pytest.fixture
def chatting(monkeypatch):
    """The design of a small random model that stands in for an installed one: it reads bytes and the marks of a chat."""
    import models
    from models.tokenizers.byte_level import ByteLevelTokenizer, bytes_tokenizer
    from models.tokenizers.chatml import END, START
    from playground import model_facts, recordings, services
    from playground.session import parse_design

    config = parse_design(CHATTING).config
    engine = bytes_tokenizer()._engine
    engine.add_special_tokens([START, END])
    tokenizer = ByteLevelTokenizer(engine, name="chat", algorithm="bytes", end_of_text=END)
    loaded = models.Loaded(models.build(config), tokenizer, config, "package")
    monkeypatch.setattr(services, "_shelf", services.Shelf(services.MAX_CACHED_BYTES))
    monkeypatch.setattr(model_facts, "installed_models", lambda: ["smollm2-135m-instruct"])
    monkeypatch.setattr(model_facts, "installed_config", lambda name: config)
    monkeypatch.setattr(model_facts, "named", lambda design: design)  # the name stands for a larger configuration
    monkeypatch.setattr(recordings, "_is_prepared", lambda name: False)
    monkeypatch.setattr(models, "load", lambda name: loaded)
    return CHATTING
