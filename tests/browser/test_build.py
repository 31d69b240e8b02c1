"""Build in a real browser: a change shows at once, an impossible one is explained, links and keyboard work."""

import re

import pytest
from playwright.sync_api import expect

from models import preset_info
from playground.preset_lists import family_choices, first_of
from tests.browser.screens import ANSWERED, AWAIT, open_design

DIAGRAM = "#build-diagram svg.stack"


@pytest.fixture(scope="module")
def room(lobby):
    """A page for all tests that need none of their own."""
    visitor = lobby.enter().open("tab=build&lang=en")
    expect(visitor.page.locator("#build-title")).to_contain_text("LLaMA mini")
    yield visitor
    lobby.leave(visitor)


@pytest.fixture
def build(room):
    """`build(design)` → the visitor with that design in the form, and nothing else left of earlier ones."""

    def fill(design: str = "gpt2"):
        open_design(room, design)
        return room

    yield fill
    assert room.errors == []
    assert room.strangers == []


def number(visitor, name: str):
    return visitor.page.locator(f"#build-{name} input")


def empty(visitor, name: str) -> None:
    """Empties a box as a person does who sees it filled again: the form may still be writing the design that was opened."""
    box = number(visitor, name)
    for _ in range(10):
        box.press("Control+a")
        box.press("Backspace")
        visitor.page.wait_for_timeout(400)
        if not box.input_value():
            return
    raise AssertionError(f"{name} does not stay empty")


def choose(visitor, name: str, option: str) -> None:
    visitor.page.locator(f"#build-{name} input").click()
    visitor.page.get_by_role("option", name=option, exact=True).click()


def choose_family(visitor, key: str) -> None:
    choose(visitor, "family", next(words for words, family in family_choices("en") if family == key))
    expect(visitor.page.locator("#build-title")).to_contain_text(preset_info(first_of(key)).title)


def note(visitor, control: str):
    return visitor.page.locator(f"[data-note={control}]")


def unfold(visitor, group: str) -> None:
    heading = visitor.page.locator("#build-controls").get_by_role("button", name=group)
    if "open" not in heading.get_attribute("class").split():
        heading.click()


def press_use(visitor):
    """Presses "Use this model", which says why where it cannot be used; what it says."""
    visitor.page.locator("#build-use").click(force=True)
    return visitor.page.locator("#build-used")


def test_the_first_screen_is_a_design(visit):
    visitor = visit("tab=build&lang=en")
    expect(visitor.page.locator("#build-title")).to_contain_text("LLaMA mini")
    expect(visitor.page.locator(DIAGRAM)).to_have_attribute("aria-label", re.compile("6 equal layers"))
    expect(visitor.page.locator("#build-table tbody tr")).to_have_count(7)
    visitor.page.wait_for_selector("#build-chart .js-plotly-plot .bars path")
    assert visitor.errors == []


def test_a_dropdown_changes_the_parameters_and_the_diagram_marks_it(build):
    visitor = build()
    expect(visitor.page.locator("#build-title small")).to_have_attribute("title", re.compile("124.439.808"))
    choose(visitor, "attention", "grouped-query (gqa)")
    expect(number(visitor, "n-kv-heads")).to_have_value("6")
    expect(visitor.page.locator("#build-title")).to_contain_text("GPT-2, changed")
    expect(visitor.page.locator("#build-title small")).not_to_have_attribute("title", re.compile("124.439.808"))
    expect(visitor.page.locator(f"{DIAGRAM} [data-box=attn].differs .diamond")).to_have_count(1)
    expect(note(visitor, "attention")).to_contain_text("preset: multi-head")
    expect(visitor.page.locator("#build-changes")).to_contain_text("grouped-query")
    visitor.wait_for_address("attention=gqa")
    visitor.page.locator("#build-reset").click()
    expect(visitor.page.locator("#build-changes")).to_contain_text("Nothing")
    expect(number(visitor, "n-kv-heads")).not_to_be_visible()


def test_an_impossible_design_is_explained_and_nothing_typed_is_lost(build):
    visitor = build()
    number(visitor, "d-model").fill("770")
    expect(note(visitor, "n_heads").get_by_role("alert")).to_contain_text("n_heads that divides 770")
    expect(visitor.page.locator("#build-title")).to_contain_text("last valid design")
    expect(number(visitor, "d-model")).to_have_value("770")
    expect(visitor.page.locator(f"{DIAGRAM} [data-box=tok_embed]")).to_contain_text("768")
    number(visitor, "n-heads").fill("10")
    expect(visitor.page.locator("#build-title")).not_to_contain_text("last valid design")
    expect(number(visitor, "d-head")).to_have_value("77")


