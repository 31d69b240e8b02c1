"""A table in one test fails where one of its rows fails, and says which."""

import pytest

from tests.rows import each_row


@each_row("other", [1, 2])
@each_row(("text", "length"), [("a", 1), ("bb", 2)])
def test_rows_are_given_beside_fixtures(tmp_path, text, length, other):
    assert len(text) == length
    (tmp_path / f"{text}{other}").touch(exist_ok=False)


def test_all_rows_are_called_and_the_one_that_fails_is_named():
    called = []

    @each_row("number", [1, 2, 3], ids=["one", "two", "three"])
    @each_row("lang", ["en", "zh"])
    def check(number, lang):
        called.append((number, lang))
        assert (number, lang) != (2, "zh")

    with pytest.raises(AssertionError) as caught:
        check()
    assert called == [(1, "en"), (1, "zh"), (2, "en"), (2, "zh")]
    assert caught.value.__notes__ == ["row 2, lang: 'zh'", "row 2, number: two"]


def test_an_error_that_pytest_expected_in_vain_names_its_row_too():
    @each_row("text", ["x", "1"])
    def check(text):
        with pytest.raises(ValueError, match="invalid"):
            int(text)

    with pytest.raises(pytest.fail.Exception) as caught:
        check()
    assert caught.value.__notes__ == ["row 2, text: '1'"]


def test_no_row_may_skip_the_rest_and_no_table_may_be_empty():
    with pytest.raises(AssertionError, match="skip all rows"):
        each_row("number", [1, 2])(lambda number: pytest.skip("odd"))()
    with pytest.raises(AssertionError, match="without rows"):
        each_row("number", [])
