"""The attention of a text that Generate writes, while it is written and afterwards, in a real browser."""

from playwright.sync_api import expect

from tests.browser.generating import generate
from tests.browser.test_attention import DRAWN, open_maps

STEP = ".maps-step-said"
SETTINGS = "prompt=Once+upon+a+time&seed=5&max_new_tokens=12"


def test_a_written_text_is_walked_through_step_by_step(visit):
    visitor = open_maps(visit, f"&model=llama-mini&att_from=generate&{SETTINGS}&att_step=3")
    page = visitor.page
    told = page.locator(STEP)
    assert told.inner_text().startswith("Step 3 of 12")
    said = page.locator(".maps-large .obj-sentence").inner_text()
    assert ", place 6, looks at" in said  # four of the prompt and two that were written
    assert page.locator(".maps-token.maps-later").count() == 16 - 6
    page.locator("#maps-step").press("ArrowRight")
    visitor.wait_for_address("att_step=4")
    assert told.inner_text().startswith("Step 4 of 12")
    assert page.locator(".maps-token.maps-later").count() == 16 - 7
    page.locator("#att-from button[value=typed]").click()
    page.wait_for_selector("#att-text:visible")
    page.wait_for_selector(".maps-steps", state="hidden")
    assert visitor.errors == []


# A run of Generate as its script tells of it, of which as many tokens are written as the test says.
WRITING = """count => {
  window.whole ??= Generate.written();
  Generate.written = () => ({ ...whole, ids: whole.ids.slice(0, count), running: count < whole.ids.length });
}"""


def test_a_text_is_followed_while_it_is_written_and_read_anew_when_another_is(visit):
    visitor = visit(f"tab=generate&lang=en&model=llama-mini&att_from=generate&{SETTINGS}")
    page = visitor.page
    told, tokens = page.locator(STEP), page.locator(".maps-large .maps-token")

    def written(seed: int) -> str:
        page.locator("#tab-generate-button").click()
        page.locator("#generate-seed input").fill(str(seed))
        generate(page)
        return page.evaluate("Generate.written().ids.join()")

    first = written(5)
    page.locator("#tab-attention-button").click()
    page.wait_for_selector(DRAWN)
    expect(told).to_contain_text("Step 12 of 12")
    shown = tokens.all_inner_texts()

    assert written(6) != first
    page.locator("#tab-attention-button").click()
    page.wait_for_function(
        "was => [...document.querySelectorAll('.maps-large .maps-token')].map((one) => one.innerText).join() !== was",
        arg=",".join(shown),
    )
    expect(told).to_contain_text("Step 12 of 12")

    for count in (2, 7, 12):  # the last look is at a run that is over
        page.evaluate(WRITING, count)
        expect(told).to_contain_text(f"Step {count} of {count}")
        expect(tokens).to_have_count(4 + count)

    # Another model has not written this: it writes a text of its own.
    visitor.put("model", "gpt2-mini")
    expect(page.locator(".maps-summary")).to_contain_text("GPT-2 mini has")
    asked = page.evaluate("Generate.written().design")
    assert asked == "llama-mini"
    expect(told).to_contain_text("of 12")
    assert visitor.errors == []
