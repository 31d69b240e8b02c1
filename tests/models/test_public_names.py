"""`import models` is light, and its names are the same whatever was imported before."""

import json

import pytest

import models
from tests.fresh import answer

STEPS = """
import importlib, json, sys
found = {}

import models
cfg = models.preset("llama3-8b").replace(n_layers=4)
models.account(cfg), models.diff(cfg, models.preset("gpt2")), models.preset_info("gpt2-mini").trained, dir(models)
found["torch after a design"] = "torch" in sys.modules
models.Sampling(top_k=5)
found["torch after settings"] = "torch" in sys.modules
models.Step
found["torch after a step"] = "torch" in sys.modules

model = models.load("llama-mini").model
models.build(models.preset("gpt2-mini"))
found["written"] = len(list(models.generate(model, [1, 2, 3], max_new_tokens=2)))
found["after writing"] = [name for name in ("torch._dynamo", "sympy") if name in sys.modules]

found["same names"] = {}
for first in ("generate", "account", "diff", "sampling", "weights.zoo", "training.run", "tokenizers"):
    for name in [name for name in sys.modules if name.split(".")[0] == "models"]:
        del sys.modules[name]
    importlib.import_module(f"models.{first}")
    import models, models.generate, models.account, models.diff
    named = [callable(getattr(models, name)) for name in ("generate", "account", "diff", "zoo", "load")]
    from models import generate
    from models.generate import Step
    import models.generate
    found["same names"][first] = all(named) and generate is models.generate and Step is models.Step
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found():
    """What one fresh interpreter sees, step after step; torch would take seconds in each of several."""
    return json.loads(answer(STEPS))


def test_what_is_said_of_a_design_needs_no_torch(found):
    assert not found["torch after a design"]
    assert not found["torch after settings"]
    assert found["torch after a step"]


def test_loading_and_generating_leaves_torchs_compiler_out(found):
    """Its import takes seconds; torch brings it when weights are drawn, or tensors joined, on the meta device. A model that
    leaves this device by `to_empty` brings sympy, which takes half a second."""
    assert found["written"] == 2
    assert found["after writing"] == []


def test_functions_keep_their_names_over_modules(found):
    """models/generate.py, account.py and diff.py are called like the function that each of them defines."""
    assert len(found["same names"]) == 7
    assert [first for first, same in found["same names"].items() if not same] == []


def test_every_public_name_is_there():
    missing = [name for name in models.__all__ if getattr(models, name, None) is None or name not in dir(models)]
    assert missing == []


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = models.no_such_name
