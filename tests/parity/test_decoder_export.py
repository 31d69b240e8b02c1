"""`export_hf` writes every decoder family so that `transformers` computes the same, and nothing is lost on the way back."""

import copy

import pytest
import torch

import models
from models.config import MixtureOfExperts
from models.errors import InputError
from tests.parity.agreement import TOLERANCE, difference, ids
from tests.parity.conftest import randomise, transformers
from tests.parity.decoders import CASES, deepseek_v3, label


@pytest.fixture(scope="module")
def loaded(folder_of):
    """A family's example, read from the folder that `transformers` wrote."""

    def load(name):
        cls, config = CASES[name]
        return cls, models.load(folder_of(randomise(cls(copy.deepcopy(config)))))

    return load


@torch.no_grad()
@pytest.mark.parametrize("name", CASES, ids=map(label, CASES))
def test_export_and_back(name, loaded, tmp_path):
    cls, ours = loaded(name)
    models.export_hf(ours.model, None, tmp_path)
    theirs, report = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, output_loading_info=True)
    # A Mistral without a window is a LLaMA.
    assert type(theirs) is (transformers.LlamaForCausalLM if name == "mistral" else cls)
    assert not any(report.values()), report
    tokens = ids(2, 60)
    logits = ours.model(tokens).logits
    assert difference(logits, theirs.eval()(tokens).logits) < TOLERANCE
    again = models.load(tmp_path)
    assert again.config == ours.config
    assert torch.equal(again.model(tokens).logits, logits)


PRESETS = {
    "gpt1": "OpenAIGPTLMHeadModel",
    "bloom-560m": "BloomForCausalLM",
    "llama3.1-8b": "LlamaForCausalLM",
    "qwen2.5-0.5b": "Qwen2ForCausalLM",
    "qwen3-0.6b": "Qwen3ForCausalLM",
    "qwen3-30b-a3b": "Qwen3MoeForCausalLM",
    "mixtral-8x7b": "MixtralForCausalLM",
    "deepseek-v2-lite": "DeepseekV2ForCausalLM",
    "deepseek-v2": "DeepseekV2ForCausalLM",
    "deepseek-v3": "DeepseekV3ForCausalLM",
    "glm-4-9b": "GlmForCausalLM",
    "chatglm3-6b": "GlmForCausalLM",
    "glm-4-9b-0414": "Glm4ForCausalLM",
}


@torch.no_grad()
@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_exported_as_their_family(name, tmp_path):
    """Cut down to two layers and a few hundred tokens, with all that makes the family what it is."""
    small = {"n_layers": 2, "vocab_size": 300, "d_model": 48, "n_heads": 4, "d_ff": 192, "max_seq_len": 128}
    cfg = models.preset(name)
    if cfg.attention == "gqa":
        small |= {"n_kv_heads": 2, "d_head": 16, "rotary_dim": 16 * cfg.rotary_dim // cfg.d_head}
    elif cfg.attention == "mha" and cfg.d_head is not None:
        small |= {"n_kv_heads": 4, "d_head": 12}
    if cfg.mla is not None:
        small |= {"n_kv_heads": 4}
    if cfg.moe is not None:
        groups = {"n_groups": 4, "n_groups_per_token": 2} if cfg.moe.n_groups else {}
        moe = {**cfg.moe.to_dict(), "n_experts": 8, "n_experts_per_token": 2, "d_expert": 24, **groups}
        small["moe"] = MixtureOfExperts(**{**moe, "first_dense": min(1, cfg.moe.first_dense)})
    model = models.build(cfg.replace(**small))
    models.export_hf(model, None, tmp_path)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    assert type(theirs).__name__ == PRESETS[name]
    assert difference(model(ids(2, 40)).logits, theirs(ids(2, 40)).logits) < TOLERANCE


def mixtral(**changes):
    moe = MixtureOfExperts(**{"n_experts": 4, "n_experts_per_token": 2, "d_expert": 24, **changes})
    return models.preset("llama-mini").replace(n_layers=2, vocab_size=64, moe=moe)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"router": "sigmoid"}, "router='sigmoid'"),
        ({"n_shared_experts": 1}, "n_shared_experts=1"),
        ({"z_loss_coef": 0.1}, "z_loss_coef=0.1"),
        ({"weight_scale": 2.0}, "weight_scale=2.0"),
    ],
)
def test_export_names_what_stands_in_the_way_of_experts(changes, named, tmp_path):
    with pytest.raises(InputError) as caught:
        models.export_hf(models.build(mixtral(**changes)), None, tmp_path)
    assert caught.value.code == "weights_not_exportable"
    assert named in str(caught.value)
    assert not list(tmp_path.iterdir())


@torch.no_grad()
def test_selection_bias_stays_exact(folder_of, tmp_path):
    """In bf16 the steps of a thousandth by which it moves would be lost: it is fp32 in memory and in both formats."""
    cls, config = deepseek_v3()
    theirs = randomise(cls(config))
    theirs.model.layers[1].mlp.gate.e_score_correction_bias.copy_(torch.linspace(0.1, 0.2, 8))
    ours = models.load(folder_of(theirs), dtype=torch.bfloat16).model
    bias = ours.layers[1].ffn.router.selection_bias
    assert bias.dtype == torch.float32
    assert torch.equal(bias, torch.linspace(0.1, 0.2, 8))
    models.export_hf(ours, None, tmp_path / "hf", dtype="bf16")
    models.save(ours, None, tmp_path / "own", dtype="bf16")
    for folder in ("hf", "own"):
        again = models.load(tmp_path / folder, dtype=torch.bfloat16).model
        assert again.lm_head.weight.dtype == torch.bfloat16
        assert torch.equal(again.layers[1].ffn.router.selection_bias, bias)
