"""BERT, step by step, in a real browser: walking, dice set by hand, guesses before answers, and the address."""

import re

import pytest
from playwright.sync_api import expect

import models
from models.tokenizers.catalogue import load_named
from tests.browser.wcag import only, violations

STEPS = ["tokens", "pair", "draw", "dice", "input", "guess", "answer", "attention", "looks", "joint"]
CONTENT = ".mask-content[data-step='{}'] .mtok"


def opened(visit, more: str = "", **context):
    visitor = visit(f"lang=en&tab=objectives&obj_seed=3{more}", **context)
    visitor.page.wait_for_selector(".mask-content h2")
    visitor.page.wait_for_selector(".mask-filled .mbar")
    return visitor


def go(visitor, step: str) -> None:
    visitor.page.locator(f".mask-steps button[value={step}]").click()
    visitor.page.wait_for_selector(CONTENT.format(step))


def sentence(visitor):
    return visitor.page.locator(".mask-content .obj-sentence").first


def type_text(visitor, text: str) -> None:
    visitor.page.locator("#mask-text").fill(text)


def test_the_steps_are_walked_forwards_backwards_and_by_key(visit):
    visitor = opened(visit)
    asked = []
    visitor.page.on("request", lambda request: asked.append(request.url))
    for step in STEPS[:8]:
        visitor.page.wait_for_selector(CONTENT.format(step))
        assert asked == [], step  # one answer of the server has these steps
        visitor.page.locator(".mask-next").click()
    visitor.page.wait_for_selector(CONTENT.format("looks"))
    expect(visitor.page.locator(".mask-chart polyline")).to_have_count(2)
    visitor.page.locator(".mask-back").click()
    visitor.page.wait_for_selector(CONTENT.format("attention"))
    heads = visitor.page.locator(".mask-head")
    was = sentence(visitor).text_content()
    heads.nth(9).click()
    expect(sentence(visitor)).not_to_have_text(was)
    expect(visitor.page.locator(".mask-head[aria-pressed=true]")).to_be_focused()
    visitor.page.locator(".mask-steps [aria-current]").focus()
    visitor.page.keyboard.press("End")
    visitor.page.wait_for_selector(CONTENT.format("joint"))
    expect(visitor.page.locator(".mask-next")).to_be_disabled()
    visitor.page.get_by_role("button", name="difference").click()
    visitor.wait_for_address("mask_way=difference")
    assert visitor.page.locator(".mask-cell").count() >= 36
    for place in (7, 18):  # the king's “girl” and the later “his”, which have little to do with each other
        visitor.page.locator(f".mask-content button[data-place='{place}']").click()
    expect(visitor.page.locator("[data-step=joint]")).to_contain_text("hardly depend on each other")
    assert visitor.errors == []
    assert visitor.strangers == []


def test_every_token_of_the_input_can_be_taken_apart(visit):
    visitor = opened(visit, "&mask_step=4")
    tokens = visitor.page.locator(CONTENT.format("input"))
    for place in (tokens.count() - 1, 0):  # the last [SEP], and [CLS]
        tokens.nth(place).click()
        expect(tokens.nth(place)).to_have_attribute("aria-current", "true")
        expect(sentence(visitor)).to_contain_text(f"Position {place}, ")
    visitor.wait_for_address("mask_at=0")
    assert visitor.errors == []


def test_what_the_server_refused_can_be_asked_for_again(visit):
    visitor = opened(visit, "&mask_step=8")
    visitor.page.wait_for_selector(CONTENT.format("looks"))
    visitor.page.route(
        "**/*", lambda route: route.abort() if "mask_looks" in (route.request.post_data or "") else route.fallback()
    )
    type_text(visitor, "The zebra slept. It was late.")
    expect(visitor.page.locator(".objs > .obj-error")).to_contain_text("did not answer")
    visitor.page.unroute("**/*")
    visitor.page.get_by_role("button", name="Ask again").click()
    visitor.page.wait_for_selector(CONTENT.format("looks"))
    expect(visitor.page.locator(".objs > .obj-error")).to_be_hidden()


