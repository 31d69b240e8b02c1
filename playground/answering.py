"""How a script of the page asks the server: JSON in, JSON out.

Such functions bypass Gradio's queue, so each checks what it gets and takes a `turn` to compute.
"""

import functools
import json
from collections.abc import Callable

from models.errors import InputError
from playground.i18n import explain, language


def answering(function: Callable[[dict, str], object]) -> Callable[[str], str]:
    """Makes a function of a request and its language one of JSON; a refused input is answered by its sentence."""

    # Gradio would read the parameters of `__wrapped__`, and fill them.
    @functools.wraps(function, assigned=("__module__", "__name__", "__qualname__", "__doc__"))
    def answer(request: str) -> str:
        asked = {}
        try:
            asked = _request(request)
            return json.dumps(function(asked, language(asked.get("lang"))))
        except InputError as error:
            return json.dumps({"refused": told(error, language(asked.get("lang")))})

    del answer.__wrapped__
    return answer


def _request(request: object) -> dict:
    try:
        asked = json.loads(request) if isinstance(request, str) else None
    except (ValueError, RecursionError):
        asked = None
    if not isinstance(asked, dict):
        raise InputError("token_piece_lost")
    return asked


def told(error: InputError, lang: str) -> str:
    """An error's sentence, in which half a character can be shown."""
    return explain(lang, error).encode("utf-8", "replace").decode()


def read_whole(name: str, value: object, low: int, high: int) -> int:
    """A whole number within limits; raises `InputError` for any other value."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise InputError("not_an_integer", field=name, value=value)
    if not low <= value <= high:
        raise InputError("out_of_range", field=name, value=value, low=low, high=high)
    return value
