"""GGUF files of the LLaMA family: what is read, what is refused and why, and the cache between."""

import os
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

import models
from models.errors import InputError
from models.weights import converted, named_tensors
from models.weights.layouts.llama import rows
from models.weights.tensors import pack
from tests.models.gguf_files import (
    CFG,
    WORDS,
    as_stored,
    assert_same,
    gguf,
    llama3_factors,
    metadata,
    tokenizer_metadata,
    write,
)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LINEAGE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def model():
    return models.build(CFG, seed=3)


@pytest.fixture
def stored(model):
    return as_stored(pack(model, rows(model.config), torch.float32), model.config)


@pytest.fixture
def values(tmp_path):
    return metadata(CFG) | tokenizer_metadata(tmp_path / "tokenizer")


@pytest.fixture
def path(tmp_path, values, stored):
    return write(tmp_path / "tiny.gguf", values, stored)


def refusal(path) -> InputError:
    with pytest.raises(InputError) as caught:
        models.load(path)
    assert "{" not in str(caught.value)
    return caught.value


class TestReading:
    def test_weights_config_and_tokenizer(self, path, model):
        loaded = models.load(path)
        assert loaded.config == CFG
        assert loaded.origin == "gguf"
        assert_same(loaded, model)
        assert loaded.tokenizer.name == "tiny"
        assert loaded.tokenizer.token(loaded.tokenizer.eos_id) == "<|im_end|>"
        assert loaded.tokenizer.decode(loaded.tokenizer.encode(WORDS)) == WORDS
        assert not loaded.model.training

    def test_path_as_text_and_dtype(self, path):
        loaded = models.load(str(path), dtype=torch.bfloat16)
        assert {p.dtype for p in loaded.model.parameters()} == {torch.bfloat16}

    @pytest.mark.parametrize(
        ("kind", "error"),
        [("F16", 1e-3), ("BF16", 8e-3), ("Q8_0", 8e-3), ("Q5_1", 4e-2), ("Q5_0", 7e-2), ("Q4_1", 7e-2), ("Q4_0", 0.13)],
    )
    def test_kinds_of_storage(self, tmp_path, values, stored, model, kind, error):
        """Each block keeps its numbers to about a step of the kind, which scales with the largest of them."""
        loaded = models.load(write(tmp_path / "small.gguf", values, stored, kind))
        largest = max(p.abs().max().item() for p in model.parameters() if p.dim() > 1)
        assert_same(loaded, model, atol=error * largest)

    def test_k_quants(self, tmp_path, values, stored):
        """Q4_K cannot be written by the package, so the blocks are drawn: 144 bytes for 256 numbers."""
        name = "blk.1.ffn_down.weight"
        n_rows, n_columns = stored[name].shape
        assert n_columns == 256
        blocks = np.random.default_rng(0).integers(0, 256, (n_rows, 144), dtype=np.uint8)
        blocks[:, :4] = np.array([0.01, 0.02], dtype=np.float16).view(np.uint8)
        stored[name] = (blocks, "Q4_K")
        loaded = models.load(write(tmp_path / "k.gguf", values, stored))
        low = blocks[0, 16] & 0xF
        scale, minimum = blocks[0, 4] & 0x3F, blocks[0, 8] & 0x3F
        first = np.float16(0.01) * float(scale) * float(low) - np.float16(0.02) * float(minimum)
        assert named_tensors(loaded.model)["layers.1.ffn.down_proj.weight"][0, 0].item() == pytest.approx(
            first, rel=1e-3
        )

    def test_untied_head_and_biases(self, tmp_path):
        cfg = CFG.replace(tie_embeddings=False, biases=("q", "k", "v", "o", "ffn"))
        model = models.build(cfg, seed=5)
        with torch.no_grad():
            for name, tensor in named_tensors(model).items():
                if name.endswith("bias"):
                    tensor.normal_()
        stored = as_stored(pack(model, rows(cfg), torch.float32), cfg)
        loaded = models.load(write(tmp_path / "biased.gguf", metadata(cfg), stored))
        assert loaded.config == cfg
        assert_same(loaded, model)

    def test_settings_that_a_file_may_leave_out(self, tmp_path, model, values, stored):
        absent = ("vocab_size", "attention.key_length", "attention.value_length", "rope.dimension_count")
        for name in absent:
            del values[f"llama.{name}"]
        assert models.load(write(tmp_path / "short.gguf", values, stored)).config == CFG

    def test_linear_scaling(self, tmp_path, values, stored):
        values |= {"llama.rope.scaling.type": "linear", "llama.rope.scaling.factor": 2.5}
        scaling = models.load(write(tmp_path / "linear.gguf", values, stored)).config.rope_scaling
        assert scaling == models.RopeScaling(kind="linear", factor=2.5, original_max_seq_len=64)

    @pytest.mark.parametrize(
        ("settings", "factor"),
        [
            ({"rope.scaling.factor": 2.5}, 2.5),
            ({"rope.scale_linear": 2.5}, 2.5),
            ({"rope.scaling.type": "linear", "rope.scale_linear": 2.5}, 2.5),
            ({"rope.scaling.factor": 4.0, "rope.scale_linear": 2.5}, 4.0),
            ({"rope.scaling.factor": 0.0}, None),
            ({"rope.scale_linear": 1.0}, None),
            ({"rope.scaling.type": "linear", "rope.scaling.factor": 1.0}, None),
            ({"rope.scaling.type": "none", "rope.scaling.factor": 2.5}, None),
        ],
    )
    def test_scaling_without_a_type_is_linear(self, tmp_path, values, stored, settings, factor):
        values |= {f"llama.{name}": value for name, value in settings.items()}
        scaling = models.load(write(tmp_path / "scaled.gguf", values, stored)).config.rope_scaling
        assert (scaling and (scaling.kind, scaling.factor)) == (factor and ("linear", factor))

    def test_scaling_of_llama3_comes_from_its_factors(self, tmp_path, values, stored):
        stored["rope_freqs.weight"] = llama3_factors(CFG.d_head, CFG.rope_theta, factor=32.0)
        scaling = models.load(write(tmp_path / "llama3.gguf", values, stored)).config.rope_scaling
        assert scaling == models.preset("llama3.2-1b").rope_scaling


