"""Training in a real browser: curves that grow, pause, stop, a model that every tab has, files, races, experts."""

import re

from playwright.sync_api import expect

TINY = "llama-mini~max_seq_len=64~d_model=16~n_layers=1~n_heads=2~attention=mqa~n_kv_heads=1~d_head=8~d_ff=24~vocab_size=300"
SPARSE = (
    "mixtral-mini~max_seq_len=64~d_model=16~n_layers=3~n_heads=2~n_kv_heads=1~d_head=8~attention=mqa~vocab_size=300"
    "~moe.n_experts=4~moe.n_experts_per_token=1~moe.d_expert=8~moe.router=sigmoid~moe.normalise_weights=false"
    "~moe.aux_loss_coef=0~moe.first_dense=1"
)
T5 = "t5-mini~max_seq_len=64~d_model=16~n_layers=1~n_encoder_layers=1~n_heads=2~n_kv_heads=2~d_head=8~d_ff=24~vocab_size=300"
BERT = "bert-mini~d_model=16~n_layers=1~n_heads=2~d_head=8~d_ff=24~max_seq_len=64"
LOADS = "document.querySelector('.train-section:not([hidden]) .train-loads .train-plot')"
CHART = ".train-section:not([hidden]) .train-plot .main-svg"


def opened(visit, query: str, **context):
    visitor = visit(f"tab=train&lang=en&{query}", **context)
    visitor.page.wait_for_selector(".train-section:not([hidden])")
    return visitor


def section(visitor):
    return visitor.page.locator(".train-section:not([hidden])")


def test_a_design_learns_and_becomes_the_model_of_every_tab(visit, tmp_path):
    visitor = opened(visit, f"train_design={TINY}&train_tokens=400000")
    page, here = visitor.page, section(visitor)
    page.wait_for_selector(CHART)
    expect(here.locator(".train-badge")).to_be_visible()
    expect(here.locator(".train-design .train-note")).to_contain_text("predict the next token")
    here.get_by_role("button", name="Train", exact=True).click()
    expect(here.locator(".train-badge")).to_be_hidden()
    status = here.locator(".train-status")
    expect(status).to_contain_text(re.compile(r"Step \d+ of 390, \d+"))
    here.get_by_role("button", name="Pause").click()
    expect(status).to_contain_text("Paused after step")
    here.get_by_role("button", name="Continue").click()
    expect(status).to_contain_text("tokens a second")
    expect(here.locator(".train-headline")).to_contain_text("the held-out loss has gone from 5.")
    here.get_by_role("button", name="Stop").click()
    expect(status).to_have_text("Stopped. What it learnt so far is kept.")
    edited = here.locator(".train-edited")
    expect(edited).to_be_hidden()
    here.get_by_label("Design", exact=True).fill(f"{TINY}~norm=layernorm")
    here.get_by_label("Seed").fill("8")
    expect(edited).to_have_text("The fields now say something else than what this was trained with: Design, Seed.")
    here.get_by_text("What this was trained with", exact=True).click()
    expect(here.locator(".train-settings dd")).to_have_text(
        [re.compile("^llama-mini~.*d_ff=24$"), re.compile("Rabbit stories"), re.compile("^400.000$"), "7"]
    )
    here.get_by_label("Design", exact=True).fill(f"{TINY}~norm=rmsnorm")
    here.get_by_label("Seed").fill("7")
    here.get_by_label("Seed").blur()
    expect(edited).to_be_hidden()
    expect(page.locator("#model-facts")).to_contain_text("trained here")
    visitor.wait_for_address("model=here:")
    expect(here.get_by_text("It is the current model now")).to_be_visible()
    expect(here.get_by_role("button", name="Make it the current model")).to_be_hidden()
    expect(here.locator("ol.train-list li").last).to_contain_text("step 0")
    with page.expect_download() as download:
        here.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename.endswith(".zip")
    download.value.save_as(tmp_path / "model.zip")
    here.locator(".train-bring summary").click()
    page.locator("#train-file").set_input_files(tmp_path / "model.zip")
    expect(here.locator(".train-bring output")).to_contain_text("is now the current model")
    expect(page.locator("#model-facts")).to_contain_text("from a file of yours")
    expect(here.get_by_text("It is the current model now")).to_be_hidden()
    here.locator(".train-become").get_by_role("button", name="Make it the current model").click()
    expect(here.locator(".train-bring output")).to_contain_text("Another model is the current one")
    here.locator(".train-bring").get_by_role("button", name="Make it the current model").click()
    expect(here.locator(".train-bring output")).to_contain_text("is now the current model")
    (tmp_path / "model.zip").write_bytes(b"<img src=x>")
    page.locator("#train-file").set_input_files(tmp_path / "model.zip")
    expect(here.locator(".train-bring output")).to_contain_text("not a zip file")
    here.get_by_role("button", name="Write with it").click()
    expect(page.locator("#model-facts")).to_contain_text("trained here")
    page.locator("#generate-run").click()
    expect(page.locator(".generate-tokens [role=option]").nth(3)).to_be_visible()
    visitor.put("model", "gpt2-mini")
    visitor.wait_for_address("model=gpt2-mini")
    page.locator("#tab-train-button").click()
    expect(here.get_by_text("It is the current model now")).to_be_hidden()
    assert visitor.errors == []  # Gradio calls what a reload cuts off an error
    page.reload()
    expect(here.get_by_role("button", name="Make it the current model")).to_be_visible()  # as before
    expect(page.locator("#model-facts")).to_contain_text("ships with Lineage")  # but what was chosen since stays
    figures = here.locator(".train-scroll > table tbody").inner_text()
    here.get_by_label("Text", exact=True).select_option("own")
    here.get_by_label("Your text").fill("!" * 2_000)
    here.get_by_role("button", name="Train", exact=True).click()
    expect(page.locator(".train-error")).to_contain_text("says the same over and over")
    here.get_by_label("Your text").fill("x y\n" * 500 + "<|endoftext|>\n.")
    here.get_by_label("Design").fill(T5)
    here.get_by_role("button", name="Train", exact=True).click()
    expect(here.locator(".train-status")).to_contain_text("No text is left")
    assert here.locator(".train-scroll > table tbody").inner_text() == figures  # not those of a training without any
    expect(here.get_by_role("button", name="Make it the current model")).to_be_visible()
    assert visitor.strangers == []