def test_an_impossible_design_survives_a_change_of_language(build):
    visitor = build("gpt2~n_layers=3")
    number(visitor, "d-model").fill("770")
    expect(note(visitor, "n_heads").get_by_role("alert")).to_contain_text("n_heads that divides 770")
    for lang, sentence in (("zh", "无法平均分给"), ("en", "n_heads that divides 770")):
        visitor.page.locator(f"#language button[value={lang}]").click()
        expect(note(visitor, "n_heads").get_by_role("alert")).to_contain_text(sentence)
        expect(number(visitor, "d-model")).to_have_value("770")
        expect(number(visitor, "n-layers")).to_have_value("3")


# At every frame while the page loads: what its controls seem to hold, and the tab that seems to be open.
WATCH = """() => {
  window.seen = [];
  const text = (selector) => {
    const field = document.querySelector(selector);
    return field?.checkVisibility({ visibilityProperty: true }) ? field.value ?? field.textContent : null;
  };
  const look = () => {
    window.seen.push([text('#generate-prompt textarea'), text('#build-n-layers input'), text('#build-preset input')]);
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}"""


def test_a_link_reproduces_the_design_and_shows_no_other_before(arrive):
    visitor = arrive()
    visitor.page.add_init_script(f"({WATCH})()")
    visitor.open("tab=build&lang=en&design=gpt3-13b~position=rotary~norm=rmsnorm~biases=&context=256&prompt=Hello")
    expect(visitor.page.locator("#build-preset input")).to_have_value(re.compile("GPT-3 13B"))
    visitor.page.wait_for_function("window.seen.at(-1)[1] !== null && window.seen.at(-1)[2] !== null")
    seen = visitor.page.evaluate("window.seen")
    prompts, layers, presets = (set(column) - {None} for column in zip(*seen, strict=True))
    assert prompts == set()
    assert layers == {"40"}
    assert len(presets) == 1
    expect(visitor.page.locator("#build-family input")).to_have_value(re.compile("GPT-3 · 2020"))
    expect(number(visitor, "context")).to_have_value("256")
    unfold(visitor, "Positions")
    expect(visitor.page.locator("#build-position input")).to_have_value("rotary (RoPE)")
    expect(number(visitor, "rope-theta")).to_have_value("10000")
    expect(note(visitor, "position")).to_contain_text("turn by an angle")
    visitor.page.locator("#build-reset").click()
    visitor.page.wait_for_function("/design=gpt3-13b(&|$)/.test(location.search)")
    expect(visitor.page.locator("#build-changes")).to_contain_text("Nothing")
    assert visitor.errors == []


def test_controls_appear_when_they_apply(build):
    visitor = build()
    unfold(visitor, "Who may look at whom")
    expect(number(visitor, "window")).not_to_be_visible()
    choose(visitor, "mask-pattern", "causal and sliding in turn")
    expect(number(visitor, "window")).to_be_visible()
    expect(visitor.page.locator("#build-diagram [data-box=mask]").first).to_contain_text("sliding")


def test_a_formula_opens_by_keyboard_and_stays_open(build):
    visitor = build()
    figure = visitor.page.locator("[data-figure=kv_bytes]")
    figure.locator("summary").focus()
    visitor.page.keyboard.press("Enter")
    expect(figure.locator(".formula")).to_be_visible()
    number(visitor, "context").fill("512")
    expect(figure.locator(".formula")).to_contain_text("512")
    expect(figure.locator(".formula")).to_be_visible()


def test_use_this_model_puts_it_in_hand(build):
    visitor = build("gpt2~n_layers=2")
    visitor.page.locator("#build-use").click()
    expect(visitor.page.locator("#build-used")).to_contain_text("random")
    expect(visitor.page.locator("#model-facts")).to_contain_text("random weights")
    visitor.page.locator("#build-generate").click()
    expect(visitor.page.locator("#generate-prompt")).to_be_visible()


def test_what_is_pressed_at_once_comes_after_what_was_typed(build):
    visitor = build("llama-mini~n_layers=11")
    number(visitor, "n-layers").fill("3")
    number(visitor, "d-model").fill("96")
    visitor.page.locator("#build-use").click()
    visitor.wait_for_address("model=llama-mini~d_model=96~n_layers=3")
    number(visitor, "vocab-size").fill("700")
    visitor.page.locator("#build-reset").click()
    expect(visitor.page.locator("#build-changes")).to_contain_text("Nothing")
    expect(number(visitor, "vocab-size")).to_have_value("4096")
    visitor.page.wait_for_timeout(500)  # nothing that was typed before comes later
    assert visitor.page.evaluate("lineage.state.design") == "llama-mini"
    expect(number(visitor, "vocab-size")).to_have_value("4096")


