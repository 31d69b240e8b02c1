"""The tab of experts in a real browser: routers made anew there give what the core's give, and nothing asks the server."""

import json
import re

import pytest
import torch
from playwright.sync_api import expect

from models.inspection.router_steps import RouterRule, bias_step, normal_numbers, spread
from models.parts.balancing import router_losses
from models.parts.routers import ROUTERS
from tests.models.test_inspection_routing import RULES

CHECKED = ".exp-steps .exp-check[data-worst]"


def opened(visit, section: str, query: str = "", **context):
    visitor = visit(f"tab=experts&lang=en&exp_section={section}{query}", **context)
    visitor.page.wait_for_selector(f".exp-{section}:not([hidden]) .exp-figure")
    return visitor


def slide(page, name: str, value: float) -> None:
    move = "(input, value) => { input.value = value; input.dispatchEvent(new Event('input', { bubbles: true })); }"
    page.locator(f"#exp-{name}").evaluate(move, str(value))


def rule_of(moe) -> dict:
    rule = RouterRule.of(moe)
    return {name: getattr(rule, name) for name in RouterRule.__dataclass_fields__}


def test_the_browser_routes_as_the_core_does(visit):
    """Each router of the core on random logits: the same experts, weights, losses, noise and steps of the bias."""
    visitor = opened(visit, "sizes")
    page = visitor.page
    for moe in RULES:
        router = ROUTERS[moe.router](16, moe).eval()
        with torch.no_grad():
            router.weight.normal_(generator=torch.Generator().manual_seed(7))
            if getattr(router, "selection_bias", None) is not None:
                router.selection_bias.copy_(torch.linspace(-0.3, 0.3, 8))
            routing = router(torch.randn(1, 40, 16, generator=torch.Generator().manual_seed(8)))
        bias = None if (own := getattr(router, "selection_bias", None)) is None else own.tolist()
        asked = {"logits": routing.logits[0].tolist(), "rule": rule_of(moe), "bias": bias}
        made = page.evaluate(
            """({ logits, rule, bias }) => {
              const made = Routers.steps(logits, rule, bias);
              return { ids: made.takenIds, weights: made.takenWeights, z: Routers.zLoss(logits),
                balance: Routers.balance(made, rule).value, spread: Routers.spread(logits) };
            }""",
            asked,
        )
        assert made["ids"] == routing.expert_ids[0].tolist(), moe.router
        torch.testing.assert_close(torch.tensor(made["weights"]), routing.weights[0], atol=1e-6, rtol=0)
        losses = router_losses([routing], moe)
        assert made["balance"] == pytest.approx(float(losses.balance), abs=1e-5), moe.router
        assert made["z"] == pytest.approx(float(losses.z), abs=1e-4)
        assert made["spread"] == pytest.approx(spread(routing.logits[0]), rel=1e-5)
    drawn = page.evaluate("Routers.normalNumbers(12345, 3, 9, 5)")
    torch.testing.assert_close(torch.tensor(drawn), torch.tensor(normal_numbers(12345, 3, 9, 5)).float())
    stepped = page.evaluate("Routers.biasStep([0, 0.5, 0], [9, 1, 2], 0.25)")
    assert stepped == bias_step(torch.tensor([0, 0.5, 0]), [9, 1, 2], 0.25).tolist()
    slots = page.evaluate(f"Routers.slots({json.dumps(routing.logits[0].tolist())})")
    torch.testing.assert_close(torch.tensor(slots["dispatch"]), routing.logits[0].softmax(0), atol=1e-6, rtol=0)
    merged = page.evaluate(f"Routers.merged({json.dumps(routing.logits[0].tolist())})")
    torch.testing.assert_close(torch.tensor(merged), routing.logits[0].mean(0).softmax(-1), atol=1e-6, rtol=0)
    expect(page.locator(".exp-sizes tbody tr", has_text="DeepSeek-V3").first).to_contain_text("8 of 256 + 1 shared")
    page.locator("#exp-format button[value=int8]").click()
    expect(page.locator(".exp-sizes .obj-sentence")).to_contain_text("in int8")
    assert visitor.errors == []


