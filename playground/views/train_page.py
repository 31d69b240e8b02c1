"""The skeleton of the tab that trains; static/train.js fills it. Nothing is ever put into it as markup."""

from html import escape

from playground.i18n import LANGUAGES, say


def template() -> str:
    """The markup. Of the words only one sentence comes with it: what to say if the server does not give the others."""
    unreachable = " ".join(
        f'data-unreachable-{lang}="{escape(say(lang, "tokenizers.unreachable"))}"' for lang in LANGUAGES
    )
    return f'<article class="train" {unreachable}></article>'
