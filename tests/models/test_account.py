"""Every figure by formula equals what the built model has, does and stores; weights stay on the meta device."""

import random
import re

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from models.account import BYTES, account, measure
from models.config import CHOICES, ModelConfig
from models.errors import InputError
from models.parameters import PARTS
from models.presets import preset, preset_info, presets
from models.transformer import build

GIB = 2**30


def random_config(seed: int) -> ModelConfig:
    """A small valid configuration with every choice drawn at random."""
    draw = random.Random(seed)
    attention = draw.choice(CHOICES["attention"])
    n_heads = draw.choice([4, 6, 8])
    n_kv_heads = {"mha": n_heads, "mqa": 1, "gqa": n_heads // 2}[attention]
    norm = draw.choice(CHOICES["norm"])
    biases = [name for name in CHOICES["biases"] if draw.random() < 0.5 and not (name == "norm" and norm == "rmsnorm")]
    mask_pattern = draw.choice([("causal",), ("sliding",), ("causal", "sliding"), ("sliding", "sliding", "causal")])
    return ModelConfig(
        vocab_size=draw.randint(10, 300),
        max_seq_len=draw.randint(8, 40),
        d_model=2 * draw.randint(5, 50),
        n_layers=draw.randint(1, 4),
        attention=attention,
        n_heads=n_heads,
        n_kv_heads=n_kv_heads,
        d_head=2 * draw.randint(2, 9),
        d_ff=draw.randint(3, 99),
        mask_pattern=mask_pattern,
        window=draw.randint(1, 12) if "sliding" in mask_pattern else None,
        qk_norm=norm == "rmsnorm" and draw.random() < 0.5,
        position=draw.choice(CHOICES["position"]),
        norm=norm,
        block=draw.choice(CHOICES["block"]),
        final_norm=draw.random() < 0.5,
        embed_norm=draw.random() < 0.5,
        ffn=draw.choice(CHOICES["ffn"]),
        activation=draw.choice(CHOICES["activation"]),
        biases=tuple(biases),
        tie_embeddings=draw.random() < 0.5,
    )


def assert_parts_are_those_of(model, cfg: ModelConfig) -> None:
    figures = account(cfg)
    assert {part.key: part.count for part in figures.parts if part.count} == measure(model)
    assert sum(part.count for part in figures.parts) == figures.params == sum(p.numel() for p in model.parameters())


@torch.no_grad()
def measured_flops(model, n_tokens: int, batch: int = 1, cache=None) -> int:
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(batch, n_tokens, dtype=torch.long, device="meta"), cache=cache)
    return counter.get_total_flops()


@torch.no_grad()
def measured_decoding_flops(model, context: int) -> int:
    """FLOPs of the token that becomes the `context`-th."""
    cache = model.new_cache(1, context)
    if context > 1:
        model(torch.zeros(1, context - 1, dtype=torch.long, device="meta"), cache=cache)
    return measured_flops(model, 1, cache=cache)


@pytest.mark.parametrize("name", presets())
def test_parameters_of_every_preset(name):
    cfg = preset(name)
    assert account(cfg).params == preset_info(name).params
    assert_parts_are_those_of(build(cfg, device="meta"), cfg)


@pytest.mark.parametrize("seed", range(50))
def test_parameters_of_any_configuration(seed):
    cfg = random_config(seed)
    assert_parts_are_those_of(build(cfg, device="meta"), cfg)


@pytest.mark.parametrize("seed", range(8))
def test_flops_of_any_configuration(seed):
    cfg = random_config(seed)
    model = build(cfg, device="meta")
    assert account(cfg, context=7, batch=3).flops_forward == measured_flops(model, 7, batch=3)
    in_window = min(7, cfg.window or 7)
    assert account(cfg, context=in_window).flops_per_token == measured_decoding_flops(model, in_window)


@pytest.mark.parametrize(("name", "context"), [("gpt2", 1024), ("llama2-7b", 2048), ("llama3-8b", 8192)])
def test_flops_of_published_sizes(name, context):
    assert account(preset(name), context).flops_forward == measured_flops(build(preset(name), device="meta"), context)


def test_flops_in_the_usual_units():
    assert account(preset("llama2-7b"), 2048).flops_forward / 2048 == pytest.approx(14.288e9, rel=1e-4)
    assert account(preset("gpt2")).flops_forward / 1024 == pytest.approx(0.2848e9, rel=1e-4)


@pytest.mark.parametrize("seed", range(20))
def test_cache_bytes_are_those_that_the_model_allocates(seed):
    cfg = random_config(seed)
    in_window = min(5, cfg.window or 5)
    figures = account(cfg, context=in_window, batch=3, dtype="fp32")
    assert figures.kv_bytes == build(cfg, device="meta").new_cache(3, in_window).nbytes
    assert figures.kv_bytes == 3 * in_window * figures.kv_bytes_per_token


