"""What WCAG asks of a page as it stands, light and dark."""

import pytest

from tests.browser.test_access import CONTRAST, SETTLED, WCAG


def check_access(page) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    for scheme, asked in (("light", WCAG), ("dark", CONTRAST)):
        page.evaluate("scheme => lineage.setTheme(scheme)", scheme)
        page.wait_for_timeout(300)
        page.wait_for_function(SETTLED)
        result = axe.Axe().run(page, options=asked)
        assert result.violations_count == 0, result.generate_report()
