"""Compare in a real browser: two architectures, a lineage walked without the server, curves that the browser draws."""

import re

import pytest
from playwright.sync_api import expect

from playground.lineage import route

TOWERS = "#compare-result svg.towers"
CARD = "#lineage-steps .step > :not([hidden])"
PLOT = "#kv-context .kv-plot svg"
FIRST = {"compare": TOWERS, "lineage": f"{CARD} h3", "context": PLOT}


def opened(visit, section: str, query: str = "", **context):
    visitor = visit(f"tab=compare&lang=en&section={section}{query}", **context)
    visitor.page.wait_for_selector(FIRST[section])
    return visitor


def requests_of(visitor) -> list[str]:
    """What the page asks of the server from now on."""
    asked: list[str] = []
    visitor.page.on("request", lambda request: asked.append(request.url))
    return asked


def slide(visitor, selector: str, value: int) -> None:
    visitor.page.locator(selector).evaluate(
        "(input, value) => { input.value = value; input.dispatchEvent(new Event('input', { bubbles: true })); }", value
    )


def choose(visitor, name: str, typed: str, option: str) -> None:
    visitor.page.locator(f"#compare-{name} input").fill(typed)
    visitor.page.get_by_role("option", name=option).click()


def test_the_first_screen_compares_two(visit):
    visitor = visit("lang=en")
    visitor.page.locator("#tab-compare-button").click()
    expect(visitor.page.locator("#compare-result .headline")).to_contain_text("64.5 times the parameters of GPT-2")
    expect(visitor.page.locator("#compare-result .fields tbody tr")).to_have_count(19)
    expect(visitor.page.locator(TOWERS)).to_have_attribute("aria-label", re.compile("one scale"))
    expect(visitor.page.locator("#lineage-steps")).not_to_be_visible()
    assert visitor.errors == []
    assert visitor.strangers == []


def test_another_architecture_is_found_by_typing_and_kept_in_the_address(visit):
    visitor = opened(visit, "compare")
    choose(visitor, "right", "deepseek-v3", "DeepSeek-V3 ·")
    expect(visitor.page.locator("#compare-result .fields")).to_contain_text("kv_lora_rank")
    visitor.wait_for_address("right=deepseek-v3")
    visitor.page.locator("#compare-swap").click()
    visitor.wait_for_address("left=deepseek-v3")
    visitor.wait_for_address("right=gpt2")
    visitor.page.reload()
    expect(visitor.page.locator("#compare-result .headline")).to_contain_text("DeepSeek-V3 has")
    expect(visitor.page.locator("#compare-left input")).to_have_value(re.compile("DeepSeek-V3"))


def test_a_changed_design_can_stand_beside_its_preset(visit):
    visitor = opened(visit, "compare", "&left=gpt2&right=gpt2~norm=rmsnorm~biases=q,k,v,o,ffn")
    expect(visitor.page.locator("#compare-result .fields tbody tr")).to_have_count(2)
    expect(visitor.page.locator("#compare-right input")).to_have_value("GPT-2, changed")
    choose(visitor, "left", "llama3-8b", "LLaMA-3 8B")
    expect(visitor.page.locator("#compare-result .headline")).to_contain_text("LLaMA-3 8B has")
    assert visitor.errors == []


def test_the_design_of_build_is_taken(visit):
    visitor = visit("tab=compare&lang=en&design=gpt2~n_layers=6")
    visitor.page.wait_for_selector(TOWERS)
    visitor.page.locator("#compare-take").click()
    expect(visitor.page.locator("#compare-result .headline")).to_contain_text("differ in 1 fields")
    visitor.wait_for_address("right=gpt2~n_layers=6")


def test_a_lineage_is_walked_without_the_server(visit):
    visitor = opened(visit, "lineage")
    last = len(route("deepseek-v3").steps) - 1
    expect(visitor.page.locator(CARD)).to_contain_text("Where it begins: Transformer base")
    expect(visitor.page.get_by_role("button", name="Previous")).to_be_disabled()
    asked = requests_of(visitor)
    visitor.page.get_by_role("button", name="Next").click()
    expect(visitor.page.locator(CARD)).to_contain_text("The encoder and the attention to it go")
    expect(visitor.page.locator(f"{CARD} .masks")).to_contain_text("The mask changes")
    visitor.page.locator("#lineage-steps input[type=range]").focus()
    visitor.page.keyboard.press("ArrowRight")
    expect(visitor.page.locator(f"{CARD} h3")).to_contain_text(f"Step 2 of {last}")
    visitor.page.get_by_role("button", name="LLaMA-2 70B").click()
    expect(visitor.page.locator(f"{CARD} .reached")).to_have_text("This is LLaMA-2 70B.")
    visitor.wait_for_address("step=30")
    assert asked == []
    assert visitor.errors == []


