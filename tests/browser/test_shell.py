"""The page around the tabs, in a real browser: language, looks, address, access, and what it sends and loads."""

import pytest
from playwright.sync_api import expect

import models

LONG = "word " * 700  # 3,500 characters: more than an address carries


def prompt(visitor):
    return visitor.page.locator("#generate-prompt textarea")


def seed(visitor):
    return visitor.page.locator("#generate-seed input")


def test_nothing_leaves_for_another_host(visit):
    for query in ("lang=en", "lang=zh&tab=build"):
        visitor = visit(query)
        visitor.page.wait_for_load_state("load")
        visitor.page.wait_for_timeout(800)
        assert visitor.strangers == []
        assert visitor.errors == []


def test_the_guard_sees_other_hosts(visit):
    visitor = visit(bypass_csp=True)
    visitor.page.evaluate("fetch('https://example.com/x').catch(() => 0)")
    visitor.page.wait_for_timeout(200)
    assert visitor.strangers == ["https://example.com/x"]


def test_the_content_policy_stops_other_hosts_by_itself(visit):
    visitor = visit()
    blocked = "fetch('https://example.com/x').then(() => 'sent', () => 'blocked')"
    assert visitor.page.evaluate(blocked) == "blocked"
    assert visitor.strangers == []


def test_the_header_says_what_is_in_hand(visit):
    visitor = visit("model=gpt2~n_layers=2")
    facts = visitor.page.locator("#model-facts")
    size = models.account(models.preset("gpt2").replace(n_layers=2)).params
    expect(facts).to_contain_text("random weights")
    title = facts.locator("[title]").first.get_attribute("title")
    assert "".join(filter(str.isdigit, title)) == str(size)
    expect(visitor.page.locator("#model-picker input")).to_have_value("GPT-2, changed")


@pytest.mark.skipif(not models.zoo(), reason="no trained model is in assets/zoo")
def test_another_model_is_chosen_in_the_header(visit):
    visitor = visit()
    name = models.zoo()[0]
    visitor.page.locator("#model-picker input").click()
    visitor.page.get_by_role("option", name=models.preset_info(name).title).click()
    visitor.wait_for_address(f"model={name}")
    expect(visitor.page.locator("#model-facts")).to_contain_text("ships with Lineage")


def test_build_another_opens_build(visit):
    visitor = visit()
    visitor.page.locator("#build-another").click()
    visitor.wait_for_address("tab=build")
    expect(visitor.page.locator("#build-diagram svg").first).to_be_visible()


@pytest.mark.parametrize("text", ["Lily & Tom = 100% ${happy} <b>?\n“好”", LONG], ids=["short", "long"])
def test_changing_the_language_keeps_what_was_typed(visit, text):
    visitor = visit("lang=en&temperature=0.5")
    prompt(visitor).fill(text)
    seed(visitor).fill("99")
    visitor.wait_for_address("seed=99")
    visitor.wait_for_address("long=1" if text == LONG else "prompt=Lily")
    visitor.page.locator("#language button[value=zh]").click()
    visitor.page.wait_for_function("document.documentElement.lang === 'zh-CN'")
    visitor.page.wait_for_selector("html[data-ready]", state="attached")
    expect(prompt(visitor)).to_have_value(text)
    expect(seed(visitor)).to_have_value("99")
    expect(visitor.page.locator("#generate-temperature input[type=range]")).to_have_value("0.5")
    expect(visitor.page.locator("#tab-build-button")).to_have_text("搭建")
    assert "部件" in visitor.page.title()
    assert visitor.errors == []


def test_half_a_character_does_not_stop_the_address(visit):
    visitor = visit("lang=en")
    visitor.page.evaluate("lineage.write('prompt', 'a \\ud800 b')")
    visitor.wait_for_address("prompt=a%20%EF%BF%BD%20b")
    assert visitor.errors == []


def test_a_copied_link_shows_the_same_screen(visit):
    visitor = visit("lang=zh&model=llama-mini~n_layers=2&tab=build&design=gpt2~activation=relu&top_k=7")
    visitor.page.locator("#tab-generate-button").click()
    prompt(visitor).fill("从前，有一只小猫 & a dog")
    seed(visitor).fill("12345")
    visitor.wait_for_address("seed=12345")
    visitor.page.locator("#tab-build-button").click()
    visitor.wait_for_address("tab=build")
    visitor.page.locator("#copy-link").click()
    link = visitor.page.locator("#link-field").input_value()
    expect(visitor.page.locator("#link-outcome output")).not_to_be_empty()

    friend = visit(link.split("?", 1)[1], locale="en-US")
    assert friend.page.evaluate("location.search") == visitor.page.evaluate("location.search")
    expect(friend.page.locator("#tab-build-button")).to_have_attribute("aria-selected", "true")
    expect(friend.page.locator("#model-facts")).to_contain_text("随机权重")
    expect(friend.page.locator("#build-design textarea")).to_have_value("gpt2~activation=relu")
    friend.page.locator("#tab-generate-button").click()
    expect(prompt(friend)).to_have_value("从前，有一只小猫 & a dog")
    expect(seed(friend)).to_have_value("12345")
    expect(friend.page.locator("#generate-top-k input[type=range]")).to_have_value("7")


def test_a_link_says_that_it_cannot_carry_a_long_prompt(visit):
    visitor = visit()
    prompt(visitor).fill(LONG)
    visitor.wait_for_address("long=1")
    visitor.page.locator("#copy-link").click()
    expect(visitor.page.locator("#link-outcome output")).to_contain_text("too long for a link")
    friend = visit("lang=en&long=1")
    expect(friend.page.locator("#notice")).to_contain_text("too long for a link")


