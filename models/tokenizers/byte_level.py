"""Byte-level BPE, the tokenizer of GPT-2, GPT-3 and LLaMA-3, and its simplest case, one token per byte.

Text is turned into UTF-8 bytes first, so nothing is ever unknown (Radford et al., 2019, "Language Models are
Unsupervised Multitask Learners", section 2.2). The vocabulary file spells each byte as one printable character.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import tokenizers as hf
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel, PreTokenizer
from tokenizers.trainers import BpeTrainer

from models.errors import InputError
from models.tokenizers.alphabet import BYTE_OF_CHARACTER
from models.tokenizers.engine import EngineTokenizer
from models.tokenizers.interface import END_OF_TEXT, Encoding, check_text
from models.tokenizers.offsets import characters_around, consecutive
from models.tokenizers.settings import write_settings


class ByteLevelTokenizer(EngineTokenizer):
    """A byte-level `tokenizers.Tokenizer` behind the house interface."""

    def __init__(self, engine: hf.Tokenizer, name: str, algorithm: str, end_of_text: str = END_OF_TEXT) -> None:
        super().__init__(engine, name, algorithm, end_of_text)
        self._bytes = [
            spelled_bytes(token) if i not in self._added else self._added_bytes(i)
            for i, token in enumerate(self._tokens)
        ]

    def _added_bytes(self, token_id: int) -> bytes:
        return b"" if self._added[token_id].special else self._added[token_id].content.encode()

    def bytes_of(self, token_id: int) -> bytes:
        return self._bytes[self.check_id(token_id)]

    def encode_with_offsets(self, text: str) -> Encoding:
        ids = self.encode(text)
        pieces = self.shares(ids)
        if b"".join(pieces) != text.encode():  # a normaliser changed it
            return super().encode_with_offsets(text)
        spans = consecutive(pieces)
        return Encoding(ids, characters_around(text, spans), spans)

    def save(self, folder: str | Path) -> None:
        super().save(folder)
        end = None if self.eos_id is None else self._tokens[self.eos_id]
        if end != END_OF_TEXT:
            # tokenizer.json cannot say which of its special tokens ends a text.
            write_settings(Path(folder), {"eos_token": end})


def spelled_bytes(token: str) -> bytes:
    """The bytes that a vocabulary entry spells. Raises InputError("tokenizer_spelling") for characters of no byte."""
    if unknown := [character for character in token if character not in BYTE_OF_CHARACTER]:
        raise InputError("tokenizer_spelling", token=token, character=unknown[0])
    return bytes(BYTE_OF_CHARACTER[character] for character in token)


def byte_level_engine(model: BPE, cutter: PreTokenizer | None = None) -> hf.Tokenizer:
    """The library's tokenizer around a model over bytes. cutter: what cuts a text before merging, else GPT-2's pattern."""
    engine = hf.Tokenizer(model)
    engine.pre_tokenizer = cutter or ByteLevel(add_prefix_space=False)
    engine.decoder = ByteLevelDecoder()
    return engine


def bytes_tokenizer() -> ByteLevelTokenizer:
    """One token per byte: id = byte value, and 256 for the end of a text."""
    engine = byte_level_engine(
        BPE(vocab=BYTE_OF_CHARACTER, merges=[]), ByteLevel(add_prefix_space=False, use_regex=False)
    )
    engine.add_special_tokens([END_OF_TEXT])
    return ByteLevelTokenizer(engine, name="bytes", algorithm="bytes")


def train_byte_bpe(texts: Iterable[str], vocab_size: int, name: str = "byte-bpe") -> ByteLevelTokenizer:
    """Learn a byte-level BPE of `vocab_size` ids: end of text (id 0), the 256 bytes, then merges by frequency.

    `texts` may be a generator; a text that occurs twice counts twice. Raises InputError: "tokenizer_size" where
    `vocab_size` leaves no room for the bytes, "text_surrogate".
    """
    minimum = 1 + len(BYTE_OF_CHARACTER)
    if vocab_size < minimum:
        raise InputError("tokenizer_size", vocab_size=vocab_size, minimum=minimum)
    engine = byte_level_engine(BPE())
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
