"""What WCAG asks of a page as it stands, light and dark."""

from tests.browser.wcag import ALL, COLOURS, light_up, violations


def check_access(page) -> None:
    for scheme, asked in (("light", ALL), ("dark", COLOURS)):
        light_up(page, scheme)
        assert violations(page, asked) == [], scheme
