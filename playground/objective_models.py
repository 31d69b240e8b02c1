"""The models that the tab of objectives asks: those that were trained to fill in masked words."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.config import ModelConfig
from models.errors import InputError
from playground import services

if TYPE_CHECKING:
    import models

UNTRAINED = "bert-mini"  # what answers, with random weights, where no trained one is there


@dataclass(frozen=True)
class MaskedModel:
    """A model with a head for masked words, as lists of models name it. judges_pairs: it also has BERT's other head."""

    name: str
    title: str
    trained: bool
    config: ModelConfig

    @property
    def judges_pairs(self) -> bool:
        return self.config.head == "mlm_nsp"


def masked_models() -> list[MaskedModel]:
    """Every trained one that is here, shipped or installed; without any, one with random weights, which says so."""
    known = [(name, services.inhand(name)) for name in services.models_with_weights()]
    masked = [(name, one) for name, one in known if one.config.head in services.MASKED_HEADS]
    found = [MaskedModel(name, one.name, True, one.config) for name, one in masked]
    if found:
        return found
    one = services.inhand(UNTRAINED)
    return [MaskedModel(UNTRAINED, one.name, False, one.config)]


def find_masked(name: object) -> MaskedModel:
    """The model of that name among `masked_models`; raises `InputError` with the names that there are."""
    listed = {one.name: one for one in masked_models()}
    if not isinstance(name, str) or name not in listed:
        raise InputError("not_a_choice", field="model", value=name, allowed=", ".join(listed))
    return listed[name]


def hold_masked(name: object) -> "tuple[MaskedModel, models.Loaded]":
    """That model, ready to run; take one of the turns of `services` to run it."""
    found = find_masked(name)
    return found, services.hold(found.name)


def best_reader(text: str) -> str:
    """The name of the model whose vocabulary has most of `text`: the fewest unknown tokens, then the fewest tokens."""

    def cost(name: str) -> tuple[int, int]:
        tokenizer = services.hold(name).tokenizer
        ids = tokenizer.encode(text)
        return sum(tokenizer.kind_of(token_id) == "unknown" for token_id in ids), len(ids)

    return min((one.name for one in masked_models()), key=cost)
