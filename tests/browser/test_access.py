"""Every view for everybody: what WCAG asks of it in both languages, light and dark, and the way through it by keyboard."""

import pytest

from tests.browser.screens import DRAWN, show

SHORT = "The+old+man+lived+near+the+sea."  # a longer text has thousands of places to look at
WCAG = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], "resultTypes": ["violations"]}
CONTRAST = {"runOnly": {"type": "rule", "values": ["color-contrast"]}, "resultTypes": ["violations"]}


# What fades from one colour into another has arrived there.
SETTLED = "() => document.getAnimations().every((animation) => animation.playState === 'finished')"


@pytest.fixture(scope="module", params=["en", "zh"])
def reader(request, lobby):
    """A page in one language."""
    visitor = lobby.enter().open(f"lang={request.param}&obj_text={SHORT}&exp_text={SHORT}")
    visitor.page.wait_for_selector(DRAWN["generate"])
    yield visitor
    lobby.leave(visitor)
    assert visitor.errors == []


@pytest.mark.parametrize("view", DRAWN)
def test_everyone_can_read_every_view(reader, pictures, view):
    """Light and dark differ in colours alone, and the languages in words: the dark page is asked about its contrast only,
    and in one language."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    show(reader, view)
    lang = reader.page.evaluate("lineage.lang")
    for scheme, asked in (("light", WCAG), ("dark", CONTRAST if lang == "en" else None)):
        reader.page.evaluate("scheme => lineage.setTheme(scheme)", scheme)
        reader.page.wait_for_timeout(300)
        reader.page.wait_for_function(SETTLED)
        if pictures:
            reader.page.screenshot(path=pictures / f"{view}-{lang}-{scheme}-1280.png", full_page=True)
        if asked:
            result = axe.Axe().run(reader.page, options=asked)
            assert result.violations_count == 0, f"{view}, {scheme}: {result.generate_report()}"


# Every control that can be seen and used, numbered; then where the focus is after each press of the Tab key.
NUMBER = """() => { let n = 0;
  document.querySelectorAll('[data-stop]').forEach((e) => delete e.dataset.stop);
  for (const e of document.querySelectorAll('button, input, textarea, select, a[href], summary, [tabindex="0"]')) {
    const seen = e.checkVisibility({visibilityProperty: true, opacityProperty: true}) && e.getClientRects().length > 0;
    if (seen && !e.disabled && e.tabIndex >= 0 && !e.closest('[inert], [aria-hidden=true]')) e.dataset.stop = n++;
  } return n; }"""
# Of the buttons of a group that are one choice, the keyboard reaches one; the arrows go on from there.
HERE = """() => { const e = document.activeElement;
  const same = e?.type === 'radio' ? document.querySelectorAll(`input[type=radio][name="${e.name}"]`) : [e];
  return [...same].map((one) => one?.dataset?.stop ?? null); }"""


@pytest.mark.parametrize("reader", ["en"], indirect=True)
@pytest.mark.parametrize("view", DRAWN)
def test_the_keyboard_reaches_every_control(reader, view):
    show(reader, view)
    for _ in range(3):
        missed = walked(reader.page)
        if None not in missed:
            break  # else the view was drawn anew under way, and what is there now has no numbers
    assert missed == [], view


def walked(page) -> list[str | None]:
    """Goes through the page with the Tab key; the controls that were not reached, None for one that is there no more."""
    count = page.evaluate(NUMBER)
    stops, reached = {str(number) for number in range(count)}, set()
    for _ in range(count + 40):
        page.keyboard.press("Tab")
        reached.update(page.evaluate(HERE))
        if stops <= reached:
            break
    markup = "n => document.querySelector(`[data-stop='${n}']`)?.outerHTML.slice(0, 160)"
    return [page.evaluate(markup, number) for number in stops - reached]
