"""What Build shows for the values of its form: computed at once from formulas, for any size, without a model.

`Shown` is what one visitor's page shows; `change`, `redraw` and `refuse` give the next one, and what has to be replaced
on the page, by the name of its place. Nothing here knows Gradio.
"""

import json
from dataclasses import dataclass, field, replace

import models
from models.account import Account
from models.config import ModelConfig
from models.errors import InputError
from playground.design_applies import applies, groups_that_apply
from playground.design_controls import Values
from playground.design_diff import differences
from playground.design_follow import follow
from playground.design_form import config_of, control_of, values_of
from playground.design_limit import card_note, invalid_note, is_usable, limit_note
from playground.design_notes import notes
from playground.design_strings import design_string
from playground.i18n import explain, say
from playground.preset_lists import card_of, title_of
from playground.session import DEFAULTS, LIMITS
from playground.views.account_figures import account_figures
from playground.views.account_table import account_table
from playground.views.control_note import control_note, refusal
from playground.views.design_changes import design_changes
from playground.views.design_title import design_title, preset_note, refused_title
from playground.views.diagram import diagram
from playground.views.model_card import model_card
from playground.views.numbers import exact
from playground.views.parameter_chart import parameter_chart


@dataclass(frozen=True)
class Cache:
    """What the figures are asked for; numbers as typed, `context` None for the whole context."""

    context: object = DEFAULTS["context"]
    batch: object = DEFAULTS["batch"]
    dtype: str = DEFAULTS["dtype"]
    ranks: object = DEFAULTS["ranks"]


DEFAULT_CACHE = Cache()


@dataclass(frozen=True)
class Shown:
    """What the page shows. `values` and `config` are those of the last valid design, `texts` what stands in each place.

    While the form describes no model, `valid_title` keeps the heading of the last valid design, and `refusal` says why.
    `beside` holds the notes under the controls of the figures and at "Use this model"; `chart` is what the chart was drawn
    from, `account` what the table was. `card` is the name of a model without a design, while its card stands in place of
    the picture.

    `answer` counts what was answered; `typed` is what the form's controls held when the last answer was asked for, `held`
    what they hold once it has arrived.
    """

    base: str = ""
    values: Values | None = None
    config: ModelConfig | None = None
    valid_title: str = ""
    refusal: InputError | None = None
    texts: dict[str, str] = field(default_factory=dict)
    beside: dict[str, str] = field(default_factory=dict)
    chart: tuple = ()
    account: Account | None = None
    card: str = ""
    answer: int = 0
    typed: Values | None = None
    held: Values | None = None


def change(
    shown: Shown, lang: str, base: str, values: Values, cache: Cache, seen: int | None = None
) -> tuple[Shown, dict]:
    """The screen after a visitor changed a control: a new design, or a refusal beside the control concerned.

    seen: the last answer that the page had received when the control was changed; None if no earlier one is on its way.
    """
    typed = values
    if shown.typed and shown.base == base and seen not in (None, shown.answer):
        values = {name: shown.held[name] if value == shown.typed[name] else value for name, value in typed.items()}
    now, updates = _changed(shown, lang, base, values, cache)
    return replace(now, typed=typed, held=values if now.refusal else now.values), updates


def _changed(shown: Shown, lang: str, base: str, values: Values, cache: Cache) -> tuple[Shown, dict]:
    followed = follow({**_carried(shown, base), **values}, shown.values if shown.base == base else None)
    try:
        config = config_of(followed)
    except InputError as error:
        return refuse(shown, lang, base, {**followed, **values}, error, cache)
    try:
        return redraw(shown, lang, base, config, cache, kept=followed)
    except InputError as error:  # a design too long to be written down
        return refuse(shown, lang, base, {**followed, **values}, error, cache)


def redraw(
    shown: Shown, lang: str, base: str, config: ModelConfig, cache: Cache, kept: Values | None = None
) -> tuple[Shown, dict]:
    """The screen of a valid design; `kept` holds the values of controls that do not apply to it.

    The updates are the texts that changed, and "chart", a figure, where the parameters did.
    """
    title, start = title_of(base), models.preset(base)
    values = values_of(config, kept)
    account, beside = _account(config, cache, lang)
    beside["limit"] = limit_note(config, lang)
    changes = differences(start, config)
    texts = {
        "title": design_title(title, bool(changes), account.params, lang) + _note_on(base, bool(changes), lang),
        "card": model_card(card_of(base), lang),
        "diagram": diagram(config, start, shown.config or config, title, lang),
        "figures": account_figures(account, lang),
        "table": account_table(account, lang),
        "changes": design_changes(changes, title, lang),
        "design": design_string(base, config),
        "form": _form(lang, values, {**notes(lang, values, start, {}), **beside}, shown.answer + 1, is_usable(config)),
    }
    chart = (lang, *((part.key, part.copies, part.count) for part in account.parts))
    answer = shown.answer + 1
    fresh = Shown(base, values, config, texts=texts, beside=beside, chart=chart, account=account, answer=answer)
    updates = _replaced(shown, fresh)
    if chart != shown.chart:
        updates["chart"] = parameter_chart(account, lang)
    return fresh, updates


