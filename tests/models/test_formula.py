"""Formulas compute what they show."""

from models.formula import Formula, named, smaller, total

A, B, N = named("a", 1234), named("b", 5), named("n", 3)
THIN = "\u2009"


def shown(formula: Formula) -> tuple[int, str, str]:
    return formula.value, formula.symbols, formula.worked


def test_sums_are_put_in_brackets_where_they_are_factors():
    assert shown((A + B) * N) == (3717, "(a + b) × n", f"(1{THIN}234 + 5) × 3")
    assert shown(A + B * N) == (1249, "a + b × n", f"1{THIN}234 + 5 × 3")
    assert shown(2 * (A + B)) == (2478, "2·(a + b)", f"2·(1{THIN}234 + 5)")


def test_what_is_subtracted_is_put_in_brackets():
    assert shown(A - B) == (1229, "a − b", f"1{THIN}234 − 5")
    assert shown(A - (B + N)) == (1226, "a − (b + n)", f"1{THIN}234 − (5 + 3)")
    assert shown(N * (A - B)) == (3687, "n × (a − b)", f"3 × (1{THIN}234 − 5)")


def test_shares_are_rounded_up():
    assert shown(A.shared_by(B)) == (247, "⌈a / b⌉", f"⌈1{THIN}234 / 5⌉")
    assert shown((A + B).shared_by(2 * N)) == (207, "⌈(a + b) / (2·n)⌉", f"⌈(1{THIN}234 + 5) / (2·3)⌉")
    assert (2 * A.shared_by(B)).symbols == "2·⌈a / b⌉"
    assert (10 * N).shared_by(N).value == 10


def test_the_smaller_the_square_and_the_sum_of_none():
    assert shown(smaller(A, B)) == (5, "min(a, b)", f"min(1{THIN}234, 5)")
    assert shown(B.squared()) == (25, "b²", "5²")
    assert shown(total([])) == (0, "0", "0")
    assert total([A, B]).equation == f"1{THIN}234 + 5 = 1{THIN}239"
    assert A.equation == f"1{THIN}234"
