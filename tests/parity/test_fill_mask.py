"""/fill_mask on a shipped kind of model gives what `transformers` gives on the folder that `export_hf` wrote of it."""

import pytest
import torch

import models
from models.tokenizers.catalogue import load_named
from playground import objective_models, services
from playground.masking_api import fill_mask
from playground.objective_models import MaskedModel
from tests.parity.agreement import TOLERANCE
from tests.parity.conftest import transformers

TEXTS = [
    ("The [MASK] was gone.", ""),
    ("She lives near the [MASK] [MASK].", "It is [MASK] and old."),
    ("他住在[MASK]京。", ""),
]


@pytest.fixture(scope="module", params=["mlm_nsp", "mlm"])
def ours(request):
    config = models.preset("bert-mini").replace(head=request.param, pooler=request.param == "mlm_nsp", n_layers=2)
    model = models.build(config, seed=4)
    generator = torch.Generator().manual_seed(8)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return models.Loaded(model.eval(), load_named("wordpiece-4k"), config, "random")


@torch.no_grad()
def test_fill_mask_agrees_with_transformers(ours, tmp_path, monkeypatch):
    judges = ours.config.head == "mlm_nsp"
    monkeypatch.setattr(objective_models, "masked_models", lambda: [MaskedModel("ours", "Ours", True, ours.config)])
    models.export_hf(ours.model, ours.tokenizer, tmp_path)
    again = models.load(tmp_path)
    kind = transformers.BertForPreTraining if judges else transformers.BertForMaskedLM
    theirs = kind.from_pretrained(tmp_path).eval()
    reader = transformers.AutoTokenizer.from_pretrained(tmp_path)
    for loaded in (ours, again):
        monkeypatch.setattr(services, "hold", lambda name, loaded=loaded: loaded)
        for text, second in TEXTS:
            reply = fill_mask(text, "ours", top_k=20, second=second)
            parts = [reader(part, add_special_tokens=False).input_ids for part in (text, second) if part]
            cls, sep = (reader.convert_tokens_to_ids(mark) for mark in ("[CLS]", "[SEP]"))
            assert reply["ids"] == [cls, *(token_id for part in parts for token_id in [*part, sep])]
            segments = [0] * (len(parts[0]) + 2) + [1] * (len(parts[1]) + 1 if second else 0)
            out = theirs(torch.tensor([reply["ids"]]), token_type_ids=torch.tensor([segments]))
            p = (out.prediction_logits if judges else out.logits)[0].softmax(-1)
            for found in reply["masks"]:
                for one in found["predictions"]:
                    assert one["probability"] == pytest.approx(float(p[found["position"], one["id"]]), abs=TOLERANCE)
            if judges and second:
                assert reply["follows"] == pytest.approx(
                    float(out.seq_relationship_logits[0].softmax(-1)[0]), abs=TOLERANCE
                )
