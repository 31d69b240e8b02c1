"""Arguments of a pass: what an architecture has no part for is refused, unless it says nothing."""

import pytest
import torch

import models
from models.errors import InputError
from tests.models.random_configs import VOCABULARY, tokens, wide

SIZES = {"vocab_size": VOCABULARY, "max_seq_len": 24, "d_model": 16, "n_layers": 1, "n_heads": 4, "d_ff": 20}
DECODER = models.ModelConfig(**SIZES)
TABLE = models.ModelConfig(**SIZES, position="learned")
SEGMENTS = models.ModelConfig(**SIZES, structure="encoder", head="mlm", n_segments=2)
PREFIX = models.ModelConfig(**SIZES, structure="prefix_decoder")
LONGFORMER = models.ModelConfig(**SIZES, structure="encoder", head="mlm", mask_pattern=("longformer",), window=4)
IMAGE = models.ModelConfig(
    **{**SIZES, "vocab_size": 0, "max_seq_len": 5}, structure="encoder", position="learned", head="none",
    image=models.ImageInput(image_size=8, patch_size=4),
)  # fmt: skip
FIRST = torch.tensor([[1, 0, 0, 0, 0, 0]])
ARGUMENTS = {
    "token_type_ids": (FIRST, SEGMENTS, DECODER),
    "global_attention_mask": (FIRST, LONGFORMER, SEGMENTS),
    "prefix_lengths": (torch.tensor([3]), PREFIX, DECODER),
}


@pytest.mark.parametrize("name", ARGUMENTS)
@torch.no_grad()
def test_an_argument_is_read_or_refused(name):
    value, reads, does_not = ARGUMENTS[name]
    ids = tokens(1, 6)
    model = wide(reads)
    assert not torch.equal(model(ids, **{name: value}).logits, model(ids).logits)
    deaf = wide(does_not)
    with pytest.raises(InputError) as caught:
        deaf(ids, **{name: value})
    assert (caught.value.code, caught.value.params["field"]) == ("argument_without_effect", name)
    assert torch.equal(deaf(ids, **{name: torch.zeros_like(value)}).logits, deaf(ids).logits)


def test_text_and_images_are_not_mixed_up():
    pixels, ids = torch.rand(1, 3, 8, 8), tokens(1, 6)
    for cfg, name in ((DECODER, "pixel_values"), (IMAGE, "input_ids")):
        with pytest.raises(InputError) as caught:
            models.build(cfg)(input_ids=ids, pixel_values=pixels)
        assert caught.value.params["field"] == name


@torch.no_grad()
def test_positions_before_the_first_are_in_no_table():
    ids, places = tokens(1, 6), torch.arange(6)[None] - 1
    with pytest.raises(InputError) as caught:
        models.build(TABLE)(ids, position_ids=places)
    assert (caught.value.params["field"], caught.value.params["value"]) == ("position_ids", -1)
    model = wide(DECODER)  # where positions are angles, only their differences matter
    torch.testing.assert_close(model(ids, position_ids=places).logits, model(ids).logits, rtol=1e-4, atol=1e-4)
