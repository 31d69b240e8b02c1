"""SentencePiece models (Kudo & Richardson, 2018, arXiv:1808.06226): BPE, Unigram and characters over raw text, in which a
space is the character ▁.

The package `sentencepiece` is imported when the first model is read, not with this file.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from models.errors import InputError
from models.tokenizers.failures import Fault, broken
from models.tokenizers.interface import UNKNOWN_TEXT, Encoding, Tokenizer, check_text
from models.tokenizers.model_proto import algorithm_of
from models.tokenizers.offsets import Spans, byte_spans, placed
from models.tokenizers.settings import FILE as SETTINGS
from models.tokenizers.settings import write_settings

if TYPE_CHECKING:
    from sentencepiece import SentencePieceProcessor

SPACE = "▁"
FILE = "tokenizer.model"
MAX_FURTHER = 10_000  # ids after the model's own


class SentencePieceTokenizer(Tokenizer):
    """A SentencePiece model behind the house interface.

    further: special tokens that follow the model's own ids, such as T5's sentinels, by id. No text becomes one of them.
    """

    def __init__(
        self, processor: "SentencePieceProcessor", name: str, algorithm: str, further: dict[int, str] | None = None
    ) -> None:
        self.name = name
        self.algorithm = algorithm
        self._processor = processor
        own = range(processor.get_piece_size())
        self._further = {i: token for i, token in sorted((further or {}).items()) if i not in own}
        if self._further and max(self._further) >= len(own) + MAX_FURTHER:
            raise InputError("tokenizer_ids", file=SETTINGS)
        n_ids = 1 + max([len(own) - 1, *self._further])
        self._tokens = [processor.id_to_piece(i) if i in own else self._further.get(i, "") for i in range(n_ids)]
        self._kinds = [self._kind(i) if i in own else "special" for i in range(n_ids)]
        self._bytes = [self._stands_for(i) for i in range(n_ids)]
        self._special = {self._tokens[i]: i for i in range(n_ids) if self._kinds[i] == "special" and self._tokens[i]}
        self.eos_id = processor.eos_id() if processor.eos_id() >= 0 else None

    def _kind(self, token_id: int) -> str:
        if self._processor.is_unknown(token_id):
            return "unknown"
        if self._processor.is_control(token_id):
            return "special"
        return "byte" if self._processor.is_byte(token_id) else "text"

    def _stands_for(self, token_id: int) -> bytes:
        kind, piece = self._kinds[token_id], self._tokens[token_id]
        if kind == "special":
            return b""
        if kind == "unknown":
            return UNKNOWN_TEXT.encode()
        return bytes([int(piece[3:5], 16)]) if kind == "byte" else piece.replace(SPACE, " ").encode()

    @property
    def vocab_size(self) -> int:
        return len(self._tokens)

    def encode(self, text: str) -> list[int]:
        return self._processor.encode(check_text(text))

    def encode_with_offsets(self, text: str) -> Encoding:
        found = self._processor.encode(check_text(text), return_type="offset_mapping")
        ids = found["ids"]
        # An unknown piece is as long as the text that it replaces, a byte piece is one byte: both are not as spelled.
        pieces = [
            self._bytes[i] if self._kinds[i] == "byte" else piece.encode()
            for i, piece in zip(ids, found["pieces"], strict=True)
        ]
        normalised, positions = self._processor.normalize(text, with_offsets=True)
        char_spans = placed(_origins(normalised, positions), normalised, pieces)
        return Encoding(ids, char_spans, byte_spans(text, char_spans, [self._bytes[i] for i in ids]))

    def bytes_of(self, token_id: int) -> bytes:
        return self._bytes[self.check_id(token_id)]

    def shares(self, ids: Sequence[int]) -> list[bytes]:
        shares = [self.bytes_of(token_id) for token_id in ids]
        # The space before the first word was put there by the model: how much of it goes, the library says.
        for i, token_id in enumerate(ids):
            if self._kinds[token_id] == "text":
                shares[i] = self._processor.decode([*self._own(ids[:i]), token_id]).encode()
            if shares[i]:
                break
        return shares

    def _own(self, ids: Iterable[int]) -> list[int]:
        return [token_id for token_id in ids if token_id not in self._further]

    def token(self, token_id: int) -> str:
        return self._tokens[self.check_id(token_id)]

    def special_tokens(self) -> dict[str, int]:
        return dict(self._special)

    def kind_of(self, token_id: int) -> str:
        return self._kinds[self.check_id(token_id)]

    def bare(self) -> "SentencePieceProcessor":
        """The library's own tokenizer, for measurements and explanations; it is shared, so do not change it."""
        return self._processor

    def save(self, folder: str | Path) -> None:
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / FILE).write_bytes(self._processor.serialized_model_proto())
        if self._further:
            added = {str(i): {"content": token, "special": True} for i, token in self._further.items()}
            write_settings(Path(folder), {"added_tokens_decoder": added})


def _origins(normalised: str, positions: Sequence[int]) -> Spans:
    """The span in the text of each character of its normalised form, from the place where each of them begins.

    Characters that were made of one share its span. A space that the model puts before the text has none.
    """
    origins = []
    end = positions[-1]
    for i in reversed(range(len(normalised))):
        if positions[i] != positions[i + 1]:
            end = positions[i + 1]
        origins.append((positions[i], end))
    origins.reverse()
    if normalised.startswith(SPACE) and (len(normalised) == 1 or positions[1] == positions[0]):
        origins[0] = (positions[0], positions[0])
    return origins


def read_sentencepiece(data: bytes, file: str, name: str, further: dict[int, str] | None = None) -> Tokenizer:
    """The tokenizer of a SentencePiece model's bytes; `file` is what refusals call it.

    Raises InputError: "tokenizer_no_model", "tokenizer_kind", "tokenizer_ids" for special tokens far beyond its own ids,
    what else `failures.broken` gives, and "tokenizer_needs" where the package is not installed.
    """
    try:
        from sentencepiece import SentencePieceProcessor
    except ImportError as error:
        raise InputError("tokenizer_needs", file=file, command="pip install sentencepiece") from error
    with broken(file):
        try:
            algorithm = algorithm_of(data)
        except ValueError as error:
            raise Fault("tokenizer_no_model") from error
        return SentencePieceTokenizer(SentencePieceProcessor(model_proto=data), name, algorithm, further)