def test_a_bad_address_is_answered_in_words(visit):
    visitor = visit("temperature=9&seed=many&design=gpt2~norm=<img src=x onerror=alert(1)>&model=gpt3-175b")
    notice = visitor.page.locator("#notice")
    expect(notice.locator("li")).to_have_count(4)
    expect(notice).to_contain_text("norm = <img src=x onerror=alert(1)> is not known")
    expect(notice.locator("img")).to_have_count(0)
    expect(visitor.page.locator("#generate-temperature input[type=range]")).to_have_value("2")
    assert "gpt3" not in visitor.page.evaluate("location.search")
    assert visitor.errors == []


def test_light_and_dark_follow_the_system_or_the_visitor(visit):
    visitor = visit(color_scheme="dark")
    body = visitor.page.locator("body")
    expect(body).to_have_class("dark")
    visitor.page.locator("#theme button[value=light]").click()
    expect(body).not_to_have_class("dark")
    visitor.page.reload()
    visitor.page.wait_for_selector("html[data-ready]", state="attached")
    expect(body).not_to_have_class("dark")
    visitor.page.locator("#theme button[value=auto]").click()
    expect(body).to_have_class("dark")


# What a tab shows once it has answered: only then are the controls that do not apply out of sight.
DRAWN = {
    "build": "#build-chart .js-plotly-plot .main-svg",
    "generate": ".generate-tokens [role=option]",
    "tokenizers": ".toks-column .tok",
}
VIEWS = [("generate", "en", "light"), ("generate", "zh", "dark"), ("build", "en", "dark"), ("build", "zh", "light")]
VIEWS += [("tokenizers", "zh", "dark")]


@pytest.mark.parametrize(("tab", "lang", "scheme"), VIEWS)
def test_everyone_can_read_and_no_one_scrolls_sideways(visit, pictures, tab, lang, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    visitor = visit(f"tab={tab}&lang={lang}", color_scheme=scheme)
    visitor.page.wait_for_selector(DRAWN[tab])
    if pictures:
        visitor.page.screenshot(path=pictures / f"{tab}-{lang}-{scheme}-1280.png", full_page=True)
    result = axe.Axe().run(visitor.page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]})
    assert result.violations_count == 0, result.generate_report()

    visitor.page.set_viewport_size({"width": 390, "height": 844})
    visitor.page.wait_for_timeout(300)
    if pictures:
        visitor.page.screenshot(path=pictures / f"{tab}-{lang}-{scheme}-390.png", full_page=True)
    wide = """[...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > innerWidth + 1)
        .map((e) => e.outerHTML.slice(0, 120)).slice(0, 5)"""
    assert visitor.page.evaluate("document.documentElement.scrollWidth") <= 390, visitor.page.evaluate(wide)


# Every control that can be seen and used, numbered; then where the focus is after each press of the Tab key.
NUMBER = """() => { let n = 0;
  for (const e of document.querySelectorAll('button, input, textarea, select, a[href], summary, [tabindex="0"]')) {
    const seen = e.checkVisibility({visibilityProperty: true, opacityProperty: true}) && e.getClientRects().length > 0;
    if (seen && !e.disabled && e.tabIndex >= 0 && !e.closest('[inert], [aria-hidden=true]')) e.dataset.stop = n++;
  } return n; }"""
HERE = "() => document.activeElement?.dataset.stop ?? null"


@pytest.mark.parametrize("tab", ["generate", "build"])
def test_the_keyboard_reaches_every_control(visit, tab):
    visitor = visit(f"tab={tab}")
    visitor.page.wait_for_selector(DRAWN[tab])
    count = visitor.page.evaluate(NUMBER)
    reached = set()
    for _ in range(count + 40):
        visitor.page.keyboard.press("Tab")
        reached.add(visitor.page.evaluate(HERE))
    stops = {str(number) for number in range(count)}
    missed = "n => document.querySelector(`[data-stop='${n}']`)?.outerHTML.slice(0, 160)"
    assert stops - reached == set(), [visitor.page.evaluate(missed, number) for number in stops - reached]


def test_the_first_screen_is_light(visit, chromium, address):
    """What is transferred until the page can be used stays under 500 kB, and a later visit loads little anew."""
    context = chromium.new_context()
    page = context.new_page()
    network = context.new_cdp_session(page)
    network.send("Network.enable")
    sizes = []
    network.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    page.goto(address)
    page.wait_for_selector("html[data-ready]", state="attached")
    milliseconds = page.evaluate("performance.now()")
    page.wait_for_selector(DRAWN["generate"])
    page.wait_for_timeout(500)
    first, sizes[:] = sum(sizes), []
    page.goto(f"{address}/?seed=8")
    page.wait_for_selector(DRAWN["generate"])
    print(f"\nfirst visit: {first / 1000:.0f} kB, usable after {milliseconds:.0f} ms")
    print(f"second visit: {sum(sizes) / 1000:.0f} kB")
    context.close()
    assert 50_000 < first < 500_000
    assert sum(sizes) < 100_000


def test_answers_carry_security_headers(visit, address):
    visitor = visit()
    answer = visitor.context.request.get(address + "/")
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"


def test_large_bodies_are_refused(visit, address):
    visitor = visit()
    answer = visitor.context.request.post(f"{address}/gradio_api/queue/join", data="x" * 1_100_000)
    assert answer.status == 413
