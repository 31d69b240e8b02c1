"""The colours: defined once for style sheets and once for charts, equal, and with enough contrast to read."""

import re

import pytest

from playground.page_head import STATIC
from playground.views.palette import KIND_COLORS, KINDS
from tests.rows import each_row

CSS = (STATIC / "lineage.css").read_text(encoding="utf-8")
SELECTORS = {"light": ":root {", "dark": ":root.dark {"}
INKS = ["ink", "ink-soft", "accent", "accent-strong", "wrong", *(f"kind-{kind}" for kind in KINDS)]


def variables(scheme: str) -> dict[str, str]:
    block = CSS.split(SELECTORS[scheme], 1)[1].split("}", 1)[0]
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_measured_right():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("scheme", SELECTORS)
def test_charts_and_style_sheet_agree(scheme):
    of_css = {kind: variables(scheme)[f"kind-{kind}"] for kind in KINDS}
    assert of_css == KIND_COLORS[scheme]


@each_row("scheme", SELECTORS)
@each_row("ink", INKS)
def test_text_is_legible(scheme, ink):
    colours = variables(scheme)
    for paper in ("paper", "paper-raised", "paper-sunk"):
        assert contrast(colours[ink], colours[paper]) >= 4.5


@pytest.mark.parametrize("scheme", SELECTORS)
def test_fields_and_buttons_can_be_seen(scheme):
    colours = variables(scheme)
    assert contrast(colours["rule-strong"], colours["paper"]) >= 3
    assert contrast(colours["on-accent"], colours["accent"]) >= 4.5
    assert contrast(colours["accent"], colours["accent-soft"]) >= 4.5
