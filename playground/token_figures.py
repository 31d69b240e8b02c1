"""How several tokenizers cut one text: the tokens with their places, and the figures that they are compared by."""

import time
from collections import Counter
from dataclasses import dataclass

import regex

from models.errors import InputError
from models.tokenizers.interface import Encoding, Tokenizer, check_text
from models.tokenizers.round_trip import RoundTrip, round_trip

MAX_TEXT_BYTES = 1_000_000
SHOWN_CHARACTERS = 4_000  # of a longer text this much is drawn; the figures are of all of it
MOST = 6  # tokenizers side by side …
LEAST = 2  # … and the fewest
SHORT_TEXT = 20_000  # characters up to which encoding is timed more than once
TIMINGS = 3

# A word is a run of letters, digits and the marks on them; a Chinese, Japanese or Korean character is one by itself.
ALONE = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}ー\u3131-\u318e\uac00-\ud7a3"
WORD = regex.compile(rf"(?V1)[{ALONE}]|[[\p{{L}}\p{{N}}_]--[{ALONE}]][[\p{{L}}\p{{N}}\p{{M}}_]--[{ALONE}]]*")


@dataclass(frozen=True)
class Size:
    """How long a text is."""

    characters: int
    words: int
    bytes: int


@dataclass(frozen=True)
class Figures:
    """What one tokenizer makes of a text. A ratio whose divisor is 0 is None."""

    vocab_size: int
    tokens: int
    per_character: float | None
    per_word: float | None
    bytes_per_token: float | None
    unknown: float | None  # share of the tokens
    byte_fallback: float | None  # share of the tokens
    seconds_per_mb: float | None  # 10⁶ bytes of UTF-8, measured on this text


@dataclass(frozen=True)
class Column:
    """One tokenizer on one text: figures of all of it; tokens, and what decoding gives back, of the part that is drawn."""

    tokenizer: Tokenizer
    encoding: Encoding
    figures: Figures
    back: RoundTrip


def read_text(text: object) -> str:
    """The text itself; raises `InputError` for what is none, has half a character, or is too long."""
    if not isinstance(text, str):
        raise InputError("not_a_text", field="text", value=text)
    if (size := len(check_text(text).encode())) > MAX_TEXT_BYTES:
        raise InputError("token_text_too_long", size=size, limit=MAX_TEXT_BYTES)
    return text


def size_of(text: str) -> Size:
    """Characters (code points), words and UTF-8 bytes of a text."""
    return Size(len(text), sum(1 for _ in WORD.finditer(text)), len(text.encode()))


def drawn_part(text: str) -> str:
    """As much of a text as is drawn token by token, cut at a space if one is near."""
    if len(text) <= SHOWN_CHARACTERS:
        return text
    part = text[:SHOWN_CHARACTERS]
    cut = max(part.rfind(" "), part.rfind("\n"))
    return part[: cut + 1] if cut > SHOWN_CHARACTERS * 3 // 4 else part


def column(tokenizer: Tokenizer, text: str, size: Size) -> Column:
    """Encodes a text that `read_text` has passed, and measures; `size` is the text's."""
    part = drawn_part(text)
    encoding = tokenizer.encode_with_offsets(part)
    ids, seconds = timed(tokenizer, text)
    return Column(tokenizer, encoding, figures(tokenizer, ids, size, seconds), round_trip(tokenizer, part))


def figures(tokenizer: Tokenizer, ids: list[int], size: Size, seconds: float) -> Figures:
    """The figures of a text of this size that became `ids` in so many seconds."""
    n_tokens = len(ids)
    kinds: Counter[str] = Counter()
    for token_id, count in Counter(ids).items():
        kinds[tokenizer.kind_of(token_id)] += count
    return Figures(
        vocab_size=tokenizer.vocab_size,
        tokens=n_tokens,
        per_character=_ratio(n_tokens, size.characters),
        per_word=_ratio(n_tokens, size.words),
        bytes_per_token=_ratio(size.bytes, n_tokens),
        unknown=_ratio(kinds["unknown"], n_tokens),
        byte_fallback=_ratio(kinds["byte"], n_tokens),
        seconds_per_mb=_ratio(1e6 * seconds, size.bytes),
    )


def timed(tokenizer: Tokenizer, text: str) -> tuple[list[int], float]:
    """The ids, and the seconds that encoding took; of a short text the shortest of several times."""
    best, ids = float("inf"), []
    for _ in range(TIMINGS if len(text) <= SHORT_TEXT else 1):
        start = time.perf_counter()
        ids = tokenizer.encode(text)
        best = min(best, time.perf_counter() - start)
    return ids, best


def _ratio(part: float, whole: int) -> float | None:
    return part / whole if whole else None
