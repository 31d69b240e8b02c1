"""A table that one test goes through row by row: as tests of their own, rows would cost more than what they check."""

import functools
import inspect
from collections.abc import Callable, Iterable

import pytest


def each_row(names: str | tuple[str, ...], rows: Iterable, ids: Iterable | Callable | None = None) -> Callable:
    """As `pytest.mark.parametrize`, within one test: calls it for every row, and an error says of which row it is.

    For quick tests of large tables; a fixture that the test takes is the same for all rows.
    """
    names = (names,) if isinstance(names, str) else names
    rows = [row if len(names) > 1 else (row,) for row in rows]
    assert rows, "a table without rows would check nothing"
    if ids is None or callable(ids):
        ids = [", ".join(map(ids or repr, row)) for row in rows]

    def over_rows(test: Callable) -> Callable:
        @functools.wraps(test)
        def of_all(*given, **named):
            for number, (label, row) in enumerate(zip(ids, rows, strict=True), 1):
                try:
                    test(*given, **named, **dict(zip(names, row, strict=True)))
                except pytest.skip.Exception as skipped:
                    raise AssertionError(f"{label} would skip all rows after it: {skipped}") from skipped
                except BaseException as error:  # a failure of pytest's own is no Exception
                    error.add_note(f"row {number}, {', '.join(names)}: {label}")
                    raise

        taken = inspect.signature(test)
        left = [parameter for name, parameter in taken.parameters.items() if name not in names]
        of_all.__signature__ = taken.replace(parameters=left)
        return of_all

    return over_rows
