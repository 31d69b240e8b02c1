"""tokenizer_config.json: what a Hugging Face folder says of its tokenizer beside the vocabulary itself."""

import json
from pathlib import Path

from models.errors import InputError
from models.tokenizers.failures import Fault, broken, unreadable

FILE = "tokenizer_config.json"


def read_settings(folder: Path) -> dict:
    """What the file in `folder` says, {} where there is none. Raises InputError: "file_unreadable", "tokenizer_not_text",
    "tokenizer_not_json", "tokenizer_shape"."""
    path = folder / FILE
    if not path.is_file():
        return {}
    try:
        data = path.read_bytes()
    except OSError as error:
        raise unreadable(error, FILE) from error
    with broken(FILE):
        settings = json.loads(data.decode("utf-8"))
        if not isinstance(settings, dict):
            raise Fault("tokenizer_shape")
    return settings


def write_settings(folder: Path, settings: dict) -> None:
    """Write the file that `read_settings` reads."""
    text = json.dumps(settings, indent=2, ensure_ascii=False)
    (folder / FILE).write_text(text + "\n", encoding="utf-8")


def end_of_text(settings: dict) -> str | None:
    """The token that ends a text, None if none is named. Raises InputError("tokenizer_part")."""
    named = settings.get("eos_token")
    # Older files describe the token by an object with its content.
    named = named.get("content") if isinstance(named, dict) else named
    if named is not None and not isinstance(named, str):
        raise InputError("tokenizer_part", file=FILE, part="eos_token", kind="string")
    return named


def further_special(settings: dict) -> dict[int, str]:
    """The special tokens that are listed, T5's sentinels among them, by id. Raises InputError("tokenizer_shape")."""
    with broken(FILE):
        added = settings.get("added_tokens_decoder", {})
        return {int(i): token["content"] for i, token in added.items() if token.get("special")}
