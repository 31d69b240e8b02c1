"""What ids stand for, special tokens included."""

from collections.abc import Iterable

from models.tokenizers import Tokenizer


def spelled(tokenizer: Tokenizer, ids: Iterable[int]) -> str:
    """The text of `ids`; a special token as its vocabulary spells it."""
    return "".join(
        tokenizer.token(i) if not tokenizer.bytes_of(i) else tokenizer.bytes_of(i).decode("utf-8") for i in ids
    )
