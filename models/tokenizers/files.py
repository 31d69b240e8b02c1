"""Which tokenizer a folder or a file holds: look at the files, choose the reader."""

import json
from collections.abc import Callable
from pathlib import Path

import tokenizers as hf
from tokenizers.decoders import BPEDecoder
from tokenizers.models import BPE
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from models.errors import InputError
from models.tokenizers import ranks, sentencepieces
from models.tokenizers.byte_level import ByteLevelTokenizer, byte_level_engine
from models.tokenizers.engine import FILE
from models.tokenizers.engine_files import read_tokenizer_json, wordpiece
from models.tokenizers.failures import Fault, broken, unreadable
from models.tokenizers.gguf_bpe import load_gguf
from models.tokenizers.interface import END_OF_TEXT, Tokenizer
from models.tokenizers.settings import end_of_text, further_special, read_settings
from models.tokenizers.subwords import WordEndTokenizer

SENTENCEPIECE_FILES = (sentencepieces.FILE, "spiece.model")
WORDPIECE_FILE = "vocab.txt"
WORD_END, UNKNOWN = "</w>", "<unk>"
GGUF = ".gguf"


def load(folder: str | Path, file: str | None = None) -> Tokenizer:
    """The tokenizer of a folder: `tokenizer.json`, `tekken.json`, a SentencePiece model, the `vocab.json` and `merges.txt`
    of older folders, `vocab.txt`, or a `.tiktoken` file. `file`, a key of `READERS`, chooses where there are several.

    Raises InputError: "tokenizer_missing" where there is none of these, "file_unreadable", "tokenizer_half" for one of two
    files that belong together, "tokenizer_kind", "tokenizer_pattern" or "tokenizer_spelling" for a kind that is not known
    here, "tokenizer_needs" for a package that is not installed, and what `failures.broken` makes of a damaged file.
    """
    folder = Path(folder)
    for candidate in READERS if file is None else (file,):
        if (folder / candidate).is_file():
            return READERS[candidate](folder, candidate)
    if (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
        return load_vocab_and_merges(folder / "vocab.json", folder / "merges.txt", folder.name)
    for path in sorted(folder.glob("*.tiktoken")):
        return load_file(path, folder.name)
    raise InputError("tokenizer_missing", folder=folder.name)


def load_file(path: str | Path, name: str | None = None, shown: str | None = None) -> Tokenizer:
    """The tokenizer of one file, whose kind its suffix and its first bytes tell. Raises InputError("tokenizer_suffix"), and
    as `load` does.

    name: the tokenizer's, else the file's without its suffix. shown: the file's name in refusals, if not its own.
    """
    path = Path(path)
    shown = shown or path.name
    name = name or Path(shown).stem
    suffix = Path(shown).suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError("tokenizer_suffix", file=shown, known=", ".join(SUFFIXES))
    return SUFFIXES[suffix](_read(path, shown), shown, name)


def load_any(path: str | Path, file: str | None = None) -> Tokenizer:
    """The tokenizer at a path: a folder, of which `file` chooses one, or a file, whatever its suffix.

    Besides what `load` reads, these are GGUF files, and folders with GPT-2's first names, encoder.json and vocab.bpe.
    """
    path = Path(path)
    if path.is_dir():
        if (path / "encoder.json").is_file():
            return load_vocab_and_merges(path / "encoder.json", path / "vocab.bpe", path.name)
        return load(path, file)
    if path.suffix == GGUF:
        return load_gguf(path)
    if path.suffix in SUFFIXES:
        return load_file(path)
    return _read_model(_read(path, path.name), path.name, path.stem)


def load_vocab_and_merges(vocab: str | Path, merges: str | Path, name: str) -> Tokenizer:
    """BPE in the two files of the GPT-2 and GPT-1 releases; GPT-1's marks the ends of words by `</w>`.

    Raises InputError: "file_unreadable", "tokenizer_merge", and what else `failures.broken` gives.
    """
    vocab, merges = Path(vocab), Path(merges)
    with broken(vocab.name):
        entries = json.loads(_read(vocab, vocab.name))
        pairs = _merges(_read(merges, merges.name).decode("utf-8"))
        if any(token.endswith(WORD_END) for token in entries):
            engine = hf.Tokenizer(BPE(entries, pairs, unk_token=UNKNOWN, end_of_word_suffix=WORD_END))
            engine.normalizer = BertNormalizer(lowercase=True)
            engine.pre_tokenizer = BertPreTokenizer()
            engine.decoder = BPEDecoder(suffix=WORD_END)
            engine.add_special_tokens([UNKNOWN])
            return WordEndTokenizer(engine, name, "BPE", unknown=UNKNOWN)
        engine = byte_level_engine(BPE(entries, pairs))
        engine.add_special_tokens([END_OF_TEXT])
        return ByteLevelTokenizer(engine, name=name, algorithm="byte-level BPE")


def _merges(text: str) -> list[tuple[str, str]]:
    lines = text.split("\n")
    if lines[0].startswith("#version"):
        del lines[0]
    pairs = [tuple(line.split(" ")) for line in lines if line.strip()]
    wrong = next((pair for pair in pairs if len(pair) != 2), None)
    if wrong:
        raise Fault("tokenizer_merge", merge=" ".join(wrong)[:40])
    return pairs


def _read(path: Path, shown: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise unreadable(error, shown) from error


def _read_json(data: bytes, shown: str, name: str, end: str | None = None) -> Tokenizer:
    with broken(shown):
        text = data.decode("utf-8")
        parts = json.loads(text)
    if not isinstance(parts, dict):
        raise InputError("tokenizer_shape", file=shown)
    if "model" in parts:
        return read_tokenizer_json(text, parts, shown, name, end)
    if "vocab" in parts and "config" in parts:
        return ranks.read_tekken(parts, shown, name)
    raise InputError("tokenizer_half", file=shown)


def _read_model(data: bytes, shown: str, name: str, further: dict[int, str] | None = None) -> Tokenizer:
    """LLaMA-3's `tokenizer.model` is a list of ranks, every other one a SentencePiece model."""
    if ranks.is_rank_file(data):
        return ranks.read_ranks(data, shown, name)
    return sentencepieces.read_sentencepiece(data, shown, name, further)


def _read_vocab(data: bytes, shown: str, name: str, settings: dict | None = None) -> Tokenizer:
    with broken(shown):
        lines = data.decode("utf-8").removesuffix("\n").split("\n")
        return wordpiece([line.removesuffix("\r") for line in lines], name, settings or {})


def _folder_json(folder: Path, file: str) -> Tokenizer:
    return _read_json(_read(folder / file, file), file, folder.name, end_of_text(read_settings(folder)))


def _folder_model(folder: Path, file: str) -> Tokenizer:
    further = further_special(read_settings(folder))
    return _read_model(_read(folder / file, file), file, folder.name, further)


def _folder_vocab(folder: Path, file: str) -> Tokenizer:
    return _read_vocab(_read(folder / file, file), file, folder.name, read_settings(folder))


READERS: dict[str, Callable[[Path, str], Tokenizer]] = {
    FILE: _folder_json,
    ranks.TEKKEN: _folder_json,
    **dict.fromkeys(SENTENCEPIECE_FILES, _folder_model),
    WORDPIECE_FILE: _folder_vocab,
}
"""What is looked for in a folder, in this order."""

SUFFIXES: dict[str, Callable[[bytes, str, str], Tokenizer]] = {
    ".json": _read_json,
    ".model": _read_model,
    ".tiktoken": ranks.read_ranks,
    ".txt": _read_vocab,
}
