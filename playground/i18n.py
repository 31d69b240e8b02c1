"""Every visible word, in English and Chinese.

The words live in `playground/i18n/*.toml`, one file per part of the page, one table per key:

    [generate.prompt]
    en = "Prompt"
    zh = "提示词"

A component's label is resolved in the browser (`label`); what the server writes is resolved here (`say`, `explain`).
A key that is missing raises `KeyError`: a page with a hole in it is a mistake of ours, not of the visitor.
"""

import tomllib
from functools import cache
from pathlib import Path

from models.errors import MESSAGES, InputError

LANGUAGES = ("en", "zh")
BROWSER_LOCALES = {"en": "en", "zh": "zh-CN"}  # `page.js` makes every browser ask for one of these
FOLDER = Path(__file__).with_suffix("")
_labels: set[str] = set()


@cache
def catalogue() -> dict[str, dict[str, str]]:
    """All words: key → language → text. English error sentences come from `models.errors.MESSAGES`."""
    words: dict[str, dict[str, str]] = {}
    for path in sorted(FOLDER.glob("*.toml")):
        for key, texts in _entries(tomllib.loads(path.read_text(encoding="utf-8"))):
            if key in words:
                raise ValueError(f"{path.name} defines {key} a second time")
            words[key] = texts
    for code, sentence in MESSAGES.items():
        words.setdefault(f"error.{code}", {})["en"] = sentence
    return words


def _entries(table: dict, prefix: str = ""):
    """The (key, texts) pairs of a nested TOML table; a table that holds strings is an entry."""
    for name, value in table.items():
        key = prefix + name
        if all(isinstance(text, str) for text in value.values()):
            yield key, value
        else:
            yield from _entries(value, f"{key}.")


def language(lang: object) -> str:
    """`lang` where it is one of ours, else English: a script of the page may have been changed by its reader."""
    return lang if lang in LANGUAGES else "en"


def label(key: str):
    """A marker that the browser replaces by the text in its language; for labels, placeholders and button texts.

    The browser gets the words that were asked for while the page was built; a handler uses `say` instead.
    """
    from gradio.i18n import I18nData  # views use this module too, and must not need Gradio

    if key not in catalogue():
        raise KeyError(key)
    _labels.add(key)
    return I18nData(key)


def say(lang: str, key: str, **params) -> str:
    """The text of `key` in `lang`, its {placeholders} filled with `params`."""
    return catalogue()[key][lang].format(**params)


def words_under(prefix: str, lang: str) -> dict[str, str]:
    """Every text whose key begins with `prefix`, by the rest of the key: what a script puts on the page."""
    return {key.removeprefix(prefix): texts[lang] for key, texts in catalogue().items() if key.startswith(prefix)}


def in_every_language(key: str, **params) -> dict[str, str]:
    """The text of `key` by language."""
    return {lang: say(lang, key, **params) for lang in LANGUAGES}


def explain(lang: str, error: InputError) -> str:
    """What a refused input did wrong and how to mend it: one sentence."""
    return say(lang, f"error.{error.code}", **error.params)


def browser_words() -> dict[str, dict[str, str]]:
    """Locale → key → text of the labels so far, as `gr.I18n(**browser_words())` wants it."""
    return {
        locale: {key: catalogue()[key][lang] for key in sorted(_labels)} for lang, locale in BROWSER_LOCALES.items()
    }
