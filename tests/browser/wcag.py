"""What axe finds wrong with a page, in little time."""

from functools import cache

import pytest


def only(*rules: str) -> dict:
    """Asks for some of axe's rules."""
    return {"runOnly": {"type": "rule", "values": list(rules)}}


# What axe may be asked, as it takes it.
ALL = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}
COLOURS = only("color-contrast")
ALL_BUT_COLOURS = {**ALL, "rules": {"color-contrast": {"enabled": False}}}

# axe takes milliseconds to compare the colours of one text, and a view has many hundreds. Texts that look alike need to be
# judged but once: of the same classes, colours and size of letters, on the same backgrounds all the way up.
JUDGE = """() => {
  const looks = new Map(), numbers = new Map();
  const number = (look) => numbers.get(look) ?? numbers.set(look, numbers.size + 1).size;
  const look = (e) => {
    if (!looks.has(e)) {
      const style = getComputedStyle(e), off = e.matches(":disabled, [aria-disabled=true]");
      const { color, backgroundColor, backgroundImage, opacity, fontSize, fontWeight, textShadow } = style;
      const around = e.parentElement ? look(e.parentElement) : 0;
      looks.set(e, number([e.tagName, e.getAttribute("class"), e.getAttribute("for"), off, color, backgroundColor,
        backgroundImage, opacity, fontSize, fontWeight, textShadow, around].join("|")));
    }
    return looks.get(e);
  };
  const judged = new Set();
  for (const e of document.querySelectorAll("body *")) {
    const says = [...e.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
    const isAsked = (says || e.matches("input, select, textarea")) && e.checkVisibility() && !judged.has(look(e));
    e.toggleAttribute("data-judged", isAsked);
    if (isAsked) judged.add(look(e));
  }
  axe.configure({ rules: [{ id: "color-contrast", selector: "[data-judged]" }] });
}"""
# Tabs that were open before stay in the document, hidden. axe finds nothing wrong with what is hidden, but goes through all
# of it for every rule; meanwhile it is taken out.
ASK = """async ([within, options]) => {
  const hidden = [...document.querySelectorAll("[role=tabpanel]")].filter((panel) => !panel.checkVisibility());
  const places = hidden.map(() => document.createComment("a tab"));
  hidden.forEach((panel, k) => panel.replaceWith(places[k]));
  try {
    return (await axe.run(within ?? document, options)).violations.flatMap(
      ({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`));
  } finally {
    hidden.forEach((panel, k) => places[k].replaceWith(panel));
  }
}"""
# What fades from one colour into another has arrived there.
SETTLED = "() => document.getAnimations().every((animation) => animation.playState === 'finished')"


@cache
def script() -> str:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="tests/requirements.txt brings it")
    return axe.Axe().axe_script


def violations(page, asked: dict = ALL, within: str | None = None) -> list[str]:
    """What breaks WCAG 2.1 (A and AA), or those of its rules that are `asked`; in all of the page, or `within` a part (a
    selector)."""
    options = {
        **asked,
        "resultTypes": ["violations"],
        "preload": False,  # of styles, for the rules about a screen's orientation alone
    }
    if not page.evaluate("'axe' in window"):
        page.evaluate(script())
    if asked is not ALL_BUT_COLOURS:
        page.evaluate(JUDGE)
    return page.evaluate(ASK, [within, options])


def light_up(page, scheme: str) -> None:
    """Turns the page light or dark, and waits until it is."""
    page.evaluate("scheme => lineage.setTheme(scheme)", scheme)
    page.wait_for_timeout(100)  # charts and maps are drawn anew
    page.wait_for_function(SETTLED)
