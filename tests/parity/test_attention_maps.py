"""What the tab of attention shows of the shipped models is what `transformers` computes with its eager attention."""

import pytest
import torch

import models
from models.inspection.attention import attention_of
from models.inspection.inputs import inputs_of
from playground import model_facts
from tests.parity.agreement import difference
from tests.parity.conftest import transformers

TEXT = "Tom and his dog went to the park. Tom and his dog were happy."
TOLERANCE = 1e-5


@torch.no_grad()
@pytest.mark.parametrize("name", model_facts.trained_models())
def test_shipped_models_look_where_transformers_looks(name, tmp_path):
    loaded = models.load(name)
    inputs = inputs_of(loaded.config, loaded.tokenizer, TEXT, "They were happy.")
    try:
        models.export_hf(loaded.model, None, tmp_path)
    except models.InputError as error:
        pytest.skip(str(error))
    config = transformers.AutoConfig.from_pretrained(tmp_path)
    cls = getattr(transformers, config.architectures[0])
    theirs = cls.from_pretrained(tmp_path, attn_implementation="eager").eval()
    out = theirs(**inputs.arguments, output_attentions=True)
    names = {
        "self": "attentions",
        "encoder": "encoder_attentions",
        "decoder": "decoder_attentions",
        "cross": "cross_attentions",
    }
    for group in attention_of(loaded.model, inputs):
        reference = torch.stack([layer[0] for layer in getattr(out, names[group.name])])
        assert difference(group.probs, reference) < TOLERANCE, group.name
