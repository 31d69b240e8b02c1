"""What the libraries raise when a vocabulary or a pattern of a file is wrong, as refusals that say so."""

from collections.abc import Iterator
from contextlib import contextmanager

from models.errors import InputError

PANIC = "PanicException"
"""The class that a fault in a library written in Rust is raised as. It is no `Exception`, and cannot be imported."""


def is_panic(error: BaseException) -> bool:
    """Whether a library written in Rust has failed, for example by giving up on a regular expression."""
    return type(error).__name__ == PANIC


@contextmanager
def broken(file: str) -> Iterator[None]:
    """Turns whatever reading `file` raises into InputError("tokenizer_broken"); refusals pass unchanged.

    The libraries raise a bare `Exception`, `RuntimeError`, `ValueError` and others for files that they cannot read.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        raise InputError("tokenizer_broken", file=file, reason=_first_line(error)) from error
    except BaseException as error:
        if not is_panic(error):
            raise
        raise InputError("tokenizer_broken", file=file, reason=_first_line(error)) from None


def gave_up(error: BaseException, name: str) -> BaseException:
    """InputError("tokenizer_gave_up") for what `is_panic`, and any other exception as it is."""
    return InputError("tokenizer_gave_up", name=name, reason=_first_line(error)) if is_panic(error) else error


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
