"""Unicode normal forms, with the place that each character of the result comes from."""

import unicodedata

from models.tokenizers.offsets import Spans


def normal_form(text: str, form: str | None) -> str:
    """`text` in the form "NFC", "NFKC", …; as it is for None."""
    return text if form is None or unicodedata.is_normalized(form, text) else unicodedata.normalize(form, text)


def origins(text: str, form: str) -> Spans:
    """For each character of `text` in `form`, the span of `text` that it was made of.

    The text is cut wherever its parts, normalised one by one, give the same as the whole: between most letters, but not
    between a letter and its accents. All characters of a part have the part's span.
    """
    spans: Spans = []
    start = 0
    for end in range(1, len(text) + 1):
        if end < len(text) and not _is_boundary(text[start:end], text[end], form):
            continue
        spans += [(start, end)] * len(unicodedata.normalize(form, text[start:end]))
        start = end
    return spans


def _is_boundary(part: str, following: str, form: str) -> bool:
    if part[-1].isascii() and following.isascii():
        return True
    if unicodedata.combining(unicodedata.normalize(form, following)[0]):
        return False
    apart = unicodedata.normalize(form, part) + unicodedata.normalize(form, following)
    return unicodedata.normalize(form, part + following) == apart
