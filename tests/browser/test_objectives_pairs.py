"""Sentence pairs and the comparison of objectives in a real browser."""

import re

from playwright.sync_api import expect


def opened(visit, section: str, query: str = "", **context):
    visitor = visit(f"tab=objectives&lang=en&obj_section={section}{query}", **context)
    visitor.page.wait_for_selector(".obj-panel:not([hidden]) .picture", state="attached")
    return visitor


def put(visitor, selector: str, text: str) -> None:
    write = "(area, text) => { area.value = text; area.dispatchEvent(new Event('input', { bubbles: true })); }"
    visitor.page.locator(selector).evaluate(write, text)


def test_a_pair_is_judged_by_the_visitor_before_the_model_answers(visit):
    visitor = opened(visit, "pairs")
    page = visitor.page
    heading, body = page.locator(".pair-steps h3"), page.locator(".pair-body")
    expect(heading).to_have_text("Judge first: does B follow A?")
    first = body.locator("dd").first.text_content()
    page.get_by_role("button", name="Last", exact=True).click()
    expect(body).to_contain_text("Judge first, or pass")  # the answer stays covered
    expect(page.locator(".pair-steps .toks-player output")).to_have_text("Step 5 of 8")
    expect(page.get_by_role("button", name="Forward", exact=True)).to_be_disabled()
    assert body.locator(".pair-verdict").count() == 0
    body.get_by_role("button", name="B is from elsewhere").click()
    expect(heading).to_have_text("The model answers")
    expect(body.locator(".pair-verdict")).to_contain_text(re.compile(r"B follows A \d+\.\d"))
    expect(page.locator(".pair-tally")).to_contain_text(re.compile(r"You judged [01] of 1 rightly"))
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    for step in ("What the model reads", "The longer part is cut", "A coin decides", "Part A is cut off"):
        page.get_by_role("button", name="Back", exact=True).click()
        expect(heading).to_contain_text(step)
    page.get_by_role("button", name="Last", exact=True).click()
    page.get_by_role("button", name="See how this pair was made").click()
    expect(heading).to_have_text("The documents become sentences")
    page.get_by_role("button", name="Forward", exact=True).click(click_count=2)
    expect(heading).to_have_text("Part A is cut off")
    assert asked == []  # walking asks for nothing
    expect(body.locator(".in-a").first).to_be_visible()
    page.get_by_role("button", name="Next pair").click()
    expect(heading).to_have_text("Judge first: does B follow A?")
    visitor.wait_for_address("pair_at=1")
    page.get_by_role("button", name="Another seed").first.click()
    visitor.wait_for_address("obj_seed=")
    expect(body.locator("dd").first).not_to_have_text(first)
    assert visitor.errors == []
    assert visitor.strangers == []


