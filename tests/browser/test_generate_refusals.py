"""What Generate refuses or lacks, in a browser: told in the page's language, and what was typed stays."""

import pytest

import models
from tests.browser.generating import TINY, generate


@pytest.mark.parametrize("leave", ["Control+Enter", "button"])
def test_a_number_beyond_its_slider_is_refused_and_stays(visit, leave):
    visitor = visit(f"lang=zh&model={TINY}&max_new_tokens=4&prompt=Once")
    page = visitor.page
    page.wait_for_selector(".generate-notes p")
    generate(page)
    written = page.text_content(".generate-tokens")
    field = page.locator("#generate-temperature input[type=number]")
    field.fill("5")
    if leave == "button":
        page.click("#generate-run")
    else:
        field.press(leave)
    page.wait_for_selector(".generate-error:not([hidden])")
    assert page.text_content(".generate-error") == "温度 = 5 超出范围；允许的范围是 0 到 2。"
    assert field.input_value() == "5"
    assert page.locator(".toast-body").count() == 0
    assert page.text_content(".generate-tokens") == written
    assert "模型正在准备" not in page.text_content(".generate-status")
    field.fill("0.5")
    generate(page)
    assert page.is_hidden(".generate-error")


def test_an_emptied_number_is_refused_and_stays_empty(visit):
    page = visit(f"lang=en&model={TINY}&max_new_tokens=4&prompt=Once").page
    page.wait_for_selector(".generate-notes p")
    page.locator("#generate-top-k input[type=number]").fill("")
    page.click("#generate-run")
    page.wait_for_selector(".generate-error:not([hidden])")
    assert page.text_content(".generate-error") == "Top-k is empty; give a number from 0 to 200."
    assert page.locator("#generate-top-k input[type=number]").input_value() == ""


def test_a_refusal_is_told_and_goes_with_the_next_text(visit):
    page = visit(f"lang=zh&model={TINY}&max_new_tokens=4").page
    page.wait_for_selector(".generate-notes p")
    page.locator("#generate-seed input").fill("-1")
    page.click("#generate-run")
    page.wait_for_selector(".generate-error:not([hidden])")
    assert "超出范围" in page.text_content(".generate-error")
    assert page.text_content(".generate-status") == ""
    page.locator("#generate-seed input").fill("3")
    generate(page)
    assert page.is_hidden(".generate-error")


@pytest.mark.skipif(not models.zoo(), reason="no model is shipped, so nothing is recorded")
@pytest.mark.parametrize("answer", [None, 503])
def test_a_recording_that_does_not_come_is_told(visit, answer):
    visitor = visit(f"lang=en&model={TINY}")
    page = visitor.page
    page.route("**/recorded/*", lambda route: route.fulfill(status=answer) if answer else route.abort())
    visitor.open("lang=zh")
    page.wait_for_selector(".generate-error:not([hidden])")
    assert page.text_content(".generate-error").startswith("未能取得预先录制的文本。")
    generate(page)
    assert page.is_hidden(".generate-error")
