"""What stands under a control: what its choice means, how it differs from the preset, what is wrong with it."""

import re
from html import escape

from playground.i18n import say

_ARXIV = re.compile(r"arXiv:(\d{4}\.\d{4,5})")


def control_note(about: str, paper: str, was: str | None, problem: str | None, lang: str) -> str:
    """HTML of the note; empty where there is nothing to say.

    `about` explains the choice and `paper` says where it was described; `was` is the preset's value if it differs;
    `problem` the sentence of a refusal.
    """
    pieces = []
    if problem:
        pieces.append(refusal(problem))
    if was is not None:
        pieces.append(f'<p class="was">◆ {escape(say(lang, "build.note.was", value=was))}</p>')
    if about:
        more = ""
        if paper:
            summary = escape(say(lang, "build.note.more"))
            more = f"<details><summary>{summary}</summary><p>{linked(paper)}</p></details>"
        pieces.append(f'<div class="about"><p>{escape(about)}</p>{more}</div>')
    return f'<div class="note">{"".join(pieces)}</div>' if pieces else ""


def refusal(sentence: str) -> str:
    """HTML of a sentence that may repeat what a visitor typed."""
    return f'<p class="problem" role="alert">{escape(sentence)}</p>'


def limit(sentence: str) -> str:
    """HTML of why a design cannot be used, or not for everything."""
    return limit_html(escape(sentence))


def limit_html(sentence: str) -> str:
    """The same around a sentence that is HTML already."""
    return f'<p class="limit">{sentence}</p>'


def linked(paper: str) -> str:
    """The source with arXiv numbers as links; nothing is fetched unless the reader follows one."""
    return _ARXIV.sub(r'<a href="https://arxiv.org/abs/\1" target="_blank" rel="noopener">arXiv:\1</a>', escape(paper))
