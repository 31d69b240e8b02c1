"""A sentence in a transformer, for the recurrent translators to stand beside."""

import torch

import models
from models.inspection.inputs import inputs_of
from models.prompts import prompt_for
from playground import model_facts, services
from playground.i18n import say
from playground.turns import turn
from playground.whatif_payload import readable

TRANSLATOR = "transformer-mini"
LONGEST = 24  # tokens that it writes


def compared(text: str, lang: str) -> dict:
    """The cross-attention of the shipped translator, from what it writes to what it reads; by layer (1 + H, T, S), the
    average of the heads first, to four digits."""
    loaded = services.hold(TRANSLATOR)
    prompt = prompt_for(loaded.config, loaded.tokenizer, text)
    with turn():
        steps = models.generate(loaded.model, prompt.ids, models.Sampling(temperature=0), LONGEST, prompt.stop_ids)
        written = tuple(step.token_id for step in steps)
        inputs = inputs_of(loaded.config, loaded.tokenizer, text, written)
        with models.capture("decoder.layers.*.cross_attn.probs") as trace, torch.inference_mode():
            loaded.model(**inputs.arguments)
    layers = range(loaded.config.n_layers)
    # The row at a token is the look for the one after it.
    maps = [trace[f"decoder.layers.{layer}.cross_attn.probs"][0][:, : len(written)] for layer in layers]
    title = model_facts.title(TRANSLATOR)
    return {
        "model": title,
        "about": say(lang, "before.view.about_ours", title=title),
        "columns": [readable(loaded.tokenizer, one) for one in inputs.sequences["source"].ids],
        "rows": [readable(loaded.tokenizer, one) for one in written],
        "maps": [_with_average(heads) for heads in maps],
    }


def _with_average(heads: torch.Tensor) -> list:
    """(1 + H, T, S): their average first."""
    both = torch.cat((heads.mean(dim=0, keepdim=True), heads))
    return torch.round(both.double(), decimals=4).tolist()
