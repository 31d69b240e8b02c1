"""Generate in a browser: streaming, Stop, bars, keyboard, change of language, narrow pages."""

import json
import re
import threading
from urllib.parse import quote

import numpy as np
import pytest
from gradio.blocks import Blocks
from playwright.sync_api import expect

import models
from playground import services
from playground.tabs import generate as tab
from playground.views import generation as payload
from tests.browser.generating import SLOW, SLOWEST, TINY, WIDE, generate

NASTY = "<script>hacked=1</script> ${hacked=1} {{hacked}} <img src=x onerror=hacked=1>"
DONE = ".generate-story[aria-busy=false]"


@pytest.fixture(scope="module")
def visitor(lobby):
    """A page with a small random model in hand, which computes in no time."""
    visitor = lobby.enter().open(f"lang=en&model={TINY}&max_new_tokens=12&prompt={quote(NASTY)}")
    visitor.page.wait_for_selector(".generate-notes p")
    yield visitor
    lobby.leave(visitor)


@pytest.fixture
def ask(visitor):
    """`ask(design, **settings)` → the visitor's page with that model in hand and those settings, the others as usual."""
    page = visitor.page

    def prepare(design: str = TINY, prompt: str = "Once", **settings):
        page.fill("#generate-prompt textarea", prompt)
        page.fill("#generate-seed input", str(settings.pop("seed", 7)))
        usual = {"temperature": 0.8, "top_k": 40, "repetition_penalty": 1, "max_new_tokens": 12}
        for name, value in {**usual, **settings}.items():
            page.locator(f"#generate-{name.replace('_', '-')} input[type=range]").fill(str(value))
        if page.evaluate("lineage.state.model") != design:
            page.evaluate("document.querySelector('.generate-notes').replaceChildren()")
            visitor.put("model", design)
            page.wait_for_selector(".generate-notes p")  # what the page says of a model before its first text
        page.evaluate("document.querySelector('.generate-tokens').replaceChildren()")  # of an earlier text
        return page

    yield prepare
    assert visitor.errors == []
    assert visitor.strangers == []


@pytest.fixture
def page(ask):
    """The visitor's page with a text that has just been generated with the usual settings."""
    page = ask(prompt=NASTY)
    generate(page)
    return page


def test_text_streams_and_nothing_typed_becomes_markup(page):
    assert page.locator("#generate-chat").is_hidden()  # this model was not trained to chat
    assert page.locator(".generate .token").count() == 12
    assert page.text_content(".generate-prompt") == NASTY
    assert page.evaluate("typeof hacked") == "undefined"
    assert "12 of at most 12 tokens" in page.text_content(".generate-status")
    assert "12 tokens" not in page.text_content(".generate-live")  # the text itself is read out, once
    assert page.text_content(".generate-live")


def test_keys_move_between_tokens_and_the_bars_follow(page):
    page.locator(".generate .token").nth(4).click()
    assert page.text_content(".next-title") == "Before token 5 of 12"
    page.keyboard.press("ArrowRight")
    assert page.text_content(".next-title") == "Before token 6 of 12"
    page.keyboard.press("Home")
    assert page.locator(".generate .token[aria-selected=true]").count() == 1
    assert page.evaluate("document.activeElement === document.querySelector('.generate .token')")
    assert page.locator(".generate-next tbody tr").count() >= 12


def test_bars_follow_the_sliders_without_a_request(page):
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    page.locator("#generate-top-k input[type=range]").fill("5")
    page.wait_for_function("document.querySelector('.next-sentence').textContent.startsWith('5 of 300')")
    page.locator("#generate-temperature input[type=range]").fill("0")
    page.wait_for_function("document.querySelector('.next-sentence').textContent.startsWith('1 of 300')")
    assert "settings have changed since" in page.text_content(".next-remark")
    assert requests == []


def test_ctrl_enter_generates_and_the_same_seed_gives_the_same_text(page):
    first = page.text_content(".generate-tokens")
    page.evaluate("document.querySelector('.generate-tokens').replaceChildren()")
    page.focus("#generate-prompt textarea")
    page.keyboard.press("Control+Enter")
    page.wait_for_function("text => document.querySelector('.generate-tokens').textContent === text", arg=first)


