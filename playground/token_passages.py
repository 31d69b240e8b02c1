"""The passages that every tokenizer can be measured on: short texts of our own in `assets/texts/`."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from playground.i18n import say
from playground.token_figures import Figures, figures, size_of, timed
from playground.token_shelf import Named

FOLDER = Path(__file__).resolve().parents[1] / "assets" / "texts"
PASSAGES = ("english", "chinese", "mixed", "code", "numbers", "emoji")


@dataclass(frozen=True)
class Measured:
    """What one tokenizer makes of each passage, by the passage's name."""

    named: Named
    of: dict[str, Figures]


@cache
def passage(name: str) -> str:
    """The text of a passage."""
    return (FOLDER / f"{name}.txt").read_text(encoding="utf-8").strip()


def passages(lang: str) -> list[tuple[str, str]]:
    """(title, text) of every passage."""
    return [(say(lang, f"tokenizers.passage.{name}"), passage(name)) for name in PASSAGES]


def measured(named: Named, names: Iterable[str] = PASSAGES) -> Measured:
    """Encodes the passages."""
    of = {}
    for name in names:
        text = passage(name)
        ids, seconds = timed(named.tokenizer, text)
        of[name] = figures(named.tokenizer, ids, size_of(text), seconds)
    return Measured(named, of)