def test_a_giant_is_shown_at_once_but_not_taken_in_hand(build):
    visitor = build()
    choose_family(visitor, "gpt3")
    expect(note(visitor, "limit")).to_be_empty()
    choose(visitor, "preset", "◌ GPT-3 175B · 175\u202fB")
    expect(visitor.page.locator(f"{DIAGRAM} [data-box=layers]")).to_contain_text("96")
    expect(note(visitor, "limit")).to_contain_text("more than the 200")
    is_dimmed_because(visitor, "more than the 200")
    expect(press_use(visitor).get_by_role("alert")).to_contain_text("GPT-3 Small")


def is_dimmed_because(visitor, reason: str) -> None:
    button = visitor.page.locator("#build-use")
    expect(button).to_have_attribute("aria-disabled", "true")
    expect(button).to_have_accessible_description(re.compile(reason))
    usual = visitor.page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--accent')")
    assert usual  # the colour of what can be acted on …
    expect(button).not_to_have_css("background-color", "rgb(74, 69, 181)")  # … which this is not


def test_a_design_that_cannot_be_used_looks_so_and_says_why(build):
    visitor = build()
    expect(visitor.page.locator("#build-use")).to_have_attribute("aria-disabled", "false")
    expect(visitor.page.locator("#build-use")).to_have_css("background-color", "rgb(74, 69, 181)")
    number(visitor, "d-model").fill("770")
    expect(visitor.page.locator("#build-title")).to_contain_text("last valid design")
    is_dimmed_because(visitor, "Query heads \\(n_heads\\).* has to be corrected")
    expect(press_use(visitor).get_by_role("alert")).to_contain_text("correct “Query heads (n_heads)” first")
    number(visitor, "d-model").fill("768")
    expect(visitor.page.locator("#build-use")).to_have_attribute("aria-disabled", "false")
    expect(visitor.page.locator("#build-use")).to_have_accessible_description("")
    expect(visitor.page.locator("#build-used")).not_to_contain_text("first")  # it has been corrected


def test_the_banner_leads_to_the_field_at_fault(build):
    visitor = build()
    number(visitor, "d-model").fill("770")
    banner = visitor.page.locator("#build-title .stale")
    expect(banner).to_contain_text("“Query heads (n_heads)” has to be corrected")
    heading = visitor.page.locator("#build-group-attention .label-wrap")
    heading.click()
    expect(number(visitor, "n-heads")).not_to_be_visible()
    address = visitor.page.url
    banner.get_by_role("link", name="Query heads").click()
    expect(number(visitor, "n-heads")).to_be_focused()
    expect(number(visitor, "n-heads")).to_be_in_viewport()
    assert visitor.page.url.split("#")[0] == address.split("#")[0]
    assert "#" not in visitor.page.url


def test_an_emptied_box_is_marked_and_says_so_beside_it(build):
    visitor = build()
    for name, control in (("n-layers", "n_layers"), ("batch", "batch")):  # the second while the design is refused
        empty(visitor, name)
        expect(note(visitor, control).get_by_role("alert")).to_contain_text("is empty; give a number from 1 to")
        expect(number(visitor, name)).to_have_attribute("aria-invalid", "true")
        expect(number(visitor, name)).to_have_accessible_description(re.compile("is empty"))
        expect(number(visitor, name)).to_have_css("border-top-color", "rgb(179, 38, 30)")
    for name, value in (("n-layers", "3"), ("batch", "1")):
        number(visitor, name).fill(value)
        expect(number(visitor, name)).not_to_have_attribute("aria-invalid", "true")
    expect(note(visitor, "batch")).to_be_empty()


def test_the_structure_hides_and_shows(build):
    visitor = build()
    choose(visitor, "structure", "encoder and decoder")
    expect(number(visitor, "n-encoder-layers")).to_have_value("12")
    visitor.wait_for_address("structure=encoder_decoder")
    choose(visitor, "structure", "encoder")
    expect(visitor.page.locator("#build-head input")).to_have_value("masked token (mlm)")
    expect(number(visitor, "n-encoder-layers")).not_to_be_visible()
    expect(visitor.page.locator("#build-changes")).to_contain_text("Follows from the structure")
    expect(note(visitor, "limit")).to_contain_text("does not write on")
    assert visitor.errors == []


