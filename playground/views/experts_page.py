"""The skeleton of the tab of experts; its scripts fill it. Nothing is ever put into it as markup."""

from html import escape

from playground.i18n import LANGUAGES, say

PANELS = ("board", "steps", "compare", "sizes")


def template() -> str:
    """The markup: the controls that the sections share, and one panel for each section. Of the words only one sentence
    comes with it: what to say if the server does not give the others."""
    unreachable = " ".join(
        f'data-unreachable-{lang}="{escape(say(lang, "experts.unreachable"))}"' for lang in LANGUAGES
    )
    panels = "".join(f'<div class="exp-panel exp-{name}" data-of="{name}" hidden></div>' for name in PANELS)
    return (
        f'<article class="objs exps" {unreachable}><div class="split"><div class="controls exp-shared"></div>'
        f'<div class="picture">{panels}</div></div></article>'
    )
