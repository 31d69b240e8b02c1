"""Every figure by formula equals what the built model has, does and stores; weights stay on the meta device."""

import math
import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest
import torch

from models.account import BYTES, account, measure
from models.building import build
from models.config import GROUPS, ModelConfig
from models.errors import InputError
from models.parameters import PARTS
from models.presets import preset, presets
from tests.models.random_configs import label, valid_configs
from tests.models.small_structures import STRUCTURES
from tests.rows import each_row

COUNTS = tomllib.loads(Path(__file__).with_name("exact_counts.toml").read_text(encoding="utf-8"))
UNITS = {"MiB": 2**20, "GiB": 2**30}


def assert_parts_are_those_of(model, cfg: ModelConfig) -> None:
    figures = account(cfg)
    assert {part.key: part.count for part in figures.parts if part.count} == measure(model)
    assert sum(part.count for part in figures.parts) == figures.params == sum(p.numel() for p in model.parameters())
    assert sum(part.active for part in figures.parts) == figures.active_params


@pytest.mark.parametrize("name", presets())
def test_parameters_of_every_preset(name):
    cfg = preset(name)
    figures = account(cfg)
    if name in COUNTS["params"]:
        assert figures.params == COUNTS["params"][name]
        assert figures.active_params == COUNTS["active"].get(name, figures.params)
    assert_parts_are_those_of(build(cfg, device="meta"), cfg)


def test_parameters_with_the_heads_that_a_preset_leaves_out():
    v3 = preset("deepseek-v3").replace(mtp_depth=1)
    assert account(v3).params == 682_636_472_320
    mtp = next(part for part in account(v3).parts if part.key == "mtp")
    assert (mtp.count, mtp.active) == (11_610_067_968, 688_100_352)
    assert_parts_are_those_of(build(v3, device="meta"), v3)
    pretraining = {
        "bert-base-uncased": 110_106_428,
        "bert-large-uncased": 336_226_108,
        "bert-base-chinese": 102_882_442,
    }
    for name, params in pretraining.items():
        cfg = preset(name).replace(head="mlm_nsp", tie_embeddings=True)
        assert account(cfg).params == params
        assert_parts_are_those_of(build(cfg, device="meta"), cfg)
        mlm = preset(name).replace(head="mlm", tie_embeddings=True, pooler=False)
        assert account(mlm).params == params - cfg.d_model**2 - 3 * cfg.d_model - 2


def test_active_parameters_leave_out_what_a_token_is_not_sent_to():
    figures = account(preset("deepseek-v3"))
    experts = next(part for part in figures.parts if part.key == "experts")
    assert experts.active == experts.count // 256 * 8
    embedding = next(part for part in figures.parts if part.key == "tok_embed")
    assert figures.active_params - embedding.count == 36_625_603_584
    assert account(preset("llama3-8b")).active_params == 8_030_261_248
    dense = STRUCTURES["dense_mixture"]
    assert account(dense).active_params == account(dense).params


@each_row("cfg", valid_configs(60), ids=label)
def test_parameters_of_any_decoder(cfg):
    assert_parts_are_those_of(build(cfg, device="meta"), cfg)


@each_row("name", STRUCTURES)
def test_parameters_of_every_structure(name):
    assert_parts_are_those_of(build(STRUCTURES[name], device="meta"), STRUCTURES[name])


@each_row("cfg", valid_configs(40, seed=5), ids=label)
def test_cache_bytes_are_those_that_the_model_allocates(cfg):
    figures = account(cfg, context=9, batch=3, dtype="fp32")
    assert figures.kv_bytes == build(cfg, device="meta").new_cache(3, 9).nbytes


@pytest.mark.parametrize("name", ["encoder_decoder", "grouped_encoder_decoder"])
def test_cache_bytes_of_an_encoder_decoder_hold_both_texts(name):
    cfg = STRUCTURES[name]
    model, cache = build(cfg), None
    ids = torch.zeros(2, 9, dtype=torch.long)
    cache = model.new_cache(2, 9)
    with torch.no_grad():
        model(input_ids=ids, decoder_input_ids=ids, cache=cache)
    figures = account(cfg, context=9, batch=2, dtype="fp32")
    assert figures.kv_bytes == cache.nbytes
    read = figures.figures["kv_bytes_per_token_read"].value
    assert figures.kv_bytes == 2 * 9 * (figures.kv_bytes_per_token + read)
    assert read == figures.kv_bytes_per_token == 4 * 2 * cfg.n_layers * cfg.n_kv_heads * cfg.d_head


@pytest.mark.parametrize("name", ["bert-base-uncased", "longformer-base-4096", "vit-b16-224", "clip-vit-b32"])
def test_what_does_not_write_caches_nothing(name):
    assert account(preset(name)).kv_bytes == account(preset(name)).kv_bytes_per_token == 0


