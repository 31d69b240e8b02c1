"""A control of Build's form named in a sentence, so that the reader gets from there to it."""

from html import escape

from playground.design_controls import GROUPS, elem_id
from playground.i18n import say
from playground.views.design_changes import field_name


def sentence_with_field(key: str, control: str, lang: str) -> str:
    """HTML of the sentence `key`, with a link to `control` in the place of {field}; build.js follows it."""
    group = next(group for group, names in GROUPS.items() if control in names)
    place = f'href="#{elem_id(control)}" data-control="{control}" data-group="{group}"'
    link = f"<a {place}>{escape(field_name(control, lang))}</a>"
    return link.join(map(escape, say(lang, key, field="\0").split("\0")))
