"""ChatML, the way in which SmolLM2, Qwen and others write a conversation: `<|im_start|>role`, a text, `<|im_end|>`."""

from collections.abc import Iterable

from models.errors import InputError
from models.tokenizers.interface import Tokenizer

START, END = "<|im_start|>", "<|im_end|>"


def chat_ids(tokenizer: Tokenizer, messages: Iterable[tuple[str, str]]) -> list[int]:
    """The ids of a conversation, given as (role, text), up to where the assistant begins to answer.

    Roles are "system", "user" and "assistant"; the answer ends with `<|im_end|>`. What the texts contain is text, even
    if it is spelled like a mark. Raises `InputError` for a tokenizer without the marks.
    """
    special = {mark: tokenizer.special_id(mark) for mark in (START, END)}
    if None in special.values():
        raise InputError("chat_marks_missing", name=tokenizer.name, marks=f"{START}, {END}")
    ids = []
    for role, text in messages:
        ids += [special[START], *tokenizer.encode(f"{role}\n{text}"), special[END], *tokenizer.encode("\n")]
    return [*ids, special[START], *tokenizer.encode("assistant\n")]


def around_message(system: str) -> tuple[str, str]:
    """What `chat_ids` puts before and after a single message of the user that follows the instruction `system`."""
    return f"{START}system\n{system}{END}\n{START}user\n", f"{END}\n{START}assistant\n"
