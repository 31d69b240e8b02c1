"""What WCAG asks of a page as it stands, light and dark."""

from tests.browser.wcag import COLOURS, light_up, violations


def check_access(page) -> None:
    for scheme, rules in (("light", None), ("dark", COLOURS)):
        light_up(page, scheme)
        assert violations(page, rules) == [], scheme
