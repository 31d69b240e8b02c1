"""The heading over the diagram: which design it is, how large, and whether it is the one in the form."""

import re
from html import escape

from playground.i18n import say
from playground.views.field_link import sentence_with_field
from playground.views.numbers import NARROW, exact, short

_GROUPING = re.compile(r"(?<=\d)[ \u2009](?=\d{3}(?!\d))")  # between thousands, where a line must not end


def design_title(title: str, changed: bool, params: int, lang: str) -> str:
    """HTML heading of a valid design."""
    name = say(lang, "build.title.changed" if changed else "build.title.preset", base=title)
    count = say(lang, "build.title.params", count=short(params))
    whole = say(lang, "build.title.params", count=exact(params))
    return f'<h2>{escape(name)} <small title="{escape(whole)}">{escape(count)}</small></h2>'


def preset_note(notes: dict[str, str], preset: str | None, lang: str) -> str:
    """HTML of what a reader should know about a preset's figures, in their language or marked as English.

    `notes` maps languages to sentences; `preset` is named where the heading names another design.
    """
    if not notes:
        return ""
    notes = {language: _GROUPING.sub(NARROW, note) for language, note in notes.items()}
    prefix = escape(say(lang, "build.title.note_on", preset=preset)) if preset else ""
    if lang in notes:
        return f'<p class="preset-note">{prefix}{escape(notes[lang])}</p>'
    mark = escape(say(lang, "build.title.in_english"))
    return f'<p class="preset-note">{prefix}<span lang="en">{escape(notes["en"])}</span>{mark}</p>'


def refused_title(last_valid: str, control: str | None, lang: str) -> str:
    """The heading of the last valid design, marked so; `control` is the one to correct, if a single one is at fault."""
    fault = sentence_with_field("build.title.at_fault", control, lang) + " " if control else ""
    return f'{last_valid}<p class="stale" role="status">{fault}{escape(say(lang, "build.title.stale"))}</p>'