class TestRefusals:
    def test_another_architecture_is_named(self, tmp_path, stored):
        error = refusal(write(tmp_path / "other.gguf", {}, stored, architecture="qwen2"))
        assert error.code == "gguf_architecture"
        assert error.params["architecture"] == "qwen2"

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("llama.expert_count", 8),
            ("llama.attention.sliding_window", 4096),
            ("llama.attention.causal", False),
            ("llama.rope.scaling.type", "yarn"),
            ("llama.rope.dimension_count", 8),
            ("llama.attention.value_length", 8),
            ("split.count", 3),
        ],
    )
    def test_what_would_compute_something_else(self, tmp_path, values, stored, key, value):
        error = refusal(write(tmp_path / "other.gguf", values | {key: value}, stored))
        assert error.code == "gguf_unsupported"
        assert (error.params["field"], error.params["value"]) == (key, value)

    def test_unknown_rotary_factors(self, tmp_path, values, stored):
        for factors in (np.array([1, 2, 1, 4, 1, 1, 8, 8], np.float32), np.ones(5, np.float32)):
            stored["rope_freqs.weight"] = factors
            error = refusal(write(tmp_path / "other.gguf", values, stored))
            assert (error.code, error.params["field"]) == ("gguf_unsupported", "rope_freqs.weight")

    @pytest.mark.parametrize("key", ["block_count", "embedding_length", "attention.head_count", "context_length"])
    def test_missing_settings(self, tmp_path, values, stored, key):
        del values[f"llama.{key}"]
        error = refusal(write(tmp_path / "less.gguf", values, stored))
        assert (error.code, error.params["field"]) == ("missing_field", f"llama.{key}")

    @pytest.mark.parametrize("value", ["many", [6, 6], 0, 2.5, True])
    def test_settings_that_are_no_count(self, tmp_path, values, stored, value):
        values["llama.attention.head_count"] = value
        assert refusal(write(tmp_path / "odd.gguf", values, stored)).params["field"] in ("n_heads", "n_kv_heads")

    def test_tensors_are_named(self, tmp_path, values, stored):
        del stored["blk.0.attn_q.weight"]
        stored["blk.7.attn_q.weight"] = np.zeros((4, 4), np.float32)
        stored["blk.1.ffn_up.weight"] = np.zeros((256, 95), np.float32)
        error = refusal(write(tmp_path / "misfit.gguf", values, stored))
        assert error.code == "weights_mismatch"
        assert error.params == {
            "missing": "blk.0.attn_q.weight",
            "unknown": "blk.7.attn_q.weight",
            "misshapen": "blk.1.ffn_up.weight (256, 95) ≠ (256, 96)",
        }

    def test_numbers_that_the_package_cannot_turn(self, tmp_path, values, stored):
        stored["output_norm.weight"] = (np.ones(96, np.int32), "I32")
        error = refusal(write(tmp_path / "whole.gguf", values, stored))
        assert error.code == "gguf_quantization"
        assert (error.params["tensor"], error.params["kind"]) == ("output_norm.weight", "I32")

    @pytest.mark.parametrize("part", [0.0, 0.0001, 0.001, 0.01, 0.03, 0.05, 0.3, 0.9, 0.9999])
    def test_files_that_were_cut_off(self, tmp_path, path, part):
        whole = path.read_bytes()
        cut = tmp_path / "cut.gguf"
        cut.write_bytes(whole[: int(part * len(whole))])
        assert refusal(cut).code == "gguf_damaged"

    def test_other_files(self, tmp_path):
        (tmp_path / "text.gguf").write_text("not a model" * 100)
        assert refusal(tmp_path / "text.gguf").code == "gguf_damaged"
        (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x02}")
        assert refusal(tmp_path / "pytorch_model.bin").code == "weights_pickle"
        assert refusal("absent.gguf").code == "weights_no_folder"

    def test_a_file_that_may_not_be_read(self, path, monkeypatch):
        def refuse(*arguments):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(gguf.GGUFReader, "__init__", refuse)
        assert str(refusal(path)) == f"{path} cannot be read: Permission denied."

    def test_without_the_package(self, path, monkeypatch):
        monkeypatch.setitem(sys.modules, "gguf", None)
        error = refusal(path)
        assert error.code == "gguf_no_package"
        assert error.params["command"] == "pip install gguf==0.19.0"

    def test_without_what_the_package_needs(self, path, tmp_path, monkeypatch):
        (tmp_path / "site" / "gguf").mkdir(parents=True)
        (tmp_path / "site" / "gguf" / "__init__.py").write_text("import no_such_package")
        monkeypatch.delitem(sys.modules, "gguf")
        monkeypatch.syspath_prepend(tmp_path / "site")
        assert refusal(path).code == "gguf_no_package"


