"""Build in a real browser: a change shows at once, an impossible one is explained, links and keyboard work."""

import re

from playwright.sync_api import expect

from models import preset_info
from playground.preset_lists import family_choices, first_of

DIAGRAM = "#build-diagram svg.stack"
SPACES = re.compile(r"[\u2009\u202f]")


def build(visit, design: str = "gpt2", **context):
    visitor = visit(f"tab=build&lang=en&design={design}", **context)
    visitor.page.wait_for_selector(DIAGRAM)
    return visitor


def number(visitor, name: str):
    return visitor.page.locator(f"#build-{name} input")


def choose(visitor, name: str, option: str) -> None:
    visitor.page.locator(f"#build-{name} input").click()
    visitor.page.get_by_role("option", name=option, exact=True).click()


def choose_family(visitor, key: str) -> None:
    choose(visitor, "family", next(words for words, family in family_choices("en") if family == key))
    expect(visitor.page.locator("#build-title")).to_contain_text(preset_info(first_of(key)).title)


def note(visitor, control: str):
    return visitor.page.locator(f"[data-note={control}]")


def unfold(visitor, group: str) -> None:
    visitor.page.locator("#build-controls").get_by_role("button", name=group).click()


def test_the_first_screen_is_a_design(visit):
    visitor = visit("tab=build&lang=en")
    expect(visitor.page.locator("#build-title")).to_contain_text("LLaMA mini")
    expect(visitor.page.locator(DIAGRAM)).to_have_attribute("aria-label", re.compile("6 equal layers"))
    expect(visitor.page.locator("#build-table tbody tr")).to_have_count(7)
    visitor.page.wait_for_selector("#build-chart .js-plotly-plot .bars path")
    assert visitor.errors == []


def test_a_dropdown_changes_the_parameters_and_the_diagram_marks_it(visit):
    visitor = build(visit)
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


def test_an_impossible_design_is_explained_and_nothing_typed_is_lost(visit):
    visitor = build(visit)
    number(visitor, "d-model").fill("770")
    expect(note(visitor, "n_heads").get_by_role("alert")).to_contain_text("n_heads that divides 770")
    expect(visitor.page.locator("#build-title")).to_contain_text("last valid design")
    expect(number(visitor, "d-model")).to_have_value("770")
    expect(visitor.page.locator(f"{DIAGRAM} [data-box=tok_embed]")).to_contain_text("768")
    number(visitor, "n-heads").fill("10")
    expect(visitor.page.locator("#build-title")).not_to_contain_text("last valid design")
    expect(number(visitor, "d-head")).to_have_value("77")
    number(visitor, "n-layers").fill("")
    expect(note(visitor, "n_layers").get_by_role("alert")).to_contain_text("empty")
    assert visitor.errors == []


def test_an_impossible_design_survives_a_change_of_language(visit):
    visitor = build(visit, "gpt2~n_layers=3")
    number(visitor, "d-model").fill("770")
    expect(note(visitor, "n_heads").get_by_role("alert")).to_contain_text("n_heads that divides 770")
    for lang, sentence in (("zh", "无法平均分给"), ("en", "n_heads that divides 770")):
        visitor.page.locator(f"#language button[value={lang}]").click()
        expect(note(visitor, "n_heads").get_by_role("alert")).to_contain_text(sentence)
        expect(number(visitor, "d-model")).to_have_value("770")
        expect(number(visitor, "n-layers")).to_have_value("3")


def test_a_link_reproduces_the_design(visit):
    visitor = build(visit, "gpt2~position=rotary~norm=rmsnorm~biases=&context=256")
    expect(visitor.page.locator("#build-preset input")).to_have_value(re.compile("GPT-2"))
    expect(number(visitor, "context")).to_have_value("256")
    unfold(visitor, "Positions")
    expect(visitor.page.locator("#build-position input")).to_have_value("rotary (RoPE)")
    expect(number(visitor, "rope-theta")).to_have_value("10000")
    expect(note(visitor, "position")).to_contain_text("turn by an angle")


def test_controls_appear_when_they_apply(visit):
    visitor = build(visit)
    unfold(visitor, "Who may look at whom")
    expect(number(visitor, "window")).not_to_be_visible()
    choose(visitor, "mask-pattern", "causal and sliding in turn")
    expect(number(visitor, "window")).to_be_visible()
    expect(visitor.page.locator("#build-diagram [data-box=mask]").first).to_contain_text("sliding")


def test_a_formula_opens_by_keyboard_and_stays_open(visit):
    visitor = build(visit)
    figure = visitor.page.locator("[data-figure=kv_bytes]")
    figure.locator("summary").focus()
    visitor.page.keyboard.press("Enter")
    expect(figure.locator(".formula")).to_be_visible()
    number(visitor, "context").fill("512")
    expect(figure.locator(".formula")).to_contain_text("512")
    expect(figure.locator(".formula")).to_be_visible()


def test_use_this_model_puts_it_in_hand(visit):
    visitor = build(visit, "gpt2~n_layers=2")
    visitor.page.locator("#build-use").click()
    expect(visitor.page.locator("#build-used")).to_contain_text("random")
    expect(visitor.page.locator("#model-facts")).to_contain_text("random weights")
    visitor.page.locator("#build-generate").click()
    expect(visitor.page.locator("#generate-prompt")).to_be_visible()


