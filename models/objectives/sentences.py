"""A text as sentences, in English and Chinese: where next-sentence prediction may cut.

By rule: after . ! ? with what closes quotations, before a space; after 。！？… in Chinese, which has no space there; and at
the end of each line. Not after a common abbreviation, an initial, or before a small letter (`"Stop!" he cried. Wait… no.`).
"""

import re

ABBREVIATIONS = {
    "mr", "mrs", "ms", "dr", "st", "prof", "sr", "jr", "capt", "lt", "sgt", "rev", "hon", "vs", "etc",
    "vol", "approx", "dept", "inc", "ltd", "co", "e.g", "i.e",
}  # fmt: skip
CLOSING = "\"'”’)\\]"
END = re.compile(rf"(?<=[.!?])[{CLOSING}]*\s+|[。！？…]+[」』{CLOSING}]*\s*")
LAST_WORD = re.compile(r"([\w.]+)\.$")
LONGEST = max(map(len, ABBREVIATIONS))


def sentences(text: str) -> list[str]:
    """The sentences of `text` in order, without the spaces between them; a text without a full stop is one."""
    found = []
    for line in text.splitlines():
        start = 0
        for end in END.finditer(line):
            if _ends(line, start, end):
                found.append(line[start : end.end()].strip())
                start = end.end()
        found.append(line[start:].strip())
    return [sentence for sentence in found if sentence]


def _ends(line: str, start: int, end: re.Match) -> bool:
    """Whether the match ends a sentence that began at `start`."""
    if line[end.start()] in "。！？":
        return True
    following = line[end.end() : end.end() + 1]
    if following.islower():
        return False
    if line[end.start()] == "…":
        return True
    # No more than tells an abbreviation from a longer word: a line may be as long as a whole text.
    last = LAST_WORD.search(line[max(start, end.start() - LONGEST - 2) : end.start()])
    if last is None:
        return True
    word = last.group(1)
    return word.lower() not in ABBREVIATIONS and not (len(word) == 1 and word.isupper() and word != "I")
