"""Attention, section "Before transformers", in a real browser."""

import re

from playwright.sync_api import expect

from tests.browser.accessible import check_access


def test_a_weight_is_taken_apart_and_a_list_is_looked_over(visit):
    visitor = visit("tab=attention&lang=en&att_section=before")
    page = visitor.page
    said = page.locator(".att-before .obj-sentence").first
    expect(said).to_contain_text("It writes 2017年6月25日星期日晚上7点半")
    expect(page.locator("#att-text")).to_be_hidden()  # it has a text of its own
    cells = page.locator("button.score-cell")
    cells.nth(3).click()
    visitor.wait_for_address("before_at=0.3")
    expect(cells.nth(3)).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_text(re.compile(r"has energy −?\d"))).to_be_visible()
    cells.nth(3).press("ArrowRight")
    expect(cells.nth(4)).to_be_focused()
    page.get_by_role("button", name="Luong 2015 (multiplicative)").click()
    visitor.wait_for_address("before_kind=luong")
    expect(page.get_by_text("e = sᵀ W h")).to_be_visible()
    page.locator("#before-text").fill("")
    expect(page.locator(".att-before .obj-error").first).to_contain_text("no word to read")
    page.get_by_role("button", name="Tuesday, 14 July 2026").click()
    expect(said).to_contain_text("2026年7月14日星期二")
    visitor.wait_for_address("before_at=5.")  # the place that was chosen belonged to another sentence
    expect(page.locator("#before-layer")).to_be_visible()
    page.locator("#before-head").select_option("1")
    page.locator("#din-query").fill("umbrella")
    page.locator("#din-list").fill("rain, <b>cake</b>")
    expect(page.locator(".target-row .mname")).to_have_text(["rain", "<b>cake</b>"])
    assert page.locator(".target-row b").count() == 0
    visitor.wait_for_address("din_query=umbrella")
    check_access(page)
    assert visitor.errors == []
    assert visitor.strangers == []


def test_it_fits_a_phone_in_chinese(visit):
    visitor = visit("tab=attention&lang=zh&att_section=before", viewport={"width": 390, "height": 844})
    expect(visitor.page.locator(".target-row").nth(1)).to_be_visible()
    expect(visitor.page.locator("#before-layer")).to_be_visible()
    assert visitor.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert visitor.errors == []
