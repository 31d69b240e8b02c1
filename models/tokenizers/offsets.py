"""Where tokens lie in a text: code points and bytes, also where a normaliser changed the text or a token ends within a
character."""

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

Spans = list[tuple[int, int]]


class Group(NamedTuple):
    """Tokens that cannot be told apart by code points, mostly one; half-open ranges of tokens and of code points."""

    first: int
    end: int
    start: int
    stop: int


def groups(char_spans: Spans) -> Iterator[Group]:
    """The tokens in groups that share no character. What stands for nothing in the text joins the group after it."""
    first, count = 0, len(char_spans)
    while first < count:
        start, stop = char_spans[first]
        end = first + 1
        while end < count and (char_spans[end][0] < stop or start == stop == char_spans[end][0]):
            stop = max(stop, char_spans[end][1])
            end += 1
        yield Group(first, end, start, stop)
        first = end


def byte_positions(text: str) -> Sequence[int]:
    """The byte at which each code point of `text` begins, and the number of bytes at the end."""
    if text.isascii():
        return range(len(text) + 1)
    return list(accumulate(map(_utf8_length, text), initial=0))


def _utf8_length(character: str) -> int:
    return 1 if character < "\x80" else 2 if character < "\u0800" else 3 if character < "\U00010000" else 4


def byte_spans(text: str, char_spans: Spans, pieces: Sequence[bytes]) -> Spans:
    """The bytes of `text` that each token stands for: exact where tokens of one character spell it as it was, else those
    of all its characters. `pieces` are the tokens' own bytes."""
    position = byte_positions(text)
    spans = []
    for first, end, start, stop in groups(char_spans):
        widened = [(position[left], position[right]) for left, right in char_spans[first:end]]
        # What stands for nothing in the text is no part of its characters.
        with_text = [i for i in range(first, end) if char_spans[i][0] < char_spans[i][1]] if end - first > 1 else ()
        parts = [pieces[i] for i in with_text]
        if len(parts) > 1 and b"".join(parts) == text[start:stop].encode():
            for i, span in zip(with_text, consecutive(parts, position[start]), strict=True):
                widened[i - first] = span
        spans += widened
    return spans


def consecutive(pieces: Sequence[bytes], start: int = 0) -> Spans:
    """The spans of pieces that follow one another from byte `start` on."""
    ends = list(accumulate(map(len, pieces), initial=start))
    return list(zip(ends, ends[1:], strict=False))


def characters_around(text: str, spans: Spans) -> Spans:
    """Spans in bytes of `text` as spans in code points, each widened to whole characters."""
    if text.isascii():
        return list(spans)
    character_of = [i for i, character in enumerate(text) for _ in range(_utf8_length(character))]  # of each byte
    return [
        (character_of[a], character_of[b - 1] + 1) if a < b else (a and character_of[a - 1] + 1,) * 2 for a, b in spans
    ]


def placed(origins: Spans, normalised: str, pieces: Sequence[bytes]) -> Spans:
    """The spans in a text of tokens that together spell its normalised form.

    origins: for each code point of `normalised`, the span in the text that it comes from. pieces: the tokens' bytes.
    """
    within = characters_around(normalised, consecutive(pieces))
    spans = []
    for start, end in within:
        if start == end:
            spans.append((spans[-1][1],) * 2 if spans else (0, 0))
        else:
            spans.append((origins[start][0], origins[end - 1][1]))
    return spans
