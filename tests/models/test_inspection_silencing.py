"""Interventions: what is silenced adds nothing, what is swapped is what is seen, and nothing of it stays behind."""

import pytest
import torch

import models
from models.config import LatentAttention
from models.errors import InputError
from models.inspection.silencing import (
    SWAPPABLE,
    Changes,
    Head,
    SubLayer,
    all_heads,
    pattern,
    run,
    seen_through,
    without_order,
)
from tests.models.small_structures import SMALL, STRUCTURES
from tests.rows import each_row

IDS = torch.tensor([[3, 11, 7, 30, 22, 9]])


def built(**changes) -> torch.nn.Module:
    """A small decoder whose weights are wide enough for one token to matter to another."""
    return widened(models.build(models.ModelConfig(**{**SMALL, **changes}), seed=1))


def widened(model: torch.nn.Module) -> torch.nn.Module:
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(8)
    return model


@torch.no_grad()
def test_a_silenced_head_is_one_without_its_columns_of_the_output_projection():
    model = built()
    silenced = run(model, {"input_ids": IDS}, Changes(heads=frozenset({Head("", 1, "attn", 2)})))
    without = built()
    width = without.config.d_head
    without.layers[1].attn.o_proj.weight[:, 2 * width : 3 * width] = 0
    assert torch.allclose(silenced, without(IDS).logits, atol=1e-6)
    assert not torch.allclose(silenced, model(IDS).logits, atol=1e-2)


@torch.no_grad()
def test_silenced_attention_leaves_the_stream_as_it_was():
    model = built()
    with models.capture("layers.1.resid_pre", "layers.1.resid_mid") as trace:
        run(model, {"input_ids": IDS}, Changes(sub_layers=frozenset({SubLayer("", 1, "attn")})))
    assert torch.equal(trace["layers.1.resid_pre"], trace["layers.1.resid_mid"])


@torch.no_grad()
def test_mean_ablation_keeps_what_a_head_reads_on_average():
    model = built()
    head = Head("", 0, "attn", 1)
    with models.capture("layers.0.attn.head_out") as before:
        model(IDS)
    with models.capture("layers.0.attn.head_out") as after:
        run(model, {"input_ids": IDS}, Changes(heads=frozenset({head}), method="mean"))
    read, changed = before["layers.0.attn.head_out"], after["layers.0.attn.head_out"]
    assert torch.allclose(changed[:, 1], read[:, 1].mean(dim=1, keepdim=True).expand_as(read[:, 1]), atol=1e-6)
    assert torch.equal(changed[:, [0, 2, 3]], read[:, [0, 2, 3]])


@torch.no_grad()
@pytest.mark.parametrize(("mask", "window"), [("causal", None), ("sliding", 3), ("band", 4), ("dilated", 4)])
def test_a_swapped_mask_is_that_of_a_model_made_with_it(mask, window):
    sparse = models.SparsePattern(dilation=2) if mask == "dilated" else None
    own = built(mask_pattern=(mask,), window=window, sparse=sparse)
    plain = built()
    assert torch.allclose(
        run(plain, {"input_ids": IDS}, Changes(mask=mask, width=window or 1)), own(IDS).logits, atol=1e-5
    )


def test_only_two_masks_let_a_writing_model_see_ahead():
    ahead = torch.ones(9, 9, dtype=torch.bool).triu(1)
    seeing = {name for name in SWAPPABLE if bool((pattern(name, 4, 9, looks_back=True) & ahead).any())}
    assert seeing == {"bidirectional", "prefix"}


def test_every_token_sees_itself_through_every_mask():
    for name in SWAPPABLE:
        for looks_back in (True, False):
            assert bool(pattern(name, 3, 9, looks_back).diagonal().all()), name


def test_masks_that_choose_by_content_cannot_be_put_on():
    with pytest.raises(InputError) as refused:
        seen_through(models.ModelConfig(**SMALL), "lsh", 4, {"input_ids": IDS})
    assert refused.value.code == "not_a_choice"


