"""A GGUF file, loaded here, computes what `transformers` computes with the numbers that are in the file."""

import copy

import pytest
import torch

import models
from models.weights.layouts.llama import LLAMA
from tests.models.gguf_files import as_read, as_stored, gguf, llama3_factors, metadata, write
from tests.parity.agreement import TOLERANCE, difference, ids
from tests.parity.conftest import randomise
from tests.parity.test_parity import llama, llama3_scaling

WIDE = {"hidden_size": 96, "intermediate_size": 128}  # rows of whole blocks of 32

CASES = {
    "mha": llama(**WIDE),
    "gqa": llama(**WIDE, num_key_value_heads=2),
    "mqa tied": llama(**WIDE, num_key_value_heads=1, tie_word_embeddings=True),
    "wide heads": llama(**WIDE, head_dim=40, num_key_value_heads=2),
    "biases": llama(**WIDE, attention_bias=True, mlp_bias=True, num_key_value_heads=2),
    "linear scaling": llama(**WIDE, rope_parameters={"rope_type": "linear", "rope_theta": 1e4, "factor": 2.5}),
    "llama3 scaling": llama(**WIDE, **llama3_scaling(original_max_position_embeddings=8192), num_key_value_heads=2),
}


def config_of(theirs) -> models.ModelConfig:
    return LLAMA.read_config(theirs.config.to_dict())


@pytest.fixture
def saved(tmp_path, monkeypatch):
    """Writes a model of `transformers` as GGUF, rounds its own weights to what is left in the file, and loads it."""
    monkeypatch.setenv("LINEAGE_CACHE", str(tmp_path / "cache"))

    def save(theirs, kind: str) -> models.Loaded:
        cfg = config_of(theirs)
        state = dict(theirs.state_dict())
        if cfg.tie_embeddings:
            del state["lm_head.weight"]
        stored = as_stored(state, cfg)
        values = metadata(cfg)
        if cfg.rope_scaling is not None and cfg.rope_scaling.kind == "linear":
            values |= {"llama.rope.scaling.type": "linear", "llama.rope.scaling.factor": cfg.rope_scaling.factor}
        elif cfg.rope_scaling is not None:
            stored["rope_freqs.weight"] = llama3_factors(cfg.d_head, cfg.rope_theta, cfg.rope_scaling.factor)
        path = write(tmp_path / "model.gguf", values, stored, kind)
        fill(theirs, as_read(stored, kind), cfg)
        return models.load(path)

    return save


@torch.no_grad()
def fill(theirs, numbers: dict, cfg: models.ModelConfig) -> None:
    """Put the numbers of a GGUF file into a model of `transformers`."""
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, cfg.n_layers)
    for name, parameter in theirs.named_parameters():
        array = numbers[names.get_name(name, try_suffixes=(".weight", ".bias"))]
        if ".q_proj." in name or ".k_proj." in name:
            n_heads = cfg.n_heads if ".q_proj." in name else cfg.n_kv_heads
            shape = array.shape
            # The way back as transformers' own reader of GGUF goes it.
            array = array.reshape(n_heads, shape[0] // n_heads // 2, 2, *shape[1:]).swapaxes(2, 1).reshape(shape)
        parameter.copy_(torch.tensor(array))


@pytest.mark.parametrize("kind", ["F32", "Q8_0", "Q4_1"])
@pytest.mark.parametrize("case", CASES)
@torch.no_grad()
def test_logits(case, kind, saved):
    cls, config = CASES[case]
    config = copy.deepcopy(config)
    config._attn_implementation = "eager"
    theirs = randomise(cls(config))
    exact = theirs(ids(2, 50)).logits
    loaded = saved(theirs, kind)
    assert loaded.config.attention == config_of(theirs).attention
    assert difference(loaded.model(ids(2, 50)).logits, theirs(ids(2, 50)).logits) < TOLERANCE
    if kind != "F32":  # and rounding was real: the comparison above is not with the weights before it
        assert difference(exact, theirs(ids(2, 50)).logits) > 10 * TOLERANCE
