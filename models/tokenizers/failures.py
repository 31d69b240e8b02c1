"""What the libraries raise when a vocabulary or a pattern of a file is wrong, as refusals that say so."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from models.errors import InputError

PANIC = "PanicException"
"""The class that a fault in a library written in Rust is raised as. It is no `Exception`, and cannot be imported."""


def is_panic(error: BaseException) -> bool:
    """Whether a library written in Rust has failed, for example by giving up on a regular expression."""
    return type(error).__name__ == PANIC


class Fault(Exception):
    """What is wrong with a file, where the code that notices does not know what the file is called: `broken` adds that."""

    def __init__(self, code: str, **fields: object) -> None:
        super().__init__(code)
        self.code = code
        self.fields = fields


@contextmanager
def broken(file: str) -> Iterator[None]:
    """Turns whatever reading `file` raises into an `InputError` that says what is wrong with it; refusals pass unchanged.

    A `Fault` has its own code. "tokenizer_not_text" and "tokenizer_not_json" say where; "tokenizer_broken" quotes a
    library's own words (they raise bare `Exception`, `RuntimeError`, `ValueError` and others). Any other error is one of
    reading: something in the file is not of the kind that it should be, "tokenizer_shape".
    """
    try:
        yield
    except InputError:
        raise
    except BaseException as error:
        if not (isinstance(error, Exception) or is_panic(error)):
            raise
        raise _refusal(error, file) from (None if is_panic(error) else error)


def _refusal(error: BaseException, file: str) -> InputError:
    match error:
        case Fault():
            return InputError(error.code, file=file, **error.fields)
        case UnicodeDecodeError():
            return InputError("tokenizer_not_text", file=file, position=error.start + 1)
        case json.JSONDecodeError():
            return InputError("tokenizer_not_json", file=file, line=error.lineno, column=error.colno)
        case (
            AttributeError() | TypeError() | LookupError() | ArithmeticError() | RecursionError() | UnicodeEncodeError()
        ):
            return InputError("tokenizer_shape", file=file)
        case _:
            return InputError("tokenizer_broken", file=file, reason=_first_line(error))


def unreadable(error: OSError, file: str) -> InputError:
    """InputError("file_unreadable") with what the system says of the file."""
    return InputError("file_unreadable", file=file, reason=error.strerror or str(error))


def gave_up(error: BaseException, name: str) -> BaseException:
    """InputError("tokenizer_gave_up") for what a library raises while it encodes, for example because a vocabulary lacks
    its own unknown token; a refusal, or what ends a program, as it is."""
    if isinstance(error, InputError) or not (isinstance(error, Exception) or is_panic(error)):
        return error
    return InputError("tokenizer_gave_up", name=name, reason=_first_line(error))


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
