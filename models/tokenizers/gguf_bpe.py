"""The byte-level BPE that a GGUF file carries under `tokenizer.ggml.`, built as a tokenizer of the `tokenizers` library."""

from collections.abc import Callable, Mapping
from pathlib import Path

import tokenizers as hf
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel, Digits, PreTokenizer, Sequence, Split

from models.errors import InputError
from models.tokenizers.byte_level import ByteLevelTokenizer, byte_level_engine
from models.tokenizers.failures import Fault, broken
from models.tokenizers.gguf_metadata import read_metadata
from models.tokenizers.interface import END_OF_TEXT
from models.tokenizers.rank_files import LLAMA3

PREFIX = "tokenizer.ggml."

# llama.cpp's numbers for kinds of tokens.
NORMAL, USER_DEFINED, BYTE = 1, 4, 6


def _gpt2() -> PreTokenizer:
    return ByteLevel(add_prefix_space=False)


def _smollm() -> PreTokenizer:
    return Sequence([Digits(individual_digits=True), _gpt2()])


def _llama3() -> PreTokenizer:
    return Sequence([Split(hf.Regex(LLAMA3), "isolated"), ByteLevel(add_prefix_space=False, use_regex=False)])


CUTTINGS: dict[str, Callable[[], PreTokenizer]] = {"gpt-2": _gpt2, "smollm": _smollm, "llama-bpe": _llama3}
"""How text is cut before merging, by the name in `tokenizer.ggml.pre`: as GPT-2, the same with single digits, Llama 3."""


def from_gguf(values: Mapping, name: str) -> ByteLevelTokenizer:
    """The tokenizer in the metadata of a GGUF file called `name`.

    Control tokens are special: typed text never becomes one. Raises `InputError`: "tokenizer_missing", "gguf_tokenizer"
    for another algorithm or way of cutting, "tokenizer_broken", "tokenizer_shape" and "tokenizer_spelling" for a wrong
    vocabulary.
    """
    algorithm, cutting = values.get(f"{PREFIX}model"), values.get(f"{PREFIX}pre", "gpt-2")
    tokens = values.get(f"{PREFIX}tokens")
    if not algorithm or not isinstance(tokens, list):
        raise InputError("tokenizer_missing", folder=name)
    if algorithm != "gpt2" or cutting not in CUTTINGS:
        kind = f"{algorithm}, {cutting}" if algorithm == "gpt2" else algorithm
        raise InputError("gguf_tokenizer", file=name, kind=kind, known=", ".join(f"gpt2, {key}" for key in CUTTINGS))
    kinds = values.get(f"{PREFIX}token_type") or [NORMAL] * len(tokens)
    with broken(name):
        if len(kinds) != len(tokens):
            raise Fault("tokenizer_shape")
        engine = _engine(tokens, kinds, values.get(f"{PREFIX}merges") or [], cutting)
    return ByteLevelTokenizer(engine, name, "byte-level BPE", _end(values, tokens))


def load_gguf(path: Path) -> ByteLevelTokenizer:
    """The tokenizer of a GGUF file, without its weights. Raises `InputError` as `from_gguf` does, and "tokenizer_broken"."""
    with broken(path.name):
        values = read_metadata(path)
    return from_gguf(values, path.name)


def _engine(tokens: list[str], kinds: list[int], merges: list[str], cutting: str) -> hf.Tokenizer:
    vocab = {token: token_id for token_id, token in enumerate(tokens)}
    pairs = [tuple(merge.split(" ")) for merge in merges]
    # Llama 3 takes a piece that is a token as it is, whatever the merges would make of it.
    model = BPE(vocab=vocab, merges=pairs, ignore_merges=cutting == "llama-bpe")
    engine = byte_level_engine(model, CUTTINGS[cutting]())
    kind_of = dict(zip(tokens, kinds, strict=True))
    special = [token for token, kind in kind_of.items() if kind not in (NORMAL, USER_DEFINED, BYTE)]
    engine.add_special_tokens([hf.AddedToken(token, special=True, normalized=False) for token in special])
    typed = [token for token, kind in kind_of.items() if kind == USER_DEFINED]
    engine.add_tokens([hf.AddedToken(token, normalized=False) for token in typed])
    return engine


def _end(values: Mapping, tokens: list[str]) -> str:
    end = values.get(f"{PREFIX}eos_token_id")
    return tokens[end] if isinstance(end, int) and 0 <= end < len(tokens) else END_OF_TEXT
