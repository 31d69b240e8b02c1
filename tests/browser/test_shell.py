"""The page around the tabs, in a real browser: language, looks, address, access, and what it sends and loads."""

import pytest
from playwright.sync_api import expect

import models
from tests.browser.screens import DRAWN

LONG = "word " * 700  # 3,500 characters: more than an address carries


def prompt(visitor):
    return visitor.page.locator("#generate-prompt textarea")


def seed(visitor):
    return visitor.page.locator("#generate-seed input")


def test_the_guard_sees_other_hosts(visit):
    visitor = visit(bypass_csp=True)
    visitor.page.evaluate("fetch('https://example.com/x').catch(() => 0)")
    visitor.page.wait_for_timeout(200)
    assert visitor.strangers == ["https://example.com/x"]


def test_what_would_leave_for_another_host_is_blocked(visit):
    """By the content policy, before it is asked for. That no view asks for it, test_access.py finds."""
    visitor = visit("lang=zh")
    blocked = "fetch('https://example.com/x').then(() => 'sent', () => 'blocked')"
    assert visitor.page.evaluate(blocked) == "blocked"
    assert visitor.strangers == []


@pytest.mark.skipif(not models.zoo(), reason="no trained model is in assets/zoo")
def test_the_header_says_which_model_is_used_and_offers_others(visit):
    visitor = visit("model=gpt2~n_layers=2")
    facts = visitor.page.locator("#model-facts")
    size = models.account(models.preset("gpt2").replace(n_layers=2)).params
    expect(facts).to_contain_text("random weights")
    title = facts.locator("[title]").first.get_attribute("title")
    assert "".join(filter(str.isdigit, title)) == str(size)
    expect(visitor.page.locator("#model-picker input")).to_have_value("GPT-2, changed")

    name = models.zoo()[0]
    visitor.page.locator("#model-picker input").click()
    visitor.page.get_by_role("option", name=models.preset_info(name).title, exact=True).click()
    visitor.wait_for_address(f"model={name}")
    expect(facts).to_contain_text("ships with Lineage")

    visitor.page.locator("#build-another").click()
    visitor.wait_for_address("tab=build")
    expect(visitor.page.locator("#build-diagram svg").first).to_be_visible()


def test_changing_the_language_keeps_what_was_typed(visit):
    visitor = visit("lang=en&temperature=0.5")
    short = "Lily & Tom = 100% ${happy} <b>?\n“好”"
    for text, part, lang, tab in ((short, "prompt=Lily", "zh", "搭建"), (LONG, "long=1", "en", "Build")):
        prompt(visitor).fill(text)
        seed(visitor).fill("99")
        visitor.wait_for_address("seed=99")
        visitor.wait_for_address(part)
        visitor.page.locator(f"#language button[value={lang}]").click()
        visitor.page.wait_for_function("lang => document.documentElement.lang.startsWith(lang)", arg=lang)
        visitor.page.wait_for_selector("html[data-ready]", state="attached")
        expect(prompt(visitor)).to_have_value(text)
        expect(seed(visitor)).to_have_value("99")
        expect(visitor.page.locator("#generate-temperature input[type=range]")).to_have_value("0.5")
        expect(visitor.page.locator("#tab-build-button")).to_have_text(tab)
        assert ("部件" if lang == "zh" else "part by part") in visitor.page.title()
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


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_link_says_in_one_true_sentence_whether_it_carries_the_prompt(visit, lang):
    """Half a character first: it does not stop the address."""
    said = {
        "en": ("carries model, prompt", "without the prompt"),
        "zh": ("包含模型、提示词", "提示词太长，链接无法携带"),
    }
    visitor = visit(f"lang={lang}")
    visitor.page.evaluate("lineage.write('prompt', 'a \\ud800 b')")
    visitor.wait_for_address("prompt=a%20%EF%BF%BD%20b")
    outcome = visitor.page.locator("#link-outcome output")
    visitor.page.locator("#copy-link").click()
    expect(outcome).to_contain_text(said[lang][0])
    prompt(visitor).fill(LONG)
    visitor.wait_for_address("long=1")
    visitor.page.locator("#copy-link").click()
    expect(outcome).to_contain_text(said[lang][1])
    expect(outcome).not_to_contain_text(said[lang][0])
    visitor.page.locator("#tab-build-button").click()
    expect(visitor.page.locator("#link-outcome")).to_be_hidden()  # its link leads to another screen
    assert visitor.errors == []


def test_a_bad_address_is_answered_in_words(visit):
    bad = "temperature=9&seed=many&design=gpt2~norm=<img src=x onerror=alert(1)>&model=gpt3-175b&long=1"
    visitor = visit(f"lang=en&{bad}")
    notice = visitor.page.locator("#notice")
    expect(notice.locator("li")).to_have_count(5)
    expect(notice).to_contain_text("too long for a link")
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


def test_a_page_without_an_answer_can_be_seen_after_a_while(arrive):
    visitor = arrive()
    visitor.page.clock.install()
    visitor.page.route("**/gradio_api/queue/**", lambda route: None)  # no answer; a broken one reloads the page
    visitor.page.goto(f"{visitor.address}/?lang=en")
    tabs = visitor.page.locator("#tabs")
    expect(tabs).to_be_attached()
    expect(tabs).to_be_hidden()
    visitor.page.clock.run_for(15_000)
    expect(tabs).to_be_visible()


def test_a_tab_whose_scripts_do_not_come_says_so(arrive):
    visitor = arrive()
    visitor.page.route("**/scripts/*", lambda route: route.abort())
    visitor.open("lang=en")
    visitor.page.locator("#tab-tokenizers-button").click()
    expect(visitor.page.get_by_role("alert")).to_contain_text("This part of the page did not come.")


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


# Of the browser, before the page's own scripts: frames, and timers that come as often as frames of something moving.
COUNT = """{
  const ask = requestAnimationFrame, later = setTimeout;
  window.asked = 0;
  requestAnimationFrame = (f) => (window.asked++, ask(f));
  setTimeout = (f, pause, ...given) => { window.asked += pause <= 100; return later(f, pause, ...given); };
}"""


def test_at_rest_the_page_draws_nothing(arrive):
    visitor = arrive()
    visitor.page.add_init_script(COUNT)
    visitor.open("lang=en")
    visitor.page.wait_for_selector(DRAWN["generate"])
    for _ in range(40):  # springs take a while to come to rest
        visitor.page.evaluate("window.asked = 0")
        visitor.page.wait_for_timeout(500)
        if not visitor.page.evaluate("window.asked"):
            return
    raise AssertionError("the page draws without end")


def test_answers_carry_security_headers(arrive, address):
    visitor = arrive()
    answer = visitor.context.request.get(address + "/")
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"


def test_large_bodies_are_refused(arrive, address):
    visitor = arrive()
    answer = visitor.context.request.post(f"{address}/gradio_api/queue/join", data="x" * 2_200_000)
    assert answer.status == 413