@pytest.fixture
def go_on(monkeypatch):
    """Texts pause after 250 tokens until this event is set."""
    go_on, observe = threading.Event(), tab.observe

    def with_a_pause(*asked, **options):
        for count, observed in enumerate(observe(*asked, **options)):
            assert count != 250 or go_on.wait(60)
            yield observed

    monkeypatch.setattr(tab, "observe", with_a_pause)
    yield go_on
    go_on.set()


def test_the_newest_token_stays_in_sight_until_the_reader_scrolls_back(ask, go_on):
    page = ask(SLOW, max_new_tokens=500)
    page.set_viewport_size({"width": 1280, "height": 300})  # a text of some lines is longer than that
    page.click("#generate-run")
    page.wait_for_selector(".generate .token", state="attached", timeout=60_000)
    story = page.locator(".generate-story")
    page.wait_for_function("s => s.scrollHeight - s.clientHeight > 150", arg=story.element_handle())
    assert story.evaluate("s => s.scrollHeight - s.scrollTop - s.clientHeight") < 5
    assert story.get_attribute("aria-busy") == "true"
    story.evaluate("s => { s.scrollTop = 20; }")
    count = page.locator(".generate .token").count()
    go_on.set()
    page.wait_for_function("n => document.querySelectorAll('.generate .token').length > n", arg=count + 20)
    assert story.evaluate("s => s.scrollTop") == 20
    page.wait_for_selector(DONE, state="attached")
    page.set_viewport_size({"width": 1280, "height": 900})


def test_stop_ends_the_text(ask, go_on):
    page = ask(SLOW, max_new_tokens=500)
    page.click("#generate-run")
    page.wait_for_selector(".generate .token", state="attached", timeout=60_000)
    page.click("#generate-stop")
    go_on.set()
    page.wait_for_selector(DONE, state="attached")
    page.wait_for_selector("#generate-stop:disabled", state="attached")
    assert page.text_content(".generate-status").startswith("Stopped.")
    assert page.locator(".generate .token").count() < 500


def test_stop_is_answered_while_the_model_is_made_ready(ask, monkeypatch):
    """Building a model cannot be interrupted: the page says so at once, and is free again."""
    page = ask(SLOW, max_new_tokens=4)
    ready, hold = threading.Event(), services.hold
    monkeypatch.setattr(services, "hold", lambda design, cancelled: ready.wait(60) and hold(design, cancelled))
    try:
        page.click("#generate-run")
        page.wait_for_selector("#generate-stop:not(:disabled)")
        assert page.text_content(".generate-status") == "The model is being made ready …"
        status = page.evaluate(
            "document.querySelector('#generate-stop').click(), document.querySelector('.generate-status').textContent"
        )
        assert status == "Stopping …"
        page.wait_for_selector("#generate-stop:disabled", state="attached")
        page.wait_for_function("document.querySelector('.generate-status').textContent.startsWith('Stopped before')")
        assert not ready.is_set()
    finally:
        ready.set()
    generate(page)
    assert page.locator(".generate .token").count() == 4


def test_a_change_of_language_keeps_the_text(visit):
    visitor = visit(f"lang=en&model={TINY}&max_new_tokens=12&prompt=Once")
    page = visitor.page
    page.wait_for_selector(".generate-notes p")
    generate(page)
    written = page.text_content(".generate-tokens")
    page.locator(".generate .token").nth(4).click()
    named = "[...document.querySelectorAll('.generate-next tbody tr')].map((row) => row.cells[0].textContent)"
    rows = page.evaluate(named)[:8]
    page.click("#language button[value=zh]")
    visitor.wait_for_address("lang=zh")
    page.wait_for_function("text => document.querySelector('.generate-tokens')?.textContent === text", arg=written)
    page.wait_for_function("document.querySelector('.next-title')?.textContent === '第 5 个词元之前（共 12 个）'")
    page.wait_for_selector("#tabs")  # seen only once the page holds what the address says
    assert "温度 0.8" in page.text_content(".generate-meta")
    assert page.text_content(".generate-status").startswith("已达到所要求的长度。")
    assert page.evaluate(named)[:8] == rows
    page.wait_for_timeout(500)  # nothing that comes later takes its place …
    assert page.text_content(".generate-tokens") == written
    page.reload()
    page.wait_for_selector(".generate-notes p")  # … and it is kept for that one load
    assert page.text_content(".generate-tokens") == ""
    assert visitor.errors == []


