"""Fetching a model folder from the Hugging Face hub, for those who have `huggingface_hub` and a network."""

import re
from importlib.util import find_spec
from pathlib import Path

from models.errors import InputError
from models.weights.files import CONFIG, INDEX, TOKENIZER

UNWANTED = ("*/*", "consolidated*")  # the same weights again, in other formats
VOCABULARY = (TOKENIZER, "tokenizer_config.json", "vocab.json", "merges.txt", "vocab.txt", "spiece.model", "tokenizer.model")
WANTED = (CONFIG, "*.safetensors", INDEX, *VOCABULARY)
TIMEOUT = 10  # seconds to wait for the hub's first answer


def is_hub_id(name: str) -> bool:
    """True for `owner/model`, and for the hub's few old names without an owner."""
    return bool(re.fullmatch(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", name))


def fetch(hub_id: str) -> Path:
    """The local copy of a hub repository's model files, downloaded if it is not there yet.

    Raises `InputError` if `huggingface_hub` is not installed, or the hub cannot be reached or has no such model.
    """
    if find_spec("huggingface_hub") is None:
        raise InputError("weights_no_hub", name=hub_id)
    from huggingface_hub import errors, snapshot_download

    try:
        patterns = {"allow_patterns": list(WANTED), "ignore_patterns": list(UNWANTED)}
        return Path(snapshot_download(hub_id, **patterns, etag_timeout=TIMEOUT))
    except (
        errors.HfHubHTTPError,
        errors.HFValidationError,
        errors.LocalEntryNotFoundError,
        errors.OfflineModeIsEnabled,
        OSError,
    ) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError("weights_hub_failed", name=hub_id, reason=reason) from error
