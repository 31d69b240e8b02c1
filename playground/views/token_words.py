"""What a tokenizer's text comes back as, and what kind it is, in words."""

import re
from collections.abc import Sequence

from playground.i18n import catalogue, say

ALGORITHMS = {
    "byte-level BPE": "byte_bpe",
    "SentencePiece BPE": "sp_bpe",
    "BPE": "bpe",
    "WordPiece": "wordpiece",
    "Unigram": "unigram",
    "characters": "characters",
    "bytes": "bytes",
}
CHANGES = {
    "lower-cased": "lower_cased",
    "spaces": "spaces",
    "unicode form": "unicode_form",
    "unknown": "unknown",
    "accents": "accents",
    "other": "other",
}
SIZED = re.compile(r"(?:byte-bpe|sp-bpe|unigram|wordpiece|characters)-(\d+k)")
STORIES = "stories-4k"
MOST_QUOTED = 12  # characters of each side of an example


def algorithm(name: str, lang: str) -> str:
    """The algorithm as a reader calls it."""
    return say(lang, f"tokenizers.algorithm.{ALGORITHMS[name]}")


def title(name: str, known: str, algorithm_name: str, lang: str) -> str:
    """What a reader calls a tokenizer whose title in the catalogue is `known`: ours are called by their algorithm."""
    if name == STORIES:
        return say(lang, "tokenizers.stories_title")
    if name == "bytes":
        return algorithm(algorithm_name, lang)
    if size := size_of(name):
        return say(lang, "tokenizers.shipped_title", algorithm=algorithm(algorithm_name, lang), size=size)
    return known


def title_of(named, lang: str) -> str:
    """The same of a `playground.token_shelf.Named`."""
    return title(named.name, named.title, named.tokenizer.algorithm, lang)


def source_of(name: str, lang: str) -> str:
    """Who made a vocabulary, and from what text; `name` is the catalogue's, "yours" for a visitor's own."""
    return say(lang, f"tokenizers.source.{_kept_under(name)}")


def licence_of(name: str, licence: str, lang: str) -> str:
    """The licence of a vocabulary, which the catalogue calls `licence`; names of licences are the same everywhere."""
    key = f"tokenizers.licence.{_kept_under(name)}"
    return say(lang, key) if key in catalogue() else licence


def _kept_under(name: str) -> str:
    if name == STORIES:
        return "stories"
    return "own" if size_of(name) else name.replace("-", "_")


def size_of(name: str) -> str:
    """The size in the name of a shipped tokenizer: "unigram-8k" → "8k"; empty for every other."""
    found = SIZED.fullmatch(name)
    return found[1] if found else ""


def comes_back(exact: bool, changes: Sequence, lang: str) -> str:
    """One sentence: the text comes back as it was, or every kind of change, with how often and one example.

    `changes` have `original`, `became` and `kind`, as in `models.tokenizers.round_trip`.
    """
    if exact:
        return say(lang, "tokenizers.back.exact")
    kinds: dict[str, list] = {}
    for change in changes:
        kinds.setdefault(change.kind, []).append(change)
    told = [
        say(
            lang,
            f"tokenizers.back.{CHANGES[kind]}",
            count=len(found),
            original=quoted(found[0].original, lang),
            became=quoted(found[0].became, lang),
        )
        for kind, found in kinds.items()
    ]
    return say(lang, "tokenizers.back.changed", changes=say(lang, "tokenizers.back.join").join(told))


def quoted(text: str, lang: str) -> str:
    """A short piece of text in quotation marks, what has no picture spelled out; "nothing" for none."""
    if not text:
        return say(lang, "tokenizers.back.nothing")
    shown = text if len(text) <= MOST_QUOTED else f"{text[:MOST_QUOTED]}…"
    seen = "".join(_picture(character) for character in shown)
    return say(lang, "tokenizers.back.quoted", text=seen)


def _picture(character: str) -> str:
    if character == " ":
        return "␣"
    if character == "\n":
        return "↵"
    if character == "\t":
        return "⇥"
    return character if character.isprintable() else f"⟨U+{ord(character):04X}⟩"
