"""Attention, section "What if", in a real browser: heads are silenced, undone, watched; the lens is walked through."""

import csv
import re

from playwright.sync_api import expect

from tests.browser.accessible import check_access


def test_heads_are_silenced_and_the_lens_tells_what_each_layer_would_say(visit):
    visitor = visit("tab=attention&lang=en&att_section=whatif&what_off=none")
    page = visitor.page
    said, board = page.locator(".what-said .obj-sentence"), page.locator(".what-board")
    expect(said).to_contain_text("Nothing is changed. The likeliest is “They”")
    expect(page.locator(".what-fill.after")).to_have_count(0)
    expect(page.get_by_text("depends most on layer")).to_be_visible()
    assert board.locator("[data-part]").count() == 36 + 6 + 6  # heads, attention and feed-forward of the layers
    board.locator('[data-part="a5.1"]').click()
    expect(said).to_contain_text(re.compile(r"“They” changes by −\d\.\d\d nats"))
    expect(page.locator(".what-fill.after")).to_have_count(page.locator(".what-fill.before").count())
    visitor.wait_for_address("what_off=a5.1")
    expect(board.locator('[data-part="a5.1"]')).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(board.locator('[data-part="a5.2"]')).to_be_focused()
    page.get_by_role("button", name="Undo: layer 6, head 2").click()
    expect(said).to_contain_text("Nothing is changed")

    page.locator("#what-mask").select_option("sliding")
    page.locator("#what-order").check()
    expect(page.get_by_role("button", name="Undo: Drop the positions (rotary (RoPE))")).to_be_visible()
    visitor.wait_for_address("what_order=true")
    page.locator("#what-reset").click()
    expect(said).to_contain_text("Nothing is changed")
    page.get_by_role("button", name="␣He", exact=True).click()
    expect(page.get_by_role("heading", name="Which heads matter most for “He”")).to_be_visible()
    visitor.wait_for_address("what_token=")

    lens = page.locator(".what-lenses")
    expect(lens.locator("tbody tr")).to_have_count(7)
    last = lens.locator("tbody tr").last.locator(".what-lens").last
    expect(last).to_have_text("They")
    last.hover()
    expect(page.locator(".what-cell")).to_contain_text(re.compile(r"Layer 6, at “\.”: They \d\d\s%"))
    last.focus()
    page.keyboard.press("ArrowUp")
    expect(page.locator(".what-cell")).to_contain_text("Layer 5")
    with page.expect_download() as download:
        page.locator(".download-csv").last.click()
    with download.value.path().open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    assert len(rows) == 1 + 7 * lens.locator("thead th:not(:first-child)").count()
    assert rows[1][:2] == ["0", "1"]  # the input, and the first place
    check_access(page)
    assert visitor.errors == []
    assert visitor.strangers == []


def test_a_link_shows_the_same_changes_on_a_phone_in_chinese(visit):
    query = "tab=attention&lang=zh&att_section=whatif&model=bert-mini&what_off=a0.1,f2&what_mask=band&what_width=2"
    visitor = visit(query, viewport={"width": 390, "height": 844})
    page = visitor.page
    expect(page.locator("[data-part][aria-pressed=true]")).to_have_count(2)
    expect(page.locator("#what-mask")).to_have_value("band")
    expect(page.locator(".what-said .chip")).to_have_count(3)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert visitor.errors == []
