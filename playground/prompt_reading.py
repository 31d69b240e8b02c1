"""What a model reads of a visitor's prompt: as a text to continue, as one with blanks, or as a message in a chat.

Knows the core but not Gradio.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.config import ModelConfig
from models.errors import InputError
from models.tokenizers import Tokenizer
from models.tokenizers.chatml import around_message, chat_ids
from playground.session import MAX_PROMPT, as_text

if TYPE_CHECKING:
    from models.reading import Blank


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a model reads of a prompt.

    `ids` are read; `text` is what they stand for, of the `n_tokens` that the prompt has. Of a message in a chat, `ids`
    hold `n_around` tokens more, which are spelled `before` and `after` the text. `n_dropped` characters were no text;
    `n_clipped` more came after the limit; an empty prompt is read as the end-of-text token alone.

    way: what the model does with it, see `models.prompts.way_of`. What is written goes on from the prompt, or from
    `start_ids` where the prompt is not its beginning; it fills in the `blank`, if there is one, and ends with one of
    `stop_ids` (none: with the end of text).
    """

    ids: tuple[int, ...]
    text: str
    n_tokens: int
    n_dropped: int = 0
    n_clipped: int = 0
    from_nothing: bool = False
    n_around: int = 0
    before: str = ""
    after: str = ""
    way: str = "continue"
    start_ids: tuple[int, ...] = ()
    stop_ids: tuple[int, ...] = ()
    blank: "Blank | None" = None

    @property
    def begun(self) -> tuple[int, ...]:
        """The ids that count as text before anything is written."""
        return self.start_ids or self.ids

    @property
    def n_read(self) -> int:
        """Tokens of the prompt that are read."""
        return len(self.ids) - self.n_around

    @property
    def is_cut(self) -> bool:
        return self.n_tokens > self.n_read


def read_prompt(tokenizer: Tokenizer, prompt: str, max_seq_len: int, max_new_tokens: int) -> Reading:
    """The part of `prompt` that a model with `max_seq_len` positions reads, if `max_new_tokens` are to follow.

    Of a prompt that is too long the end is read: as much as leaves room for the new tokens, but at least half of the
    context. Raises `InputError` for what is no text, and for an empty one if the tokenizer has no end-of-text token.
    """
    text, counts = _clean(prompt)
    if not text:
        if tokenizer.eos_id is None:
            raise InputError("prompt_empty")
        return Reading(ids=(tokenizer.eos_id,), text="", n_tokens=1, from_nothing=True, **counts)
    ids = tokenizer.encode(text)
    read = tuple(ids[-_room(max_seq_len, max_new_tokens) :])
    if len(read) < len(ids):
        text = in_characters(tokenizer, read)
    return Reading(ids=read, text=text, n_tokens=len(ids), **counts)


def read_marked(
    config: ModelConfig, tokenizer: Tokenizer, prompt: str, max_seq_len: int, max_new_tokens: int
) -> Reading:
    """What a model reads of `prompt` whatever it does with it: marks that it was trained with may be spelled out there.

    A decoder reads as `read_prompt` says. An encoder has its whole context for the prompt, since the answer is read by the
    decoder. Raises `InputError` as `read_prompt` does.
    """
    if config.structure == "decoder":
        return read_prompt(tokenizer, prompt, max_seq_len, max_new_tokens)
    from models.objectives import marked_ids, marks_of
    from models.prompts import prompt_of_ids, way_of

    way, marks = way_of(config, tokenizer), marks_of(tokenizer)
    if way == "continue":
        return read_prompt(tokenizer, prompt, max_seq_len, max_new_tokens)
    text, counts = _clean(prompt)
    ids = marked_ids(text, tokenizer)
    answers = config.structure == "encoder_decoder"
    room = max_seq_len if answers else _room(max_seq_len, max_new_tokens)
    kept = ids[-room:]
    made = prompt_of_ids(config, marks, kept)
    while (extra := len(made.ids) + (made.blank is not None) - room) > 0 and kept:
        kept = kept[extra:]  # without its blank, which may be cut off, a prompt gets another one
        made = prompt_of_ids(config, marks, kept)
    if not made.ids:
        raise InputError("prompt_empty")
    added = made.ids[len(kept) :]
    return Reading(
        ids=made.ids,
        text=text if len(kept) == len(ids) else in_characters(tokenizer, kept),
        n_tokens=len(ids),
        n_around=len(added),
        after="".join(f" {tokenizer.token(token_id)}" for token_id in added if made.blank is not None),
        way=way,
        start_ids=(config.decoder_start_id,) if answers else (),
        stop_ids=made.stop_ids,
        blank=made.blank,
        **counts,
    )


def read_message(tokenizer: Tokenizer, system: str, prompt: str, max_seq_len: int, max_new_tokens: int) -> Reading:
    """What a model that chats reads of the message `prompt`: the instruction `system`, then the message, as a chat.

    Of a message that is too long the end is read, with the same room as in `read_prompt`; what is around it always is.
    Since tokens may form across the message's ends, its own are counted as those that it adds to an empty one. Raises
    `InputError` for what is no text, and for a tokenizer without the marks of a chat.
    """

    def ids_with(message: str) -> list[int]:
        return chat_ids(tokenizer, [("system", system), ("user", message)])

    text, counts = _clean(prompt)
    n_around = len(ids_with(""))
    room = _room(max_seq_len - n_around, max_new_tokens)
    ids = ids_with(text)
    n_tokens = len(ids) - n_around
    own = tokenizer.encode(text)
    n_kept = min(room, len(own))
    while len(ids) > n_around + room:
        text = in_characters(tokenizer, own[len(own) - n_kept :])
        ids = ids_with(text)
        n_kept -= max(len(ids) - n_around - room, 0)
    before, after = around_message(system)
    around = {"n_around": n_around, "before": before, "after": after}
    return Reading(ids=tuple(ids), text=text, n_tokens=n_tokens, **around, **counts)


def _clean(prompt: str) -> tuple[str, dict[str, int]]:
    """What of a prompt is text and within the limit, and how many characters of it are not."""
    clipped = as_text("prompt", prompt)[:MAX_PROMPT]
    text = "".join(character for character in clipped if character != "\0" and not "\ud800" <= character <= "\udfff")
    return text, {"n_dropped": len(clipped) - len(text), "n_clipped": len(prompt) - len(clipped)}


def _room(max_seq_len: int, max_new_tokens: int) -> int:
    """How many tokens of prompt are read: what leaves room for the new ones, but at least half of the context."""
    return max(max_seq_len - max_new_tokens, max_seq_len // 2, 1)


def in_characters(tokenizer: Tokenizer, ids: Sequence[int]) -> str:
    """The text of tokens of which the first may begin inside a character; special ones are spelled out."""
    encoded = b"".join(tokenizer.bytes_of(token_id) or tokenizer.token(token_id).encode() for token_id in ids)
    start = next((at for at, byte in enumerate(encoded[:4]) if byte & 0xC0 != 0x80), 0)
    return encoded[start:].decode("utf-8", errors="replace")
