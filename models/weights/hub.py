"""Fetching a model folder from the Hugging Face hub."""

from collections.abc import Sequence
from pathlib import Path

from models.hub import snapshot
from models.weights.files import CONFIG, INDEX, TOKENIZER

UNWANTED = ("*/*", "consolidated*")  # the same weights again, in other formats
VOCABULARY = (
    TOKENIZER,
    "tokenizer_config.json",
    "vocab.json",
    "merges.txt",
    "vocab.txt",
    "spiece.model",
    "tokenizer.model",
)
WANTED = (CONFIG, "*.safetensors", INDEX, *VOCABULARY)


def fetch(hub_id: str, wanted: Sequence[str] = WANTED) -> Path:
    """The local copy of those of a hub repository's model files that are `wanted`, downloaded if it is not there yet.

    Raises `InputError` if `huggingface_hub` is not installed, or the hub cannot be reached or has no such model.
    """
    return snapshot(hub_id, wanted, "weights_no_hub", "weights_hub_failed", unwanted=UNWANTED)
