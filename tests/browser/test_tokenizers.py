"""Tokenizers in a real browser: columns of tokens, steps that need no server, training, files, odd texts."""

import json
import re

from playwright.sync_api import expect

from models.tokenizers import bytes_tokenizer

COLUMN = ".toks-column"
FAMILY = "👨‍👩‍👧‍👦"


def opened(visit, query: str = "", **context):
    visitor = visit(f"tab=tokenizers&lang=en{query}", **context)
    visitor.page.wait_for_selector("#tabs")
    visitor.page.wait_for_selector(".toks-section", state="attached")
    return visitor


def columns(visitor):
    return visitor.page.locator(COLUMN)


def type_text(visitor, text: str) -> None:
    visitor.page.locator("#toks-input").evaluate(
        "(area, text) => { area.value = text; area.dispatchEvent(new Event('input', { bubbles: true })); }", text
    )


# What a column shows, without the bytes and marks that stand for no character.
BARE = """(body) => {
  const copy = body.cloneNode(true);
  copy.querySelectorAll('.hex').forEach((mark) => mark.remove());
  return copy.textContent;
}"""


def shown(visitor, column: int) -> str:
    return columns(visitor).nth(column).locator(".toks-text").evaluate(BARE)


def test_the_first_screen_compares_and_typing_changes_it(visit):
    visitor = visit("lang=en")
    visitor.page.locator("#tab-tokenizers-button").click()
    expect(columns(visitor)).to_have_count(4)
    expect(visitor.page.locator(".toks-headline")).to_contain_text("times as many")
    expect(visitor.page.locator(".toks-compare .picture > .toks-scroll tbody tr")).to_have_count(4)
    type_text(visitor, f"<b>bold</b> {FAMILY} 中文")
    expect(columns(visitor).first.locator(".toks-text")).to_contain_text("<b>")
    for column in range(4):
        assert shown(visitor, column) == f"<b>bold</b>·{FAMILY}·中文"
    assert visitor.page.locator(".toks-text b").count() == 0
    visitor.wait_for_address("text=%3Cb%3E")
    assert visitor.errors == []
    assert visitor.strangers == []


def test_the_same_characters_light_up_by_pointer_and_by_keyboard(visit):
    visitor = opened(visit, "&text=the%20cat%20sat&tokenizers=byte-bpe-8k,characters-8k")
    expect(columns(visitor)).to_have_count(2)
    cat = columns(visitor).first.locator(".tok", has_text="cat")
    cat.hover()
    expect(columns(visitor).nth(1).locator(".tok.lit")).to_have_count(4)
    expect(columns(visitor).first.locator(".toks-told")).to_contain_text(re.compile(r"id \d+ · characters 3–7"))
    cat.focus()
    visitor.page.keyboard.press("ArrowRight")
    expect(columns(visitor).first.locator(".tok[aria-selected=true]")).to_contain_text("sat")
    expect(columns(visitor).nth(1).locator(".tok.lit")).to_have_text(["·", "s", "a", "t"])
    assert columns(visitor).nth(1).locator(".tok.differs").count() > 0


def test_odd_texts_are_shown_or_refused_in_words(visit):
    visitor = opened(visit, "&tokenizers=byte-bpe-8k,bytes")
    expect(columns(visitor)).to_have_count(2)
    for text, seen in [
        ("a\x00b", "aU+0000b"),
        ("שלום \u202eabc", "שלום·U+202Eabc"),
        ("\u200d", "U+200D"),
        ("x\ty\n", "x⇥y↵\n"),
    ]:
        type_text(visitor, text)
        visitor.page.wait_for_function(
            f"seen => ({BARE})(document.querySelectorAll('.toks-text')[1]) === seen", arg=seen
        )
    headline = visitor.page.locator(".toks-headline")
    visitor.page.locator("[data-tokenizer=wordpiece-8k]").check()
    type_text(visitor, "مرحبا بالعالم")
    expect(headline).to_contain_text("But WordPiece 8k loses text: 100.0")
    type_text(visitor, "   ")
    expect(headline).to_contain_text("WordPiece 8k makes no token at all of this text")
    type_text(visitor, "a")
    expect(headline).to_have_text(re.compile("need equally many: 1 token\\.$"))
    visitor.page.locator("[data-tokenizer=wordpiece-8k]").uncheck()
    visitor.page.locator("#toks-input").evaluate(
        "(area) => { area.value = 'a\\ud800'; area.dispatchEvent(new Event('input', { bubbles: true })); }"
    )
    expect(visitor.page.locator(".toks-error")).to_contain_text("half of a surrogate pair")
    type_text(visitor, "0123456789" * 100_001)
    expect(visitor.page.locator(".toks-error")).to_contain_text("at most")
    type_text(visitor, "word " * 60_000)
    drawn = visitor.page.locator(".picture > .toks-note").first
    expect(drawn).to_contain_text(re.compile("The first 4.000 of 300.000"))
    assert visitor.errors == []


# The figures that the bars of each lane stand for: those by which its pairs are ordered.
BARS = """[...document.querySelectorAll('.toks-lanes table')].map((table) =>
  [...table.querySelectorAll('td')].filter((cell) => getComputedStyle(cell).backgroundImage !== 'none')
    .slice(0, 4).map((cell) => cell.textContent))"""


