"""The models that the tab of objectives asks: those that were trained to fill in masked words."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from models import tokenizers
from models.config import ModelConfig
from models.errors import InputError
from models.installed import INSTALLABLE, installed_config, installed_file, offered_models
from models.tokenizers import Tokenizer
from playground import house_tokenizers, model_facts, services
from playground.house_tokenizers import MASKED_HEADS
from playground.trained_here import is_here

if TYPE_CHECKING:
    import models

BERT = "bert-mini"  # what answers programs that name none; with random weights, where no trained one is there
MAX_BROUGHT = 8


@dataclass(frozen=True)
class MaskedModel:
    """A model with a head for masked words, as lists of models name it.

    judges_pairs: it also has BERT's other head. folder: where its files are, if a visitor brought it.
    """

    name: str
    title: str
    trained: bool
    config: ModelConfig
    folder: Path | None = None

    @property
    def judges_pairs(self) -> bool:
        return self.config.head == "mlm_nsp"

    @property
    def is_shipped(self) -> bool:
        return self.name in model_facts.trained_models()


_brought: dict[str, MaskedModel] = {}


def masked_models() -> list[MaskedModel]:
    """Every trained one that is here, shipped or installed; without any, one with random weights, which says so. What a
    visitor brought is listed for nobody else: see `find_masked`."""
    known = [(name, model_facts.inhand(name)) for name in model_facts.models_with_weights()]
    masked = [(name, one) for name, one in known if one.config.head in MASKED_HEADS]
    found = [MaskedModel(name, one.name, True, one.config) for name, one in masked]
    if found:
        return found
    one = model_facts.inhand(BERT)
    return [MaskedModel(BERT, one.name, False, one.config)]


def absent_models() -> list[str]:
    """Names of those that a package would bring which is not installed."""
    listed = {one.name for one in masked_models()}
    masked = (name for name in offered_models() if installed_config(name).head in MASKED_HEADS)
    return [name for name in masked if name not in listed]


def known_model(name: object, lang: str = "en") -> MaskedModel | None:
    """The model of that name: one of `masked_models`, one that was brought under it, or one that was trained here."""
    if is_here(name):
        return _trained_here(name, lang)
    listed = {one.name: one for one in masked_models()} | _brought
    return listed.get(name) if isinstance(name, str) else None


def _trained_here(name: str, lang: str) -> MaskedModel | None:
    """A visitor's own, as long as it is kept."""
    try:
        one = model_facts.inhand(name)
    except InputError:
        return None
    return (
        MaskedModel(name, model_facts.called(one, lang), True, one.config) if one.config.head in MASKED_HEADS else None
    )


def find_masked(name: object) -> MaskedModel:
    """That `known_model`.

    Raises `InputError` for another name with the names that there are, or with the command that installs it.
    """
    if found := known_model(name):
        return found
    if name in absent_models():
        raise InputError("model_not_installed", name=model_facts.title(name), command=INSTALLABLE[name].command)
    raise InputError("not_a_choice", field="model", value=name, allowed=", ".join(one.name for one in masked_models()))


def hold_masked(name: object) -> "tuple[MaskedModel, models.Loaded]":
    """That model, ready to run; take a `turn` to run it."""
    found = find_masked(name)
    return found, services.hold(found.name) if found.folder is None else services.hold_folder(found.folder)


def keep_brought(model: MaskedModel) -> MaskedModel:
    """Keeps a model that was brought, for as long as the program runs. Raises `InputError` once there are too many."""
    if model.name not in _brought and len(_brought) >= MAX_BROUGHT:
        raise InputError("brought_full", limit=MAX_BROUGHT)
    return _brought.setdefault(model.name, model)


@lru_cache(maxsize=32)
def tokenizer_of(name: str) -> Tokenizer:
    """The tokenizer of a model that `find_masked` finds, without loading its weights."""
    found = find_masked(name)
    if found.folder is not None:
        return tokenizers.load(found.folder)
    if name in INSTALLABLE:
        return tokenizers.load(installed_file(name).parent)
    return house_tokenizers.tokenizer_of(name if found.trained else None) or services.hold(name).tokenizer


def best_reader(text: str) -> str:
    """The name of the model whose vocabulary has most of `text`: the fewest unknown tokens, then a shipped one, then the
    fewest tokens."""

    def cost(one: MaskedModel) -> tuple[int, bool, int]:
        tokenizer = tokenizer_of(one.name)
        ids = tokenizer.encode(text)
        return sum(tokenizer.kind_of(token_id) == "unknown" for token_id in ids), not one.is_shipped, len(ids)

    return min(masked_models(), key=cost).name