def test_a_text_cut_off_by_a_change_of_language_has_an_end(visit):
    visitor = visit(f"lang=en&model={SLOWEST}&max_new_tokens=500&prompt=Once")
    page = visitor.page
    page.wait_for_selector(".generate-notes p")
    page.click("#generate-run")
    page.wait_for_selector(".generate .token", state="attached")
    page.click("#language button[value=zh]")
    visitor.wait_for_address("lang=zh")
    page.wait_for_selector(".generate .token", state="attached")
    assert page.text_content(".generate-status").startswith("已停止。")
    assert page.get_attribute(".generate-story", "aria-busy") == "false"


# At every frame: the token that the bars show, by its place in the text, its row, and the sentence below.
WATCH = """() => {
    window.seen = [];
    const look = () => {
        const token = document.querySelector(".token-shown");
        const row = document.querySelector(".next-drawn");
        if (token && row) {
            const full = parseFloat(document.querySelector("thead th:nth-child(2)").textContent.split(" to ")[1]) / 100;
            const length = parseFloat(row.querySelector(".bar-model").style.getPropertyValue("--length")) * full;
            const remark = document.querySelector(".next-remark").textContent;
            window.seen.push([token.title, row.cells[2].textContent, row.cells[3].textContent, length, remark]);
        }
        window.looking = requestAnimationFrame(look);
    };
    look();
}"""


@pytest.mark.parametrize("design", [TINY, SLOW, WIDE])
def test_a_token_has_one_probability_wherever_it_stands(ask, design):
    page = ask(design, max_new_tokens=40)
    page.evaluate(WATCH)
    generate(page)
    page.evaluate("cancelAnimationFrame(window.looking)")
    for index in range(0, page.locator(".generate .token").count(), 7):
        page.locator(".generate .token").nth(index).focus()
        page.evaluate(WATCH)
        page.evaluate("cancelAnimationFrame(window.looking)")
    seen = page.evaluate("window.seen")
    assert len(seen) >= 1
    for title, model, sampling, length, remark in seen:
        assert f"probability {model}," in title
        assert f"{model} for the model, {sampling} after sampling" in remark
        if not model.startswith("<"):
            shown = float(model.removesuffix("\u202f%"))
            assert 100 * length == pytest.approx(shown, abs=0.06 if shown >= 1 else 0.006)


@pytest.mark.skipif("llama-mini" not in models.zoo(), reason="llama-mini is not trained yet")
def test_the_greedy_choice_is_told_as_such(ask):
    page = ask("llama-mini", temperature=0, repetition_penalty=2)
    generate(page)
    told = set()
    for index in range(12):
        page.locator(".generate .token").nth(index).focus()
        token = page.text_content(".next-drawn th")
        assert page.text_content(".next-drawn td:last-child") == "100.0\u202f%"
        assert f"1 of 4\u202f096 tokens remains, “{token}”" in page.text_content(".next-sentence")
        told.add("no token is likelier" in page.text_content(".next-remark"))
        first = page.get_attribute(".token-shown", "title").endswith("rank 1")
        assert ("no token is likelier" in page.text_content(".next-remark")) == first
        assert ("the repetition penalty put it first" in page.text_content(".next-remark")) == (not first)
    assert told == {True, False}
    others = page.locator(".next-removed td:last-child").all_inner_texts()
    assert set(others) == {"not greedy"}
    assert page.text_content(".generate-next tfoot td:last-child") == "0\u202f%"


