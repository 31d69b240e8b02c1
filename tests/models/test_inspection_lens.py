"""The logit lens: its last row is the model's answer, and every row is a distribution of its own."""

import pytest
import torch

import models
from models.errors import InputError
from models.inspection.logit_lens import HEADS, logit_lens
from tests.models.small_structures import STRUCTURES
from tests.models.test_inspection_silencing import arguments_of, widened

SPEAKING = [name for name, cfg in STRUCTURES.items() if cfg.head in HEADS]


@torch.no_grad()
@pytest.mark.parametrize("name", SPEAKING)
def test_the_last_row_is_what_the_model_says(name):
    model = widened(models.build(STRUCTURES[name], seed=3))
    arguments = arguments_of(model.config)
    lens = logit_lens(model, arguments, k=3)
    said = model(**arguments).logits[0].float().softmax(-1)
    best = said.topk(3, dim=-1)
    assert lens.ids.shape == (model.config.n_layers + 1, said.shape[0], 3)
    assert torch.allclose(lens.probabilities[-1], best.values, atol=1e-5)
    assert torch.equal(lens.ids[-1, :, 0], best.indices[:, 0])
    assert torch.allclose(lens.entropy[-1], torch.distributions.Categorical(said).entropy(), atol=1e-4)
    assert float(lens.divergence[-1].abs().max()) == 0
    assert torch.allclose(lens.answered[-1], best.values[:, 0], atol=1e-5)


@torch.no_grad()
def test_a_row_is_the_answer_of_a_model_that_ends_there():
    """Cut after its second layer, the same weights say what the lens reads there."""
    cfg = STRUCTURES["sandwich_encoder_decoder"]
    model = widened(models.build(cfg, seed=3))
    arguments = arguments_of(cfg)
    lens = logit_lens(model, arguments)
    model.decoder.layers = model.decoder.layers[:2]
    short = model(**arguments).logits[0].float().softmax(-1)
    assert torch.allclose(lens.probabilities[2], short.topk(5, dim=-1).values, atol=1e-5)


def test_what_has_no_vocabulary_has_no_lens():
    for name in ("image", "classifier", "towers"):
        model = models.build(STRUCTURES[name], seed=0)
        with pytest.raises(InputError) as refused:
            logit_lens(model, arguments_of(model.config))
        assert refused.value.code == "lens_needs_vocabulary"
