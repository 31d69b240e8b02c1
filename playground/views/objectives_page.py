"""The skeleton of the tab of objectives; its scripts fill it. Nothing is ever put into it as markup."""

from html import escape

from playground.i18n import LANGUAGES, say

PANELS = ("bert", "pairs", "sides")


def template() -> str:
    """The markup: one panel for each section. Of the words only one sentence comes with it: what to say if the server
    does not give the others."""
    unreachable = " ".join(
        f'data-unreachable-{lang}="{escape(say(lang, "objectives.unreachable"))}"' for lang in LANGUAGES
    )
    panels = "".join(f'<div class="obj-panel obj-{name}" data-of="{name}" hidden></div>' for name in PANELS)
    return f'<article class="objs" {unreachable}>{panels}</article>'
