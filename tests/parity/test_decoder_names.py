"""Decoder folders as the hub and other versions of `transformers` write them; and what is refused, with its name."""

import copy

import pytest
import torch
from safetensors.torch import save_file

import models
from models.errors import InputError
from models.weights.layouts import layout_of
from tests.parity.agreement import TOLERANCE, difference, ids
from tests.parity.conftest import randomise
from tests.parity.decoders import CASES, deepseek_v3, glm, label, qwen2
from tests.parity.test_folders import rewrite, same
from tests.rows import each_row


def saved(name, folder_of, **options):
    cls, config = CASES[name]
    theirs = randomise(cls(copy.deepcopy(config)))
    return theirs, folder_of(theirs, **options)


def read(model_type, **values):
    values = {"model_type": model_type, **values}
    return layout_of(values).read_config(values)


@pytest.mark.parametrize("name", ["gpt1", "bloom"])
def test_old_names_without_prefix(name, folder_of):
    """The hub's own files, with the causal masks that the first versions stored."""
    theirs, folder = saved(name, folder_of)

    def age(tensors):
        old = {name.removeprefix("transformer."): tensor for name, tensor in tensors.items()}
        return old | ({f"h.{i}.attn.bias": torch.ones(1, 1, 64, 64).tril() for i in range(3)} if name == "gpt1" else {})

    rewrite(folder, age)
    same(theirs, folder)


FUSED = ["qwen3 moe", "mixtral", "deepseek v2", "deepseek v3"]


@pytest.mark.parametrize("prefix", ["model.", ""])
@pytest.mark.parametrize("name", FUSED, ids=label)
def test_fused_experts(name, prefix, folder_of):
    """A file that holds a model of version 5 as it is in memory: all experts of a layer in two tensors."""
    theirs, folder = saved(name, folder_of)
    names = theirs.state_dict()
    assert any(name.endswith("mlp.experts.gate_up_proj") for name in names)
    rewrite(folder, lambda _: {name.replace("model.", prefix): tensor for name, tensor in names.items()})
    same(theirs, folder)


