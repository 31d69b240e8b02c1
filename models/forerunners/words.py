"""The recurrent translators' vocabulary: English words in small letters, digits one by one, and Chinese characters."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from models.errors import InputError

PAD, UNKNOWN, END = "<pad>", "<unk>", "<end>"
MARKS = (PAD, UNKNOWN, END)
PAD_ID, UNKNOWN_ID, END_ID = range(3)
ENGLISH = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?|\d|[^\w\s]|_")
LONGEST = 32  # words and digits of a source sentence that are read


def english_words(text: str) -> list[str]:
    """Words in small letters; digits and marks one by one."""
    return ENGLISH.findall(text.replace("’", "'").lower())


def chinese_characters(text: str) -> list[str]:
    """Every character but spaces."""
    return list("".join(text.split()))


@dataclass(frozen=True)
class Words:
    """Entries by id, the marks first."""

    entries: tuple[str, ...]

    @classmethod
    def of(cls, sentences: Iterable[list[str]], size: int) -> "Words":
        """The `size` most frequent entries, marks included; of equally frequent ones the first in the alphabet."""
        counts = Counter(word for sentence in sentences for word in sentence)
        frequent = sorted(counts, key=lambda word: (-counts[word], word))
        return cls((*MARKS, *frequent[: size - len(MARKS)]))

    def __post_init__(self):
        object.__setattr__(self, "_ids", {entry: place for place, entry in enumerate(self.entries)})

    def __len__(self) -> int:
        return len(self.entries)

    def __contains__(self, word: str) -> bool:
        return word in self._ids

    def ids(self, words: Iterable[str]) -> list[int]:
        """Their ids, and the end's."""
        return [*(self._ids.get(word, UNKNOWN_ID) for word in words), END_ID]


def source_ids(vocabulary: Words, text: str) -> tuple[list[str], list[int]]:
    """The words of an English text and, with the end mark, their ids. Raises `InputError` for none or more than
    `LONGEST`."""
    words = english_words(text)
    if not words:
        raise InputError("before_no_words")
    if len(words) > LONGEST:
        raise InputError("before_too_long", n_words=len(words), limit=LONGEST)
    return words, vocabulary.ids(words)