class TestCache:
    def test_second_load_does_not_open_the_file_again(self, path, model, monkeypatch):
        first = models.load(path)
        monkeypatch.setattr(converted, "read_gguf", None)
        second = models.load(path)
        assert_same(second, model)
        assert second.config == first.config
        assert second.tokenizer.encode(WORDS) == first.tokenizer.encode(WORDS)
        assert second.tokenizer.eos_id == first.tokenizer.eos_id

    def test_a_changed_file_replaces_its_conversion(self, path, values, stored, cache):
        models.load(path)
        assert converted.is_converted(path)
        stored["output_norm.weight"] = np.full(96, 3.0, np.float32)
        write(path, values, stored)
        os.utime(path, ns=(1, 1))
        assert not converted.is_converted(path)
        assert (models.load(path).model.final_norm.weight == 3.0).all()
        assert len(list(cache.rglob("model.safetensors"))) == 1

    def test_files_of_one_name_are_kept_apart(self, tmp_path, path, values, stored):
        stored["output_norm.weight"] = np.full(96, 3.0, np.float32)
        (tmp_path / "elsewhere").mkdir()
        other = write(tmp_path / "elsewhere" / path.name, values, stored)
        os.utime(other, ns=(1, 1))
        os.utime(path, ns=(1, 1))
        assert (models.load(other).model.final_norm.weight == 3.0).all()
        assert (models.load(path).model.final_norm.weight == 1.0).all()

    def test_what_fails_leaves_nothing_behind(self, path, cache, monkeypatch):
        def fail(*arguments, **settings):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(converted, "save", fail)
        error = refusal(path)
        assert error.code == "cache_not_writable"
        assert "No space left" in str(error)
        assert [found for found in cache.rglob("*") if found.is_file() or found.name.startswith(".")] == []

    def test_a_cache_that_cannot_be(self, path, tmp_path, monkeypatch):
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("LINEAGE_CACHE", str(tmp_path / "file"))
        assert refusal(path).code == "cache_not_writable"

    def test_two_who_convert_at_once(self, path, model, cache, monkeypatch):
        """Whoever comes second finds the place taken by the same folder, and is content."""
        together = threading.Barrier(2)

        def save_together(*arguments, **settings):
            save(*arguments, **settings)
            together.wait(30)

        save = converted.save
        monkeypatch.setattr(converted, "save", save_together)
        folders = []
        visitors = [threading.Thread(target=lambda: folders.append(converted.converted(path))) for _ in range(2)]
        for visitor in visitors:
            visitor.start()
        for visitor in visitors:
            visitor.join()
        assert folders == [converted._place(path)] * 2
        assert_same(models.load(path), model)
        assert len(list(cache.rglob("model.safetensors"))) == 1
        assert list(cache.rglob(".draft-*")) == []

    def test_of_a_file_that_changes_meanwhile_both_states_are_kept(self, path, values, stored, cache, monkeypatch):
        """One program still converts the former state when another has put the new one in its place."""

        def save_late(*arguments, **settings):
            save(*arguments, **settings)
            monkeypatch.setattr(converted, "save", save)
            stored["output_norm.weight"] = np.full(96, 3.0, np.float32)
            write(path, values, stored)
            os.utime(path, ns=(1, 1))
            assert (models.load(path).model.final_norm.weight == 3.0).all()

        save = converted.save
        monkeypatch.setattr(converted, "save", save_late)
        former = converted.converted(path)
        assert (former / "config.json").is_file()
        assert converted.is_converted(path)
        assert (models.load(path).model.final_norm.weight == 3.0).all()

    def test_what_nobody_needs_any_more_is_removed(self, tmp_path, path, values, stored, cache):
        gone = write(tmp_path / "gone.gguf", values, stored)
        models.load(gone)
        place = converted._place(gone)
        gone.unlink()
        drafts = [cache / "gguf" / f".draft-{name}" for name in ("of-one-who-was-ended", "of-one-who-writes")]
        for draft in drafts:
            draft.mkdir()
        os.utime(drafts[0], (time.time() - 86_400,) * 2)
        models.load(path)
        assert not place.parent.parent.exists()
        assert [draft.exists() for draft in drafts] == [False, True]
        assert converted.is_converted(path)

    def test_where_it_is(self, monkeypatch, tmp_path):
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("LINEAGE_CACHE", "~/mine")
        assert converted.cache_root() == tmp_path / "mine"
        monkeypatch.delenv("LINEAGE_CACHE")
        monkeypatch.setenv("XDG_CACHE_HOME", "/var/caches")
        assert converted.cache_root() == Path("/var/caches/lineage")
        monkeypatch.setenv("XDG_CACHE_HOME", "relative/ones/do/not/count")
        assert converted.cache_root() == tmp_path / ".cache" / "lineage"

    @pytest.mark.parametrize("changes", [{"model": "llama"}, {"pre": "tekken"}, {"tokens": None}])
    def test_a_tokenizer_that_cannot_be_read_is_remembered(self, tmp_path, values, stored, changes):
        values |= {f"tokenizer.ggml.{name}": value for name, value in changes.items()}
        path = write(tmp_path / "t.gguf", {key: value for key, value in values.items() if value is not None}, stored)
        codes = []
        for _ in range(2):
            loaded = models.load(path)
            assert loaded.tokenizer is None
            codes.append(loaded.tokenizer_problem.code)
        assert codes == ["tokenizer_missing" if "tokens" in changes else "gguf_tokenizer"] * 2
