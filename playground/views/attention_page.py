"""The skeleton of the tab of attention; its scripts fill it. Nothing is ever put into it as markup."""

from html import escape

from playground.i18n import LANGUAGES, say

PANELS = ("maps", "weight", "flash", "whatif", "before")


def template() -> str:
    """The markup: the controls that the sections share, and one panel for each section. Of the words only one sentence
    comes with it: what to say if the server does not give the others."""
    unreachable = " ".join(
        f'data-unreachable-{lang}="{escape(say(lang, "attention.unreachable"))}"' for lang in LANGUAGES
    )
    panels = "".join(f'<div class="att-panel att-{name}" data-of="{name}" hidden></div>' for name in PANELS)
    return (
        f'<article class="objs atts" {unreachable}><div class="split"><div class="controls att-shared"></div>'
        f'<div class="picture">{panels}</div></div></article>'
    )
