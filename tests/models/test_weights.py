"""Model folders: what is written is read again, and whatever is wrong with a folder is said in one sentence."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

import models
from models import tokenizers
from models.errors import InputError
from models.weights import assign, loading, named_tensors, zoo_config
from models.weights.zoo import ZOO

SIZES = {"n_layers": 2, "d_model": 24, "d_ff": 40, "vocab_size": 257}


def small(**changes) -> models.ModelConfig:
    return models.preset("llama-mini").replace(**SIZES | changes)


def gpt_like(**changes) -> models.ModelConfig:
    return models.preset("gpt2-mini").replace(**SIZES | changes)


@pytest.fixture
def folder(tmp_path):
    """A small model of our own format, with a tokenizer."""
    models.save(models.build(small()), tokenizers.bytes_tokenizer(), tmp_path, dtype="fp32")
    return tmp_path


def change_config(folder, **values):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def change_tensors(folder, change):
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


def refusal(folder) -> InputError:
    with pytest.raises(InputError) as caught:
        models.load(folder)
    assert "{" not in str(caught.value)
    return caught.value


class TestNames:
    def test_single_names(self):
        names = named_tensors(models.build(small(biases=("q", "o"), tie_embeddings=False)))
        layer = [name.removeprefix("layers.1.") for name in names if name.startswith("layers.1.")]
        maps = ["attn.q_proj.weight", "attn.q_proj.bias", "attn.k_proj.weight", "attn.v_proj.weight"]
        maps += ["attn.o_proj.weight", "attn.o_proj.bias"]
        maps += ["ffn.gate_proj.weight", "ffn.up_proj.weight", "ffn.down_proj.weight"]
        assert sorted(layer) == sorted([*maps, "attn_norm.weight", "ffn_norm.weight"])
        outside = [name for name in names if not name.startswith("layers.")]
        assert sorted(outside) == ["final_norm.weight", "lm_head.weight", "tok_embed.weight"]

    def test_tied_head_has_no_tensor_of_its_own(self):
        assert "lm_head.weight" not in named_tensors(models.build(small(tie_embeddings=True)))

    @pytest.mark.parametrize("cfg", [small(), gpt_like(), small(biases=("k",)), small(block="sandwich", qk_norm=True)])
    def test_every_parameter_is_named_once(self, cfg):
        model = models.build(cfg)
        assert sum(t.numel() for t in named_tensors(model).values()) == sum(p.numel() for p in model.parameters())

    def test_tensors_are_views(self):
        model = models.build(small())
        named_tensors(model)["layers.0.attn.k_proj.weight"].fill_(3.0)
        q, k, v = model.layers[0].attn.qkv_proj.weight.split([24, 8, 8])
        assert (k == 3).all()
        assert not (q == 3).any()
        assert not (v == 3).any()

    def test_names_without_memory(self):
        """On the meta device the table of tensors costs nothing, whatever the size."""
        cfg = models.preset("llama3.1-405b")
        names = named_tensors(models.build(cfg, device="meta"))
        assert names["layers.125.attn.k_proj.weight"].shape == (cfg.n_kv_heads * cfg.d_head, cfg.d_model)


class TestAssign:
    def test_round_trip(self):
        source, target = models.build(gpt_like(), seed=1), models.build(gpt_like(), seed=2)
        assign(target, named_tensors(source))
        for name, tensor in source.state_dict().items():
            assert torch.equal(target.state_dict()[name], tensor), name

    def test_copies_rather_than_shares(self):
        source, target = models.build(small(), seed=1), models.build(small(), seed=2)
        assign(target, named_tensors(source))
        named_tensors(source)["tok_embed.weight"].zero_()
        assert target.tok_embed.weight.abs().sum() > 0

    def test_dtype(self):
        tensors = {name: tensor.bfloat16() for name, tensor in named_tensors(models.build(small())).items()}
        model = models.build(small())
        assign(model, tensors)
        assert {p.dtype for p in model.parameters()} == {torch.float32}
        assign(model, tensors, dtype=torch.bfloat16)
        assert {p.dtype for p in model.parameters()} == {torch.bfloat16}

    def test_names_everything_that_does_not_fit_and_writes_nothing(self):
        model = models.build(small())
        before = model.tok_embed.weight.clone()
        tensors = {name: torch.zeros_like(tensor) for name, tensor in named_tensors(model).items()}
        del tensors["layers.0.attn.q_proj.weight"]
        tensors["layers.7.attn.q_proj.weight"] = torch.zeros(2, 2)
        tensors["layers.1.ffn.up_proj.weight"] = torch.zeros(40, 23)
        with pytest.raises(InputError) as caught:
            assign(model, tensors)
        assert caught.value.code == "weights_mismatch"
        assert caught.value.params == {
            "missing": "layers.0.attn.q_proj.weight",
            "unknown": "layers.7.attn.q_proj.weight",
            "misshapen": "layers.1.ffn.up_proj.weight (40, 23) ≠ (40, 24)",
        }
        assert torch.equal(model.tok_embed.weight, before)

    def test_long_lists_are_cut(self):
        with pytest.raises(InputError, match=r"… \(\+\d+\)"):
            assign(models.build(small()), {})

    def test_gradients_still_flow(self):
        model = models.build(small())
        assign(model, named_tensors(models.build(small(), seed=1)))
        model(torch.arange(8)[None]).logits.sum().backward()
        assert all(p.grad is not None for p in model.parameters())


class TestOwnFormat:
    @pytest.mark.parametrize(
        "cfg",
        [
            small(),
            gpt_like(),
            small(mask_pattern=("causal", "sliding"), window=5, biases=("q", "v", "ffn", "head")),
            small(rope_scaling=models.RopeScaling(kind="llama3", factor=4.0, original_max_seq_len=64)),
            small(position="alibi", block="sandwich", embed_norm=True, qk_norm=True, tie_embeddings=False),
        ],
    )
    def test_round_trip(self, cfg, tmp_path):
        model = models.build(cfg, seed=4)
        models.save(model, None, tmp_path, dtype="fp32")
        loaded = models.load(tmp_path)
        assert loaded.config == cfg
        assert loaded.origin == "folder"
        assert loaded.tokenizer is None
        assert not loaded.model.training
        tokens = torch.arange(20)[None]
        assert torch.equal(loaded.model(tokens).logits, model(tokens).logits)

    def test_bf16_halves_the_file_and_rounds(self, tmp_path):
        model = models.build(small())
        models.save(model, None, tmp_path / "half")
        models.save(model, None, tmp_path / "full", dtype="fp32")
        sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("half", "full")]
        assert sizes[0] < 0.6 * sizes[1]
        for name, tensor in named_tensors(models.load(tmp_path / "half").model).items():
            assert torch.equal(tensor, named_tensors(model)[name].bfloat16().float())

    def test_files_name_each_map(self, folder):
        assert set(load_file(folder / "model.safetensors")) == set(named_tensors(models.build(small())))

    def test_tokenizer_comes_along(self, folder):
        loaded = models.load(str(folder))
        assert loaded.tokenizer.decode(loaded.tokenizer.encode("Es war 一次 🙂")) == "Es war 一次 🙂"
        assert loaded.tokenizer_problem is None

    def test_saving_again_replaces(self, folder):
        other = models.build(small(n_layers=1), seed=9)
        models.save(other, None, folder, dtype="fp32")
        assert models.load(folder).config.n_layers == 1
        assert not [path for path in folder.iterdir() if path.name.startswith(".")]

    def test_unknown_dtype(self, tmp_path):
        with pytest.raises(InputError, match="fp32, bf16"):
            models.save(models.build(small()), None, tmp_path, dtype="int3")
        assert not list(tmp_path.iterdir())

    def test_loading_inside_inference_mode_leaves_a_trainable_model(self, folder):
        with torch.inference_mode():
            model = models.load(folder).model
        model(torch.arange(5)[None]).logits.sum().backward()


class TestRefusals:
    def test_no_folder(self, tmp_path):
        error = refusal(tmp_path / "absent")
        assert error.code == "weights_no_folder"
        assert "absent" in str(error)

    @pytest.mark.parametrize(
        "name", ["./absent", "/absent/model", "~/absent", "a/b/c", "with space", "", "../..", "~nobody/x", "a\0b"]
    )
    def test_names_that_are_paths_never_reach_the_hub(self, name, monkeypatch, tmp_path):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(loading, "fetch", lambda hub_id: pytest.fail(f"fetched {hub_id}"))
        assert refusal(name).code in ("weights_no_folder", "weights_no_config")

    def test_no_config(self, tmp_path):
        assert refusal(tmp_path).code == "weights_no_config"

    @pytest.mark.parametrize("text", ["{", "[1, 2]", "\udcff", ""])
    def test_broken_json(self, folder, text):
        (folder / "config.json").write_bytes(text.encode("utf-8", "surrogateescape"))
        error = refusal(folder)
        assert error.code == "weights_bad_json"
        assert "config.json" in str(error)

    def test_config_that_fails_its_check(self, folder):
        change_config(folder, n_heads=5)
        error = refusal(folder)
        assert error.code == "gqa_impossible"
        assert error.params["n_heads"] == 5

    def test_no_weights(self, folder):
        (folder / "model.safetensors").unlink()
        assert refusal(folder).code == "weights_no_tensors"

    @pytest.mark.parametrize("name", ["pytorch_model.bin", "consolidated.00.pth", "model.pt", "last.ckpt"])
    def test_pickles(self, folder, name):
        (folder / "model.safetensors").unlink()
        (folder / name).write_bytes(b"\x80\x04.")
        error = refusal(folder)
        assert error.code == "weights_pickle"
        assert name in str(error)

    @pytest.mark.parametrize("keep", [0, 5, 200, -7])
    def test_cut_off_file(self, folder, keep):
        path = folder / "model.safetensors"
        path.write_bytes(path.read_bytes()[:keep])
        error = refusal(folder)
        assert error.code == "weights_damaged"
        assert "model.safetensors" in str(error)

    def test_config_far_larger_than_the_file(self, folder):
        """Petabytes by the config: refused by comparing shapes, before any memory is asked for."""
        change_config(folder, d_ff=10_000_000, d_model=1_000_000, d_head=4, n_layers=100)
        assert refusal(folder).code == "weights_mismatch"

    def test_wrong_tensors(self, folder):
        change_tensors(folder, lambda tensors: tensors.pop("final_norm.weight"))
        assert refusal(folder).params["missing"] == "final_norm.weight"

    @pytest.mark.parametrize(
        ("index", "code"),
        [
            ("{", "weights_bad_json"),
            ("{}", "weights_bad_json"),
            ('{"weight_map": {"a": 3}}', "weights_bad_json"),
            ('{"weight_map": {"a": "model-1.safetensors"}}', "weights_no_shard"),
            ('{"weight_map": {"a": "../model.safetensors"}}', "weights_no_shard"),
            ('{"weight_map": {"a": "pytorch_model-1.bin"}}', "weights_pickle"),
        ],
    )
    def test_bad_index(self, folder, index, code):
        (folder / "model.safetensors").unlink()
        (folder / "model.safetensors.index.json").write_text(index)
        assert refusal(folder).code == code


class TestHuggingFaceConfigs:
    """Settings that this core does not have are refused by name; the files never get as far as being read."""

    @pytest.fixture
    def refuse(self, tmp_path):
        def refuse(**values) -> InputError:
            (tmp_path / "config.json").write_text(json.dumps(values))
            return refusal(tmp_path)

        return refuse

    def test_unknown_family_names_the_known(self, refuse):
        error = refuse(model_type="rwkv")
        assert error.code == "weights_unknown_type"
        assert all(word in str(error) for word in ("rwkv", "gpt2", "llama"))

    @pytest.mark.parametrize("model_type", [None, [], {}, 3])
    def test_no_family(self, refuse, model_type):
        assert refuse(model_type=model_type, hidden_size=4).code == "weights_unknown_type"

    @pytest.mark.parametrize(
        ("model_type", "setting"),
        [
            ("gpt2", {"scale_attn_by_inverse_layer_idx": True}),
            ("gpt2", {"add_cross_attention": True}),
            ("gpt2", {"activation_function": "tanh"}),
            ("gpt2", {"activation_function": ["gelu"]}),
            ("llama", {"hidden_act": "mish"}),
            ("llama", {"rope_scaling": {"type": "longrope", "factor": 2.0}}),
            ("llama", {"rope_scaling": "linear"}),
            ("llama", {"rope_parameters": {"rope_type": "proportional"}}),
            ("llama", {"partial_rotary_factor": 0.5}),
            ("llama", {"rope_parameters": {"rope_type": "default", "partial_rotary_factor": 0.25}}),
        ],
    )
    def test_unsupported_settings(self, refuse, model_type, setting):
        error = refuse(model_type=model_type, **setting)
        assert error.code == "weights_unsupported"
        assert model_type in str(error)

    @pytest.mark.parametrize(
        ("setting", "field"),
        [
            ({"num_key_value_heads": 5}, "n_kv_heads"),
            ({"num_attention_heads": 0}, "n_heads"),
            ({"hidden_size": "wide"}, "d_model"),
            ({"head_dim": 7}, "rotary_dim"),
            ({"vocab_size": -1}, "vocab_size"),
            ({"attention_bias": True, "rms_norm_eps": "small"}, "norm_eps"),
            ({"rope_scaling": {"rope_type": "linear"}}, "rope_scaling.factor"),
            ({"rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, "rope_scaling.low_freq_factor"),
            ({"tie_word_embeddings": "yes"}, "tie_embeddings"),
        ],
    )
    def test_impossible_values(self, refuse, setting, field):
        assert refuse(model_type="llama", **setting).params["field"] == field

    @pytest.mark.parametrize(
        ("setting", "field"),
        [
            ({"n_embd": "wide"}, "d_model"),
            ({"n_head": 7}, "n_heads"),
            ({"n_layer": 1.5}, "n_layers"),
            ({"n_inner": 0}, "d_ff"),
        ],
    )
    def test_impossible_values_of_gpt2(self, refuse, setting, field):
        assert refuse(model_type="gpt2", **setting).params["field"] == field

    def test_quantized(self, refuse):
        assert refuse(model_type="llama", quantization_config={"bits": 4}).code == "weights_quantized"


class TestTokenizerProblems:
    def test_a_tokenizer_of_another_kind_does_not_hinder_the_model(self, folder):
        (folder / "tokenizer.json").write_text("{}")
        loaded = models.load(folder)
        assert loaded.tokenizer is None
        assert isinstance(loaded.tokenizer_problem, InputError)


class TestZoo:
    def test_only_folders_with_a_config(self):
        assert models.zoo() == sorted(path.parent.name for path in ZOO.glob("*/config.json"))

    @pytest.mark.parametrize("name", models.zoo())
    def test_shipped_models(self, name):
        loaded = models.load(name)
        assert loaded.origin == "zoo"
        assert loaded.config == models.preset(name) == zoo_config(name)
        assert not loaded.model.training
        assert loaded.tokenizer.vocab_size == loaded.config.vocab_size
        stored = (ZOO / name / "model.safetensors").stat().st_size
        assert stored < (11e6 if loaded.config.moe else 10e6)
