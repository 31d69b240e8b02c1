"""Every view for everybody: what WCAG asks of it in both languages, light and dark, and the way through it by keyboard."""

import pytest

from tests.browser.screens import DRAWN, show
from tests.browser.wcag import ALL, ALL_BUT_COLOURS, COLOURS, light_up, violations

SHORT = "The+old+man+lived+near+the+sea."  # a longer text has thousands of places to look at


@pytest.fixture(scope="module", params=["en", "zh"])
def reader(request, lobby):
    """A page in one language."""
    visitor = lobby.enter().open(f"lang={request.param}&obj_text={SHORT}&exp_text={SHORT}")
    visitor.page.wait_for_selector(DRAWN["generate"])
    yield visitor
    lobby.leave(visitor)
    assert visitor.errors == []
    assert visitor.strangers == []


# Light and dark differ in colours alone, and the languages in words.
ASKED = {("en", "light"): ALL, ("en", "dark"): COLOURS, ("zh", "light"): ALL_BUT_COLOURS}


@pytest.mark.parametrize("view", DRAWN)
def test_everyone_can_read_and_walk_through_every_view(reader, pictures, view):
    show(reader, view)
    lang = reader.page.evaluate("lineage.lang")
    if lang == "en":
        assert unreached(reader.page) == [], f"{view}: controls that the keyboard does not reach"
        assert reader.page.locator("[role=combobox][aria-expanded=true]:not(:focus)").count() == 0, (
            "a list is left open"
        )
    for scheme in ("light", "dark"):
        light_up(reader.page, scheme)
        if pictures:
            reader.page.screenshot(path=pictures / f"{view}-{lang}-{scheme}-1280.png", full_page=True)
        if (lang, scheme) in ASKED:
            assert violations(reader.page, ASKED[lang, scheme]) == [], f"{view}, {scheme}"


@pytest.mark.parametrize("reader", ["en"], indirect=True)
def test_a_text_too_faint_is_found(reader):
    """Also beside texts of the same element and classes that can be read."""
    show(reader, "generate")
    add = """(colours) => { for (const colour of colours) {
      const text = document.querySelector('main').appendChild(document.createElement('p'));
      text.className = 'added'; text.textContent = 'some words'; text.style.color = colour; } }"""
    light_up(reader.page, "light")
    reader.page.evaluate(add, ["black", "black", "#bbb"])
    found = violations(reader.page, COLOURS)
    reader.page.evaluate("document.querySelectorAll('.added').forEach((text) => text.remove())")
    assert len(found) == 1
    assert "#bbbbbb" in found[0]


# Every control that can be seen and used, numbered; then which of them have had the focus.
NUMBER = """() => { let n = 0;
  document.querySelectorAll('[data-stop]').forEach((e) => delete e.dataset.stop);
  for (const e of document.querySelectorAll('button, input, textarea, select, a[href], summary, [tabindex="0"]')) {
    const seen = e.checkVisibility({visibilityProperty: true, opacityProperty: true}) && e.getClientRects().length > 0;
    if (seen && !e.disabled && e.tabIndex >= 0 && !e.closest('[inert], [aria-hidden=true]')) e.dataset.stop = n++;
  } return n; }"""
# Of the buttons of a group that are one choice, the keyboard reaches one; the arrows go on from there.
FOLLOW = """() => {
  window.reached = new Set();
  if (window.follows) return;
  window.follows = true;
  document.addEventListener('focusin', ({ target: e }) => {
    const same = e.type === 'radio' ? document.querySelectorAll(`input[type=radio][name="${e.name}"]`) : [e];
    for (const one of same) window.reached.add(one.dataset.stop ?? null);
  });
}"""
AT_ONCE = 8  # presses before the page is asked where they led


def unreached(page) -> list[str | None]:
    """The controls that the Tab key does not lead to."""
    for _ in range(3):
        missed = walked(page)
        if None not in missed:
            break  # else the view was drawn anew under way, and what is there now has no numbers
    return missed


def walked(page) -> list[str | None]:
    """Goes through the page with the Tab key; the controls that were not reached, None for one that is there no more."""
    page.evaluate(FOLLOW)
    count = page.evaluate(NUMBER)
    stops = {str(number) for number in range(count)}
    for _ in range(0, count + 40, AT_ONCE):
        for _ in range(AT_ONCE):
            page.keyboard.press("Tab")
        reached = set(page.evaluate("[...window.reached]"))
        if stops <= reached:
            break
    markup = "n => document.querySelector(`[data-stop='${n}']`)?.outerHTML.slice(0, 160)"
    return [page.evaluate(markup, number) for number in stops - reached]