def test_the_board_follows_a_token_and_a_layer_without_asking(visit):
    visitor = opened(visit, "board", "&exp_model=deepseek-v3-mini")
    page = visitor.page
    expect(page.locator(".mask-notes")).to_contain_text("has no experts")
    chips = page.locator(".exp-chips [role=option]")
    assert chips.count() > 100
    expect(page.locator("[data-figure=path]")).to_contain_text("add up to 2.5 here, not to 1")
    expect(page.locator("[data-figure=path]")).to_contain_text("a bias is added to each score")
    page.wait_for_selector(".exp-habits table")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    chips.nth(8).click()
    expect(page.locator("[data-figure=path] h3")).to_contain_text("girl")
    chosen, behind = page.locator("[data-figure=path] .chosen"), page.locator("[data-figure=path] .runner-up")
    layers = page.locator("[data-figure=path] .shared").count()
    assert layers > 1
    assert behind.count() == 2 * layers
    assert chosen.count() % layers == 0
    assert behind.first.get_attribute("fill").startswith("url(")
    page.locator(".exp-chips [aria-selected=true]").focus()
    page.keyboard.press("ArrowRight")
    expect(chips.nth(9)).to_have_attribute("aria-selected", "true")
    visitor.wait_for_address("exp_at=9")
    assert [url for url in asked if "gradio_api" in url and "component_server" not in url] == []
    for figure in ("path", "tokens", "layers", "cumulative", "health"):
        box = page.locator(f"[data-figure={figure}]")
        expect(box.locator("svg.exp-svg")).to_be_visible()
        expect(box.locator(".obj-sentence")).to_have_text(re.compile(r"\w"))
        box.locator("summary").click()
        expect(box.locator("details table tbody tr").first).to_be_visible()
        assert box.locator(".downloads button").count() == 3
    with page.expect_download() as download:
        page.locator("[data-figure=path] .download-svg").click()
    markup = download.value.path().read_text(encoding="utf-8")
    assert markup.startswith("<svg")
    assert "var(" not in markup
    page.locator("#exp-layer").select_option(index=2)
    expect(page.locator("[data-figure=chips] h3")).to_contain_text(
        page.locator("#exp-layer option").nth(2).text_content()
    )
    visitor.wait_for_address("exp_layer=2")
    area = page.locator("#exp-text")
    area.fill("<img src=x onerror=alert(1)> 你好 😀")
    expect(page.locator(".exp-chips")).to_contain_text("<")
    assert page.locator(".exps img").count() == 0
    area.fill(" ")
    expect(page.locator(".exps > .obj-error")).to_contain_text("the text is empty")
    expect(page.locator(".exp-chip")).to_have_count(0)  # what stood there belongs to another text
    area.fill("")
    visitor.wait_for_address("exp_text=%20")  # a copied link has no text either
    assert visitor.errors == []
    assert visitor.strangers == []


def test_sliders_route_anew_in_the_browser_and_a_real_pass_agrees(visit):
    visitor = opened(visit, "steps", "&exp_model=deepseek-v3-mini")
    page = visitor.page
    expect(page.locator(CHECKED)).to_have_attribute("data-others", "0")
    assert float(page.locator(CHECKED).get_attribute("data-worst")) < 1e-6
    again, frozen = page.get_by_role("button", name="Run again"), page.locator(".exp-settings .mask-note")
    expect(again).to_be_disabled()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    slide(page, "chosen", 2)
    slide(page, "capacity", 15)
    slide(page, "noise", 150)
    slide(page, "bias", 0.4)
    expect(frozen).to_be_visible()
    expect(page.locator(".exp-result > .obj-sentence")).to_contain_text("tokens would have another strongest expert")
    expect(page.locator("[data-figure=stages] text", has_text="place in queue")).to_have_count(1)
    took = page.evaluate(
        """() => { const input = document.querySelector('#exp-chosen'); const times = [];
          for (let i = 0; i < 20; i += 1) { const from = performance.now(); input.value = String(1 + (i % 2));
            input.dispatchEvent(new Event('input', { bubbles: true })); times.push(performance.now() - from); }
          return times.sort((a, b) => a - b)[10]; }"""
    )
    print(f"routing a layer anew and drawing it: {took:.1f} ms")
    assert asked == []
    slide(page, "chosen", 2)
    again.click()
    expect(page.locator(CHECKED)).to_have_attribute("data-others", "0")
    assert float(page.locator(CHECKED).get_attribute("data-worst")) < 1e-6
    visitor.wait_for_address("exp_again=true")
    link = page.evaluate("lineage.query()")
    page.get_by_role("button", name="50 steps").click()
    expect(page.locator("[data-figure=bias]")).to_contain_text("After 50 steps")
    other = visit(link)
    expect(other.page.locator(CHECKED)).to_have_attribute("data-others", "0")
    expect(other.page.locator("#exp-chosen")).to_have_value("2")
    page.get_by_role("button", name="As the model is").click()
    expect(page.locator(CHECKED)).to_have_attribute("data-others", "0")
    page.get_by_role("button", name="Routers compared").click()
    page.wait_for_selector(".exp-compare .exp-same[data-off]")
    assert float(page.locator(".exp-same").get_attribute("data-off")) < 1e-5
    expect(page.locator("[data-figure=numbers] tbody tr")).to_have_count(9)
    even = page.locator("[data-figure=numbers] tbody tr td:nth-last-child(2)")
    expect(even).to_have_text(["1", "4", "0", "1", "1", "0", "–", "–", "0"])  # this model, Mixtral, noisy, Switch, …
    expect(page.locator("[data-figure=losses]")).to_contain_text("not the load of the Board")
    page.locator("#exp-follow").select_option("noisy_topk")
    expect(page.locator("[data-figure=losses]")).to_contain_text("CV² of the load")
    with page.expect_download() as download:
        page.locator("[data-figure=losses] .download-csv").click()
    lines = download.value.path().read_text(encoding="utf-8-sig").splitlines()
    assert len(lines) == 1 + page.locator("[data-figure=losses] tbody tr").count()
    assert visitor.errors == []


def test_the_model_in_hand_is_shown_once_it_has_experts_and_fits_a_phone(visit):
    visitor = opened(visit, "board", viewport={"width": 390, "height": 844})
    visitor.put("model", "qwen3-moe-mini")
    expect(visitor.page.locator("#exp-model option").first).to_contain_text("(current model)")
    expect(visitor.page.locator("#exp-model")).to_have_value("hand")
    expect(visitor.page.locator(".mask-notes")).not_to_contain_text("has no experts")
    for figure in ("path", "layers", "cumulative", "health"):
        box = visitor.page.locator(f"[data-figure={figure}] .exp-picture")
        assert box.evaluate("box => box.scrollWidth <= box.clientWidth"), figure
    assert visitor.errors == []
