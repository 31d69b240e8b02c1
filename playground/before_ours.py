"""A sentence in a transformer, for the recurrent translators to stand beside."""

import torch

import models
from models.inspection.inputs import inputs_of
from models.prompts import prompt_for
from playground import services
from playground.i18n import say
from playground.whatif_payload import readable

FALLBACK = "llama-mini"
LONGEST = 24  # tokens that an encoder-decoder writes


def compared(name: str | None, text: str, lang: str) -> dict:
    """The attention map of `name`, an encoder-decoder, from what it writes to what it reads; or, without one, that of the
    shipped decoder's last layer, from token to token. By layer: (1 + H, T, S)."""
    return _own(text, lang) if name is None else _cross(name, text, lang)


def _cross(name: str, text: str, lang: str) -> dict:
    loaded = models.load(name)
    prompt = prompt_for(loaded.config, loaded.tokenizer, text)
    with services.turn():
        steps = models.generate(loaded.model, prompt.ids, models.Sampling(temperature=0), LONGEST, prompt.stop_ids)
        written = tuple(step.token_id for step in steps)
        inputs = inputs_of(loaded.config, loaded.tokenizer, text, written)
        with models.capture("decoder.layers.*.cross_attn.probs") as trace, torch.inference_mode():
            loaded.model(**inputs.arguments)
    maps = [trace[f"decoder.layers.{layer}.cross_attn.probs"][0] for layer in range(loaded.config.n_layers)]
    source = inputs.sequences["source"]
    # The row at a token is the look for the one after it.
    rows = [readable(loaded.tokenizer, token_id) for token_id in written]
    maps = [heads[:, : len(rows)] for heads in maps]
    return _reply(name, [readable(loaded.tokenizer, one) for one in source.ids], rows, maps, "cross", lang)


def _own(text: str, lang: str) -> dict:
    loaded = models.load(FALLBACK)
    inputs = inputs_of(loaded.config, loaded.tokenizer, text)
    with services.turn(), models.capture("layers.*.attn.probs") as trace, torch.inference_mode():
        loaded.model(**inputs.arguments)
    maps = [trace[f"layers.{layer}.attn.probs"][0] for layer in range(loaded.config.n_layers)]
    tokens = [readable(loaded.tokenizer, one) for one in inputs.sequences["text"].ids]
    return _reply(FALLBACK, tokens, tokens, maps, "own", lang)


def _reply(name: str, columns: list[str], rows: list[str], maps: list[torch.Tensor], kind: str, lang: str) -> dict:
    """`maps` (H, T, S) by layer; sent to four digits."""
    return {
        "model": services.title(name),
        "kind": kind,
        "about": say(lang, f"before.ours.{kind}", title=services.title(name)),
        "columns": columns,
        "rows": rows,
        "maps": [_with_average(heads) for heads in maps],
    }


def _with_average(heads: torch.Tensor) -> list:
    """(1 + H, T, S): their average first."""
    both = torch.cat((heads.mean(dim=0, keepdim=True), heads))
    return torch.round(both.double(), decimals=4).tolist()
