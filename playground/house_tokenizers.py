"""Which tokenizer a model reads with: the one that comes with its weights; without any, one of the house."""

from functools import cache

from models.config import ModelConfig
from models.errors import InputError
from models.presets import ZOO
from models.tokenizers import Tokenizer, bytes_tokenizer
from models.tokenizers import load as load_tokenizer
from models.tokenizers.catalogue import load_named
from playground.session import DEFAULT_MODEL
from playground.trained_here import is_here, shelf

MASKED_HEADS = ("mlm", "mlm_nsp")
MASKING_TOKENIZER = "wordpiece-4k"


def tokenizer_of(weights: str | None) -> Tokenizer | None:
    """The tokenizer of trained weights, which stay where they are, by the name that `InHand` has for them; None for random
    ones and for those of packages, which are opened as a whole."""
    if is_here(weights):
        return shelf.get(weights).loaded.tokenizer
    return _shipped(weights) if weights and (ZOO / weights).is_dir() else None


def tokenizer_for(config: ModelConfig) -> Tokenizer:
    """The tokenizer of a model without trained weights: the house's if the vocabulary has room for it, else bytes.

    Raises `InputError` for a vocabulary that has no room for bytes.
    """
    bytes_only = bytes_tokenizer()
    house = _house(config.head in MASKED_HEADS)
    if house and config.vocab_size >= house.vocab_size:
        return house
    if config.vocab_size >= bytes_only.vocab_size:
        return bytes_only
    raise InputError("vocabulary_too_small", vocab_size=config.vocab_size, smallest=bytes_only.vocab_size)


def _house(masks: bool) -> Tokenizer | None:
    """The tokenizer of the shipped decoders, or (`masks`) one that has BERT's [MASK]."""
    return load_named(MASKING_TOKENIZER) if masks else tokenizer_of(DEFAULT_MODEL)


@cache
def _shipped(name: str) -> Tokenizer:
    return load_tokenizer(ZOO / name)
