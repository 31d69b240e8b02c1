"""Weights and FlashAttention in a real browser: the page's arithmetic is the core's, and no step asks the server."""

from functools import partial

import pytest
import torch
from playwright.sync_api import expect

from models.inspection.flash import ORDERS, Problem, flash_traffic, plain, plain_traffic, steps, tile_sizes
from models.inspection.sights import BOTH_WAYS, BY_CONTENT, Numbers, sight
from models.parts.masks import MASKS
from tests.browser.wcag import only, violations

SAID = ".weight-said"
EQUAL = ".flash-equal"


def opened(visit, section: str, more: str = "", lang: str = "en", **context):
    visitor = visit(f"lang={lang}&tab=attention&att_section={section}{more}", **context)
    visitor.page.wait_for_selector(SAID if section == "weight" else EQUAL)
    return visitor


def problem(n: int, m: int, causal: bool) -> Problem:
    generator = torch.Generator().manual_seed(1)
    q, k, v = (2 * torch.randn(rows, width, generator=generator) for rows, width in ((n, 6), (m, 6), (m, 5)))
    allowed = torch.ones(n, m, dtype=torch.bool)
    return Problem(q, k, v, 0.4, allowed.tril() if causal else allowed)


IN_PAGE = """([q, k, v, scale, causal, rows, keys, order, precision, steps]) => {
  const flat = (lines) => Float32Array.from(lines.flat());
  const layer = {
    n_queries: q.length, n_keys: k.length, d_head: q[0].length, d_value: v[0].length, d_nope: 0, scale,
    heads_per_kv: 1, first_head: 0, first_kv_head: 0, same_mask: true, q: flat(q), k: flat(k), v: flat(v),
    allowed: Uint8Array.from(q.flatMap((_, row) => k.map((_, key) => Number(!causal || key <= row)))),
  };
  const p = FlashTiles.problemOf({ layer, head: 0, position: { kind: "none" } }, precision);
  const state = FlashTiles.run(p, rows, keys, order, steps);
  return {
    out: state.out.map((line) => [...line]), m: [...state.highest], l: [...state.sum],
    count: state.count, traffic: state.traffic, plainTraffic: FlashTiles.plain(p).traffic,
  };
}"""


