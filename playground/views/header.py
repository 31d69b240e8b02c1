"""The header's sentences: what the model in hand is, and what of an address could not be followed."""

from html import escape

from playground.i18n import say
from playground.views.numbers import exact, short


def facts(lang: str, params: int, origin: str, steps: int | None = None) -> str:
    """Parameters (exact on hover), trained or random, and where the weights are from: `origin` is "zoo", "package",
    "here" (after `steps` steps of training), "brought" or "random"."""
    count = escape(say(lang, "shell.model.exact", count=exact(params)))
    state = "random" if origin == "random" else "trained"
    return (
        '<p class="facts">'
        f'<span title="{count}"><b>{short(params)}</b> {escape(say(lang, "shell.model.parameters"))}</span>'
        f'<span class="weights-{state}">{escape(say(lang, f"shell.model.{state}"))}</span>'
        f"<span>{escape(say(lang, f'shell.origin.{origin}', steps=exact(steps or 0)))}</span>"
        "</p>"
    )


def notice(lang: str, sentences: list[str]) -> str:
    """A list of what could not be followed; empty if all could."""
    if not sentences:
        return ""
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return f'<div class="notice" role="status"><p>{escape(say(lang, "shell.notice.heading"))}</p><ul>{items}</ul></div>'