def test_fates_are_set_by_hand_and_the_address_brings_them_back(visit):
    visitor = opened(visit)
    go(visitor, "dice")
    first = visitor.page.locator(".mask-content tbody tr").first
    place = int(first.locator("th").text_content())
    first.locator("select").select_option("random")
    expect(first).to_contain_text("set by hand")
    visitor.wait_for_address(f"mask_fates={place}:random")
    became = first.locator(".mtok").nth(1).text_content()
    assert became != "[MASK]"
    visitor.page.locator(".mask-content tbody tr").nth(1).get_by_role("button").click()
    expect(visitor.page.locator(".mask-content tbody tr").nth(1)).to_contain_text("thrown again (1 ×)")
    go(visitor, "draw")
    free = visitor.page.locator(".mask-content .mtok[aria-pressed=false]").first
    count = visitor.page.locator(".mask-content .mtok[aria-pressed=true]").count()
    free.click()
    expect(visitor.page.locator(".mask-content .mtok[aria-pressed=true]")).to_have_count(count + 1)
    expect(sentence(visitor)).to_contain_text(f"Drawn with seed 3, to be predicted: {count}.")
    expect(visitor.page.locator(".mask-content")).to_contain_text(
        f"By hand: 1 added, 0 taken out; that makes {count + 1}"
    )
    go(visitor, "dice")
    expect(visitor.page.locator(".mask-content").get_by_text("thrown again")).to_have_count(1)  # not for the added one
    rows = visitor.page.locator(".mask-content tbody").first.inner_text()
    visitor.page.wait_for_timeout(400)  # for the address, which is written when the choice has settled
    again = visit(visitor.page.url.partition("?")[2])
    again.page.wait_for_selector(CONTENT.format("dice"))
    assert again.page.locator(".mask-content tbody").first.inner_text() == rows
    again.page.get_by_role("button", name="Another seed", exact=True).click()
    expect(again.page.locator("#mask-reset")).to_have_count(0)
    kept = again.page.evaluate("lineage.state.obj_seed")
    for odd in ("-5", "1.5", "99999999999", ""):
        again.page.locator("#mask-seed").fill(odd)
        again.page.locator("#mask-seed").press("Enter")
        expect(again.page.get_by_text(f"still shows seed {kept}.")).to_be_visible()
        again.page.locator("#mask-seed").fill(kept)
        again.page.locator("#mask-seed").press("Enter")
        expect(again.page.get_by_text("still shows seed")).to_be_hidden()
    assert visitor.errors == again.errors == []


def test_nothing_is_revealed_before_the_guess(visit):
    visitor = opened(visit, "&obj_text=The%20zebra%20slept.%20It%20was%20late.&mask_fates=2:mask&mask_step=5")
    visitor.page.wait_for_selector(".mask-guess")
    expect(visitor.page.locator("#mask-text")).to_be_hidden()
    assert not re.search(r"nats|%|zebra", visitor.page.locator(".mask-content").inner_text())
    for form in visitor.page.locator(".mask-guess").all():
        form.locator("button").first.click()
        expect(form.locator("button[aria-pressed=true]")).to_have_count(1)
    visitor.page.locator(".mask-guess input").first.fill("<b>horse</b>")
    expect(visitor.page.locator(".mask-guess").first.locator("button[aria-pressed=true]")).to_have_count(0)
    visitor.page.locator("#mask-reveal").click()
    visitor.page.wait_for_selector(".mask-bars")
    expect(visitor.page.locator(".mask-content table")).to_contain_text("<b>horse</b> ✗")
    expect(sentence(visitor)).to_contain_text(re.compile(r"The loss is [\d.]+ nats in all"))
    expect(visitor.page.locator("#mask-text")).to_be_visible()
    go(visitor, "draw")
    visitor.page.locator(".mask-content .mtok[aria-pressed=false]").last.click()
    expect(visitor.page.locator(".mask-content")).to_contain_text("By hand")
    go(visitor, "guess")
    expect(visitor.page.locator(".mask-guess input").first).to_have_value("<b>horse</b>")  # nothing changed there
    go(visitor, "tokens")
    visitor.page.locator("#mask-guess-first").click()
    expect(visitor.page.locator(".mask-guess")).not_to_have_count(0)
    expect(visitor.page.locator("#mask-text")).to_be_hidden()
    expect(visitor.page.locator("#mask-text")).not_to_have_value(re.compile("zebra"))
    expect(visitor.page.locator(".mask-guess input").first).to_have_value("")
    assert visitor.errors == []


