"""A number that remembers how it was computed: the formula in symbols, and with the values put in.

A calculator written with `Formula` cannot show one formula and compute another. The strings hold symbols and digits
only, so that they read the same in every language.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from operator import add

THIN_SPACE = "\u2009"

_SUM, _PRODUCT, _ATOM = range(3)


def grouped(number: int) -> str:
    """1234567 as "1 234 567", with thin spaces."""
    return f"{number:,}".replace(",", THIN_SPACE)


@dataclass(frozen=True, slots=True)
class Formula:
    """A whole number `value`, as `symbols` ("2·d_model × d_ff") and as `worked` ("2·768 × 3 072").

    Formulas are added, subtracted and multiplied with each other; a plain number may stand in front as a coefficient.
    """

    value: int
    symbols: str
    worked: str
    binding: int = _ATOM

    def __add__(self, other: "Formula") -> "Formula":
        return Formula(
            self.value + other.value,
            f"{self.symbols} + {other.symbols}",
            f"{self.worked} + {other.worked}",
            _SUM,
        )

    def __sub__(self, other: "Formula") -> "Formula":
        symbols, worked = other._factor()
        return Formula(self.value - other.value, f"{self.symbols} − {symbols}", f"{self.worked} − {worked}", _SUM)

    def __mul__(self, other: "Formula") -> "Formula":
        (left, left_worked), (right, right_worked) = self._factor(), other._factor()
        return Formula(self.value * other.value, f"{left} × {right}", f"{left_worked} × {right_worked}", _PRODUCT)

    def __rmul__(self, coefficient: int) -> "Formula":
        symbols, worked = self._factor()
        return Formula(
            coefficient * self.value, f"{coefficient}·{symbols}", f"{grouped(coefficient)}·{worked}", _PRODUCT
        )

    def shared_by(self, other: "Formula") -> "Formula":
        """This divided by another quantity, rounded up to a whole number."""
        symbols, worked = other.symbols, other.worked
        if other.binding != _ATOM:
            symbols, worked = f"({symbols})", f"({worked})"
        left, left_worked = self._factor()
        value = -(-self.value // other.value)
        return Formula(value, f"⌈{left} / {symbols}⌉", f"⌈{left_worked} / {worked}⌉")

    def squared(self) -> "Formula":
        """The square of a single symbol."""
        assert self.binding == _ATOM
        return Formula(self.value**2, f"{self.symbols}²", f"{self.worked}²")

    @property
    def equation(self) -> str:
        """The values put in, and what comes out: "2·768 × 3 072 = 4 718 592"."""
        result = grouped(self.value)
        return result if self.worked == result else f"{self.worked} = {result}"

    def _factor(self) -> tuple[str, str]:
        if self.binding == _SUM:
            return f"({self.symbols})", f"({self.worked})"
        return self.symbols, self.worked


def named(symbol: str, value: int) -> Formula:
    """A quantity with a name."""
    return Formula(value, symbol, grouped(value))


def smaller(a: Formula, b: Formula) -> Formula:
    """The smaller of two quantities."""
    return Formula(min(a.value, b.value), f"min({a.symbols}, {b.symbols})", f"min({a.worked}, {b.worked})")


def total(terms: Iterable[Formula]) -> Formula:
    """The sum of the terms; 0 where there are none."""
    terms = list(terms)
    return reduce(add, terms) if terms else Formula(0, "0", "0")
