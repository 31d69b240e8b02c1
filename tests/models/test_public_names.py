"""`import models` is light, and its names are the same whatever was imported before."""

import pytest

import models
from tests.fresh import answer


def test_what_is_said_of_a_design_needs_no_torch():
    code = """
import sys, models
cfg = models.preset("llama3-8b").replace(n_layers=4)
models.account(cfg), models.diff(cfg, models.preset("gpt2")), models.preset_info("gpt2-mini").trained, dir(models)
print("torch" in sys.modules)
models.Sampling(top_k=5)
print("torch" in sys.modules)
models.Step
print("torch" in sys.modules)
"""
    assert answer(code).split() == ["False", "False", "True"]


def test_loading_and_generating_leaves_torchs_compiler_out():
    """Its import takes seconds; torch brings it when weights are drawn, or tensors joined, on the meta device."""
    code = """
import sys, models
model = models.load("llama-mini").model
models.build(models.preset("gpt2-mini"))
print(len(list(models.generate(model, [1, 2, 3], max_new_tokens=2))), "torch._dynamo" in sys.modules)
"""
    assert answer(code) == "2 False"


def test_functions_keep_their_names_over_modules():
    """models/generate.py, account.py and diff.py are called like the function that each of them defines."""
    code = """
import importlib, sys
for first in ("generate", "account", "diff", "sampling", "weights.zoo", "training.run", "tokenizers"):
    for name in [name for name in sys.modules if name.split(".")[0] == "models"]:
        del sys.modules[name]
    importlib.import_module(f"models.{first}")
    import models, models.generate, models.account, models.diff
    named = [callable(getattr(models, name)) for name in ("generate", "account", "diff", "zoo", "load")]
    from models import generate
    from models.generate import Step
    import models.generate
    print(first, all(named) and generate is models.generate and Step is models.Step)
"""
    lines = answer(code).splitlines()
    assert len(lines) == 7
    assert [line for line in lines if not line.endswith(" True")] == []


@pytest.mark.parametrize("name", models.__all__)
def test_every_public_name_is_there(name):
    assert getattr(models, name) is not None
    assert name in dir(models)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = models.no_such_name
