"""The heading over the diagram: which design it is, how large, and whether it is the one in the form."""

from html import escape

from playground.i18n import say
from playground.views.numbers import exact, short


def design_title(title: str, changed: bool, params: int, lang: str) -> str:
    """HTML heading of a valid design."""
    name = say(lang, "build.title.changed" if changed else "build.title.preset", base=title)
    count = say(lang, "build.title.params", count=short(params))
    whole = say(lang, "build.title.params", count=exact(params))
    return f'<h2>{escape(name)} <small title="{escape(whole)}">{escape(count)}</small></h2>'


def refused_title(last_valid: str, lang: str) -> str:
    """The heading of the last valid design, marked so."""
    return f'{last_valid}<p class="stale" role="status">{escape(say(lang, "build.title.stale"))}</p>'