@each_row(
    ("name", "per_token", "context", "size"),
    [
        ("gpt2", 36_864, 1_024, "36.0 MiB"),
        ("gpt2-xl", 307_200, 1_024, "300.0 MiB"),
        ("gpt3-175b", 4_718_592, 2_048, "9.00 GiB"),
        ("llama1-7b", 524_288, 2_048, "1.00 GiB"),
        ("llama1-65b", 2_621_440, 2_048, "5.00 GiB"),
        ("llama2-7b", 524_288, 4_096, "2.00 GiB"),
        ("llama2-13b", 819_200, 4_096, "3.12 GiB"),
        ("llama2-70b", 327_680, 4_096, "1.25 GiB"),
        ("llama3-8b", 131_072, 8_192, "1.00 GiB"),
        ("llama3-70b", 327_680, 8_192, "2.50 GiB"),
        ("llama3.1-405b", 516_096, 131_072, "63.00 GiB"),
        ("llama3.2-1b", 32_768, 131_072, "4.00 GiB"),
        ("llama3.2-3b", 114_688, 131_072, "14.00 GiB"),
        ("smollm2-135m", 23_040, 8_192, "180.0 MiB"),
        ("qwen1-7b", 524_288, 8_192, "4.00 GiB"),
        ("qwen2-0.5b", 12_288, 131_072, "1.50 GiB"),
        ("qwen2-7b", 57_344, 131_072, "7.00 GiB"),
        ("qwen2-72b", 327_680, 131_072, "40.00 GiB"),
        ("qwen2.5-7b", 57_344, 131_072, "7.00 GiB"),
        ("qwen2.5-32b", 262_144, 131_072, "32.00 GiB"),
        ("qwen3-0.6b", 114_688, 40_960, "4.38 GiB"),
        ("qwen3-8b", 147_456, 40_960, "5.62 GiB"),
        ("qwen3-32b", 262_144, 40_960, "10.00 GiB"),
        ("qwen3-30b-a3b", 98_304, 40_960, "3.75 GiB"),
        ("qwen3-235b-a22b", 192_512, 40_960, "7.34 GiB"),
        ("glm-10b", 786_432, 1_024, "768.0 MiB"),
        ("glm-130b", 3_440_640, 2_048, "6.56 GiB"),
        ("chatglm-6b", 458_752, 2_048, "896.0 MiB"),
        ("chatglm2-6b", 28_672, 32_768, "896.0 MiB"),
        ("glm-4-9b-chat", 40_960, 131_072, "5.00 GiB"),
        ("bloom-7b1", 491_520, 2_048, "960.0 MiB"),
        ("bloom-176b", 4_014_080, 2_048, "7.66 GiB"),
        ("mixtral-8x7b", 131_072, 32_768, "4.00 GiB"),
        ("deepseek-moe-16b", 229_376, 4_096, "896.0 MiB"),
        ("deepseek-llm-67b", 389_120, 4_096, "1.48 GiB"),
        ("deepseek-v2-lite", 31_104, 163_840, "4.75 GiB"),
        ("deepseek-v2", 69_120, 163_840, "10.55 GiB"),
        ("deepseek-v3", 70_272, 163_840, "10.72 GiB"),
    ],
)
def test_cache_of_published_sizes_with_full_attention(name, per_token, context, size):
    cfg = preset(name)
    if "sliding" in cfg.mask_pattern:
        cfg = cfg.replace(mask_pattern=("causal",), window=None)
    assert cfg.max_seq_len == context
    figures = account(cfg)
    assert figures.kv_bytes_per_token == per_token
    number, unit = size.split()
    rounding = 0.05 if unit == "MiB" else 0.005
    assert figures.kv_bytes / UNITS[unit] == pytest.approx(float(number), abs=rounding + 1e-9)


def test_grouped_queries_save_what_they_should():
    gqa = preset("llama2-70b")
    mha = gqa.replace(attention="mha", n_kv_heads=gqa.n_heads)
    assert account(mha).kv_bytes_per_token == 8 * account(gqa).kv_bytes_per_token == 2_621_440
    first, second = (account(preset(name)).kv_bytes_per_token for name in ("chatglm-6b", "chatglm2-6b"))
    assert first == 16 * second


def test_latent_attention_saves_what_it_should():
    latent, grouped = (account(preset(name)).kv_bytes_per_token / 2 for name in ("deepseek-v2", "deepseek-llm-67b"))
    assert (latent, grouped) == (34_560, 194_560)
    assert 1 - latent / grouped == pytest.approx(0.822, abs=5e-4)
    assert 1 - 6 * latent / (16 * grouped) == pytest.approx(0.933, abs=5e-4)  # stored in 6 bits, as the report has it


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


@pytest.mark.parametrize(("name", "gigabytes"), [("gpt2-xl", 24.9), ("llama2-7b", 107.8), ("gpt3-175b", 2794)])
def test_memory_of_training(name, gigabytes):
    training = account(preset(name)).figures["memory_training"].value
    assert training == 16 * account(preset(name)).params
    assert training / 1e9 == pytest.approx(gigabytes, rel=2e-3)


