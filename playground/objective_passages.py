"""Short passages for the tab of objectives, each with the model that reads it best."""

import tomllib
from functools import cache
from pathlib import Path

from playground.i18n import say
from playground.objective_models import best_reader

FILE = Path(__file__).resolve().parents[1] / "assets" / "texts" / "passages.toml"


@cache
def _listed() -> dict[str, dict]:
    return tomllib.loads(FILE.read_text(encoding="utf-8"))


def passages(lang: str) -> list[dict]:
    """Every passage, those in the page's language first: name, title, lang, text, the name of a `model` for it, and in
    `two` words of which the first and the last are worth masking together, in `gap` a sentence with [MASK] (or None)."""
    found = [
        {
            "name": name,
            "title": say(lang, f"objectives.passage.{name}"),
            "lang": values["language"],
            "text": values["text"],
            "model": best_reader(values["text"]),
            "two": values.get("two"),
            "gap": values.get("gap"),
        }
        for name, values in _listed().items()
    ]
    return sorted(found, key=lambda passage: passage["lang"] != lang)


def twos() -> list[str]:
    """The words of all passages whose first and last token are worth masking together."""
    return [values["two"] for values in _listed().values() if "two" in values]