def test_a_giant_is_shown_at_once_but_not_taken_in_hand(visit):
    visitor = build(visit)
    choose_family(visitor, "gpt3")
    expect(note(visitor, "limit")).to_be_empty()
    choose(visitor, "preset", "◌ GPT-3 175B · 175\u202fB")
    expect(visitor.page.locator(f"{DIAGRAM} [data-box=layers]")).to_contain_text("96")
    expect(note(visitor, "limit")).to_contain_text("more than the 200")
    visitor.page.locator("#build-use").click()
    expect(visitor.page.locator("#build-used").get_by_role("alert")).to_contain_text("GPT-3 Small")


def test_an_address_opens_the_family_of_its_design(visit):
    visitor = build(visit, "gpt3-13b~n_layers=2")
    expect(visitor.page.locator("#build-family input")).to_have_value(re.compile("GPT-3 · 2020"))
    expect(visitor.page.locator("#build-preset input")).to_have_value(re.compile("GPT-3 13B"))
    visitor.page.locator("#build-reset").click()
    visitor.wait_for_address("design=gpt3-13b")
    expect(visitor.page.locator("#build-changes")).to_contain_text("Nothing")


def test_the_field_to_mend_is_named_beside_the_button(visit):
    visitor = build(visit)
    number(visitor, "d-model").fill("770")
    expect(visitor.page.locator("#build-title")).to_contain_text("last valid design")
    visitor.page.locator("#build-use").click()
    expect(visitor.page.locator("#build-used").get_by_role("alert")).to_contain_text("Query heads (n_heads)")


FITS = """() => [...document.querySelectorAll('#build-diagram svg')].flatMap((svg) => {
  const width = svg.viewBox.baseVal.width;
  return [...svg.querySelectorAll('text:not([transform])')].filter((text) => {
    const words = text.getBBox(), box = text.closest('.box')?.querySelector('rect').getBBox();
    if (words.x < -1 || words.x + words.width > width + 1) return true;
    return box && (words.x + words.width > box.x + box.width || words.y < box.y - 1);
  }).map((text) => text.textContent);
})"""


def test_words_stay_in_their_boxes(visit):
    big = "llama3.1-405b~block=parallel~qk_norm=true~mask_pattern=causal,sliding~window=100000"
    for lang in ("en", "zh"):
        for design in (big, "gpt3-175b~block=sandwich~ffn=gated~position=alibi"):
            visitor = visit(f"tab=build&lang={lang}&design={design}", viewport={"width": 390, "height": 844})
            visitor.page.wait_for_selector(DIAGRAM)
            assert visitor.page.evaluate(FITS) == []


def test_the_structure_hides_and_shows(visit):
    visitor = build(visit)
    choose(visitor, "structure", "encoder and decoder")
    expect(number(visitor, "n-encoder-layers")).to_have_value("12")
    visitor.wait_for_address("structure=encoder_decoder")
    choose(visitor, "structure", "encoder")
    expect(visitor.page.locator("#build-head input")).to_have_value("masked token (mlm)")
    expect(number(visitor, "n-encoder-layers")).not_to_be_visible()
    expect(visitor.page.locator("#build-changes")).to_contain_text("Follows from the structure")
    expect(note(visitor, "limit")).to_contain_text("does not write on")
    assert visitor.errors == []


def test_experts_open_with_their_numbers(visit):
    visitor = build(visit)
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


def test_formula_and_count_stand_side_by_side(visit):
    visitor = build(visit, "deepseek-v3")
    visitor.page.locator("#build-measure").click()
    expect(visitor.page.locator("#build-table .equal")).to_have_count(11)
    expect(visitor.page.locator("#build-table .unequal")).to_have_count(0)


def test_a_model_known_by_name_shows_its_card(visit):
    visitor = visit("tab=build&lang=en&design=gpt-4")
    expect(visitor.page.locator("#build-card")).to_contain_text("no architecture, size or data")
    expect(visitor.page.locator("#build-figures")).not_to_be_visible()
    expect(visitor.page.locator("#build-use")).not_to_be_visible()
    choose_family(visitor, "gpt1")
    expect(visitor.page.locator("#build-card")).not_to_be_visible()
    expect(visitor.page.locator("#build-use")).to_be_visible()
    assert visitor.errors == []


def test_an_alias_opens_what_it_shares(visit):
    visitor = build(visit, "deepseek-r1")
    expect(visitor.page.locator("#build-card")).to_contain_text("architecture of DeepSeek-V3")
    expect(visitor.page.locator("#build-preset input")).to_have_value("DeepSeek-R1 · as DeepSeek-V3")
    expect(visitor.page.locator("#build-title")).to_contain_text("671")


def test_on_a_narrow_page_the_form_is_folded(visit):
    visitor = visit("tab=build&lang=en&design=gpt2", viewport={"width": 390, "height": 844})
    visitor.page.wait_for_selector(DIAGRAM)
    expect(visitor.page.locator("#build-controls .label-wrap.open")).to_have_count(0)
    assert visitor.page.evaluate("document.documentElement.scrollWidth") == 390
