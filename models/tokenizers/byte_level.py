"""Byte-level BPE, the tokenizer of GPT-2, GPT-3 and LLaMA-3, and its simplest case, one token per byte.

Text is turned into UTF-8 bytes first, so nothing is ever unknown (Radford et al., 2019, "Language Models are
Unsupervised Multitask Learners", section 2.2). The vocabulary file spells each byte as one printable character.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import tokenizers as hf
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer

from models.errors import InputError
from models.tokenizers.interface import END_OF_TEXT, Tokenizer, check_text

FILE = "tokenizer.json"
SETTINGS = "tokenizer_config.json"


def byte_characters() -> list[str]:
    """The printable character that stands for each byte 0..255.

    Bytes that Latin-1 prints stand for themselves; the other 68 (controls, space, soft hyphen) take the code points
    from 256 up, which makes the space `Ġ`.
    """
    printable = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    spare = iter(range(256, 512))
    return [chr(byte) if byte in printable else chr(next(spare)) for byte in range(256)]


BYTE_OF_CHARACTER = {character: byte for byte, character in enumerate(byte_characters())}


class ByteLevelTokenizer(Tokenizer):
    """A byte-level `tokenizers.Tokenizer` behind the house interface."""

    def __init__(self, engine: hf.Tokenizer, name: str, algorithm: str, end_of_text: str = END_OF_TEXT) -> None:
        # Without this the engine turns a typed "<|endoftext|>" into the special token.
        engine.encode_special_tokens = True
        engine.no_padding()
        engine.no_truncation()
        self.name = name
        self.algorithm = algorithm
        self._engine = engine
        self.eos_id = engine.token_to_id(end_of_text)
        added = engine.get_added_tokens_decoder()
        n_ids = 1 + max(engine.get_vocab().values())
        self._tokens = [engine.id_to_token(i) or "" for i in range(n_ids)]
        self._bytes = [
            spelled_bytes(token) if i not in added else b"" if added[i].special else added[i].content.encode()
            for i, token in enumerate(self._tokens)
        ]

    @property
    def vocab_size(self) -> int:
        return len(self._tokens)

    def encode(self, text: str) -> list[int]:
        return self._engine.encode(check_text(text), add_special_tokens=False).ids

    def encode_many(self, texts: Iterable[str]) -> list[list[int]]:
        checked = [check_text(text) for text in texts]
        return [encoding.ids for encoding in self._engine.encode_batch_fast(checked, add_special_tokens=False)]

    def bytes_of(self, token_id: int) -> bytes:
        return self._bytes[self.check_id(token_id)]

    def token(self, token_id: int) -> str:
        return self._tokens[self.check_id(token_id)]

    def special_id(self, token: str) -> int | None:
        token_id = self._engine.token_to_id(token)
        return None if token_id is None or self._bytes[token_id] else token_id

    def save(self, folder: str | Path) -> None:
        Path(folder).mkdir(parents=True, exist_ok=True)
        self._engine.save(str(Path(folder) / FILE))
        end = None if self.eos_id is None else self._tokens[self.eos_id]
        if end != END_OF_TEXT:
            # tokenizer.json cannot say which of its special tokens ends a text.
            (Path(folder) / SETTINGS).write_text(json.dumps({"eos_token": end}, indent=2) + "\n", encoding="utf-8")


def spelled_bytes(token: str) -> bytes:
    """The bytes that a vocabulary entry spells. Raises InputError("tokenizer_spelling") for characters of no byte."""
    if unknown := [character for character in token if character not in BYTE_OF_CHARACTER]:
        raise InputError("tokenizer_spelling", token=token, character=unknown[0])
    return bytes(BYTE_OF_CHARACTER[character] for character in token)


def bytes_tokenizer() -> ByteLevelTokenizer:
    """One token per byte: id = byte value, and 256 for the end of a text."""
    vocab = {character: byte for byte, character in enumerate(byte_characters())}
    engine = hf.Tokenizer(BPE(vocab=vocab, merges=[]))
    engine.pre_tokenizer = ByteLevel(add_prefix_space=False, use_regex=False)
    engine.decoder = ByteLevelDecoder()
    engine.add_special_tokens([END_OF_TEXT])
    return ByteLevelTokenizer(engine, name="bytes", algorithm="bytes")


def train_byte_bpe(texts: Iterable[str], vocab_size: int, name: str = "byte-bpe") -> ByteLevelTokenizer:
    """Learn a byte-level BPE of `vocab_size` ids: end of text (id 0), the 256 bytes, then merges by frequency.

    `texts` may be a generator; a text that occurs twice counts twice. Raises InputError("tokenizer_size") where
    `vocab_size` leaves no room for the bytes.
    """
    if vocab_size < 257:
        raise InputError("tokenizer_size", vocab_size=vocab_size, minimum=257)
    engine = hf.Tokenizer(BPE())
    engine.pre_tokenizer = ByteLevel(add_prefix_space=False)
    engine.decoder = ByteLevelDecoder()
    trainer = BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=ByteLevel.alphabet(),
        show_progress=False,
    )
    engine.train_from_iterator(_checked(texts), trainer)
    return ByteLevelTokenizer(engine, name=name, algorithm="byte-level BPE")


def _checked(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        yield check_text(text)
