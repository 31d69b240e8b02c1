"""What a configuration may name is what the registries hold: `config.py` lists the names apart, to do without torch."""

import pkgutil
from importlib import import_module

import pytest

from models import parts
from models.config import CHOICES

# The registry in `models/parts/` of each choice.
OF = {
    "position": "POSITIONS",
    "norm": "NORMS",
    "block": "BLOCKS",
    "attention": "ATTENTIONS",
    "mask": "MASKS",
    "ffn": "FEEDFORWARDS",
    "activation": "ACTIVATIONS",
    "router": "ROUTERS",
    "mixing": "MIXTURES",
}


def registries() -> dict[str, dict]:
    """Every dictionary in capitals that a module of `models/parts/` defines."""
    modules = [import_module(f"{parts.__name__}.{module.name}") for module in pkgutil.iter_modules(parts.__path__)]
    return {
        name: value for m in modules for name, value in vars(m).items() if name.isupper() and isinstance(value, dict)
    }


@pytest.mark.parametrize(("choice", "registry"), OF.items())
def test_choices_are_the_keys_of_the_registry(choice, registry):
    brought = {"longformer", "lsh", "kmeans"} if choice == "attention" else set()  # by a mask of that name
    assert brought <= set(CHOICES["mask"])
    assert set(CHOICES[choice]) == set(registries()[registry]) - brought


def test_no_registry_is_without_a_choice():
    assert set(registries()) == {*OF.values(), "BALANCE_LOSSES"}
    assert set(registries()["BALANCE_LOSSES"]) == set(CHOICES["router"])
