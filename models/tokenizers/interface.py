"""What every tokenizer can do, whichever library does the work."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path

from models.errors import InputError

END_OF_TEXT = "<|endoftext|>"


class Tokenizer(ABC):
    """Text to ids and back.

    A subclass wraps one library; nothing outside this package asks which. Three promises hold for all of them:

    * `bytes_of(id)` is exactly what the token stands for, so that joining the bytes of a list of ids gives the
      bytes of their text, even where one character is spread over several tokens.
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
        """Ids of `text`, without special tokens. Raises InputError("text_surrogate") for a lone surrogate."""

    @abstractmethod
    def bytes_of(self, token_id: int) -> bytes:
        """The bytes one token stands for, possibly a part of a UTF-8 character; empty for a special token."""

    @abstractmethod
    def token(self, token_id: int) -> str:
        """The token as its vocabulary spells it (`Ġonce` for " once" in byte-level BPE)."""

    @abstractmethod
    def special_id(self, token: str) -> int | None:
        """The id of the special token that is spelled so; None if there is none."""

    @abstractmethod
    def save(self, folder: str | Path) -> None:
        """Write the files that `tokenizers.load(folder)` reads."""

    def encode_many(self, texts: Iterable[str]) -> list[list[int]]:
        """`encode` of each text; libraries that work in parallel override this."""
        return [self.encode(text) for text in texts]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of `ids`; bytes that do not form a character become U+FFFD."""
        return b"".join(self.bytes_of(token_id) for token_id in ids).decode("utf-8", errors="replace")

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