POSITIONS = {
    "rotary": {},
    "partly_rotary": {"rotary_dim": 2},
    "learned": {"position": "learned"},
    "sinusoidal": {"position": "sinusoidal"},
    "alibi": {"position": "alibi"},
    "relative": {"position": "relative"},
    "latent": {
        "attention": "mla",
        "mla": LatentAttention(kv_lora_rank=8, qk_nope_head_dim=4, qk_rope_head_dim=4, v_head_dim=4),
    },
}


@torch.no_grad()
@pytest.mark.parametrize("kind", POSITIONS)
def test_without_order_a_shuffled_text_says_the_same_at_its_end(kind):
    """The last token of a layer-deep model sees all others, in whatever order: only positions could tell them apart."""
    model = built(n_layers=1, **POSITIONS[kind])
    shuffled = IDS[:, [2, 0, 4, 1, 3, 5]]
    plain = [model(ids).logits[0, -1] for ids in (IDS, shuffled)]
    dropped = [run(model, {"input_ids": ids}, Changes(forget_order=True))[0, -1] for ids in (IDS, shuffled)]
    assert not torch.allclose(*plain, atol=1e-4)
    assert torch.allclose(*dropped, atol=1e-5)
    assert torch.equal(model(IDS).logits[0, -1], plain[0])


@torch.no_grad()
def test_order_is_dropped_in_an_encoder_decoder():
    model = widened(models.build(STRUCTURES["encoder_decoder"], seed=1))
    arguments = {"input_ids": IDS, "decoder_input_ids": IDS[:, :3]}
    shuffled = arguments | {"input_ids": IDS[:, [2, 0, 4, 1, 3, 5]]}
    plain, other = (run(model, asked, Changes(forget_order=True)) for asked in (arguments, shuffled))
    assert torch.allclose(plain, other, atol=1e-5)
    assert not torch.allclose(model(**arguments).logits, model(**shuffled).logits, atol=1e-4)


def test_what_there_is_not_is_refused():
    model = built(position="none")
    for changes, code in (
        (Changes(heads=frozenset({Head("", 3, "attn", 0)})), "no_such_head"),
        (Changes(heads=frozenset({Head("", 0, "attn", 4)})), "no_such_head"),
        (Changes(heads=frozenset({Head("", 0, "cross_attn", 0)})), "no_such_head"),
        (Changes(sub_layers=frozenset({SubLayer("encoder.", 0, "ffn")})), "no_such_head"),
        (Changes(forget_order=True), "no_position_to_drop"),
        (Changes(method="median"), "not_a_choice"),
    ):
        with pytest.raises(InputError) as refused:
            run(model, {"input_ids": IDS}, changes)
        assert refused.value.code == code


@each_row("name", STRUCTURES)
def test_every_structure_counts_the_heads_that_its_passes_have(name):
    model = models.build(STRUCTURES[name], seed=0)
    arguments = arguments_of(model.config)
    with models.capture("*.head_out") as trace, torch.inference_mode():
        model(**arguments)
    seen = {(tap, head) for tap, value in trace.items() if "mtp" not in tap for head in range(value.shape[1])}
    assert seen == {
        (f"{one.prefix}layers.{one.layer}.{one.part}.head_out", one.head) for one in all_heads(model.config)
    }


def arguments_of(config: models.ModelConfig) -> dict[str, torch.Tensor]:
    """What a pass of any structure takes."""
    pictured = config.vision_tower or config
    pixels = {}
    if pictured.image is not None:
        size = pictured.image.image_size
        pixels = {"pixel_values": torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0))}
    if config.image is not None:
        return pixels
    return {
        "input_ids": IDS,
        **pixels,
        **({"decoder_input_ids": IDS[:, :3]} if config.structure == "encoder_decoder" else {}),
    }


@torch.no_grad()
def test_without_order_the_weights_are_shared():
    model = built()
    twin, _ = without_order(model, {"input_ids": IDS})
    assert twin.tok_embed.weight.data_ptr() == model.tok_embed.weight.data_ptr()
