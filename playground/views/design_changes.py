"""What differs from the preset of departure: field by field, old → new, and what the new choice means."""

from html import escape

from models.config import CHOICES, RopeScaling
from models.diff import Change
from playground.i18n import say
from playground.views.numbers import exact

# Fields whose values are names with an explanation of their own.
_EXPLAINED = ("attention", "position", "rope_layout", "norm", "block", "ffn", "activation")


def design_changes(changes: list[Change], followed: list[Change], base_title: str, lang: str) -> str:
    """HTML of the list; one sentence where nothing differs.

    `changes` is what `models.diff` gives; `followed` are the values that these changes move along.
    """
    if not changes:
        return f'<p class="changes none">{escape(say(lang, "build.changes.none", base=base_title))}</p>'
    items = "".join(_item(*change, lang) for change in changes)
    items += "".join(_item(*change, lang, follows=True) for change in followed)
    title = escape(say(lang, "build.changes.some", base=base_title, count=len(changes)))
    return f'<div class="changes"><p>{title}</p><dl>{items}</dl></div>'


def _item(field: str, old: object, new: object, lang: str, follows: bool = False) -> str:
    name = escape(say(lang, f"part.name.{field}"))
    old_words, new_words = (escape(value_words(field, value, lang)) for value in (old, new))
    sentence = say(lang, f"build.follows.{field}") if follows else meaning(field, new, lang)
    mark = ' class="follows"' if follows else ""
    return (
        f"<div{mark}><dt>{name}</dt><dd><del>{old_words}</del> → <ins>{new_words}</ins>"
        f"<span>{escape(sentence)}</span></dd></div>"
    )


def value_words(field: str, value: object, lang: str) -> str:
    """A field's value in the reader's words; a mask pattern may come as the form writes it, "causal,sliding"."""
    if field == "mask_pattern" and isinstance(value, str):
        value = value.split(",")
    if value is None:
        return say(lang, "part.value.absent")
    if isinstance(value, bool):
        return say(lang, "part.value.yes" if value else "part.value.no")
    if isinstance(value, RopeScaling):
        return f"{say(lang, f'part.choice.rope_scaling.{value.kind}')} × {exact(value.factor)}"
    if isinstance(value, tuple | list):
        choice = "mask" if field == "mask_pattern" else field
        words = [say(lang, f"part.choice.{choice}.{entry}") for entry in value]
        return ", ".join(words) or say(lang, "part.value.absent")
    if field in CHOICES:
        return say(lang, f"part.choice.{field}.{value}")
    return exact(value)


def meaning(field: str, value: object, lang: str) -> str:
    """One sentence on what the new value does."""
    if field in _EXPLAINED:
        return say(lang, f"part.about.{field}.{value}")
    if field == "rope_scaling":
        return say(lang, f"part.about.rope_scaling.{value.kind if value else 'none'}")
    if field == "mask_pattern":
        return say(lang, f"part.about.mask_pattern.{value[0] if len(set(value)) == 1 else 'mixed'}")
    return say(lang, f"part.help.{field}")