def test_training_is_walked_without_the_server(visit):
    visitor = opened(visit, "&tok_section=steps&tok_step=2")
    sentence = visitor.page.locator(".toks-steps .toks-sentence").first
    expect(sentence).to_contain_text("is now a token")
    asked = []
    visitor.page.on("request", lambda request: asked.append(request.url))
    was = sentence.text_content()
    visitor.page.get_by_role("button", name="Next").click()
    expect(sentence).not_to_have_text(was)
    visitor.page.locator(".toks-player input[type=range]").focus()
    visitor.page.keyboard.press("ArrowLeft")
    expect(sentence).to_have_text(was)
    visitor.page.get_by_role("button", name="Last").click()
    expect(sentence).to_contain_text("Nothing is left to merge")
    expect(visitor.page.locator(".toks-lanes table")).to_have_count(0)
    visitor.page.get_by_role("button", name="First").click()
    expect(sentence).to_contain_text("9 times, as often as “s” and “t”")
    assert asked == []
    visitor.page.get_by_role("button", name="Learn WordPiece").click()
    expect(visitor.page.locator(".toks-lanes h3")).to_have_text([re.compile("By count"), re.compile("By score")])
    expect(visitor.page.locator(".toks-steps .toks-sentence").nth(1)).to_contain_text("3 ÷ (3 × 3) = 0.333")
    assert visitor.page.evaluate(BARS) == [["9", "9", "8", "7"], ["0.333", "0.333", "0.143", "0.111"]]
    visitor.page.get_by_role("button", name="Learn Unigram").click()
    expect(visitor.page.locator(".toks-lanes tr.gone").first).to_be_visible()
    visitor.page.get_by_role("button", name="Last").click()
    expect(sentence).to_contain_text("Back again, because every character of the text must be spelled")
    expect(visitor.page.locator(".toks-lanes")).to_contain_text("The trainer of the tokenizers library")
    visitor.wait_for_address("tok_steps=unigram")
    visitor.page.get_by_role("button", name="Cut a word").click()
    visitor.page.locator("#toks-with").select_option("unigram-8k")
    expect(visitor.page.locator("svg.lattice .edge.best").first).to_be_visible()
    visitor.page.locator("#toks-with").select_option("byte-bpe-8k")
    expect(visitor.page.locator(".rank.wins").first).to_be_visible()
    assert visitor.errors == []


def test_a_trained_one_is_compared_and_downloaded(visit):
    visitor = opened(visit, "&tok_section=train")
    visitor.page.get_by_role("button", name="Train", exact=True).click()
    expect(visitor.page.locator(".toks-train output")).to_contain_text("Done:")
    with visitor.page.expect_download() as download:
        visitor.page.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename.endswith(".zip")
    visitor.page.get_by_role("button", name="Compare it").click()
    expect(columns(visitor).last.locator("h3")).to_contain_text("Yours: Byte-level BPE")
    visitor.wait_for_address(",own-")
    visitor.page.reload()
    expect(columns(visitor).last.locator("h3")).to_contain_text("Yours: Byte-level BPE")
    assert visitor.errors == []


def test_files_are_opened_or_refused_in_a_sentence(visit, tmp_path):
    visitor = opened(visit)
    bytes_tokenizer().save(tmp_path)
    visitor.page.locator(".toks-bring summary").click()
    visitor.page.locator("#toks-file").set_input_files(tmp_path / "tokenizer.json")
    expect(visitor.page.locator(".toks-bring output")).to_contain_text("tokenizer.json is here: 257 tokens.")
    expect(columns(visitor)).to_have_count(5)
    (tmp_path / "tokenizer.json").write_text(json.dumps({"model": "<img src=x>"}))
    visitor.page.locator("#toks-file").set_input_files(tmp_path / "tokenizer.json")
    expect(visitor.page.locator(".toks-bring output")).to_contain_text("model is missing, or not what it has to be")
    assert visitor.page.locator(".toks img").count() == 0
    expect(columns(visitor)).to_have_count(5)
    assert visitor.errors == []


def test_the_chart_and_the_survey_come_when_they_are_opened(visit):
    visitor = opened(visit)
    assert visitor.page.locator("#tokenizers-plot").count() == 0
    visitor.page.locator("#tokenizers-chart button").first.click()
    expect(visitor.page.locator("#tokenizers-plot .js-plotly-plot .barlayer .trace")).to_have_count(4)
    visitor.page.locator(".toks-survey summary").click()
    expect(visitor.page.locator(".toks-survey tbody")).to_contain_text(re.compile("250.880"))
    expect(visitor.page.locator(".toks-survey table tbody tr")).to_have_count(7)
    visitor.page.locator(".toks-kinds summary").click()
    expect(visitor.page.locator(".toks-kinds tbody tr")).to_have_count(4)
    expect(visitor.page.locator(".toks-kinds caption")).to_contain_text("Of Chinese")
    visitor.page.locator(".toks-facts summary").click()
    expect(visitor.page.locator(".toks-facts tbody tr").nth(1)).to_contain_text("[UNK]")
    visitor.page.locator("[data-tokenizer=bytes]").check()
    expect(visitor.page.locator("#tokenizers-plot .js-plotly-plot .barlayer .trace")).to_have_count(5)
    expect(visitor.page.locator(".toks-kinds tbody tr")).to_have_count(5)
    assert visitor.errors == []
    assert visitor.strangers == []


def test_narrow_pages_do_not_scroll_sideways(visit):
    visitor = visit(
        "tab=tokenizers&lang=zh&tok_steps=encode&tok_with=unigram-8k", viewport={"width": 390, "height": 844}
    )
    wide = "[...document.querySelectorAll('.toks *')].filter((e) => !e.closest('.toks-scroll') && e.offsetParent"
    wide += " && e.getBoundingClientRect().right > 391).map((e) => e.tagName + e.className)"
    for section, drawn in {"compare": COLUMN, "steps": "svg.lattice", "train": "#toks-corpus"}.items():
        visitor.page.locator(f"#toks-switch button[value={section}]").click()
        visitor.page.wait_for_selector(drawn)
        assert visitor.page.evaluate("document.documentElement.scrollWidth") == 390, section
        assert visitor.page.evaluate(wide) == [], section
