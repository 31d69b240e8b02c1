"""All tabs on a page as narrow as a phone's, in both languages: nothing scrolls sideways, is cut or lies over another."""

import pytest
from playwright.sync_api import expect

import models
from playground.preset_lists import title_of
from playground.session import parse_design
from playground.views.diagram import diagram
from tests.browser.generating import TINY, generate
from tests.browser.screens import DRAWN, open_design, show

PHONE = {"width": 390, "height": 844}
WIDE = "llama3.1-405b~block=parallel~qk_norm=true~mask_pattern=causal,sliding~window=100000"
DESIGNS = (WIDE, "gpt3-175b~block=sandwich~ffn=gated~position=alibi", "t5-small", "clip-vit-b32", "deepseek-v3")


@pytest.fixture(scope="module", params=["en", "zh"])
def phone(request, lobby):
    """A page opened as a phone opens it."""
    visitor = lobby.enter(viewport=PHONE)
    visitor.open(f"lang={request.param}&left=t5-base&right=deepseek-v3&step=46&max_new_tokens=12")
    visitor.page.wait_for_selector(DRAWN["generate"])
    yield visitor
    lobby.leave(visitor)
    assert visitor.errors == []
    assert visitor.strangers == []


def test_the_settings_are_folded_below_the_prompt(phone):
    expect(phone.page.locator("#generate-temperature")).to_be_hidden()
    expect(phone.page.locator("#generate-prompt textarea")).to_be_visible()
    show(phone, "build")
    expect(phone.page.locator("#build-controls .label-wrap.open")).to_have_count(0)
    expect(phone.page.locator("#build-controls .label-wrap").first).to_be_visible()


# What reaches beyond the page; tables that scroll by themselves may.
BEYOND = """() => [...document.querySelectorAll('body *')]
  .filter((e) => e.checkVisibility() && !e.closest('.scroll') && e.getBoundingClientRect().right > innerWidth + 1)
  .map((e) => e.outerHTML.slice(0, 120)).slice(0, 5)"""


@pytest.mark.parametrize("view", DRAWN)
def test_no_view_scrolls_sideways(phone, pictures, view):
    show(phone, view)
    if pictures:
        lang = phone.page.evaluate("lineage.lang")
        phone.page.screenshot(path=pictures / f"{view}-{lang}-390.png", full_page=True)
    assert phone.page.evaluate("document.documentElement.scrollWidth") == 390, phone.page.evaluate(BEYOND)
    if view in ("compare", "lineage", "context"):
        assert phone.page.evaluate(BEYOND) == []


# Texts of the diagram that reach out of the picture, or out of their box.
FITS = """() => [...document.querySelectorAll('#build-diagram svg')].flatMap((svg) => {
  const width = svg.viewBox.baseVal.width;
  return [...svg.querySelectorAll('text:not([transform])')].filter((text) => {
    const words = text.getBBox(), box = text.closest('.box')?.querySelector('rect').getBBox();
    if (words.x < -1 || words.x + words.width > width + 1) return true;
    return box && (words.x + words.width > box.x + box.width || words.y < box.y - 1);
  }).map((text) => text.textContent);
})"""


def test_words_stay_in_their_boxes(phone):
    """Of pictures as the server draws them, in the place of the page's own."""
    show(phone, "build")
    lang = phone.page.evaluate("lineage.lang")
    put = "html => { document.querySelector('#build-diagram .diagram').outerHTML = html; }"
    for design in DESIGNS:
        wanted = parse_design(design)
        start, title = models.preset(wanted.base), title_of(wanted.base)
        phone.page.evaluate(put, diagram(wanted.config, start, wanted.config, title, lang))
        assert phone.page.locator("#build-diagram svg text").count() > 20
        assert phone.page.evaluate(FITS) == [], design


def test_every_bar_of_the_parameters_has_its_whole_label(phone):
    open_design(phone, "llama3-8b")
    phone.page.wait_for_selector("#build-chart .bartext")
    outside = """() => { const chart = document.querySelector('#build-chart .js-plotly-plot').getBoundingClientRect();
      return [...document.querySelectorAll('#build-chart .bartext, #build-chart .ytick text')]
        .filter((text) => {
          const { left, right } = text.getBoundingClientRect();
          return left < chart.left || right > chart.right;
        }).map((text) => text.textContent); }"""
    assert phone.page.locator("#build-chart .bartext").count() >= 5
    assert phone.page.evaluate(outside) == []


def test_the_charts_own_tools_are_out_of_the_way(phone):
    open_design(phone, "gpt2")
    tools = phone.page.locator("#build-chart .modebar-container")
    expect(tools).to_have_css("display", "none")
    phone.page.set_viewport_size({"width": 1280, "height": 900})
    expect(tools).to_have_css("display", "block")
    phone.page.set_viewport_size(PHONE)


@pytest.mark.parametrize("entries", ["#build-diagram .legend li", ".generate-legend > span"])
def test_no_entry_of_a_legend_breaks_in_its_middle(phone, entries):
    show(phone, "build" if "build" in entries else "generate")
    broken = """(selector) => [...document.querySelectorAll(selector)].filter((entry) => {
      const { offsetHeight, parentElement } = entry, line = parseFloat(getComputedStyle(entry).lineHeight);
      const own = document.createRange();
      own.selectNodeContents(entry);
      return offsetHeight > 1.5 * line && own.getBoundingClientRect().width < 0.6 * parentElement.offsetWidth;
    }).map((entry) => entry.textContent)"""
    assert phone.page.locator(entries).count() >= 2
    assert phone.page.evaluate(broken, entries) == []


def test_a_text_is_written_without_a_scroll_sideways(phone):
    show(phone, "generate")
    phone.put("model", TINY)
    phone.page.wait_for_selector(".generate-badge", state="hidden")
    generate(phone.page)
    cut = """() => [...document.querySelectorAll('.generate-next :is(th, td)')]
      .filter((cell) => cell.checkVisibility() && cell.scrollWidth > cell.clientWidth + 1).map((cell) => cell.textContent)"""
    assert phone.page.evaluate(cut) == []
    assert phone.page.evaluate("document.documentElement.scrollWidth") == 390
