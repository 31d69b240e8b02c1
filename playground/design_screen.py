"""What Build shows for the values of its form: computed at once from formulas, for any size, without a model.

`Shown` is what one visitor's page shows; `change`, `redraw` and `refuse` give the next one, and what has to be replaced
on the page, by the name of its place. Nothing here knows Gradio.
"""

import json
from dataclasses import dataclass, field, replace

import models
from models.account import Account
from models.config import ModelConfig
from models.diff import Change
from models.errors import InputError
from playground.design_form import Values, applies, config_of, control_of, follow, values_of
from playground.design_limit import limit_note
from playground.design_notes import notes
from playground.i18n import explain, say
from playground.session import DEFAULTS, DERIVED, design_string
from playground.views.account_figures import account_figures
from playground.views.account_table import account_table
from playground.views.control_note import control_note, refusal
from playground.views.design_changes import design_changes
from playground.views.design_title import design_title, refused_title
from playground.views.diagram import diagram
from playground.views.parameter_chart import parameter_chart


@dataclass(frozen=True)
class Cache:
    """What the KV-cache figures are asked for; numbers as typed, `context` None for the whole context."""

    context: object = DEFAULTS["context"]
    batch: object = DEFAULTS["batch"]
    dtype: str = DEFAULTS["dtype"]


DEFAULT_CACHE = Cache()


@dataclass(frozen=True)
class Shown:
    """What the page shows. `values` and `config` are those of the last valid design, `texts` what stands in each place.

    While the form describes no model, `valid_title` keeps the heading of the last valid design, and `refusal` says why.
    `beside` holds the notes under the controls of the KV cache and at "Use this model"; `chart` is what the chart was
    drawn from.
    """

    base: str = ""
    values: Values | None = None
    config: ModelConfig | None = None
    valid_title: str = ""
    refusal: InputError | None = None
    texts: dict[str, str] = field(default_factory=dict)
    beside: dict[str, str] = field(default_factory=dict)
    chart: tuple = ()


def change(shown: Shown, lang: str, base: str, values: Values, cache: Cache) -> tuple[Shown, dict]:
    """The screen after a visitor changed a control: a new design, or a refusal beside the control concerned."""
    followed = follow(values, shown.values if shown.base == base else None)
    try:
        config = config_of(followed)
    except InputError as error:
        return refuse(shown, lang, base, values, error)
    return redraw(shown, lang, base, config, cache, kept=followed)


def redraw(
    shown: Shown, lang: str, base: str, config: ModelConfig, cache: Cache, kept: Values | None = None
) -> tuple[Shown, dict]:
    """The screen of a valid design; `kept` holds the values of controls that do not apply to it.

    The updates are the texts that changed, and "chart", a figure, where the parameters did.
    """
    title, start = models.preset_info(base).title, models.preset(base)
    values = values_of(config, kept)
    account, beside = _account(config, cache, lang)
    beside["limit"] = limit_note(config, lang)
    changes = models.diff(start, config)
    texts = {
        "title": design_title(title, bool(changes), account.params, lang),
        "diagram": diagram(config, start, shown.config or config, title, lang),
        "figures": account_figures(account, lang),
        "table": account_table(account, lang),
        "changes": design_changes(changes, _followed(start, config, changes), title, lang),
        "design": design_string(base, config),
        "form": _form(lang, values, {**notes(lang, values, start, {}), **beside}),
    }
    chart = (lang, *((part.key, part.copies, part.count) for part in account.parts))
    fresh = Shown(base, values, config, texts=texts, beside=beside, chart=chart)
    updates = _replaced(shown, fresh)
    if chart != shown.chart:
        updates["chart"] = parameter_chart(account, lang)
    return fresh, updates


def refuse(shown: Shown, lang: str, base: str, values: Values, error: InputError) -> tuple[Shown, dict]:
    """The screen of an impossible design: the reason beside its control, the last valid picture marked as such."""
    sentence, control = explain(lang, error), control_of(error)
    general = "" if applies(values).get(control) else refusal(sentence)
    under = {**notes(lang, values, models.preset(base), {control: sentence}), **shown.beside, "general": general}
    valid = shown.valid_title or shown.texts.get("title", "")
    texts = {**shown.texts, "title": refused_title(valid, lang), "form": _form(lang, values, under)}
    refused = replace(shown, valid_title=valid, refusal=error, texts=texts)
    return refused, _replaced(shown, refused)


def _followed(start: ModelConfig, config: ModelConfig, changes: list[Change]) -> list[Change]:
    """What moved along with the changes: derived values that are others than in the preset, and not of one's choosing."""
    chosen = {name for name, _, _ in changes}
    values = [(name, getattr(start, name), getattr(config, name)) for name in DERIVED if name not in chosen]
    return [(name, old, new) for name, old, new in values if new not in (old, None)]


def _form(lang: str, values: Values, under: dict[str, str]) -> str:
    """What build.js puts into the form and around it: notes under controls, which controls are shown, headings."""
    headings = {name: say(lang, f"build.heading.{name}") for name in ("changes", "figures", "parts")}
    return json.dumps({"notes": {"general": "", **under}, "shown": applies(values), "headings": headings})


def _replaced(old: Shown, new: Shown) -> dict:
    return {place: text for place, text in new.texts.items() if old.texts.get(place) != text}


def _account(config: ModelConfig, cache: Cache, lang: str) -> tuple[Account, dict[str, str]]:
    """The figures; where a control of the cache holds nothing usable, its default, and the reason under the control."""
    asked, under = {}, {}
    for name in ("context", "batch", "dtype"):
        asked[name], problem = _usable(config, name, getattr(cache, name), lang)
        under[name] = control_note("", "", None, problem, lang)
    return models.account(config, **asked), under


def _usable(config: ModelConfig, name: str, value: object, lang: str) -> tuple[object, str | None]:
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    try:
        models.account(config, **{name: value})
    except InputError as error:
        return getattr(DEFAULT_CACHE, name), explain(lang, error)
    return value, None
