"""A configuration is checked when it is made, and survives being written down."""

import json
import subprocess
import sys
from dataclasses import FrozenInstanceError

import pytest

from models.config import ImageInput, MixtureOfExperts, ModelConfig, RopeScaling
from models.errors import InputError
from tests.models.random_configs import valid_configs
from tests.rows import each_row

SIZES = {"vocab_size": 100, "max_seq_len": 32, "d_model": 48, "n_layers": 2, "n_heads": 6, "d_ff": 64}
LLAMA3 = {"kind": "llama3", "factor": 8.0, "original_max_seq_len": 16}
SLOTS = {"mixing": "slots", "slots_per_expert": 1, "router": "dense", "n_experts_per_token": 4}
OF_IMAGE = {
    "structure": "encoder",
    "position": "learned",
    "vocab_size": 0,
    "max_seq_len": 10,
    "head": "none",
    "image": ImageInput(image_size=12, patch_size=4),
}


def config(**changes) -> ModelConfig:
    return ModelConfig(**{**SIZES, **changes})


def test_usual_values_are_derived():
    assert (config().n_kv_heads, config().d_head, config().rotary_dim) == (6, 8, 8)
    assert config(attention="mqa").n_kv_heads == 1
    assert config(d_head=10).rotary_dim == 10
    assert config(position="learned").rotary_dim is None


def test_frozen():
    with pytest.raises(FrozenInstanceError):
        config().d_model = 3


@each_row("cfg", [*valid_configs(30, seed=11), config(rope_scaling=RopeScaling(**LLAMA3))])
def test_written_down_and_read_again(cfg):
    assert ModelConfig.from_dict(json.loads(json.dumps(cfg.to_dict()))) == cfg
    assert hash(cfg.replace()) == hash(cfg)


def test_replace_derives_anew_what_was_derived():
    cfg = config()
    assert cfg.replace(n_heads=4).d_head == 12
    assert cfg.replace(n_heads=4).n_kv_heads == 4
    assert cfg.replace(position="alibi").rotary_dim is None
    assert config(d_head=10).replace(n_heads=4).d_head == 10


def test_equal_choices_are_equal_configurations():
    assert config(biases=["v", "q"], mask_pattern=["causal"]) == config(biases=("q", "v", "q"))
    assert config(biases={"q"}) == config(biases="q")


def test_layers_follow_the_pattern():
    cfg = config(n_layers=5, mask_pattern=("causal", "sliding"), window=7)
    assert [cfg.layer(i).mask for i in range(5)] == ["causal", "sliding", "causal", "sliding", "causal"]
    assert [cfg.layer(i).window for i in range(5)] == [None, 7, None, 7, None]


