"""The Hugging Face hub, for those who have `huggingface_hub` and a network."""

import re
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from models.errors import InputError

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
TIMEOUT = 10  # seconds to wait for the hub's first answer


def is_hub_id(name: str) -> bool:
    """True for `owner/model`, and for the hub's few old names without an owner."""
    return bool(HUB_ID.fullmatch(name))


def snapshot(hub_id: str, wanted: Sequence[str], lacking: str, failed: str, unwanted: Sequence[str] = ()) -> Path:
    """The local copy of those files of a repository that match the patterns `wanted` and not `unwanted`, downloaded if it
    is not there yet.

    Raises InputError of the code `lacking` without the package, "hub_unreachable" where there is no network, and `failed`
    where the hub does not give them.
    """
    if find_spec("huggingface_hub") is None:
        raise InputError(lacking, name=hub_id)
    from huggingface_hub import errors, snapshot_download

    try:
        patterns = {"allow_patterns": list(wanted), "ignore_patterns": list(unwanted)}
        return Path(snapshot_download(hub_id, **patterns, etag_timeout=TIMEOUT))
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled) as error:
        raise InputError("hub_unreachable", name=hub_id) from error
    except (errors.HfHubHTTPError, errors.HFValidationError, OSError) as error:
        lines = str(error).strip().splitlines()
        raise InputError(failed, name=hub_id, reason=lines[0] if lines else type(error).__name__) from error