def test_memory_of_training_shared_by_many():
    """ZeRO (arXiv:1910.02054), figure 1: 7.5 billion parameters on 64 devices."""
    figures = account(preset("llama1-7b"), ranks=64).figures
    gigabytes = {
        stage: figures[key].value / figures["params"].value * 7.5
        for stage, key in enumerate(["memory_training", *(f"memory_training_zero{stage}" for stage in (1, 2, 3))])
    }
    assert gigabytes == pytest.approx({0: 120, 1: 31.4, 2: 16.6, 3: 1.9}, abs=0.05)
    alone = account(preset("llama1-7b")).figures
    assert len({alone[key].value for key in alone if key.startswith("memory_training")}) == 1


def test_formats_scale_cache_and_memory():
    by_dtype = {dtype: account(preset("llama3-8b"), dtype=dtype) for dtype in BYTES}
    for dtype, n_bytes in BYTES.items():
        assert by_dtype[dtype].kv_bytes_per_token == 65_536 * n_bytes
        assert by_dtype["bf16"].memory[dtype] == 8_030_261_248 * n_bytes


@each_row("cfg", [*valid_configs(30, seed=7), *STRUCTURES.values()], ids=label)
def test_what_is_shown_is_what_is_computed(cfg):
    figures = account(cfg, context=6, batch=2, ranks=3)
    for shown in (*figures.parts, *figures.figures.values()):
        value = shown.count if hasattr(shown, "count") else shown.value
        assert {evaluate(side) for side in shown.worked.split(" = ")} == {value}, shown


def evaluate(worked: str) -> int:
    """The value of a formula as a reader would compute it."""
    plain = {"\u2009": "", "×": "*", "·": "*", "²": "**2", "−": "-", "⌈": "ceil(", "⌉": ")", "/": ","}
    python = "".join(plain.get(character, character) for character in worked)
    assert re.fullmatch(r"(min|ceil|[\d+*(), -])+", python), worked
    return eval(python, {"__builtins__": {}, "min": min, "ceil": lambda a, b: math.ceil(a / b)})


def test_formulas_are_written_in_field_names_and_digits():
    figures = account(preset("gpt2"))
    attn = next(part for part in figures.parts if part.key == "attn")
    assert attn.formula == (
        "n_layers × (d_model × (n_heads + 2·n_kv_heads) × d_head + n_heads × d_head × d_model"
        " + (n_heads + 2·n_kv_heads) × d_head + d_model)"
    )
    assert attn.worked.endswith("= 28\u2009348\u2009416")
    quantities = {"params", "bytes", "batch", "context", "ranks", "min", "n_patches"}
    layers = {"n_causal", "n_sliding", "n_dense", "n_sparse", "n_lsh", "n_mha", "n_kmeans", "n_longformer"}
    stacks = {"encoder", "decoder", "text", "vision"}
    of_groups = {field.name for group in GROUPS.values() for field in fields(group)}
    known = {*ModelConfig.__dataclass_fields__, *of_groups, *PARTS, *quantities, *layers, *stacks}
    for cfg in (*map(preset, presets()), *STRUCTURES.values()):
        for shown in (*account(cfg).figures.values(), *account(cfg).parts):
            assert set(re.findall(r"[a-z][a-z_]*", shown.formula)) <= known, shown


def test_parts_name_their_stack():
    keys = [part.key for part in account(preset("t5-small")).parts]
    assert keys[0] == "tok_embed"
    assert keys[-1] == "lm_head"
    assert keys.index("encoder.final_norm") < keys.index("decoder.position") < keys.index("decoder.cross_attn")
    cross = next(part for part in account(preset("t5-small")).parts if part.key == "decoder.cross_attn")
    assert (cross.stack, cross.name, cross.kind, cross.copies) == ("decoder", "cross_attn", "attention", 6)
    for name in presets():
        for part in account(preset(name)).parts:
            assert part.name in PARTS
            assert part.kind in {"embedding", "position", "norm", "attention", "ffn", "expert"}
            assert 1 <= part.copies <= preset(name).n_layers
    mixed = {part.key: part for part in account(preset("reformer-enwik8")).parts}
    assert mixed["attn"].copies == 12
    sparse = {part.key: part.copies for part in account(preset("deepseek-v3")).parts}
    assert (sparse["ffn"], sparse["router"], sparse["experts"], sparse["shared"]) == (3, 58, 58, 58)


def test_an_image_has_all_its_patches():
    assert account(preset("vit-b16-224"), context=5).context == 197


def test_context_defaults_to_the_whole_and_is_checked():
    assert account(preset("gpt2")).context == 1024
    for context in (0, 1025):
        with pytest.raises(InputError, match="1 to 1024"):
            account(preset("gpt2"), context=context)
    with pytest.raises(InputError, match="whole number"):
        account(preset("gpt2"), context=10.5)
    for field in ("batch", "ranks"):
        with pytest.raises(InputError, match=field):
            account(preset("gpt2"), **{field: 0})
    with pytest.raises(InputError, match="fp32, bf16, int8"):
        account(preset("gpt2"), dtype="fp64")
