"""Names that are most like a wrong one: what a refusal offers instead."""

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: object, known: Iterable[str], most: int = 5) -> str:
    """The known names that are most like `name`, as a sentence lists them."""
    return ", ".join(get_close_matches(str(name), list(known), n=most, cutoff=0.0))
