"""Model folders fetched from the hub, as far as can be told without a network."""

import subprocess
import sys

import pytest

import models
from models import hub, tokenizers
from models.weights import loading
from tests.models.test_weights import refusal, small


@pytest.fixture
def folder(tmp_path):
    """What has been fetched: a small model of our own format, with a tokenizer."""
    models.save(models.build(small()), tokenizers.bytes_tokenizer(), tmp_path, dtype="fp32")
    return tmp_path


class TestHub:
    def test_without_the_library(self, monkeypatch):
        monkeypatch.setattr(hub, "find_spec", lambda name: None)
        error = refusal("nobody/nothing")
        assert error.code == "weights_no_hub"

    def test_without_a_network(self, monkeypatch, tmp_path):
        hugging_face = pytest.importorskip("huggingface_hub")

        def unreachable(hub_id, **options):
            assert all("bin" not in pattern for pattern in options["allow_patterns"])
            raise hugging_face.errors.LocalEntryNotFoundError("no route to the hub")

        monkeypatch.setattr(hugging_face, "snapshot_download", unreachable)
        error = refusal("nobody/nothing")
        assert error.code == "hub_unreachable"
        assert "cannot be reached" in str(error)

    def test_weights_are_fetched_once(self, monkeypatch, folder):
        """Repositories also hold the same weights in other formats, beside those of the index or in a folder of theirs."""
        hugging_face = pytest.importorskip("huggingface_hub")
        names = ["config.json", "model-00001-of-00002.safetensors", "model.safetensors.index.json", "tokenizer.json"]
        copies = ["consolidated.safetensors", "original/model.safetensors", "onnx/config.json", "pytorch_model.bin"]
        asked = {}

        def recorded(hub_id, **options):
            asked.update(options)
            return folder

        monkeypatch.setattr(hugging_face, "snapshot_download", recorded)
        assert loading.fetch("somebody/model") == folder
        patterns = {name: asked[name] for name in ("allow_patterns", "ignore_patterns")}
        assert list(hugging_face.utils.filter_repo_objects(names + copies, **patterns)) == names

    def test_fetched_folder(self, folder, monkeypatch):
        monkeypatch.setattr(loading, "fetch", lambda hub_id: folder)
        assert models.load("somebody/model").origin == "hub"

    def test_nothing_is_imported_for_it(self):
        """Importing the core must not pull in the hub's client, let alone reach for the network."""
        code = "import sys, models; print('huggingface_hub' in sys.modules or 'transformers' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"