@each_row(
    ("changes", "field", "words"),
    [
        ({"d_model": 0}, "d_model", ["0", "1"]),
        ({"d_model": 4.5}, "d_model", ["4.5"]),
        ({"d_model": "48"}, "d_model", ["48"]),
        ({"n_layers": True}, "n_layers", ["True"]),
        ({"n_layers": None}, "n_layers", ["None"]),
        ({"n_heads": 5}, "n_heads", ["48", "5"]),
        ({"n_heads": 0}, "n_heads", ["0"]),
        ({"n_kv_heads": 3}, "n_kv_heads", ["6", "3", "gqa"]),
        ({"attention": "mqa", "n_kv_heads": 2}, "n_kv_heads", ["1", "2"]),
        ({"attention": "gqa"}, "n_kv_heads", ["2, 3"]),
        ({"attention": "gqa", "n_kv_heads": 4}, "n_kv_heads", ["2, 3", "4"]),
        ({"attention": "gqa", "n_heads": 3, "n_kv_heads": 2}, "n_kv_heads", ["leaves none", "mqa"]),
        ({"attention": "flash"}, "attention", ["flash", "mha, gqa, mqa"]),
        ({"attention": ["mha"]}, "attention", ["mha"]),
        ({"norm": None}, "norm", ["layernorm"]),
        ({"biases": ("x",)}, "biases", ["x", "ffn"]),
        ({"biases": None}, "biases", ["None"]),
        ({"biases": ("norm",)}, "biases", ["layernorm"]),
        ({"mask_pattern": ()}, "mask_pattern", ["causal"]),
        ({"mask_pattern": 3}, "mask_pattern", ["3"]),
        ({"mask_pattern": ("sliding",)}, "window", []),
        ({"window": 8}, "window", ["8"]),
        ({"position": "learned", "rotary_dim": 4}, "rotary_dim", ["learned"]),
        ({"position": "alibi", "rope_scaling": RopeScaling(**LLAMA3)}, "rope_scaling", ["alibi"]),
        ({"rotary_dim": 10}, "rotary_dim", ["10", "8"]),
        ({"rotary_dim": 3}, "rotary_dim", ["3", "even"]),
        ({"d_head": 7}, "rotary_dim", ["7", "even"]),
        ({"position": "sinusoidal", "d_model": 15, "n_heads": 5}, "d_model", ["15", "even"]),
        ({"rope_theta": float("nan")}, "rope_theta", ["nan"]),
        ({"norm_eps": float("inf")}, "norm_eps", ["inf"]),
        ({"norm_eps": 0.0}, "norm_eps", ["0.0"]),
        ({"rope_scaling": "linear"}, "rope_scaling", ["linear", "table"]),
        ({"rope_scaling": 4}, "rope_scaling", ["4", "table"]),
        ({"qk_norm": True, "norm": "layernorm"}, "qk_norm", ["rmsnorm", "layernorm"]),
        ({"qk_norm": 1}, "qk_norm", ["1"]),
        ({"tie_embeddings": "yes"}, "tie_embeddings", ["yes"]),
        ({"biases": ("head",), "head": "none"}, "biases", ["head", "lm", "none"]),
        ({**OF_IMAGE, "n_segments": 2}, "n_segments", ["images"]),
        ({**OF_IMAGE, "scale_embeddings": True}, "scale_embeddings", ["images"]),
    ],
)
def test_refusals_name_field_value_and_what_is_allowed(changes, field, words):
    with pytest.raises(InputError) as caught:
        config(**changes)
    assert caught.value.params["field"] == field
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("changes", "field", "choice"),
    [
        ({"router": "switch", "n_experts_per_token": 1, "weight_scale": 2.0}, "weight_scale", "switch"),
        ({"router": "topk_softmax", "normalise_weights": False}, "normalise_weights", "topk_softmax"),
        ({"router": "noisy_topk", "normalise_weights": False}, "normalise_weights", "noisy_topk"),
        ({"router": "dense", "n_experts_per_token": 4, "normalise_weights": False}, "normalise_weights", "dense"),
        ({"group_score": "top2"}, "group_score", "n_groups"),
        ({**SLOTS, "jitter": 0.1}, "jitter", "slots"),
        ({**SLOTS, "weight_scale": 2.0}, "weight_scale", "slots"),
        ({**SLOTS, "normalise_weights": False}, "normalise_weights", "slots"),
    ],
)
def test_settings_of_experts_that_nothing_reads_are_refused(changes, field, choice):
    with pytest.raises(InputError) as caught:
        MixtureOfExperts(**{"n_experts": 4, "n_experts_per_token": 2, "d_expert": 8, **changes})
    assert (caught.value.code, caught.value.params["field"]) == ("moe_without_effect", field)
    assert choice in str(caught.value)


def test_switch_never_normalises():
    sizes = {"n_experts": 4, "n_experts_per_token": 1, "d_expert": 8, "router": "switch"}
    assert not MixtureOfExperts(**sizes).normalise_weights
    assert MixtureOfExperts(**sizes) == MixtureOfExperts(**sizes, normalise_weights=False)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"kind": "ntk"}, "rope_scaling"),
        ({"factor": 0.5}, "factor"),
        ({"factor": None}, "factor"),
        ({"original_max_seq_len": 1.5}, "original_max_seq_len"),
        ({"low_freq_factor": 4.0}, None),
    ],
)
def test_refusals_of_scaling(changes, field):
    with pytest.raises(InputError) as caught:
        RopeScaling(**{**LLAMA3, **changes})
    assert caught.value.params.get("field") == field


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({**SIZES, "n_experts": 4}, "n_experts"),
        ({name: value for name, value in SIZES.items() if name != "d_ff"}, "d_ff"),
        ({**SIZES, "rope_scaling": {"kind": "linear", "factor": 2.0}}, "rope_scaling.original_max_seq_len"),
        ({**SIZES, "rope_scaling": {**LLAMA3, "beta": 2.0}}, "rope_scaling.beta"),
    ],
)
def test_refusals_when_read(values, field):
    with pytest.raises(InputError) as caught:
        ModelConfig.from_dict(values)
    assert caught.value.params["field"] == field


def test_replace_names_an_unknown_field():
    with pytest.raises(InputError, match="n_head is no field"):
        config().replace(n_head=3)


def test_needs_no_torch():
    """Forms and calculators read configurations without loading torch; the package's own start does load it."""
    code = (
        "import sys, types; package = types.ModuleType('models'); package.__path__ = ['models'];"
        "sys.modules['models'] = package; import models.config, models.presets; print('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"