def test_dropped_distributions_are_told_at_the_tokens_that_lost_theirs(ask, monkeypatch):
    monkeypatch.setattr(payload, "LOGITS_BUDGET", 3 * payload.bytes_per_step(50257))
    page = ask(WIDE, max_new_tokens=8)
    generate(page)
    assert "distribution" not in page.text_content(".generate-notes")
    assert "of 50\u202f257 tokens remain" in page.text_content(".next-sentence")
    page.locator(".generate .token").first.click()
    said = "a distribution over 50\u202f257 tokens takes 131\u202fKiB, so whole ones are kept for the newest 3 tokens."
    assert said in page.text_content(".next-sentence")


def test_gradio_keeps_no_text_for_the_visitor(ask):
    page = ask()
    written = []
    for seed in (1, 2):
        page.locator("#generate-seed input").fill(str(seed))
        generate(page)
        written.append(page.text_content(".generate-tokens"))
    page.wait_for_timeout(500)  # a moment after the button Stop, Gradio ends the event itself
    assert written[0] != written[1]
    assert [value for value in held_values() if '"kind":"step"' in value] == []
    assert page.text_content(".generate-tokens") == written[1]


def held_values() -> list[str]:
    """All texts that Gradio keeps as components' values, of all visitors."""
    sessions = [session for app in Blocks.get_instances() for session in app.state_holder.session_data.values()]
    values = [config["props"].get("value") for session in sessions for config in session.components]
    return [value for value in values if isinstance(value, str)]


def test_text_on_tokens_keeps_its_contrast(page):
    for dark in (True, False):
        pairs = page.evaluate(
            """async (dark) => {
                document.head.append(lineage.element("style", {}, "* { transition: none !important }"));
                lineage.setTheme(dark ? "dark" : "light");
                const box = document.querySelector(".generate").appendChild(document.createElement("p"));
                for (let share = 0; share <= 20; share += 1) {
                    const token = box.appendChild(document.createElement("span"));
                    token.className = "token";
                    token.style.setProperty("--value", GenerateFormat.colour(share / 20));
                }
                await new Promise((resolve) => setTimeout(resolve, 200));
                const styles = Array.from(box.children, (token) => getComputedStyle(token));
                const pairs = styles.map(({ color, backgroundColor }) => [color, backgroundColor]);
                box.remove();
                return pairs;
            }""",
            dark,
        )
        assert len(pairs) == 21
        assert [pair for pair in pairs if contrast(*pair) < 4.5] == []


def contrast(*colours: str) -> float:
    """WCAG's contrast ratio of two computed colours, "rgb(31, 35, 40)" or "color(srgb 0.1 0.2 0.3)"."""
    lights = []
    for colour in colours:
        channels = np.array([float(number) for number in re.findall(r"[\d.]+", colour)[:3]])
        channels = channels if colour.startswith("color") else channels / 255
        linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        lights.append(float(linear @ [0.2126, 0.7152, 0.0722]))
    return (max(lights) + 0.05) / (min(lights) + 0.05)


def test_the_endpoint_answers_a_client(address):
    from gradio_client import Client

    client = Client(address, verbose=False)
    answer = client.predict("Once", model=TINY, max_new_tokens=4, seed=3, api_name="/generate")
    assert len(answer["tokens"]) == 4
    described = client.view_api(return_format="dict")["named_endpoints"]["/generate"]
    assert "temperature" in json.dumps(described)
    with pytest.raises(Exception, match="at most"):
        client.predict("Once", model="gpt3-175b", api_name="/generate")


@pytest.mark.skipif("llama-mini" not in models.zoo(), reason="llama-mini is not trained yet")
def test_the_first_screen_is_a_recorded_text(visit):
    visitor = visit("lang=en")
    visitor.page.wait_for_selector(".generate .token")
    assert visitor.page.is_visible(".generate-badge")
    assert visitor.page.text_content(".generate-badge") == "Recorded"
    assert visitor.page.text_content(".generate-prompt") == "Once upon a time"
    assert "of 4\u202f096 tokens remain" in visitor.page.text_content(".next-sentence")
    # The distributions before the last one come when they are looked at.
    with visitor.page.expect_response("**/recorded/*"):
        visitor.page.focus(".generate .token >> nth=2")
    expect(visitor.page.locator(".next-title")).to_have_text("Before token 3 of 64")
    assert "of 4\u202f096 tokens remain" in visitor.page.text_content(".next-sentence")
    assert visitor.errors == []