def test_a_link_opens_its_step_and_another_route_begins_anew(visit):
    visitor = opened(visit, "lineage", "&step=28")
    expect(visitor.page.locator(f"{CARD} .sentence")).to_contain_text("the cache shrinks to an eighth")
    visitor.page.locator("#lineage-route").get_by_text("T5 base").click()
    expect(visitor.page.locator(f"{CARD} h3")).to_have_text("Step 0 of 13")
    visitor.wait_for_address("route=t5")
    visitor.page.wait_for_function("!location.search.includes('step=')")


def test_a_step_beyond_the_route_is_its_last(visit):
    visitor = opened(visit, "lineage", "&route=t5&step=60")
    expect(visitor.page.locator(f"{CARD} .reached")).to_have_text("This is T5 base.")


def test_the_crossing_is_computed_and_marked(visit):
    """LLaMA-3 8B: 16 060 522 496 bytes of weights, 131 072 bytes of cache a token."""
    visitor = opened(visit, "context")
    told = visitor.page.locator("#kv-context .headline")
    expect(told).to_contain_text(re.compile("With 1 × 122.532 tokens"))
    expect(visitor.page.locator(f"{PLOT} circle.crossing")).to_have_count(4)  # a window's cache never grows so large
    expect(visitor.page.locator(f"{PLOT} rect.band")).to_have_count(7)
    asked = requests_of(visitor)
    slide(visitor, "input[name=kv_batch]", 3)
    expect(told).to_contain_text(re.compile("With 8 × 15.316 tokens"))
    visitor.page.locator("select[name=weights_dtype]").select_option("int8")
    expect(told).to_contain_text(re.compile("With 8 × 7.658 tokens"))
    visitor.page.get_by_role("checkbox", name="DeepSeek-V3").check()
    expect(visitor.page.locator(f"{PLOT} text.label")).to_have_count(6)
    visitor.page.get_by_role("checkbox", name="MHA").uncheck()
    expect(visitor.page.locator(f"{PLOT} text.label")).to_have_count(5)
    visitor.wait_for_address("kv_batch=8")
    assert asked == []
    visitor.page.reload()
    expect(told).to_contain_text(re.compile("With 8 × 7.658 tokens"))
    expect(visitor.page.locator(f"{PLOT} text.label")).to_have_count(5)
    assert visitor.errors == []
    assert visitor.strangers == []


def test_the_window_bends_its_curve(visit):
    visitor = opened(visit, "context")
    visitor.page.locator("#kv-context summary").click()
    row = visitor.page.locator("#kv-context tr", has_text="sliding window").first
    expect(row).to_contain_text("never")
    expect(row.locator("td").nth(3)).to_have_text(re.compile("512.MiB"))
    slide(visitor, "input[name=kv_window]", 13)
    expect(row.locator("td").nth(3)).to_have_text(re.compile("1.00.GiB"))


def test_a_model_without_a_cache_is_refused_by_the_address(visit):
    visitor = opened(visit, "context", "&kv_model=bert-base-uncased")
    expect(visitor.page.locator("#notice")).to_contain_text("LLaMA-3 8B")
    expect(visitor.page.locator("#kv-context .headline")).to_contain_text("LLaMA-3 8B")


@pytest.mark.parametrize("section", FIRST)
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_narrow_pages_do_not_scroll_sideways(visit, section, lang):
    query = f"tab=compare&lang={lang}&section={section}&left=t5-base&right=deepseek-v3&step=46"
    visitor = visit(query, viewport={"width": 390, "height": 844})
    visitor.page.wait_for_selector(FIRST[section])
    assert visitor.page.evaluate("document.documentElement.scrollWidth") == 390
    wide = "[...document.querySelectorAll('.compare-part *')].filter((e) => !e.closest('.scroll') && e.offsetParent"
    wide += " && e.getBoundingClientRect().right > 391).map((e) => e.tagName + e.className)"
    assert visitor.page.evaluate(wide) == []
