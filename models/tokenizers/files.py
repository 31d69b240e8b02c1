"""Which tokenizer a folder holds: read the files, choose the class."""

import json
from pathlib import Path

import tokenizers as hf
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel

from models.errors import InputError
from models.tokenizers.byte_level import FILE, SETTINGS, ByteLevelTokenizer
from models.tokenizers.interface import END_OF_TEXT, Tokenizer


def load(folder: str | Path) -> Tokenizer:
    """The tokenizer of a folder: `tokenizer.json`, or the `vocab.json` and `merges.txt` of older GPT-2 folders.

    Raises InputError: "tokenizer_missing" where there is none of these, "tokenizer_broken" where a file cannot be
    read, "tokenizer_kind" or "tokenizer_spelling" where it holds a kind that is not known here.
    """
    folder = Path(folder)
    if (folder / FILE).is_file():
        return _from_tokenizer_json(folder / FILE)
    if (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
        return _from_vocab_and_merges(folder)
    raise InputError("tokenizer_missing", folder=folder.name)


def _from_tokenizer_json(path: Path) -> Tokenizer:
    try:
        text = path.read_text(encoding="utf-8")
        engine = hf.Tokenizer.from_str(text)
        parts = json.loads(text)
    # The library raises bare Exception for a file that it cannot read.
    except Exception as error:
        raise InputError("tokenizer_broken", file=path.name, reason=str(error)) from error
    kind = parts["model"].get("type") or "BPE"
    byte_level = any(step.get("type") == "ByteLevel" for step in _steps(parts.get("pre_tokenizer"), "pretokenizers"))
    if kind != "BPE" or not byte_level or parts.get("normalizer") or not engine.get_vocab():
        raise InputError("tokenizer_kind", file=path.name, kind=kind)
    algorithm = "byte-level BPE" if parts["model"]["merges"] else "bytes"
    return ByteLevelTokenizer(engine, path.parent.name, algorithm, _end_of_text(path.parent))


def _end_of_text(folder: Path) -> str:
    """The end-of-text token that a Hugging Face folder names in its tokenizer_config.json, or the usual one."""
    path = folder / SETTINGS
    if not path.is_file():
        return END_OF_TEXT
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError("tokenizer_broken", file=path.name, reason=str(error)) from error
    named = settings.get("eos_token") if isinstance(settings, dict) else settings
    # Older files describe the token by an object with its content.
    named = named.get("content") if isinstance(named, dict) else named
    if named is not None and not isinstance(named, str):
        raise InputError("tokenizer_broken", file=path.name, reason=f"eos_token is {named!r}")
    return named or END_OF_TEXT


def _steps(part: dict | None, key: str) -> list[dict]:
    """The steps of a pre-tokenizer, whether it is none, one, or a sequence."""
    if part is None:
        return []
    return part[key] if part["type"] == "Sequence" else [part]


def _from_vocab_and_merges(folder: Path) -> Tokenizer:
    try:
        engine = hf.Tokenizer(BPE.from_file(str(folder / "vocab.json"), str(folder / "merges.txt")))
    # As above: the library's own error is a bare Exception.
    except Exception as error:
        raise InputError("tokenizer_broken", file="vocab.json", reason=str(error)) from error
    engine.pre_tokenizer = ByteLevel(add_prefix_space=False)
    engine.decoder = ByteLevelDecoder()
    engine.add_special_tokens([END_OF_TEXT])
    return ByteLevelTokenizer(engine, name=folder.name, algorithm="byte-level BPE")