@pytest.mark.parametrize("name", ["qwen3 moe", "mixtral", "deepseek v3 yarn"], ids=label)
def test_shards(name, folder_of):
    theirs, folder = saved(name, folder_of, max_shard_size="60KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 2
    same(theirs, folder)


ROTARY = ["llama dynamic", "llama yarn", "qwen2 yarn", "qwen3", "deepseek v2 lite, yarn", "deepseek v3 yarn"]


@pytest.mark.parametrize("key", ["rope_type", "type"])
@pytest.mark.parametrize("name", [*ROTARY, "glm tied, without biases, yarn", "glm4 a third turns"], ids=label)
def test_rotary_fields_of_version_4(name, key, folder_of):
    """Hub files say theta, scaling and the part that turns side by side; and the type of numbers as `torch_dtype`."""
    theirs, folder = saved(name, folder_of)
    new = models.load(folder).config
    values = dict(theirs.config.rope_parameters)
    theta, kind, part = values.pop("rope_theta"), values.pop("rope_type"), values.pop("partial_rotary_factor", None)
    old = {"rope_theta": theta, "rope_scaling": None if kind == "default" else {key: kind, **values}}
    old |= {} if part is None else {"partial_rotary_factor": part}
    rewrite(folder, remove=["rope_parameters", "dtype"], torch_dtype="float32", **old)
    assert same(theirs, folder, length=70).config == new


def test_windows_of_version_4(folder_of):
    """Without `layer_types`, windows begin at `max_window_layers`, and only if `use_sliding_window`."""
    theirs, folder = saved("qwen2 windows from layer 1 on", folder_of)
    rewrite(folder, remove=["layer_types"])
    assert same(theirs, folder).config.mask_pattern == ("causal", "sliding", "sliding")
    assert read("qwen2", use_sliding_window=False, sliding_window=9, max_window_layers=0).window is None
    assert read("qwen2", use_sliding_window=True, max_window_layers=2, num_hidden_layers=4).window == 4096


def test_absent_is_not_null():
    """Mistral's class has a window of its own for a config.json that does not speak of one; null means none."""
    assert read("mistral").window == 4096
    assert read("mistral", sliding_window=None).window is None
    assert read("mixtral").window is None
    assert read("mixtral").rope_theta == 1e6
    assert read("qwen3").d_head == 128


@torch.no_grad()
def test_module_for_one_more_token(folder_of, tmp_path):
    """DeepSeek-V3's layer after the last, with its copies of embedding and head, against `transformers`' own module."""
    from transformers.modeling_layers import MtpLayer
    from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3DecoderLayer, DeepseekV3RMSNorm

    cls, config = deepseek_v3()
    config._attn_implementation = "eager"
    theirs = randomise(cls(config))
    further = randomise(MtpLayer(config, DeepseekV3DecoderLayer, DeepseekV3RMSNorm, 3), seed=7)
    folder = folder_of(theirs)
    assert models.load(folder).config.mtp_depth == 0
    parts = further.state_dict()
    block = {name.removeprefix("mtp_block."): tensor for name, tensor in parts.items() if "mtp_block" in name}
    own = {name: parts[f"{name}.weight"] for name in ("enorm", "hnorm", "eh_proj")}
    own |= {"shared_head.norm": parts["post_norm.weight"], "embed_tokens": theirs.model.embed_tokens.weight}
    own |= {"shared_head.head": theirs.lm_head.weight}
    layer = {**block, **{f"{name}.weight": tensor for name, tensor in own.items()}}
    rewrite(folder, lambda tensors: tensors | {f"model.layers.3.{name}": t.clone() for name, t in layer.items()})
    ours = models.load(folder).model
    assert ours.config.mtp_depth == 1
    tokens = ids(2, 20)
    hidden = theirs.model(tokens).last_hidden_state[:, :-1]
    places = torch.arange(19)[None]
    angles = theirs.model.rotary_emb(hidden, places)
    mask = torch.full((1, 1, 19, 19), float("-inf")).triu(1)
    embedded = theirs.model.embed_tokens(tokens[:, 1:])
    reference = theirs.lm_head(further(embedded, hidden, angles, mask, places, None))
    assert difference(ours(tokens).mtp_logits[0], reference) < TOLERANCE
    models.export_hf(ours, None, tmp_path)
    assert models.load(tmp_path).config == ours.config
    assert difference(models.load(tmp_path).model(tokens).mtp_logits[0], reference) < TOLERANCE


def test_families_that_share_a_name():
    """Two architectures are called "chatglm", and two "glm": their settings tell them apart."""
    assert read("chatglm", num_layers=2).position == "rotary_2d"
    assert read("chatglm", num_layers=2, padded_vocab_size=64, ffn_hidden_size=32).rope_layout == "interleaved"
    assert read("glm").position == "rotary"
    assert read("glm", block_position_encoding=True).position == "learned_2d"


@each_row(
    ("model_type", "settings", "named"),
    [
        ("llama", {"rope_scaling": {"rope_type": "longrope", "factor": 2.0}}, "longrope"),
        ("llama", {"rope_parameters": {"full_attention": {"rope_type": "default"}}}, "rope_scaling"),
        ("llama", {"partial_rotary_factor": 0.5}, "partial_rotary_factor"),
        ("qwen3", {"rope_scaling": {"type": "yarn", "factor": 2.0, "truncate": False}}, "truncate"),
        ("qwen2", {"use_sliding_window": True, "layer_types": ["chunked_attention"]}, "layer_types"),
        ("qwen3_moe", {"num_hidden_layers": 6, "mlp_only_layers": [0, 3, 4]}, "mlp_only_layers"),
        ("deepseek_v2", {"num_experts_per_tok": 2, "attention_bias": True}, "attention_bias"),
        ("deepseek_v3", {"topk_method": "greedy"}, "topk_method"),
        ("deepseek", {"scoring_func": "sigmoid"}, "scoring_func"),
        ("bloom", {"apply_residual_connection_post_layernorm": True}, "apply_residual_connection_post_layernorm"),
        ("openai-gpt", {"afn": "mish"}, "afn"),
        ("qwen", {"rotary_pct": 0.5}, "rotary_pct"),
        ("chatglm", {"padded_vocab_size": 64, "rmsnorm": False}, "rmsnorm"),
        ("chatglm", {"position_encoding_2d": False}, "position_encoding_2d"),
        ("glm", {"block_position_encoding": False}, "block_position_encoding"),
    ],
)
def test_settings_that_are_not_built_here(model_type, settings, named):
    with pytest.raises(InputError) as caught:
        read(model_type, **settings)
    assert caught.value.code == "weights_unsupported"
    assert named in str(caught.value)


def test_settings_that_must_be_there():
    with pytest.raises(InputError, match="num_experts_per_tok"):
        read("deepseek_v2")
    with pytest.raises(InputError, match="low_freq_factor"):
        read("llama", rope_scaling={"rope_type": "llama3", "factor": 8.0})


def test_eight_bit_weights_are_refused(folder_of):
    _, folder = saved("deepseek v3", folder_of)
    rewrite(folder, quantization_config={"quant_method": "fp8", "weight_block_size": [128, 128]})
    with pytest.raises(InputError) as caught:
        models.load(folder)
    assert caught.value.code == "weights_quantized"


@pytest.mark.parametrize(("name", "lost"), [("qwen3 moe", "mlp.experts.5.up_proj"), ("mixtral", "experts.2.w3")])
def test_missing_extra_and_misshapen_tensors_are_named(name, lost, folder_of):
    _, folder = saved(name, folder_of)

    def damage(tensors):
        left = {key: tensor for key, tensor in tensors.items() if not key.endswith(f"layers.1.{lost}.weight")}
        left = {key: tensor for key, tensor in left.items() if f"layers.1.block_sparse_moe.{lost}" not in key}
        left["model.layers.0.stray"] = torch.zeros(2)
        left["model.norm.weight"] = torch.zeros(7)
        return left

    rewrite(folder, damage)
    with pytest.raises(InputError) as caught:
        models.load(folder)
    assert caught.value.code == "weights_mismatch"
    for part in (f"{lost}.weight", "model.layers.0.stray", "model.norm.weight (7,)"):
        assert part in str(caught.value)


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
def test_shared_experts_of_no_width(folder_of):
    """The class cannot do without shared experts, but their number may be 0; then nothing is added."""
    cls, config = deepseek_v3(n_shared_experts=0)
    theirs = randomise(cls(config))
    folder = folder_of(theirs)
    save_file(theirs.state_dict(), folder / "model.safetensors", metadata={"format": "pt"})
    assert same(theirs, folder).config.moe.n_shared_experts == 0


@pytest.mark.parametrize("make", [qwen2, glm], ids=["qwen2", "glm"])
def test_a_tied_matrix_stored_twice(make, folder_of):
    cls, config = make(tie_word_embeddings=True)
    theirs = randomise(cls(config))
    folder = folder_of(theirs)
    rewrite(folder, lambda tensors: tensors | {"lm_head.weight": tensors["model.embed_tokens.weight"].clone()})
    assert same(theirs, folder).config.tie_embeddings
