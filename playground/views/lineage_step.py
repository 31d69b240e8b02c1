"""One step of a lineage as a card: the change in words, its paper, and what it did to parameters, cache and mask."""

from html import escape

import models
from models.account import Account
from playground.comparison import Difference
from playground.i18n import say
from playground.lineage import Paper, Route, Step
from playground.views.comparison_words import kind_of, name_of, value_of
from playground.views.lineage_mask import mask_pictures, masks_of
from playground.views.numbers import exact, in_unit, percent

FIGURES = ("params", "active_params", "kv_bytes_per_token", "kv_bytes")
MINUS = "\u2212"
NUMBER = ' class="number"'


def step_card(route: Route, number: int, lang: str) -> str:
    """HTML of step `number` of a route; step 0 is the model that the route begins with."""
    step = route.steps[number]
    before = route.steps[number - 1] if number else None
    return (
        f'<h3>{escape(_heading(route, number, lang))}</h3><div class="told">{_told(step, lang)}</div>'
        f'<div class="cost">{_figures(before, step, lang)}</div>'
        f'<div class="masks">{_masks(before, step, lang)}</div>'
    )


def what_changes(step: Step, lang: str) -> str:
    """The step in one line: the fields that it sets, with their old and new values."""
    return say(lang, "compare.join.list").join(
        f"{name_of(change.field, lang)}: {value_of(change.field, change.left, lang)} → "
        f"{value_of(change.field, change.right, lang)}"
        for change in shown_changes(step)
        if change.field in step.chosen
    )


def shown_changes(step: Step) -> list[Difference]:
    """What is listed: the fields that were set, then those that follow from them."""
    return sorted(step.changes, key=lambda change: change.field not in step.chosen)


def amount(account: Account, key: str, lang: str) -> str:
    """A figure in short; an encoder has no cache."""
    figure = account.figures[key]
    return in_unit(figure.value, figure.unit) if figure.value else say(lang, "lineage.no_cache")


def _heading(route: Route, number: int, lang: str) -> str:
    words = say(lang, "lineage.number", number=number, last=len(route.steps) - 1)
    if not number:
        return words
    before = next(step.reached for step in route.steps[number - 1 :: -1] if step.reached)
    after = next(step.reached for step in route.steps[number:] if step.reached)
    titles = {"before": models.preset_info(before).title, "after": models.preset_info(after).title}
    return f"{words} · {say(lang, 'lineage.between', **titles)}"


def _told(step: Step, lang: str) -> str:
    if step.paper is None:
        title = models.preset_info(step.reached).title
        return f'<p class="sentence">{escape(say(lang, "lineage.start", title=title))}</p>'
    together = f'<p class="together">{escape(step.together[lang])}</p>' if step.together else ""
    reached = ""
    if step.reached:
        title = models.preset_info(step.reached).title
        reached = f'<p class="reached">{escape(say(lang, "lineage.reached", title=title))}</p>'
    changes = "".join(_change(change, change.field in step.chosen, lang) for change in shown_changes(step))
    return (
        f'<p class="sentence">{escape(step.sentences[lang])}</p><dl>{changes}</dl>{together}'
        f'<p class="paper">{escape(_cited(step.paper, lang))}</p>{reached}'
    )


def _change(change: Difference, chosen: bool, lang: str) -> str:
    old, new = (escape(value_of(change.field, value, lang)) for value in (change.left, change.right))
    mark = "" if chosen else f" <small>{escape(say(lang, 'lineage.follows'))}</small>"
    return (
        f'<div class="kind-{kind_of(change.field)}"><dt><span class="swatch" aria-hidden="true"></span>'
        f"{escape(name_of(change.field, lang))} <code>{escape(change.field)}</code>{mark}</dt>"
        f"<dd><del>{old}</del> → <ins>{new}</ins></dd></div>"
    )


def _cited(paper: Paper, lang: str) -> str:
    authors = paper.authors if paper.pair else say(lang, "lineage.and_others", authors=paper.authors)
    words = say(lang, "lineage.paper", authors=authors, year=paper.year, work=paper.work)
    return say(lang, "lineage.paper_at", paper=words, at=paper.at) if paper.at else words


def _figures(before: Step | None, step: Step, lang: str) -> str:
    sparse = any(known and known.account.active_params != known.account.params for known in (before, step))
    keys = [key for key in FIGURES if key != "active_params" or sparse]
    rows = "".join(_row(key, before.account if before else None, step.account, lang) for key in keys)
    columns = ("name", "before", "after", "change") if before else ("name", "here")
    head = "".join(
        f'<th scope="col"{"" if column == "name" else NUMBER}>{escape(say(lang, f"lineage.figure.{column}"))}</th>'
        for column in columns
    )
    return f'<table class="ruled"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


def _row(key: str, before: Account | None, after: Account, lang: str) -> str:
    name = escape(say(lang, f"lineage.figure.{key}"))
    accounts = [known for known in (before, after) if known]
    cells = "".join(
        f'<td class="number" title="{exact(known.figures[key].value)}">{escape(amount(known, key, lang))}</td>'
        for known in accounts
    )
    if before:
        cells += f'<td class="number">{escape(_grown(key, before, after, lang))}</td>'
    return f'<tr><th scope="row">{name}</th>{cells}</tr>'


def _grown(key: str, before: Account, after: Account, lang: str) -> str:
    """ "+52.4 M (+83.1 %)", or words where nothing changed."""
    old, new = before.figures[key], after.figures[key]
    if old.value == new.value:
        return say(lang, "lineage.figure.same")
    sign = "+" if new.value > old.value else MINUS
    size = abs(new.value - old.value)
    share = f" ({sign}{percent(size, old.value)})" if old.value else ""
    return f"{sign}{in_unit(size, new.unit)}{share}"


def _masks(before: Step | None, step: Step, lang: str) -> str:
    heading = f"<h4>{escape(say(lang, 'lineage.mask.heading'))}</h4>"
    read = f'<p class="read">{escape(say(lang, "lineage.mask.read"))}</p>'
    now = f'<div class="row">{mask_pictures(step.config, lang)}</div>'
    if before is None:
        return heading + now + read
    if masks_of(before.config) == masks_of(step.config):
        return f"{heading}<p>{escape(say(lang, 'lineage.mask.same'))}</p>{now}{read}"
    was = f'<div class="row">{mask_pictures(before.config, lang)}</div>'
    return (
        f"{heading}<p>{escape(say(lang, 'lineage.mask.changed'))}</p>"
        f'<div class="turn">{was}<span class="arrow" aria-hidden="true">→</span>{now}</div>{read}'
    )
