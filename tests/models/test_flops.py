"""FLOPs by formula equal those that torch counts; weights of published sizes stay on the meta device.

Small decoders are run: torch computes shapes on the meta device in Python, which takes longer than their numbers.
"""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from models.account import account
from models.building import build
from models.config import MixtureOfExperts, ModelConfig
from models.presets import preset
from tests.models.random_configs import label, valid_configs
from tests.models.small_structures import STRUCTURES

DECODING = [cfg for cfg in valid_configs(60, seed=3) if cfg.mtp_depth == 0]


def counting() -> FlopCounterMode:
    """torch's counter, which knows the fused attention of GPUs and of the meta device; the processor's counts as much."""

    def attention(q_shape, k_shape, v_shape, *arguments, out_shape=None, **named) -> int:
        return sdpa_flop_count(q_shape, k_shape, v_shape)

    fused = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    return FlopCounterMode(display=False, custom_mapping={fused: attention})


def zeros(model, batch: int, n_tokens: int) -> torch.Tensor:
    return torch.zeros(batch, n_tokens, dtype=torch.long, device=model.weight.device)


@torch.no_grad()
def measured_flops(model, n_tokens: int, batch: int = 1, cache=None) -> int:
    """FLOPs of one pass over texts of `n_tokens`, an image with each where the model reads images."""
    cfg, device = model.config, model.weight.device
    image = cfg.image or (cfg.vision_tower and cfg.vision_tower.image)
    inputs = {} if cfg.image else {"input_ids": zeros(model, batch, n_tokens)}
    if image:
        inputs["pixel_values"] = torch.zeros(batch, image.n_channels, image.image_size, image.image_size, device=device)
    if cfg.structure == "encoder_decoder":
        inputs["decoder_input_ids"] = zeros(model, batch, n_tokens)
    if cache is not None:
        inputs["cache"] = cache
    with counting() as counter:
        model(**inputs)
    return counter.get_total_flops()


@torch.no_grad()
def measured_decoding_flops(model, context: int) -> int:
    """FLOPs of the token that becomes the `context`-th; an encoder-decoder's encoder has read as many."""
    cache = model.new_cache(1, context)
    if model.config.structure != "encoder_decoder":
        model(zeros(model, 1, context - 1), cache=cache)
        return measured_flops(model, 1, cache=cache)
    memory = model.encode(zeros(model, 1, context))
    model(memory=memory, decoder_input_ids=zeros(model, 1, context - 1), cache=cache)
    with counting() as counter:
        model(memory=memory, decoder_input_ids=zeros(model, 1, 1), cache=cache)
    return counter.get_total_flops()


def sparse_layers(cfg: ModelConfig) -> int:
    return sum(cfg.layer(index).sparse for index in range(cfg.n_layers))


def padded_values(cfg: ModelConfig, n_tokens: int) -> int:
    """What the fused kernel multiplies beyond need where latent attention's values are narrower than its keys."""
    if cfg.mla is None:
        return 0
    spare = max(0, cfg.d_head - cfg.mla.v_head_dim)
    return 2 * cfg.n_layers * cfg.n_heads * spare * n_tokens**2


def added_by_products(cfg: ModelConfig, n_tokens: int) -> int:
    """Where experts' outputs are added up by a matrix product, its FLOPs: for one token, or for all experts."""
    is_product = cfg.moe is not None and cfg.moe.mixing == "routed" and cfg.moe.expert == "ffn"
    if not is_product or not (n_tokens == 1 or cfg.moe.n_experts_per_token == cfg.moe.n_experts):
        return 0
    return 2 * n_tokens * cfg.moe.n_experts_per_token * cfg.d_model * sparse_layers(cfg)


@pytest.mark.parametrize("cfg", DECODING, ids=label)
def test_flops_of_any_decoder(cfg):
    model = build(cfg)
    extra = padded_values(cfg, 7) + added_by_products(cfg, 7)
    assert account(cfg, context=7, batch=3).flops_forward == measured_flops(model, 7, batch=3) - 3 * extra
    extra = added_by_products(cfg, 1)
    if cfg.mla is not None and cfg.window is not None:
        return  # with a window of a few tokens the naive order is the cheaper one, and is taken
    assert account(cfg, context=7).flops_per_token == measured_decoding_flops(model, 7) - extra


# Left out: models that predict further tokens add a pass of their own, CLIP compares all pairs of a batch, and all low-rank
# experts of a text are computed at once.
@pytest.mark.parametrize("name", [name for name in STRUCTURES if name not in ("further_tokens", "towers", "low_rank")])
def test_flops_of_every_structure(name):
    cfg = STRUCTURES[name]
    extra = 3 * added_by_products(cfg, 9)
    measured = measured_flops(build(cfg, device="meta"), 9, batch=3)
    assert account(cfg, context=9, batch=3).flops_forward == measured - extra


@pytest.mark.parametrize("name", ["encoder_decoder", "grouped_encoder_decoder", "sparse_encoder_decoder", "prefix"])
def test_flops_of_decoding_in_other_structures(name):
    cfg = STRUCTURES[name]
    extra = added_by_products(cfg, 1)
    assert account(cfg, context=9).flops_per_token == measured_decoding_flops(build(cfg), 9) - extra


def test_flops_of_a_pair_of_towers():
    cfg = STRUCTURES["towers"]
    comparison = 2 * cfg.d_projection
    assert account(cfg, context=9).flops_forward == measured_flops(build(cfg), 9) - comparison


def test_flops_of_low_rank_experts():
    low_rank = STRUCTURES["low_rank"]
    all_of_them = low_rank.replace(moe=MixtureOfExperts(**{**low_rank.moe.to_dict(), "n_experts_per_token": 4}))
    assert account(all_of_them, context=9).flops_forward == measured_flops(build(low_rank), 9)
    one = account(low_rank, context=9)
    assert one.flops_per_token == measured_decoding_flops(build(low_rank), 9)


@pytest.mark.parametrize(
    ("name", "context"),
    [("gpt2", 1024), ("llama2-7b", 2048), ("llama3-8b", 8192), ("t5-small", 512), ("bert-base-uncased", 512)],
)
def test_flops_of_published_sizes(name, context):
    assert account(preset(name), context).flops_forward == measured_flops(build(preset(name), device="meta"), context)


def test_flops_in_the_usual_units():
    assert account(preset("llama2-7b"), 2048).flops_forward / 2048 == pytest.approx(14.288e9, rel=1e-4)
    assert account(preset("gpt2")).flops_forward / 1024 == pytest.approx(0.2848e9, rel=1e-4)


def test_latent_attention_decodes_cheaper_absorbed():
    cfg = preset("deepseek-v2-lite")
    figures = account(cfg, context=64)
    measured = measured_decoding_flops(build(cfg, device="meta"), 64) - added_by_products(cfg, 1)
    assert figures.flops_per_token == measured
    up, scores = 512 * 16 * (128 + 128), 2 * 16 * (192 + 128)
    expanding = 2 * 27 * 63 * up + 27 * 64 * (scores - 2 * 16 * (2 * 512 + 64))
    assert figures.figures["flops_per_token_naive"].value == figures.flops_per_token + expanding