def test_designs_race_and_build_hands_its_own_over(visit):
    race = f"train_section=race&train_race={TINY}|{TINY}~norm=layernorm&train_tokens=10000"
    visitor = opened(visit, f"{race}&design=llama3-8b")
    page, here = visitor.page, section(visitor)
    here.get_by_role("button", name="Add a design").click()
    expect(here.locator(".train-design")).to_have_count(3)
    here.get_by_role("combobox", name="Design 3").fill(BERT)
    expect(here.locator(".train-design label")).to_have_text(
        ["Design 1: LLaMA mini: RMSNorm", "Design 2: LLaMA mini: LayerNorm", "Design 3: BERT mini, changed"]
    )
    expect(here.get_by_text("Their losses cannot be compared")).to_be_visible()
    here.get_by_role("button", name="Remove: Design 3").click()
    expect(here.locator(".train-design label")).to_have_text(["Design 1: RMSNorm", "Design 2: LayerNorm"])
    expect(here.get_by_text("Their losses cannot be compared")).to_be_hidden()
    here.get_by_role("button", name="Start the race").click()
    expect(here.locator(".train-status")).to_have_text(
        "Finished: read as many whole steps as the tokens to read allow."
    )
    expect(here.locator(".train-scroll > table tbody th")).to_have_text(["RMSNorm", "LayerNorm"])
    expect(here.locator(".train-plot .scatterlayer .trace")).to_have_count(4)
    expect(here.get_by_role("button", name="Make it the current model")).to_have_count(2)
    here.get_by_label("Seed").fill("11")
    here.get_by_label("Seed").blur()
    page.locator("#train-switch button[value=one]").click()
    expect(section(visitor).get_by_label("Seed")).to_have_value("11")
    expect(section(visitor).get_by_label("Tokens to read")).to_have_value("10000")
    page.locator("#train-switch button[value=zoo]").click()
    expect(page.locator("#train-zoo-plot .scatterlayer .trace").first).to_be_visible()
    expect(section(visitor).locator("tbody th").first).to_be_visible()
    section(visitor).locator("summary", has_text="as a table").first.click()
    expect(section(visitor).locator("details[open] tbody tr")).not_to_have_count(0)
    page.locator("#tab-build-button").click()
    expect(page.locator("#build-title")).to_contain_text("LLaMA-3 8B")
    page.locator("#build-train").click()
    note = section(visitor).locator(".train-design .train-note")
    expect(note).to_contain_text("8.03")
    section(visitor).get_by_role("button", name="Take its small form").click()
    expect(note).to_contain_text("1.79")
    visitor.wait_for_address("train_design=llama3-8b~vocab_size=4096")
    assert visitor.errors == []


