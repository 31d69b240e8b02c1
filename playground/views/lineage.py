"""A whole lineage: its stops, two curves over all steps, the cards of the steps, and the table of all of them.

The page shows one card at a time; `static/compare.js` goes from one to the next without the server.
"""

from html import escape
from math import log

import models
from playground.i18n import say
from playground.lineage import Route
from playground.views.lineage_step import amount, step_card, what_changes

CURVES = {"params": "params", "kv": "kv_bytes_per_token"}
HEIGHT = 100  # units of a curve, drawn as high as the style sheet says


def lineage(route: Route, lang: str) -> str:
    """HTML of the route, with a card for every step, of which the first is shown."""
    last = len(route.steps) - 1
    cards = "".join(
        f'<div data-step="{number}"{" hidden" if number else ""}>{step_card(route, number, lang)}</div>'
        for number in range(last + 1)
    )
    return (
        f'<div class="compare lineage-view" data-route="{route.name}" data-last="{last}">'
        f'<p class="headline">{escape(_summary(route, lang))}</p>'
        f'{_stops(route, lang)}<div class="curves">{"".join(_curve(route, name, lang) for name in CURVES)}</div>'
        f'{_walk(last, lang)}<article class="step" aria-live="polite">{cards}</article>{_table(route, lang)}</div>'
    )


def _summary(route: Route, lang: str) -> str:
    first, last = route.steps[0], route.steps[-1]
    return say(
        lang,
        "lineage.summary",
        count=len(route.steps) - 1,
        first=models.preset_info(route.stops[0]).title,
        last=models.preset_info(route.stops[-1]).title,
        params_first=amount(first.account, "params", lang),
        params_last=amount(last.account, "params", lang),
        kv_first=amount(first.account, "kv_bytes_per_token", lang),
        kv_last=amount(last.account, "kv_bytes_per_token", lang),
    )


def _stops(route: Route, lang: str) -> str:
    buttons = "".join(
        f'<li><button type="button" data-go="{route.stop_of(name)}">{escape(models.preset_info(name).title)}'
        f"<small>{models.preset_info(name).year}</small></button></li>"
        for name in route.stops
    )
    return f'<nav aria-label="{escape(say(lang, "lineage.stops"))}"><ol class="stops">{buttons}</ol></nav>'


def _walk(last: int, lang: str) -> str:
    """Back, the slider, and onwards."""
    back, on, label = (escape(say(lang, f"lineage.{name}")) for name in ("previous", "next", "slider"))
    return (
        f'<div class="walk"><button type="button" data-by="-1">← {back}</button>'
        f'<input type="range" min="0" max="{last}" step="1" value="0" aria-label="{label}">'
        f'<button type="button" data-by="1">{on} →</button></div>'
    )


def _curve(route: Route, name: str, lang: str) -> str:
    """A figure over all steps, on a log scale, as a staircase; no figure is the bottom line."""
    key = CURVES[name]
    values = [step.account.figures[key].value for step in route.steps]
    low, high = min(value for value in values if value), max(values)
    span = log(high / low) or 1.0
    heights = [HEIGHT * (0.92 - 0.84 * log(value / low) / span) if value else HEIGHT for value in values]
    path = f"M0 {heights[0]:.1f}" + "".join(f"H{number - 0.5:g}V{y:.1f}" for number, y in enumerate(heights) if number)
    last = len(values) - 1
    accounts = {step.account.figures[key].value: step.account for step in route.steps}
    limits = {"low": amount(accounts[low], key, lang), "high": amount(accounts[high], key, lang)}
    words = say(lang, f"lineage.chart.{name if all(values) else 'no_kv'}", **limits)
    stops = "".join(f'<path class="stop" d="M{route.stop_of(stop)} 0V{HEIGHT}"/>' for stop in route.stops)
    return (
        f'<figure class="curve {name}"><figcaption>{escape(words)}</figcaption><div class="plot">'
        f'<svg viewBox="0 0 {last} {HEIGHT}" preserveAspectRatio="none" role="img" aria-label="{escape(words)}">'
        f'{stops}<path class="line" d="{path}H{last}"/></svg><span class="here"></span></div></figure>'
    )


def _table(route: Route, lang: str) -> str:
    rows = []
    for number, step in enumerate(route.steps):
        change = what_changes(step, lang) or models.preset_info(step.reached).title
        cells = "".join(f'<td class="number">{escape(amount(step.account, key, lang))}</td>' for key in CURVES.values())
        rows.append(f'<tr><th scope="row">{number}</th><td>{escape(change)}</td>{cells}</tr>')
    heads = [say(lang, "lineage.table.step"), say(lang, "lineage.table.change")]
    figures = [say(lang, f"lineage.figure.{key}") for key in CURVES.values()]
    head = "".join(f'<th scope="col">{escape(words)}</th>' for words in heads)
    head += "".join(f'<th scope="col" class="number">{escape(words)}</th>' for words in figures)
    summary = escape(say(lang, "lineage.table.summary"))
    table = f'<table class="ruled steps"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
    return f'<details><summary>{summary}</summary><div class="scroll" tabindex="0">{table}</div></details>'
