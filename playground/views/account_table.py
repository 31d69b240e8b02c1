"""Where the parameters are: one row for each part, with its formula behind it; the twin of the parameter chart."""

from html import escape

from models.account import Account, Part
from playground.i18n import say
from playground.views.account_figures import formula
from playground.views.numbers import NARROW, exact, percent, short


def account_table(account: Account, lang: str, counts: dict[str, int] | None = None) -> str:
    """HTML of the table; a part without parameters stays, with the reason why.

    `counts` are those of a built model by part: with them the table has a column more, and a tick where they are equal.
    """
    rows = "".join(_row(part, account, lang, counts) for part in account.parts)
    columns = [("part", ""), ("count", ' class="number"'), ("share", ' class="number"')]
    if counts is not None:
        columns.insert(2, ("measured", ' class="number"'))
    head = "".join(f'<th scope="col"{kind}>{escape(say(lang, f"build.table.{key}"))}</th>' for key, kind in columns)
    total = (
        f'<tr class="total"><th scope="row">{escape(say(lang, "build.table.total"))}</th>'
        f'<td class="number">{exact(account.params)}</td>'
        f"{_measured(account.params, None if counts is None else sum(counts.values()), lang)}"
        f'<td class="number">{percent(account.params, account.params)}</td></tr>'
    )
    caption = escape(say(lang, "build.table.caption", total=short(account.params), largest=_largest(account, lang)))
    return (
        f'<table class="parts ruled"><caption>{caption}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody><tfoot>{total}</tfoot></table>"
    )


def part_name(part: Part, lang: str) -> str:
    """The part's name, with the stack that it is in and how many of it there are."""
    name = _called(part, lang)
    return f"{name} ×{NARROW}{exact(part.copies)}" if part.copies > 1 else name


def _called(part: Part, lang: str) -> str:
    name = say(lang, f"build.part.{part.name}")
    return say(lang, "build.in_stack", stack=say(lang, f"build.stack.{part.stack}"), part=name) if part.stack else name


def _row(part: Part, account: Account, lang: str, counts: dict[str, int] | None) -> str:
    unit = escape(say(lang, "build.unit.params"))
    if part.count:
        inside = formula(part.formula, part.worked, unit)
        if part.active != part.count:
            used = escape(say(lang, "build.table.active", count=exact(part.active)))
            inside += f"<p>{used}</p>"
    else:
        reason = "tied" if part.name == "lm_head" else "computed"
        inside = f"<p>{escape(say(lang, f'build.table.{reason}'))}</p>"
    name = f'<span class="swatch" aria-hidden="true"></span>{escape(part_name(part, lang))}'
    return (
        f'<tr class="kind-{part.kind}"><th scope="row"><details data-figure="part-{part.key}">'
        f"<summary>{name}</summary>{inside}</details></th>"
        f'<td class="number">{exact(part.count)}</td>'
        f"{_measured(part.count, None if counts is None else counts.get(part.key, 0), lang)}"
        f'<td class="number">{percent(part.count, account.params)}</td></tr>'
    )


def _measured(computed: int, counted: int | None, lang: str) -> str:
    """The cell of a count in the built model, ticked where the formula says the same."""
    if counted is None:
        return ""
    agrees = computed == counted
    key = "equal" if agrees else "unequal"
    sign = f'<span class="{key}" title="{escape(say(lang, f"build.table.{key}"))}">{"✓" if agrees else "≠"}</span>'
    return f'<td class="number measured">{exact(counted)} {sign}</td>'


def _largest(account: Account, lang: str) -> str:
    return _called(max(account.parts, key=lambda part: part.count), lang)
