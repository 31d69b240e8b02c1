"""Chats in a browser: the switch that only a model which was trained to chat shows."""

from playwright.sync_api import expect

from models.installed import INSTALLABLE
from playground import model_facts, recordings
from tests.browser.generating import generate

NAME = "smollm2-135m-instruct"


def test_the_switch_wraps_the_prompt_or_leaves_it(visit, chatting):
    visitor = visit(f"lang=en&model={chatting}&max_new_tokens=4&prompt=Who?")
    page = visitor.page
    page.wait_for_selector(".generate-notes p")
    switch = page.locator("#generate-chat input")
    expect(switch).to_be_checked()
    generate(page)
    assert page.text_content(".generate-prompt").startswith("<|im_start|>system")
    assert page.text_content(".generate-prompt").endswith("Who?<|im_end|>\n<|im_start|>assistant\n")
    switch.uncheck()
    visitor.wait_for_address("chat=false")
    generate(page)
    assert page.text_content(".generate-prompt") == "Who?"
    page.reload()
    expect(switch).not_to_be_checked()
    assert visitor.errors == []


def test_an_installed_model_is_chosen_in_the_header(visit, monkeypatch):
    monkeypatch.setattr(model_facts, "installed_models", lambda: [NAME])
    monkeypatch.setattr(recordings, "_is_prepared", lambda name: False)
    visitor = visit("lang=en")
    page = visitor.page
    page.locator("#model-picker input").click()
    page.get_by_role("option", name=INSTALLABLE[NAME].title).click()
    visitor.wait_for_address(f"model={NAME}")
    expect(page.locator("#model-facts")).to_contain_text("from an installed package")
    expect(page.locator("#generate-chat input")).to_be_checked()
    expect(page.locator(".generate-notes")).to_contain_text("its weights are prepared, once")
    assert visitor.errors == []