def show_card(shown: Shown, lang: str, name: str) -> tuple[Shown, dict]:
    """The screen of a model that is known by name alone: its card in place of the picture, and no numbers."""
    texts = {**shown.texts, "title": "", "card": model_card(card_of(name), lang), "design": name}
    answer = shown.answer + 1
    form = _form(lang, shown.values, {"limit": card_note(lang)}, answer, usable=False)
    texts["form"] = json.dumps({**json.loads(form), "alone": True})
    carded = replace(shown, valid_title="", refusal=None, texts=texts, card=name, answer=answer)
    return carded, _replaced(shown, carded)


def measured(shown: Shown, lang: str, counts: dict[str, int]) -> tuple[Shown, dict]:
    """The table with the parameters counted in a built model beside the formulas'."""
    table = account_table(shown.account, lang, counts)
    told = replace(shown, texts={**shown.texts, "table": table})
    return told, _replaced(shown, told)


def refuse(shown: Shown, lang: str, base: str, values: Values, error: InputError, cache: Cache) -> tuple[Shown, dict]:
    """The screen of an impossible design: the reason beside its control, the last valid picture marked as such."""
    texts, beside = dict(shown.texts), shown.beside
    if shown.config:  # the figures of the last valid design go on following their own controls
        account, beside = _account(shown.config, cache, lang)
        texts["figures"] = account_figures(account, lang)
    sentence, control = explain(lang, error), control_of(error)
    seen = control if applies(values).get(control) else None
    own_places = {"general": "" if seen else refusal(sentence), "limit": invalid_note(seen, lang)}
    under = {**notes(lang, values, models.preset(base), {control: sentence}), **beside, **own_places}
    valid, answer = shown.valid_title or shown.texts.get("title", ""), shown.answer + 1
    form = _form(lang, values, under, answer, usable=False)
    texts |= {"title": refused_title(valid, seen, lang), "form": form}
    refused = replace(shown, valid_title=valid, refusal=error, texts=texts, beside=beside, answer=answer)
    return refused, _replaced(shown, refused)


def _carried(shown: Shown, base: str) -> Values:
    """The vision tower, which the form's controls change but do not hold."""
    tower = shown.config.vision_tower if shown.config and shown.base == base else models.preset(base).vision_tower
    return {"vision_tower": tower or (shown.values or {}).get("vision_tower")}


def _note_on(base: str, changed: bool, lang: str) -> str:
    """What is to be known about the preset, which is named where the heading names something else."""
    info = models.preset_info(base)
    return preset_note(info.notes, info.title if changed or card_of(base) else None, lang)


def _form(lang: str, values: Values, under: dict[str, str], answer: int, usable: bool) -> str:
    """What build.js puts into the form and around it: notes under controls, which controls are shown, headings, and
    whether "Use this model" looks as if it could be used."""
    headings = {name: say(lang, f"build.heading.{name}") for name in ("changes", "figures", "parts")}
    shown = applies(values)
    sheet = {
        "answer": answer,
        "notes": {"general": "", **under},
        "shown": shown,
        "groups": groups_that_apply(shown),
        "headings": headings,
        "usable": usable,
    }
    return json.dumps(sheet)


def _replaced(old: Shown, new: Shown) -> dict:
    return {place: text for place, text in new.texts.items() if old.texts.get(place) != text}


def _account(config: ModelConfig, cache: Cache, lang: str) -> tuple[Account, dict[str, str]]:
    """The figures; where a control of the cache holds nothing usable, its default, and the reason under the control."""
    asked, under = {}, {}
    for name in ("context", "batch", "dtype", "ranks"):
        asked[name], problem = _usable(config, name, getattr(cache, name), lang)
        under[name] = control_note("", "", None, problem, lang)
    return models.account(config, **asked), under


def _usable(config: ModelConfig, name: str, value: object, lang: str) -> tuple[object, str | None]:
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    try:
        if value is None and name in ("batch", "ranks"):
            low, high = LIMITS[name]
            raise InputError("number_empty", field=name, low=exact(low), high=exact(high))
        models.account(config, **{name: value})
    except InputError as error:
        return getattr(DEFAULT_CACHE, name), explain(lang, error)
    return value, None
