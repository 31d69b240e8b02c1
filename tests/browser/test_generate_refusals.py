"""What Generate refuses or lacks, in a browser: told in the page's language, and what was typed stays."""

import pytest
from playwright.sync_api import expect

import models
from tests.browser.generating import TINY, generate


@pytest.fixture(scope="module", params=["zh"])
def page(lobby, request):
    """A page with a small random model, and a text that it has just written."""
    visitor = lobby.enter().open(f"lang={request.param}&model={TINY}&max_new_tokens=4&prompt=Once")
    visitor.page.wait_for_selector(".generate-notes p")
    generate(visitor.page)
    yield visitor.page
    lobby.leave(visitor)
    assert visitor.errors == []


def refused(page) -> str:
    page.wait_for_selector(".generate-error:not([hidden])")
    return page.text_content(".generate-error")


@pytest.mark.parametrize("leave", ["Control+Enter", "button"])
def test_a_number_beyond_its_slider_is_refused_and_stays(page, leave):
    written = page.text_content(".generate-tokens")
    field = page.locator("#generate-temperature input[type=number]")
    field.fill("5")
    if leave == "button":
        page.click("#generate-run")
    else:
        field.press(leave)
    assert refused(page) == "温度 = 5 超出范围；允许的范围是 0 到 2。"
    assert field.input_value() == "5"
    assert page.locator(".toast-body").count() == 0
    assert page.text_content(".generate-tokens") == written
    assert "模型正在准备" not in page.text_content(".generate-status")
    field.fill("0.5")
    generate(page)
    assert page.is_hidden(".generate-error")


def test_an_emptied_number_is_refused_and_stays_empty(page):
    field = page.locator("#generate-top-k input[type=number]")
    field.fill("")
    page.click("#generate-run")
    assert refused(page) == "Top-k 为空，请输入 0 到 200 之间的数。"
    assert field.input_value() == ""
    field.fill("40")
    generate(page)


def test_a_refusal_is_told_greys_the_earlier_text_and_goes_with_the_next(page):
    opacity = "parseFloat(getComputedStyle(document.querySelector('.generate-story')).opacity)"
    page.wait_for_function(f"{opacity} === 1")
    assert page.text_content(".generate-tokens")
    page.locator("#generate-seed input").fill("-1")
    page.click("#generate-run")
    assert "超出范围" in refused(page)
    assert page.text_content(".generate-tokens")
    page.wait_for_function(f"{opacity} < 0.6")
    page.locator("#generate-seed input").fill("3")
    generate(page)
    assert page.is_hidden(".generate-error")
    page.wait_for_function(f"{opacity} === 1")


@pytest.mark.skipif(not models.zoo(), reason="no model is shipped, so nothing is recorded")
@pytest.mark.parametrize("answer", [None, 503])
def test_a_recording_that_does_not_come_is_told(arrive, answer):
    visitor = arrive()
    page = visitor.page
    page.route("**/recorded/*", lambda route: route.fulfill(status=answer) if answer else route.abort())
    visitor.open("lang=zh&max_new_tokens=4")
    assert refused(page).startswith("未能取得预先录制的文本。")
    page.locator("#generate-temperature input[type=number]").fill("9")
    page.click("#generate-run")
    expect(page.locator(".generate-error")).to_contain_text("超出范围")
    page.locator("#generate-temperature input[type=number]").fill("0.5")
    generate(page)
    assert page.is_hidden(".generate-error")
    assert [error for error in visitor.errors if "Failed to load resource" not in error] == []
