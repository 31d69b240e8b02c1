"""The metadata of a GGUF file, without its weights.

The package `gguf` makes several arrays of every string, which takes seconds for a vocabulary. The layout is that of
llama.cpp's docs/gguf.md: magic, version, two counts, then keys, each with the type of its value and the value.
"""

import mmap
import struct
from pathlib import Path

MAGIC = b"GGUF"
VERSIONS = (2, 3)
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9


def read_metadata(path: Path) -> dict[str, object]:
    """All keys of the file with their values: numbers, truth values, texts, and lists of these.

    Raises ValueError for a file that is not of this format, or ends too soon.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            return _Cursor(data).metadata()
        except struct.error as error:
            raise ValueError("the file is cut off") from error


class _Cursor:
    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._position = 0

    def metadata(self) -> dict[str, object]:
        if self._data[:4] != MAGIC:
            raise ValueError("it is no GGUF file")
        self._position = 4
        if (version := self._number("I")) not in VERSIONS:
            raise ValueError(f"its version is {version}")
        _, n_keys = self._number("Q"), self._number("Q")
        return {self._string(): self._value(self._number("I")) for _ in range(n_keys)}

    def _value(self, kind: int) -> object:
        if kind == STRING:
            return self._string()
        if kind == ARRAY:
            inner, length = self._number("I"), self._number("Q")
            if inner in SCALARS:
                return list(self._unpack(f"<{self._fitting(length)}{SCALARS[inner]}"))
            return [self._value(inner) for _ in range(self._fitting(length))]
        if kind not in SCALARS:
            raise ValueError(f"a value has the type {kind}")
        return self._number(SCALARS[kind])

    def _fitting(self, length: int) -> int:
        """`length` itself, if the rest of the file can hold so many values."""
        if length > len(self._data) - self._position:
            raise ValueError("the file is cut off")
        return length

    def _string(self) -> str:
        length = self._fitting(self._number("Q"))
        start, self._position = self._position, self._position + length
        return self._data[start : self._position].decode("utf-8")

    def _number(self, letter: str):
        return self._unpack("<" + letter)[0]

    def _unpack(self, layout: str) -> tuple:
        values = struct.unpack_from(layout, self._data, self._position)
        self._position += struct.calcsize(layout)
        return values
