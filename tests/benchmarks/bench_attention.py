"""The maps of the tab of attention beside BertViz's `head_view` and `model_view`, for the same weights: bytes, and the time
until a browser shows the first picture.

BertViz (1.4.1) is no requirement of the tests; without it a row says how to get it. Its pages fetch d3, jQuery and RequireJS
from a CDN; LINEAGE_BERTVIZ_SCRIPTS names a folder with d3.js, jquery.js and require.js, so that no network is needed and
none is measured. Both sides' pictures are timed from the moment at which the browser has the bytes.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import torch

import models
from models.inspection.attention import attention_of
from models.inspection.inputs import inputs_of
from models.tokenizers.catalogue import load_named

INSTALL = "pip install --no-deps bertviz==1.4.1 && pip install ipython"
SCRIPTS = ("require", "d3", "jquery")
DESIGN = {
    "n_layers": 12,
    "n_heads": 12,
    "n_kv_heads": 12,
    "d_model": 192,
    "d_head": 16,
    "d_ff": 256,
    "vocab_size": 4096,
}
TEXT = "The old man lived in a small house near the sea. Every morning he walked down to the water. " * 12
N_TOKENS = 64
CLIENT = ("masking_parts.js", "attention_numbers.js", "attention_picture.js")
ROUNDS = 5
NOTEBOOK = "http://notebook.example/"
PATIENCE = 60  # seconds that a picture may take


def run() -> Iterator[tuple]:
    """Rows of (label, value, numbers) for the benchmark table, each as soon as it is known."""
    group, tokens = _looked_at()
    ours = payload_of(group)
    yield _row("lineage: all heads, payload", len(ours))
    pages = _bertviz(group, tokens)
    if pages is None:
        yield "bertviz: not installed", INSTALL
        return
    for name, page in pages.items():
        yield _row(f"bertviz: {name}, HTML", len(page), f" · {len(page) / len(ours):.1f} times ours")
    yield from _pictures(ours, pages)


def _looked_at():
    """Weights (12, 12, 64, 64) that all see each other, sharp enough to be like those of a trained model, and the tokens."""
    tokenizer = load_named("wordpiece-4k")
    config = models.preset("bert-base-uncased").replace(**DESIGN)
    model = models.build(config, seed=0)
    with torch.no_grad():
        for layer in model.layers:
            layer.attn.qkv_proj.weight.mul_(6.0)
    inputs = inputs_of(config, tokenizer, TEXT, most=N_TOKENS)
    (group,) = attention_of(model, inputs)
    return group, list(inputs.sequences["text"].texts)


def payload_of(group) -> str:
    from models.inspection.head_labels import HeadLabels
    from playground import attention_payload

    n_layers, n_heads = group.probs.shape[:2]
    nothing = HeadLabels({}, [[[] for _ in range(n_heads)] for _ in range(n_layers)])
    return json.dumps({"groups": [attention_payload.group(group, nothing)]})


def _bertviz(group, tokens: list[str]) -> dict[str, str] | None:
    """The HTML of both views; None where the package is missing."""
    try:
        from bertviz import head_view, model_view
    except ImportError:
        return None
    maps = [layer[None] for layer in group.probs]  # each (1, H, T, S)
    views = {"head_view": head_view, "model_view": model_view}
    return {name: view(maps, tokens, html_action="return").data for name, view in views.items()}


def _pictures(ours: str, pages: dict[str, str]) -> Iterator[tuple]:
    """The time to the first picture in a browser: ours as the median of `ROUNDS`, theirs once, since it takes long."""
    from playwright.sync_api import sync_playwright

    from tests.browser.conftest import FLAGS, browser_path

    folder = os.environ.get("LINEAGE_BERTVIZ_SCRIPTS")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path(), args=FLAGS)
        yield _timed("lineage: all 144 maps drawn", median(time_to_draw(browser, ours) for _ in range(ROUNDS)))
        if folder is None:
            yield "bertviz: pictures", "LINEAGE_BERTVIZ_SCRIPTS names no folder"
        else:
            for name, page in pages.items():
                yield _timed(f"bertviz: {name} drawn", _their_time(browser, page, Path(folder)))
        browser.close()


def time_to_draw(browser, payload: str) -> float:
    """From the payload as a string to all small maps on their canvases and the frame after."""
    from playground.page_head import STATIC

    page = browser.new_page()
    page.set_content("<!doctype html><body></body>")
    scripts = "\n".join((STATIC / name).read_text(encoding="utf-8") for name in CLIENT)
    element = """const lineage = { element: (name, attributes = {}, ...children) => {
      const made = document.createElement(name);
      for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
      made.append(...children); return made; } };"""
    page.add_script_tag(content=f"{element}\n{scripts}")
    spent = page.evaluate(
        """async (payload) => { const begun = performance.now();
          const [group] = await AttentionNumbers.read(JSON.parse(payload));
          const all = Array.from({ length: group.layers * group.heads }, (_, place) => {
            const canvas = document.createElement('canvas');
            const [layer, head] = [Math.floor(place / group.heads), place % group.heads];
            const finest = group.probabilities.length - 1;
            AttentionPicture.paintSteps(canvas, group.steps(layer, head), finest, group.width, group.height);
            return canvas; });
          document.body.append(...all);
          await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
          return performance.now() - begun; }""",
        payload,
    )
    page.close()
    return spent


def _their_time(browser, html: str, folder: Path) -> float | None:
    """From the end of the page's bytes, HTML with RequireJS as a notebook has it, to the SVG's first lines or rectangles;
    None where that takes longer than `PATIENCE`."""
    from playwright.sync_api import Error as PlaywrightError

    page = browser.new_page()

    def serve(route) -> None:
        name = next((name for name in SCRIPTS if name in route.request.url), None)
        if name is None:
            route.fulfill(body=f"<!doctype html><body>{head}{html}</body>", content_type="text/html; charset=utf-8")
        else:
            route.fulfill(path=folder / f"{name}.js", content_type="text/javascript")

    head = f'<script src="{NOTEBOOK}require.min.js"></script>'
    page.route("**/*", serve)
    watch = """() => { const look = () => {
        if (!document.querySelector('svg line, svg rect')) return requestAnimationFrame(look);
        window.spent = performance.now() - performance.getEntriesByType('navigation')[0].responseEnd; };
      requestAnimationFrame(look); }"""
    page.add_init_script(f"({watch})()")
    try:
        page.goto(NOTEBOOK, wait_until="commit", timeout=1000 * PATIENCE)
        page.wait_for_function("() => window.spent", timeout=1000 * PATIENCE)
        return page.evaluate("window.spent")
    except PlaywrightError:
        return None
    finally:
        page.close()


def _row(label: str, n_bytes: int, more: str = "") -> tuple:
    return f"attention 12×12×64, {label}", f"{n_bytes / 1000:,.0f} kB{more}", {"bytes": n_bytes}


def _timed(label: str, spent: float | None) -> tuple:
    if spent is None:
        return f"attention 12×12×64, {label}", f"more than {PATIENCE} s"
    return f"attention 12×12×64, {label}", f"{spent:,.0f} ms", {"milliseconds": round(spent, 1)}