def test_odd_texts_get_a_sentence_and_a_way_on(visit):
    visitor = opened(visit)
    notes = visitor.page.locator(".mask-notes")
    for title, words in (("A bird in the garden", "bird"), ("The Moon", "Moon"), ("Two cities", "New York")):
        visitor.page.locator(".obj-bert").get_by_role("button", name=title).click()
        expect(visitor.page.locator("#mask-text")).to_have_value(re.compile(words))
    type_text(visitor, "word")
    expect(notes).to_contain_text("only one word")
    type_text(visitor, "")
    expect(visitor.page.locator(".objs > .obj-error")).to_contain_text("no text to mask")
    expect(visitor.page.locator(".mask-content")).to_contain_text("Type some")
    type_text(visitor, "<img src=x onerror=alert(1)>")
    whole = "document.querySelector('.mask-sentences')?.textContent.replaceAll('##', '').includes('onerror=alert(1)')"
    visitor.page.wait_for_function(whole)
    assert visitor.page.locator(".mask-content img").count() == 0
    visitor.page.locator("#mask-text").evaluate(
        "(area) => { area.value = 'a\\ud800'; area.dispatchEvent(new Event('input', { bubbles: true })); }"
    )
    expect(visitor.page.locator(".objs > .obj-error")).to_contain_text("half of a surrogate pair")
    type_text(visitor, "The [MASK] ran home.")
    notes.get_by_role("button", name="Fill it in below").click()
    expect(visitor.page.locator("#mask-fill")).to_have_value("The [MASK] ran home.")
    expect(visitor.page.locator(".mask-filled .obj-sentence")).to_contain_text(
        re.compile(r"fills in: “The \w+ ran home\.”")
    )
    expect(visitor.page.locator(".mask-filled .mbar")).to_have_count(5)
    visitor.page.locator("#mask-fill").fill("nothing is missing")
    expect(visitor.page.locator(".mask-fill .obj-error")).to_contain_text("no [MASK]")
    expect(visitor.page.locator(".mask-filled")).to_be_empty()
    type_text(visitor, "The dog ran home. " * 400)
    expect(notes).to_contain_text("part 1 of")
    visitor.wait_for_address("left_out=obj_text")
    visitor.page.locator("#copy-link").click()
    expect(visitor.page.locator("#link-outcome output")).to_contain_text("too long for a link")
    stranger = opened(visit, "&left_out=obj_text")
    expect(stranger.page.locator(".obj-bert .obj-text")).to_contain_text("too long to be in it")
    visitor.page.get_by_role("button", name="Next part").click()
    expect(notes).to_contain_text("part 2 of")
    type_text(visitor, "?!")
    expect(notes).to_contain_text("punctuation")
    notes.get_by_role("button").click()
    expect(notes).not_to_contain_text("punctuation")
    expect(visitor.page.locator("#mask-text")).to_have_value(re.compile("king"))
    assert visitor.errors == []


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_step_fits_a_phone_and_can_be_read_in_the_dark(visit, lang):
    visitor = visit(f"lang={lang}&tab=objectives", viewport={"width": 390, "height": 844}, color_scheme="dark")
    asked = only(
        "color-contrast", "button-name", "label", "select-name", "aria-allowed-attr", "scrollable-region-focusable"
    )
    for step in STEPS:
        go(visitor, step)
        assert visitor.page.evaluate("document.documentElement.scrollWidth") == 390, step
        wide = (
            "[...document.querySelectorAll('.objs *')].filter((e) => !e.closest('.obj-scroll') && e.checkVisibility()"
        )
        wide += " && e.getBoundingClientRect().right > 391).map((e) => e.tagName + e.className)"
        assert visitor.page.evaluate(wide) == [], step
        if lang == "en" and step in ("dice", "guess", "attention", "joint"):
            assert violations(visitor.page, asked, within=".mask-content") == [], step
    assert visitor.errors == []


def test_it_begins_in_the_pages_language_and_takes_another_bert(visit, tmp_path):
    visitor = visit("lang=zh&tab=objectives&mask_step=9")
    visitor.page.wait_for_selector(CONTENT.format("joint"))
    assert re.search("[\u4e00-\u9fff]", visitor.page.locator("#mask-text").input_value())
    expect(visitor.page.locator(".mask-content .mtok[aria-pressed=true]")).to_have_count(2)
    told = "dispatchEvent(new CustomEvent('lineage:model', { detail: '%s' }))"
    for design, answers in (("bert-mini", "bert-mini"), ("llama-mini", "bert-mini")):  # which does not fill in masks
        visitor.page.evaluate(told % design)
        expect(visitor.page.locator("#mask-model")).to_have_value(answers)
    form = visitor.page.locator(".obj-bert form")
    visitor.page.locator(".obj-bert summary").first.click()
    form.locator("input").fill("没有这个模型")
    form.locator("button").click()
    expect(form.locator(".obj-error")).to_contain_text("不可能是模型")
    expect(form.locator("input")).to_have_value("没有这个模型")
    config = models.preset("bert-mini").replace(n_layers=1)
    models.export_hf(models.build(config), load_named("wordpiece-4k"), tmp_path)
    form.locator("input").fill(str(tmp_path))
    form.locator("button").click()
    expect(form.locator("[role=status]")).to_contain_text("现在由")
    expect(visitor.page.locator("#mask-model")).to_have_value(str(tmp_path))
    visitor.page.locator("#objs-switch button[value=pairs]").click()
    expect(visitor.page.locator("#pair-model")).to_have_value(str(tmp_path))
    visitor.page.wait_for_selector(".pair-verdict")
    assert visitor.errors == []
