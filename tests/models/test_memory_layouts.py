"""The layouts of weights: each multiplies as rows do, and the one that is taken is the fastest."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

import models
from models import memory_layouts, onednn, recorded
from models.config import ModelConfig
from models.memory_layouts import LAYOUTS, LaidOut, Noting, in_force
from models.parts.linear import project
from models.recorded import recording

LARGE_ENOUGH = {"vocab_size": 300, "max_seq_len": 48, "d_model": 128, "n_layers": 2, "n_heads": 4, "d_ff": 256}
GPT = ModelConfig(**LARGE_ENOUGH, norm="layernorm", position="learned", biases=("q", "k", "v", "o", "ffn", "norm"))
GROUPED = ModelConfig(**LARGE_ENOUGH, attention="gqa", n_kv_heads=2, ffn="gated", tie_embeddings=False)


@pytest.fixture
def take(monkeypatch):
    """Makes every weight take the layout of that name."""

    def chosen(name: str) -> None:
        monkeypatch.setattr(memory_layouts, "_FASTEST", {})

        def fastest(weights):
            return name if LAYOUTS[name].can_take(weights[0]) else "rows"

        monkeypatch.setattr(memory_layouts, "_fastest", fastest)

    return chosen


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize(("d_out", "d_in"), [(96, 40), (33, 64), (1100, 640)])
def test_a_layout_multiplies_as_rows_do(name, dtype, d_out, d_in):
    """One row or several, with bias and without, by one thread and by two."""
    drawn = torch.Generator().manual_seed(0)
    weight, bias, x = (torch.randn(shape, generator=drawn) for shape in ((d_out, d_in), (d_out,), (1, 5, d_in)))
    weight, bias, x = weight.to(dtype), bias.to(dtype), x.to(dtype)
    layout, tolerance = LAYOUTS[name], 1e-4 if dtype == torch.float32 else 0.05
    if not layout.can_take(weight):
        pytest.skip("this processor's library has no such layout")
    threads = torch.get_num_threads()
    with torch.inference_mode():
        laid = layout.lay(weight)
        for n_threads in (1, 2):
            torch.set_num_threads(n_threads)
            try:
                found = [layout.multiply(rows, laid, b) for rows in (x, x[:, :1]) for b in (bias, None)]
            finally:
                torch.set_num_threads(threads)
            plain = [F.linear(rows, weight, b) for rows in (x, x[:, :1]) for b in (bias, None)]
            for one, other in zip(found, plain, strict=True):
                torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance * d_in**0.5)


def test_what_is_fastest_is_taken(monkeypatch):
    weights = [torch.randn(64, 64) for _ in range(3)]
    now = [0.0]
    seconds = {"rows": 10.0, "rows without oneDNN": 11.0, "columns": 8.0, "blocks": 9.5}
    monkeypatch.setattr(memory_layouts.time, "thread_time", lambda: now[0])
    monkeypatch.setattr(memory_layouts.time, "perf_counter", lambda: now[0])

    def slow(name):
        def multiply(x, laid, bias):
            now[0] += seconds[name]

        return LAYOUTS[name]._replace(multiply=multiply, lay=lambda weight: weight, can_take=lambda weight: True)

    monkeypatch.setattr(memory_layouts, "LAYOUTS", {name: slow(name) for name in LAYOUTS})
    assert memory_layouts._fastest(weights) == "columns"
    seconds["columns"] = 9.5  # not worth a second copy
    assert memory_layouts._fastest(weights) == "rows"
    seconds["rows without oneDNN"] = 9.9  # no copy is needed
    assert memory_layouts._fastest(weights) == "rows without oneDNN"


def test_only_matrices_of_the_model_are_laid_out(take):
    """Small ones, what is no parameter, and what only several rows are multiplied by are read as they are."""
    take("columns")
    large, unread, small = (torch.nn.Parameter(torch.randn(shape)) for shape in ((256, 128), (256, 128), (8, 8)))
    with torch.inference_mode(), in_force(noting := Noting()):
        project(torch.ones(1, 1, 128), large)
        project(torch.ones(1, 2, 128), unread)
        project(torch.ones(1, 8), small)
        project(torch.ones(1, 128), large.detach())
    assert [weight is large or weight is small for weight in noting.weights] == [True, True]
    laid = LaidOut(noting.weights)
    assert [tuple(tensor.shape) for tensor in laid.tensors] == [(128, 256)]


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("cfg", [GPT, GROUPED], ids=["learned", "grouped"])
def test_a_text_is_the_same_in_every_layout(take, name, cfg):
    """While somebody looks on, rows are read; the numbers are those of the recorded pass with laid out weights."""
    take(name)
    model = models.build(cfg, seed=1)
    prompt, sampling = torch.arange(1, 9)[None], models.Sampling(temperature=1.5, seed=1)
    written = list(models.generate(model, prompt, sampling, 16, keep_logits=True))
    assert (len(recording(model).weights.tensors) > 0) == (name != "rows" and LAYOUTS[name].can_take(model.weight))
    with models.capture("logits"):
        plain = list(models.generate(model, prompt, sampling, 16, keep_logits=True))
    assert [step.token_id for step in written] == [step.token_id for step in plain]
    for one, other in zip(written, plain, strict=True):
        torch.testing.assert_close(one.logits, other.logits, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", LAYOUTS)
def test_half_precision_writes_near_what_full_precision_writes(take, name):
    take(name)
    model = models.build(GPT, seed=1)
    prompt, greedy = torch.arange(1, 9)[None], models.Sampling(temperature=0)
    full = list(models.generate(model, prompt, greedy, 8, keep_logits=True))
    half = list(models.generate(model.to(torch.bfloat16), prompt, greedy, 8, keep_logits=True))
    for one, other in zip(full[:2], half[:2], strict=True):
        torch.testing.assert_close(one.logits, other.logits, rtol=0.05, atol=0.05)


def test_onednn_is_set_aside_until_the_last_has_left():
    first, second = onednn.set_aside(), onednn.set_aside()
    assert torch.backends.mkldnn.enabled
    with first:
        second.__enter__()
        assert not torch.backends.mkldnn.enabled
    assert not torch.backends.mkldnn.enabled
    second.__exit__(None, None, None)
    assert torch.backends.mkldnn.enabled


def test_writing_in_half_precision_sets_onednn_aside_for_its_products_alone(take, monkeypatch):
    take("rows without oneDNN")
    model = models.build(GPT, seed=1).to(torch.bfloat16)
    if not LAYOUTS["rows without oneDNN"].can_take(model.weight):
        pytest.skip("this processor's oneDNN knows no bf16")
    known, multiply, enabled = recording(model), F.linear, {"replay": set(), "prompt": set()}

    def replayed(*given):
        enabled["replay"].add(torch.backends.mkldnn.enabled)
        return known.step(*given)

    def multiplied(x, weight, bias=None):
        if x.numel() == weight.shape[1]:
            enabled["prompt"].add(torch.backends.mkldnn.enabled)
        return multiply(x, weight, bias)

    monkeypatch.setattr(recorded, "recording", lambda model: replace(known, step=replayed))
    monkeypatch.setattr(memory_layouts.F, "linear", multiplied)
    steps = models.generate(model, torch.arange(1, 9)[None], models.Sampling(temperature=0), 8)
    assert [torch.backends.mkldnn.enabled for _ in steps] == [True] * 8
    assert enabled == {"replay": {False}, "prompt": {False}}


def test_what_others_set_aside_changes_no_choice():
    """A text is the same whether or not another thread writes with a model of its own."""
    weight = torch.zeros(300, 128, dtype=torch.bfloat16)
    usual = {name: layout.can_take(weight) for name, layout in LAYOUTS.items()}
    with onednn.set_aside():
        assert {name: layout.can_take(weight) for name, layout in LAYOUTS.items()} == usual