@pytest.mark.parametrize("way", ["keys", "pointer"])
def test_lists_that_are_only_looked_into_change_nothing(build, way):
    """Gradio announces an input whenever a list is left, and leaves one open that the Tab key has left."""
    visitor = build("llama3-8b~n_layers=7")
    page = visitor.page
    expect(press_use(visitor)).to_contain_text("builds at most")
    page.locator("#build-family input").focus()
    for name in ("preset", "structure", "head"):
        control = page.locator(f"#build-{name} input")
        with page.expect_request("**/queue/join*"):  # of the list that is left
            page.keyboard.press("Tab") if way == "keys" else control.click()
        assert page.evaluate("document.activeElement !== document.body")
        control.focus()
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Shift+Tab")
    page.evaluate(AWAIT)
    number(visitor, "context").fill("64")
    page.wait_for_selector(ANSWERED, state="attached")
    expect(page.locator("[role=combobox][aria-expanded=true]")).to_have_count(0)
    assert page.evaluate("lineage.state.design") == "llama3-8b~n_layers=7"
    expect(number(visitor, "n-layers")).to_have_value("7")
    expect(page.locator("#build-used")).to_contain_text("builds at most")


def test_words_that_are_no_head_leave_it_as_it_was(build):
    visitor = build("gpt2~n_layers=5")
    head = visitor.page.locator("#build-head input")
    expect(head).to_have_value("next token (lm)")
    for words in ("next token (lm)xyz", ""):
        head.fill(words)
        head.press("Tab")
        expect(head).to_have_value("next token (lm)")
    assert visitor.page.evaluate("lineage.state.design") == "gpt2~n_layers=5"
    assert visitor.page.locator("#build-title .stale").count() == 0


def test_what_is_ticked_by_key_or_pointer_counts(build):
    visitor = build()
    page = visitor.page
    unfold(visitor, "Embeddings, biases, tying")
    box = page.locator("#build-biases input").first
    was = box.is_checked()
    for act in (box.click, lambda: box.press("Enter"), lambda: box.press("Space")):
        act()
        was = not was
        page.wait_for_function("differs => /biases=/.test(location.search) === differs", arg=not was)
        page.wait_for_timeout(300)  # Gradio writes the boxes of an answer one after the other
        assert box.is_checked() == was


def test_experts_open_with_their_numbers(build):
    visitor = build()
    unfold(visitor, "Experts")
    choose(visitor, "experts", "routed")
    expect(number(visitor, "moe-n-experts")).to_have_value("8")
    expect(number(visitor, "moe-capacity")).not_to_be_visible()
    choose(visitor, "moe-router", "switch: the single best")
    expect(number(visitor, "moe-capacity")).to_be_visible()
    expect(number(visitor, "moe-n-experts-per-token")).not_to_be_visible()
    visitor.wait_for_address("moe.router=switch")
    expect(visitor.page.locator("[data-figure=active_params]")).to_be_visible()
    assert visitor.errors == []


def test_formula_and_count_stand_side_by_side(build):
    visitor = build("deepseek-v3")
    visitor.page.locator("#build-measure").click()
    expect(visitor.page.locator("#build-table .equal")).to_have_count(11)
    expect(visitor.page.locator("#build-table .unequal")).to_have_count(0)


def test_a_model_known_by_name_shows_its_card(build):
    visitor = build("gpt-4")
    expect(visitor.page.locator("#build-card")).to_contain_text("no architecture, size or data")
    expect(visitor.page.locator("#build-figures")).not_to_be_visible()
    is_dimmed_because(visitor, "There is nothing to use")
    expect(press_use(visitor).get_by_role("alert")).to_contain_text("nothing to use")
    choose_family(visitor, "gpt1")
    expect(visitor.page.locator("#build-card")).not_to_be_visible()
    expect(visitor.page.locator("#build-use")).to_have_attribute("aria-disabled", "false")


def test_an_alias_opens_what_it_shares(build):
    visitor = build("deepseek-r1")
    expect(visitor.page.locator("#build-card")).to_contain_text("architecture of DeepSeek-V3")
    expect(visitor.page.locator("#build-preset input")).to_have_value("DeepSeek-R1 · as DeepSeek-V3")
    expect(visitor.page.locator("#build-title")).to_contain_text("671")
    expect(visitor.page.locator("#build-title .preset-note")).to_contain_text("On DeepSeek-V3: ")
