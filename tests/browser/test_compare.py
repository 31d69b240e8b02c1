"""Compare in a real browser: two architectures, a lineage walked without the server, curves that the browser draws."""

import re

from playwright.sync_api import expect

from playground.lineage import route
from tests.browser.screens import DRAWN, show

TOWERS = "#compare-result svg.towers"
CARD = "#lineage-steps .step > :not([hidden])"
PLOT = "#kv-context .kv-plot svg"


def opened(visit, section: str, query: str = "", **context):
    visitor = visit(f"tab=compare&lang=en&section={section}{query}", **context)
    visitor.page.wait_for_selector(DRAWN[section])
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
    visitor.page.get_by_role("option", name=option).first.click()


def test_two_are_compared_and_others_chosen_and_kept_in_the_address(visit):
    visitor = visit("lang=en")
    visitor.page.locator("#tab-compare-button").click()
    expect(visitor.page.locator("#compare-result .headline")).to_contain_text("64.5 times the parameters of GPT-2")
    expect(visitor.page.locator("#compare-result .fields tbody tr")).to_have_count(19)
    expect(visitor.page.locator(TOWERS)).to_have_attribute("aria-label", re.compile("one scale"))
    expect(visitor.page.locator("#lineage-steps")).not_to_be_visible()
    choose(visitor, "right", "deepseek-v3", "DeepSeek-V3 ·")
    expect(visitor.page.locator("#compare-result .fields")).to_contain_text("kv_lora_rank")
    visitor.wait_for_address("right=deepseek-v3")
    visitor.page.locator("#compare-swap").click()
    visitor.wait_for_address("left=deepseek-v3")
    visitor.wait_for_address("right=gpt2")
    visitor.page.reload()
    expect(visitor.page.locator("#compare-result .headline")).to_contain_text("DeepSeek-V3 has")
    expect(visitor.page.locator("#compare-left input")).to_have_value(re.compile("DeepSeek-V3"))
    assert visitor.errors == []
    assert visitor.strangers == []


# At every frame while the page loads: what the lists of the two architectures seem to hold.
WATCH = """() => {
  window.seen = new Set();
  const look = () => {
    for (const list of document.querySelectorAll('#compare-compare .pick input')) {
      if (list.checkVisibility({ visibilityProperty: true })) window.seen.add(list.value);
    }
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}"""


def test_a_changed_design_can_stand_beside_its_preset_and_the_one_of_build_be_taken(arrive):
    visitor = arrive()
    visitor.page.add_init_script(f"({WATCH})()")
    visitor.open("tab=compare&lang=en&left=gpt2&right=gpt2~norm=rmsnorm~biases=q,k,v,o,ffn&design=gpt2~n_layers=6")
    expect(visitor.page.locator("#compare-result .fields tbody tr")).to_have_count(2)
    expect(visitor.page.locator("#compare-right input")).to_have_value("GPT-2, changed")
    visitor.page.wait_for_function("window.seen.has('GPT-2, changed')")
    assert not [value for value in visitor.page.evaluate("[...window.seen]") if not value.startswith("GPT-2")]
    visitor.page.locator("#compare-take").click()
    expect(visitor.page.locator("#compare-result .headline")).to_contain_text("differ in 1 fields")
    visitor.wait_for_address("right=gpt2~n_layers=6")
    choose(visitor, "left", "LLaMA-3 8B", "LLaMA-3 8B")
    expect(visitor.page.locator("#compare-result .headline")).to_contain_text("LLaMA-3 8B has")
    assert visitor.errors == []


def test_a_link_opens_its_step_and_the_lineage_is_walked_without_the_server(visit):
    visitor = opened(visit, "lineage", "&step=28")
    expect(visitor.page.locator(f"{CARD} .sentence")).to_contain_text("the cache shrinks to an eighth")
    last = len(route("deepseek-v3").steps) - 1
    asked = requests_of(visitor)
    slide(visitor, "#lineage-steps input[type=range]", 0)
    expect(visitor.page.locator(CARD)).to_contain_text("Where it begins: Transformer base")
    expect(visitor.page.get_by_role("button", name="Previous")).to_be_disabled()
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
    visitor.page.locator("#lineage-route").get_by_text("T5 base").click()  # another route begins anew
    expect(visitor.page.locator(f"{CARD} h3")).to_have_text("Step 0 of 13")
    visitor.wait_for_address("route=t5")
    visitor.page.wait_for_function("!location.search.includes('step=')")
    assert visitor.errors == []


def test_an_address_beyond_a_route_or_without_a_cache_is_mended(visit):
    visitor = opened(visit, "lineage", "&route=t5&step=60&kv_model=bert-base-uncased")
    expect(visitor.page.locator(f"{CARD} .reached")).to_have_text("This is T5 base.")
    expect(visitor.page.locator("#notice")).to_contain_text("LLaMA-3 8B")
    show(visitor, "context")
    expect(visitor.page.locator("#kv-context .headline")).to_contain_text("LLaMA-3 8B")


def test_the_crossing_is_computed_and_marked(visit):
    """LLaMA-3 8B: 16 060 522 496 bytes of weights, 131 072 bytes of cache a token."""
    visitor = opened(visit, "context")
    told = visitor.page.locator("#kv-context .headline")
    expect(told).to_contain_text(re.compile("With 1 × 122.532 tokens"))
    expect(visitor.page.locator(f"{PLOT} circle.crossing")).to_have_count(4)  # a window's cache never grows so large
    expect(visitor.page.locator(f"{PLOT} rect.band")).to_have_count(7)
    visitor.page.locator("#kv-context summary").click()
    row = visitor.page.locator("#kv-context tr", has_text="sliding window").first
    expect(row).to_contain_text("never")
    expect(row.locator("td").nth(3)).to_have_text(re.compile("512.MiB"))
    slide(visitor, "input[name=kv_window]", 13)  # the window bends its curve
    expect(row.locator("td").nth(3)).to_have_text(re.compile("1.00.GiB"))
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
