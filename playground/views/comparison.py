"""Two architectures side by side: the headline, the towers, what both cost, and every differing field with its meaning."""

from html import escape

from playground.comparison import Comparison, Difference, Side
from playground.i18n import say
from playground.views.comparison_words import kind_of, name_of, sentence_of, times, value_of
from playground.views.numbers import exact, in_unit
from playground.views.towers import towers

FIGURES = ("params", "active_params", "memory_bf16", "kv_bytes_per_token", "kv_bytes", "flops_per_token")


def comparison(found: Comparison, lang: str) -> str:
    """HTML of the whole comparison."""
    sides = tuple((called(side, lang), side.account) for side in (found.left, found.right))
    return (
        f'<div class="compare"><p class="headline">{escape(headline(found, lang))}</p>'
        f'<div class="beside"><section>{_heading("towers", lang)}{towers(sides, lang)}</section>'
        f"<section>{_heading('figures', lang)}{_figures(found, lang)}</section></div>"
        f"{_fields(found, lang)}</div>"
    )


def headline(found: Comparison, lang: str) -> str:
    """The first thing to know: which is larger, by how much, and in how many fields they differ."""
    left, right = called(found.left, lang), called(found.right, lang)
    count = exact(len(found.differences))
    if not found.differences:
        return say(lang, "compare.headline.same", left=left, right=right)
    of_left, of_right = found.left.account.params, found.right.account.params
    if of_left == of_right:
        return say(lang, "compare.headline.equal", left=left, right=right, count=count)
    large, small = (left, right) if of_left > of_right else (right, left)
    ratio = times(max(of_left, of_right), min(of_left, of_right))
    return say(lang, "compare.headline.larger", large=large, small=small, times=ratio, count=count)


def called(side: Side, lang: str) -> str:
    """The title of a side; a changed preset says so."""
    return say(lang, "compare.changed", base=side.title) if side.changed else side.title


def _heading(name: str, lang: str) -> str:
    return f"<h3>{escape(say(lang, f'compare.heading.{name}'))}</h3>"


def _figures(found: Comparison, lang: str) -> str:
    context = exact(found.left.context)
    accounts = found.left.account, found.right.account
    rows = []
    for key in FIGURES:
        values = [account.figures[key] for account in accounts]
        if key == "active_params" and all(account.active_params == account.params for account in accounts):
            continue
        name = escape(say(lang, f"compare.figure.{key}", context=context))
        cells = "".join(_figure(figure.value, figure.unit, lang) for figure in values)
        ratio = times(values[1].value, values[0].value) if all(figure.value for figure in values) else "–"
        rows.append(f'<tr><th scope="row">{name}</th>{cells}<td class="number">{ratio}</td></tr>')
    heads = [called(found.left, lang), called(found.right, lang), say(lang, "compare.figure.ratio")]
    head = "".join(f'<th scope="col" class="number">{escape(words)}</th>' for words in heads)
    caption = escape(say(lang, "compare.figure.caption", context=context))
    return (
        f'<table class="ruled costs"><caption>{caption}</caption><thead><tr>'
        f'<th scope="col">{escape(say(lang, "compare.figure.name"))}</th>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def _figure(value: int, unit: str, lang: str) -> str:
    if not value:
        return f'<td class="number">{escape(say(lang, "compare.figure.none"))}</td>'
    return f'<td class="number" title="{exact(value)}">{in_unit(value, unit)}</td>'


def _fields(found: Comparison, lang: str) -> str:
    """The differing fields; those that only follow from others come last and are marked."""
    if not found.differences:
        return ""
    ordered = sorted(found.differences, key=lambda difference: difference.follows)
    heads = [
        say(lang, "compare.table.field"),
        called(found.left, lang),
        called(found.right, lang),
        say(lang, "compare.table.meaning"),
    ]
    head = "".join(f'<th scope="col" role="columnheader">{escape(words)}</th>' for words in heads)
    rows = "".join(_row(difference, heads, lang) for difference in ordered)
    return (
        f'<section>{_heading("fields", lang)}<table class="ruled fields" role="table">'
        f'<thead role="rowgroup"><tr role="row">{head}</tr></thead><tbody role="rowgroup">{rows}</tbody></table></section>'
    )


def _row(difference: Difference, heads: list[str], lang: str) -> str:
    """One field. `data-of` repeats the column's head where a narrow page stacks the cells."""
    name = escape(name_of(difference.field, lang))
    code = escape(difference.field)
    mark = f"<small>{escape(say(lang, 'compare.table.follows'))}</small>" if difference.follows else ""
    cells = "".join(
        f'<td role="cell" data-of="{escape(heads[column])}">{escape(value_of(difference.field, value, lang))}</td>'
        for column, value in ((1, difference.left), (2, difference.right))
    )
    return (
        f'<tr role="row" class="kind-{kind_of(difference.field)}{" follows" if difference.follows else ""}">'
        f'<th scope="row" role="rowheader"><span class="swatch" aria-hidden="true"></span>{name} '
        f"<code>{code}</code>{mark}</th>{cells}"
        f'<td role="cell" class="meaning">{escape(sentence_of(difference, lang))}</td></tr>'
    )
