"""Where the parameters are: one row for each part, with its formula behind it; the twin of the parameter chart."""

from html import escape

from models.account import Account, Part
from playground.i18n import say
from playground.views.account_figures import formula
from playground.views.numbers import exact, percent, short


def account_table(account: Account, lang: str) -> str:
    """HTML of the table; a part without parameters stays, with the reason why."""
    rows = "".join(_row(part, account, lang) for part in account.parts)
    head = "".join(
        f'<th scope="col"{kind}>{escape(say(lang, f"build.table.{key}"))}</th>'
        for key, kind in (("part", ""), ("count", ' class="number"'), ("share", ' class="number"'))
    )
    total = (
        f'<tr class="total"><th scope="row">{escape(say(lang, "build.table.total"))}</th>'
        f'<td class="number">{exact(account.params)}</td>'
        f'<td class="number">{percent(account.params, account.params)}</td></tr>'
    )
    caption = escape(say(lang, "build.table.caption", total=short(account.params), largest=_largest(account, lang)))
    return (
        f'<table class="parts ruled"><caption>{caption}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody><tfoot>{total}</tfoot></table>"
    )


def part_name(part: Part, lang: str) -> str:
    """The part's name, with how many of it there are."""
    name = say(lang, f"build.part.{part.key}")
    return f"{name} × {exact(part.copies)}" if part.copies > 1 else name


def _row(part: Part, account: Account, lang: str) -> str:
    unit = escape(say(lang, "build.unit.params"))
    if part.count:
        inside = formula(part.formula, part.worked, unit)
    else:
        reason = "tied" if part.key == "lm_head" else "computed"
        inside = f"<p>{escape(say(lang, f'build.table.{reason}'))}</p>"
    name = f'<span class="swatch" aria-hidden="true"></span>{escape(part_name(part, lang))}'
    return (
        f'<tr class="kind-{part.kind}"><th scope="row"><details data-figure="part-{part.key}">'
        f"<summary>{name}</summary>{inside}</details></th>"
        f'<td class="number">{exact(part.count)}</td>'
        f'<td class="number">{percent(part.count, account.params)}</td></tr>'
    )


def _largest(account: Account, lang: str) -> str:
    largest = max(account.parts, key=lambda part: part.count)
    return say(lang, f"build.part.{largest.key}")