def test_experts_are_balanced_while_they_learn(visit):
    visitor = opened(visit, f"train_section=experts&train_experts={SPARSE}&train_tokens=400000")
    here = section(visitor)
    expect(here.locator(".train-layers figure")).to_have_count(3)  # recorded
    expect(here.locator(".train-edited")).to_contain_text("trained with: Design, Tokens to read.")
    expect(here.locator(".train-settings dd").last).to_have_text("nothing → a bias on the choice")
    here.get_by_role("button", name="Train", exact=True).click()
    expect(here.locator(".train-layers figcaption")).to_have_text(  # the first has no experts
        [re.compile(r"^Layer 2: .* to .*%$"), re.compile(r"^Layer 3: .* to .*%$")]
    )
    expect(here.get_by_text("tokens that it read last")).to_be_visible()
    bias = here.get_by_role("radio", name="a bias on the choice")
    expect(here.get_by_text("needs a sigmoid router")).to_be_hidden()
    here.get_by_label("Design", exact=True).fill(SPARSE.replace("sigmoid", "switch"))
    expect(bias).to_be_disabled()
    expect(here.get_by_text("needs a sigmoid router")).to_be_visible()
    here.get_by_label("Design", exact=True).fill(f"{SPARSE}~moe.expert=2")
    expect(here.get_by_text("keeps the last design that can be trained")).to_be_visible()
    here.get_by_label("Design", exact=True).fill(SPARSE)
    expect(here.get_by_text("keeps the last design that can be trained")).to_be_hidden()
    bias.check()
    expect(here.locator(".train-loads .annotation-text")).to_contain_text("From here: a bias on the choice")
    here.get_by_role("button", name="Stop").click()
    expect(here.locator(".train-status")).to_contain_text("Stopped")
    here.get_by_text("The shares over time as a table").click()
    over_time = here.get_by_role("region", name="Share of each expert over time").locator("tbody tr")
    expect(over_time.last).to_contain_text("a bias on the choice")
    assert len(over_time.last.locator("td").all()) == 5  # four experts, and how they were balanced
    plot = here.locator(".train-loads .train-plot")
    before = plot.evaluate("plot => [plot.data[0].y.join(), plot.layout.yaxis.range.join()]")
    here.get_by_role("combobox", name="Share of each expert over time").select_option("0")
    visitor.page.wait_for_function(f"shares => {LOADS}.data[0].y.join() !== shares", arg=before[0])
    assert plot.evaluate("plot => plot.layout.yaxis.range.join()") == before[1]
    visitor.wait_for_address("train_balance=bias")
    visitor.page.locator("#train-switch button[value=one]").click()
    here = section(visitor)
    here.get_by_label("Design").fill(T5)
    expect(here.locator(".train-design .train-note")).to_contain_text("bytes and 32 marks more, in rows of 62 tokens")
    here.get_by_label("Tokens to read").fill("")
    here.get_by_role("button", name="Train", exact=True).click()
    expect(visitor.page.locator(".train-error")).to_have_text(
        "“Tokens to read (10 000 to 400 000)” must be a whole number in that range."
    )
    here.get_by_label("Tokens to read").fill("10000")
    here.get_by_role("button", name="Train", exact=True).click()
    expect(here.locator(".train-status")).to_have_text(
        "Finished: read as many whole steps as the tokens to read allow."
    )
    expect(here.locator(".train-headline")).to_contain_text("nats per token of what was taken out")
    expect(here.get_by_text("In brackets is its guess")).to_be_visible()
    expect(here.get_by_role("heading", name="What it fills in on the way")).to_be_visible()
    expect(here.locator("ol.train-list li").first).to_contain_text(re.compile(r"\[.*\]"))
    here.get_by_role("button", name="Write with it").click()
    visitor.page.locator("#generate-run").click()
    expect(visitor.page.locator(".generate")).to_contain_text("fills in blanks")
    assert visitor.errors == []


WIDE = """() => [...document.querySelectorAll('.train *')]
  .filter((e) => !e.closest('.train-scroll, svg') && e.offsetParent && e.getBoundingClientRect().right > 391)
  .map((e) => e.tagName + e.className)"""


def test_narrow_pages_do_not_scroll_sideways(visit, pictures):
    visitor = visit("tab=train&lang=zh", viewport={"width": 390, "height": 844})
    visitor.page.wait_for_selector(CHART)
    for name in ("one", "race", "experts", "zoo"):
        visitor.page.locator(f"#train-switch button[value={name}]").click()
        visitor.page.wait_for_selector(CHART if name != "zoo" else "#train-zoo-plot .main-svg")
        if pictures:
            visitor.page.screenshot(path=pictures / f"train-{name}-zh-390.png", full_page=True)
        assert visitor.page.evaluate("document.documentElement.scrollWidth") == 390
        assert visitor.page.evaluate(WIDE) == []