def test_any_two_texts_are_asked_about_and_held_out_pairs_are_scored(visit):
    visitor = opened(visit, "pairs")
    answer, said = visitor.page.locator(".pair-answer"), visitor.page.locator(".pair-answer .obj-sentence")
    expect(said).to_contain_text("says that B")
    put(visitor, "#pair-second", "<b>bold</b> 😀")
    expect(answer.locator(".pair-read")).to_contain_text("[UNK]")
    expect(answer).to_contain_text("unknown to its vocabulary")
    assert answer.locator("b").count() == 0
    visitor.wait_for_address("pair_second=%3Cb%3E")
    visitor.page.get_by_role("button", name="Swap A and B").click()
    expect(visitor.page.locator("#pair-first")).to_have_value("<b>bold</b> 😀")
    put(visitor, "#pair-second", " ")
    expect(visitor.page.locator(".pair-ask .obj-error")).to_contain_text("Text B has no token")
    visitor.page.locator("#pair-second").evaluate(
        "(area) => { area.value = 'a\\ud800'; area.dispatchEvent(new Event('input', { bubbles: true })); }"
    )
    expect(visitor.page.locator(".pair-ask .obj-error")).to_contain_text("half of a surrogate pair")
    visitor.page.get_by_role("button", name="The example again").click()
    expect(said).to_contain_text("says that B")
    expect(answer).to_contain_text("in its document B does follow A")
    visitor.page.locator("#pair-from").select_option("chinese")
    expect(visitor.page.locator(".pair-steps .mask-note")).to_contain_text("answers about them mean little")
    visitor.page.locator("#pair-from").select_option("own")
    put(visitor, "#pair-text", "")
    expect(visitor.page.locator(".pair-steps > .obj-error")).to_contain_text("sentence")
    expect(visitor.page.locator(".pair-body")).to_be_empty()
    put(visitor, "#pair-text", "one sentence without an end")
    expect(visitor.page.locator(".pair-steps > .obj-note").first).to_contain_text("only random pairs can be made")
    score = visitor.page.locator(".pair-score")
    score.get_by_role("button", name="Let the model judge them").click()
    expect(score.locator(".pair-result .obj-sentence")).to_contain_text(
        re.compile(r"rightly: \d+\.\d.%, with 95 % confidence")
    )
    expect(score.locator("table tbody tr").first).to_contain_text("All pairs")
    assert score.locator("svg .interval").count() >= 9
    stop = score.get_by_role("button", name="Stop")
    if stop.is_visible():
        stop.click()
    expect(score.get_by_role("button", name="Let the model judge them")).to_be_visible()
    failed = score.locator("details").filter(has=visitor.page.locator("li")).first
    failed.locator("summary").click()
    text = failed.locator("dd").first.text_content()
    failed.get_by_role("button", name="Ask about this pair").first.click()
    expect(visitor.page.locator("#pair-first")).to_have_value(text)
    assert visitor.errors == []


def test_one_text_under_every_objective(visit):
    visitor = opened(visit, "sides")
    page = visitor.page
    expect(page.locator(".side-card")).to_have_count(7)
    expect(page.locator(".side-summary tbody tr")).to_have_count(7)
    expect(page.locator("#side-causal .side-mask")).to_have_count(1)
    expect(page.locator("#side-span_corruption .side-mask")).to_have_count(3)
    glm = page.locator("#side-blank_infilling")
    expect(glm.locator(".piece", has_text="[gMASK]")).to_have_count(0)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    glm.get_by_role("button", name="One long blank").click()
    expect(glm.locator(".piece", has_text="[gMASK]")).to_have_count(1)
    ul2 = page.locator("#side-mixture_of_denoisers")
    ul2.get_by_role("button", name="S: the rest").click()
    expect(ul2.locator(".piece").first).to_have_text("[S]")
    visitor.wait_for_address("side_denoiser=2")
    figure = page.locator("#side-prefix .side-figure")
    figure.focus()
    page.keyboard.press("ArrowDown")
    expect(figure.locator("output")).to_contain_text("Place 0, ")
    page.locator("#side-causal summary").click()
    expect(page.locator("#side-causal tbody tr").nth(2)).to_contain_text("0–2")
    assert asked == []
    put(visitor, "#side-text", "<i>x</i>")
    expect(page.locator("#side-causal .side-row").first).to_contain_text("<")
    assert page.locator(".side-card i").count() == 0
    put(visitor, "#side-text", "Hi")
    expect(page.locator(".objs > .obj-error")).to_contain_text("at least 2")
    expect(page.locator(".side-card")).to_have_count(0)  # no result of another text
    page.locator(".obj-sides").get_by_role("button", name="The Moon").click()
    expect(page.locator("#side-text")).to_have_value(re.compile("Moon"))
    expect(page.locator(".side-card")).to_have_count(7)
    page.set_viewport_size({"width": 390, "height": 844})
    for section in ("Side by side", "Next sentence"):
        page.get_by_role("button", name=section, exact=True).click()
        expect(page.locator(".side-card:visible, .pair-read:visible").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert visitor.errors == []
