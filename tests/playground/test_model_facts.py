"""What is known of a model without building it."""

import models
from playground import model_facts
from playground.session import design_string


class TestInHand:
    """What the header says, without building anything."""

    def test_a_preset_without_weights(self):
        model = model_facts.inhand("gpt3-175b")
        assert (model.trained, model.changed, model.origin_key) == (False, False, "random")
        assert model.params == models.preset_info("gpt3-175b").params

    def test_a_changed_preset(self):
        model = model_facts.inhand("llama-mini~n_layers=1")
        assert (model.trained, model.changed, model.name) == (False, True, "LLaMA mini")

    def test_a_design_that_arrives_at_a_shipped_model(self, monkeypatch):
        monkeypatch.setattr(model_facts, "trained_models", lambda: ["llama-mini"])
        design = design_string("gpt2", models.preset("llama-mini"))
        model = model_facts.inhand(design)
        assert (model.trained, model.changed, model.origin_key) == (True, False, "zoo")
        assert model.name == models.preset_info("llama-mini").title


def test_counts_of_strangers_designs_are_not_kept_for_ever():
    assert model_facts.n_params.cache_info().maxsize