def test_the_pages_tiles_are_those_of_the_core(visit):
    """Every state of both orders on the same numbers, and every number that is moved."""
    visitor = opened(visit, "flash")
    for order in ORDERS:
        for n, m, causal, sizes in ((9, 9, True, (4, 2)), (7, 10, False, (3, 4)), (5, 5, True, (1, 1))):
            one = problem(n, m, causal)
            double = Problem(one.q.double(), one.k.double(), one.v.double(), one.scale, one.allowed)
            states = list(steps(double, *sizes, order))
            given = [one.q.tolist(), one.k.tolist(), one.v.tolist(), one.scale, causal, *sizes, order]
            for number in (1, len(states) // 2, len(states)):
                found, expected = visitor.page.evaluate(IN_PAGE, [*given, "float64", number]), states[number - 1]
                torch.testing.assert_close(torch.tensor(found["out"], dtype=torch.float64), expected.out)
                torch.testing.assert_close(torch.tensor(found["m"], dtype=torch.float64), expected.maximum)
                torch.testing.assert_close(torch.tensor(found["l"], dtype=torch.float64), expected.sum)
                assert found["traffic"] == {"read": expected.traffic.read, "written": expected.traffic.written}
            assert found["count"] == len(states)
            lengths = (n, m, 6, 5)
            assert found["plainTraffic"] == vars(plain_traffic(*lengths))
            assert found["traffic"] == vars(flash_traffic(tile_sizes(n, m, *sizes, causal), *lengths, order))
            single = torch.tensor(visitor.page.evaluate(IN_PAGE, [*given, "float32", len(states)])["out"])
            assert (single - plain(one)[0]).abs().max() <= 1e-6 * plain(one)[0].abs().max()
    long = "([n, causal, order]) => FlashTiles.longTraffic({ n, d: 6, dv: 5, rows: 8, keys: 4, causal }, order)"
    for causal in (True, False):
        found = visitor.page.evaluate(long, [50, causal, "flash1"])
        assert found == vars(flash_traffic(tile_sizes(50, 50, 8, 4, causal), 50, 50, 6, 5, "flash1"))
    assert visitor.errors == []


def test_the_pages_masks_are_those_of_the_core(visit):
    visitor = opened(visit, "weight")
    numbers = [
        Numbers(),
        Numbers(causal=True, window=5, dilation=3, n_global=2, block_size=3, n_blocks_before=0, n_random=3, prefix=4),
        Numbers(window=1, n_global=0, n_random=0, block_size=7, n_blocks_before=2, prefix=0),
    ]
    pictured = (
        """([mask, n, causal, w, d, g, b, o, r, p]) => [...Sights.picture(mask, { n, causal, w, d, g, b, o, r, p })]"""
    )
    for mask in MASKS:
        for one in numbers:
            if mask in BY_CONTENT:
                continue
            fields = ("causal", "window", "dilation", "n_global", "block_size", "n_blocks_before", "n_random", "prefix")
            values = [mask, 33, *(getattr(one, field) for field in fields)]
            found = torch.tensor(visitor.page.evaluate(pictured, values), dtype=torch.bool).view(33, 33)
            assert torch.equal(found, sight(mask, 33, one)), (mask, one)
    order, cut = visitor.page.evaluate("[Sights.ORDER, Sights.BOTH_WAYS]")
    assert set(order) == set(MASKS)
    assert set(cut) == set(BOTH_WAYS)
    expect(visitor.page.locator(".sight-card")).to_have_count(len(MASKS))


def test_a_weight_is_taken_apart_without_the_server(visit):
    visitor = opened(visit, "weight")
    page = visitor.page
    expect(page.locator(".sight-card")).to_have_count(len(MASKS))
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    rows = page.locator(".weight-ladder tbody tr")
    made, tapped = (float(rows.nth(-index).locator("td").first.inner_text()) for index in (3, 2))
    assert made == pytest.approx(tapped, abs=1e-5)
    was = page.locator(SAID).inner_text()
    page.locator(".weight-line").nth(1).locator(".mtok").nth(2).click()
    expect(page.locator(SAID)).not_to_have_text(was)
    expect(page.locator(SAID)).to_contain_text("at place 3")
    visitor.wait_for_address("weight_pair=24.2")
    page.locator(".weight-line").nth(0).locator(".mtok").nth(1).click()
    expect(page.locator(SAID)).to_contain_text("hides")  # the key now lies in the future
    expect(page.locator(".weight-ladder")).to_contain_text("−∞")
    page.locator("#weight-layer").fill("5")
    page.locator("#weight-head").fill("4")
    expect(page.locator(SAID)).to_contain_text("layer 6, head 5")
    page.locator(".sight-card[value=bigbird]").click()
    page.locator("#sight-b").fill("2")
    visitor.wait_for_address("weight_sizes=b2")
    expect(page.locator(".sight-large")).to_contain_text("pairs may be seen")
    page.locator(".afig details").first.locator("summary").click()
    expect(page.locator(".afig details").first.locator("tbody tr")).to_have_count(32)
    assert asked == []
    again = visit(page.url.partition("?")[2])
    again.page.wait_for_selector(SAID)
    assert again.page.locator(SAID).inner_text() == page.locator(SAID).inner_text()
    assert visitor.errors == again.errors == []


def test_flash_attention_is_walked_without_the_server(visit):
    visitor = opened(visit, "flash", "&flash_step=0")
    page = visitor.page
    page.wait_for_selector(".latent-agrees")
    for note in page.locator(".latent-agrees, .latent-account, .flash-formula").all():
        assert note.get_attribute("data-agrees") == "true"
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    expect(page.locator(".flash-said")).to_contain_text("Nothing has been read yet")
    page.get_by_role("button", name="Next", exact=True).click()
    expect(page.locator(".flash-said")).to_contain_text("Tile 1 of 28")
    page.get_by_role("button", name="Look at row 1").click()
    expect(page.locator(".flash-row table")).to_contain_text("m = −∞")
    page.get_by_role("button", name="Last", exact=True).click()
    expect(page.locator(".flash-said")).to_contain_text("the last tile")
    assert float(page.locator(EQUAL).get_attribute("data-share")) <= 1e-6
    for name, value, tiles in (("flash-rows", 25, "7"), ("flash-keys", 25, "1")):
        page.locator(f"#{name}").fill(str(value))
        expect(page.locator(".toks-player output")).to_contain_text(f"of {tiles}")
        assert float(page.locator(EQUAL).get_attribute("data-share")) <= 1e-6
    page.locator("#flash-order button[value=flash2]").click()
    page.locator("#flash-as button[value=float64]").click()
    expect(page.locator(EQUAL)).to_contain_text("float64")
    assert float(page.locator(EQUAL).get_attribute("data-share")) <= 1e-14
    assert float(page.locator(EQUAL).get_attribute("data-pass")) <= 1e-6
    assert page.locator(".flash-formula").get_attribute("data-agrees") == "true"
    assert asked == []
    visitor.wait_for_address("flash_tiles=25.25")
    assert visitor.errors == []
    assert visitor.strangers == []


SMALL = "~vocab_size=4096~max_seq_len=128~d_model=32~n_layers=2~n_heads=2~d_ff=32"
DESIGNS = {
    "latent": "deepseek-v2-mini",
    "buckets": "t5-mini",
    "learned": "bert-mini",
    "alibi": "bloom-mini",
    "two dimensions": "chatglm-6b~rope_layout=interleaved" + SMALL,
    "longformer": "longformer-base-4096~window=4~sparse.n_global=2~n_positions=130" + SMALL,
    "counted": "bigbird-roberta-base~sparse.block_size=2~sparse.n_random=1~sparse.like_transformers=true" + SMALL,
    "hashes": "llama-mini~attention=mha~mask_pattern=lsh~sparse.n_hashes=2~sparse.n_buckets=4~sparse.block_size=4"
    + SMALL,
}


def test_other_families_are_taken_apart_too(visit):
    """Every weight of a head, made in the page, is the one of the pass, and so is what the tiles read."""
    visitor = opened(visit, "weight")
    page = visitor.page

    def anew(act, shown: str):
        """What is shown once `act` has changed it."""
        page.evaluate("(shown) => document.querySelector(shown)?.remove()", shown)
        act()
        return page.wait_for_selector(shown)

    for name, design in DESIGNS.items():
        page.locator("#atts-switch button[value=weight]").click()
        most = anew(partial(visitor.put, "model", design), "[data-most]").get_attribute("data-most")
        assert float(most) < 1e-6, name
        page.locator("#weight-head").fill("1")
        expect(page.locator(SAID)).to_contain_text("head 2")
        equal = anew(lambda: page.locator("#atts-switch button[value=flash]").click(), EQUAL)
        expect(page.locator("#flash-head")).to_have_value("1")
        assert float(equal.get_attribute("data-share")) <= 1e-6, name
        # Longformer's global tokens are an attention of their own.
        assert name == "longformer" or float(equal.get_attribute("data-pass")) <= 1e-5, name
    assert visitor.errors == []


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_both_sections_fit_a_phone_and_can_be_read_in_the_dark(visit, lang):
    visitor = opened(visit, "weight", lang=lang, viewport={"width": 390, "height": 844}, color_scheme="dark")
    wide = "[...document.querySelectorAll('.atts *')].filter((e) => !e.closest('.obj-scroll') && e.checkVisibility()"
    wide += " && e.getBoundingClientRect().right > 391).map((e) => e.tagName + e.className)"
    asked = only("color-contrast", "button-name", "label", "aria-allowed-attr", "scrollable-region-focusable")
    for section, drawn in (("weight", ".sight-card[value=kmeans]"), ("flash", ".latent-agrees")):
        visitor.page.locator(f"#atts-switch button[value={section}]").click()
        visitor.page.wait_for_selector(drawn)
        assert visitor.page.evaluate("document.documentElement.scrollWidth") == 390, section
        assert visitor.page.evaluate(wide) == [], section
        assert violations(visitor.page, asked, within=f".att-{section}") == [], section
    assert visitor.errors == []