@pytest.mark.parametrize(
    ("name", "per_token", "context", "gib"),
    [
        ("gpt2", 36_864, 1024, 36 / 1024),
        ("gpt2-xl", 307_200, 1024, 300 / 1024),
        ("gpt3-175b", 4_718_592, 2048, 9.0),
        ("llama1-65b", 2_621_440, 2048, 5.0),
        ("llama2-7b", 524_288, 4096, 2.0),
        ("llama2-70b", 327_680, 4096, 1.25),
        ("llama3-8b", 131_072, 8192, 1.0),
        ("llama3-70b", 327_680, 8192, 2.5),
        ("llama3.1-405b", 516_096, 131_072, 63.0),
        ("llama3.2-1b", 32_768, 131_072, 4.0),
        ("llama3.2-3b", 114_688, 131_072, 14.0),
    ],
)
def test_cache_of_published_sizes_with_full_attention(name, per_token, context, gib):
    figures = account(preset(name).replace(mask_pattern=("causal",), window=None), context)
    assert figures.kv_bytes_per_token == per_token
    assert figures.kv_bytes == gib * GIB


def test_grouped_queries_save_what_they_should():
    gqa = preset("llama2-70b")
    mha = gqa.replace(attention="mha", n_kv_heads=gqa.n_heads)
    assert account(mha).kv_bytes_per_token == 8 * account(gqa).kv_bytes_per_token == 2_621_440


def test_sliding_layers_keep_and_read_their_window_only():
    cfg = preset("gpt3-175b")
    short, long = account(cfg, context=128), account(cfg, context=2048)
    assert short.kv_bytes == 128 * short.kv_bytes_per_token
    assert long.kv_bytes == 24_576 * 2 * (48 * 2048 + 48 * 128)
    assert long.flops_per_token - short.flops_per_token == 4 * 12_288 * 48 * (2048 - 128)
    all_sliding = cfg.replace(mask_pattern=("sliding",))
    assert account(all_sliding, context=2048).kv_bytes == short.kv_bytes
    uneven = cfg.replace(n_layers=95)  # ends on a full layer: 48 full, 47 sliding
    assert account(uneven, context=2048).kv_bytes == 24_576 * 2 * (48 * 2048 + 47 * 128)


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_memory_is_that_of_the_weights(dtype):
    model = build(preset("gpt2"), device="meta").to({"fp32": torch.float32, "bf16": torch.bfloat16}[dtype])
    assert account(preset("gpt2")).memory[dtype] == sum(p.nbytes for p in model.parameters())


def test_formats_scale_cache_and_memory():
    by_dtype = {dtype: account(preset("llama3-8b"), dtype=dtype) for dtype in BYTES}
    for dtype, n_bytes in BYTES.items():
        assert by_dtype[dtype].kv_bytes_per_token == 65_536 * n_bytes
        assert by_dtype["bf16"].memory[dtype] == 8_030_261_248 * n_bytes


@pytest.mark.parametrize("seed", range(20))
def test_what_is_shown_is_what_is_computed(seed):
    cfg = random_config(seed)
    figures = account(cfg, context=6, batch=2)
    for shown in (*figures.parts, *figures.figures.values()):
        value = shown.count if hasattr(shown, "count") else shown.value
        assert {evaluate(side) for side in shown.worked.split(" = ")} == {value}, shown


def evaluate(worked: str) -> int:
    """The value of a formula as a reader would compute it."""
    python = worked.replace("\u2009", "").replace("×", "*").replace("·", "*").replace("²", "**2")
    assert re.fullmatch(r"(min|[\d+*(), ])+", python), worked
    return eval(python, {"__builtins__": {}, "min": min})


def test_formulas_are_written_in_field_names_and_digits():
    figures = account(preset("gpt2"))
    attn = next(part for part in figures.parts if part.key == "attn")
    assert attn.formula == (
        "n_layers × (d_model × (n_heads + 2·n_kv_heads) × d_head + n_heads × d_head × d_model"
        " + (n_heads + 2·n_kv_heads) × d_head + d_model)"
    )
    assert attn.worked.endswith("= 28\u2009348\u2009416")
    quantities = {"params", "bytes", "batch", "context", "n_causal", "n_sliding", "min"}
    known = {*ModelConfig.__dataclass_fields__, *PARTS, *quantities}
    for name in ("gpt2", "gpt3-175b", "llama3-8b"):
        for figure in account(preset(name)).figures.values():
            assert set(re.findall(r"[a-z][a-z_]*", figure.formula)) <= known


def test_dense_models_use_all_their_parameters():
    assert account(preset("llama3-8b")).active_params == 8_030_261_248


def test_context_defaults_to_the_whole_and_is_checked():
    assert account(preset("gpt2")).context == 1024
    for context in (0, 1025):
        with pytest.raises(InputError, match="1 to 1024"):
            account(preset("gpt2"), context=context)
    with pytest.raises(InputError, match="whole number"):
        account(preset("gpt2"), context=10.5)
    with pytest.raises(InputError, match="batch"):
        account(preset("gpt2"), batch=0)
    with pytest.raises(InputError, match="fp32, bf16, int8"):
        account(preset("gpt2"), dtype="fp64")
