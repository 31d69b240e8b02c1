"""What every tokenizer can do, whichever library does the work."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.errors import InputError

END_OF_TEXT = "<|endoftext|>"
UNKNOWN_TEXT = "\ufffd"
"""What an unknown token is decoded to, whatever its vocabulary calls it: the text is lost."""


@dataclass(frozen=True)
class Encoding:
    """The ids of a text, and where in that text each of them is from. All spans are half-open, as in a slice.

    char_spans: in code points of the text as it was given. A token of a part of a character has the whole character's
    span, so neighbours may overlap; where a normaliser changed the text, the span is that of what it changed.
    byte_spans: in bytes of its UTF-8 form; the exact part of a character where several tokens share one and the text was
    not changed. (i, i) in both for a token that stands for nothing in the text, such as a dummy prefix.
    """

    ids: list[int]
    char_spans: list[tuple[int, int]]
    byte_spans: list[tuple[int, int]]


class Tokenizer(ABC):
    """Text to ids and back.

    A subclass wraps one library; nothing outside this package asks which. `algorithm` is one of "byte-level BPE",
    "SentencePiece BPE", "BPE", "WordPiece", "Unigram", "characters" and "bytes". Three promises hold for all of them:

    * `bytes_of(id)` is exactly what the token stands for. Where all text survives (byte-level BPE), joining the bytes of
      a list of ids gives the bytes of their text, even where one character is spread over several tokens.
    * `encode` reads its argument as plain text: a visitor who types `<|endoftext|>` gets the ids of those
      thirteen characters, never the special token.
    * Special tokens carry no text: their `bytes_of` is empty and `decode` leaves them out.
    """

    name: str
    algorithm: str
    eos_id: int | None

    @property
    @abstractmethod
    def vocab_size(self) -> int:
        """Number of ids; every id is in `range(vocab_size)`."""

    @abstractmethod
    def encode(self, text: str) -> list[int]:
        """Ids of `text`, without special tokens. Raises InputError: "text_surrogate" for a lone surrogate,
        "tokenizer_gave_up" where the library cannot encode it."""

    @abstractmethod
    def encode_with_offsets(self, text: str) -> Encoding:
        """The ids that `encode` gives, each with its place in `text`. Raises as `encode` does."""

    @abstractmethod
    def bytes_of(self, token_id: int) -> bytes:
        """The bytes one token stands for, possibly a part of a UTF-8 character; empty for a special token."""

    @abstractmethod
    def token(self, token_id: int) -> str:
        """The token as its vocabulary spells it (`Ġonce` for " once" in byte-level BPE)."""

    @abstractmethod
    def special_tokens(self) -> dict[str, int]:
        """Every special token, as its vocabulary spells it, with its id, in the order of the ids."""

    @abstractmethod
    def kind_of(self, token_id: int) -> str:
        """What kind of token it is: "text", "byte" (one byte of a character that the vocabulary lacks), "unknown" (text
        that is lost) or "special"."""

    @abstractmethod
    def save(self, folder: str | Path) -> None:
        """Write the files that `tokenizers.load(folder)` reads."""

    def special_id(self, token: str) -> int | None:
        """The id of the special token that is spelled so; None if there is none."""
        return self.special_tokens().get(token)

    def encode_many(self, texts: Iterable[str]) -> list[list[int]]:
        """`encode` of each text; libraries that work in parallel override this."""
        return [self.encode(text) for text in texts]

    def shares(self, ids: Sequence[int]) -> list[bytes]:
        """The bytes that each of `ids` adds to their text. They differ from `bytes_of` where an algorithm leaves the
        spaces between words, or the first one, to the decoder."""
        return [self.bytes_of(token_id) for token_id in ids]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of `ids`; bytes that do not form a character become U+FFFD."""
        return b"".join(self.shares(list(ids))).decode("utf-8", errors="replace")

    def check_id(self, token_id: int) -> int:
        """`token_id` itself, or InputError("token_out_of_range") if the vocabulary has no such id."""
        if not 0 <= token_id < self.vocab_size:
            raise InputError("token_out_of_range", token_id=token_id, vocab_size=self.vocab_size)
        return token_id


def check_text(text: str) -> str:
    """`text` itself, or InputError("text_surrogate"): half of a surrogate pair has no UTF-8 form to encode."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError("text_surrogate", position=error.start + 1) from None
    return text
