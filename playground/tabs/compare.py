"""Compare: two architectures side by side, a lineage step by step, and the KV cache against the length of the context."""

import gradio as gr

import models
from models.errors import InputError
from playground.compare_api import compare_designs
from playground.comparison import compare
from playground.design_strings import parse_design
from playground.i18n import label, say
from playground.kv_context import GENERATES, NAMED
from playground.lineage import route, route_end, route_names
from playground.session import DEFAULTS, SECTIONS
from playground.tab import Page, Tab, TabParts, carrier, refusals
from playground.views.comparison import comparison
from playground.views.kv_context import context_payload
from playground.views.lineage import lineage
from playground.views.numbers import short

SCRIPTS = ("compare.js", "kv_sizes.js", "kv_picture.js", "kv_context.js")
DESIGNS = ("left", "right", "kv_model")  # each a dropdown, and a carrier of its design string


def layout(page: Page) -> TabParts:
    parts: dict[str, gr.components.Component] = {}
    parts["section"] = gr.Radio(
        [(label(f"compare.sections.{name}"), name) for name in SECTIONS],
        value=DEFAULTS["section"],
        label=label("compare.section"),
        elem_id="compare-section",
        interactive=True,
    )
    page.bind("section", parts["section"])
    parts["section"].change(None, parts["section"], None, js="Compare.section", **page.UI)
    for name, lay_out in (("compare", _compare), ("lineage", _lineage), ("context", _context)):
        with gr.Column(elem_id=f"compare-{name}", elem_classes="compare-part"):
            lay_out(page, parts)
    for name in DESIGNS:
        design = f"{name}_design"
        parts[design] = carrier(f"compare-{design}", DEFAULTS[name])
        page.bind(name, parts[design])
    _connect(page, parts)
    page.endpoint(compare_designs, "compare")
    return TabParts(scripts=SCRIPTS)


def _compare(page: Page, parts: dict) -> None:
    with gr.Row(elem_classes="pick"):
        for name in ("left", "right"):
            parts[name] = _dropdown(name, label(f"compare.{name}"), label("compare.pick"))
    with gr.Row(elem_classes="pick-tools"):
        for name in ("swap", "take"):
            parts[name] = gr.Button(
                label(f"compare.{name}"), elem_id=f"compare-{name}", elem_classes="plain", size="sm"
            )
    parts["comparison"] = gr.HTML(elem_id="compare-result")


def _lineage(page: Page, parts: dict) -> None:
    parts["route"] = gr.Radio(
        [(models.preset_info(route_end(name)).title, name) for name in route_names()],
        value=DEFAULTS["route"],
        label=label("lineage.route"),
        elem_id="lineage-route",
        interactive=True,
    )
    page.bind("route", parts["route"])
    parts["steps"] = gr.HTML(elem_id="lineage-steps", js_on_load="Compare.lineage(element)")


def _context(page: Page, parts: dict) -> None:
    parts["kv_model"] = _dropdown("kv_model", label("context.model"), label("context.model_info"))
    parts["curves"] = gr.HTML(
        html_template='<div class="compare kv"></div>',
        js_on_load="KvContext.mount(element, props, watch)",
        elem_id="kv-context",
    )


def _dropdown(name: str, title: object, info: object) -> gr.Dropdown:
    return gr.Dropdown(
        _presets(name),
        value=DEFAULTS[name],
        label=title,
        info=info,
        elem_id=f"compare-{name.replace('_', '-')}",
        filterable=True,
        interactive=True,
    )


def _presets(name: str, lang: str = "en", design: str | None = None) -> list[tuple[str, str]]:
    """Every preset that the dropdown `name` offers, and the `design` that it shows, should that be none of them."""
    infos = [models.preset_info(preset) for preset in models.presets()]
    if name == "kv_model":
        infos = [info for info in infos if models.preset(info.name).structure in GENERATES]
    choices = [(f"{'★ ' if info.trained else ''}{info.title} · {short(info.params)}", info.name) for info in infos]
    if design is not None and design not in (info.name for info in infos):
        choices.append((_title(design, lang), design))
    return choices


def _title(design: str, lang: str) -> str:
    """A design string as a reader meets it."""
    parsed = parse_design(design)
    title = models.preset_info(parsed.base).title
    return title if parsed.config == models.preset(parsed.base) else say(lang, "compare.changed", base=title)


def _connect(page: Page, parts: dict) -> None:
    designs = [parts[f"{name}_design"] for name in DESIGNS]
    left, right, kv_model = designs

    def choose(name: str, design: str, lang: str) -> gr.Dropdown:
        return gr.Dropdown(choices=_presets(name, lang, design), value=design)

    def compared(lang: str, one: str, other: str) -> dict:
        with refusals(lang):
            html = comparison(compare(one, other), lang)
            picked = {parts["left"]: choose("left", one, lang), parts["right"]: choose("right", other, lang)}
        return {parts["comparison"]: html, left: one, right: other, **picked}

    def pick(lang: str, one: str | None, other: str | None, was_one: str, was_other: str) -> dict:
        return compared(lang, one or was_one, other or was_other)  # a dropdown can be emptied

    def swap(lang: str, one: str, other: str) -> dict:
        return compared(lang, other, one)

    def take(lang: str, one: str, other: str, built: str) -> dict:
        try:
            parse_design(built)
        except InputError:  # Build shows the card of a model that has no configuration
            built = other
        return compared(lang, one, built)

    def walk(lang: str, name: str) -> str:
        return lineage(route(name), lang)

    def grown(lang: str, design: str | None, was: str) -> dict:
        design = design or was
        titles = {name: models.preset_info(name).title for name in NAMED}
        with refusals(lang):
            payload = context_payload(parse_design(design).config, _title(design, lang), titles, lang)
        return {parts["curves"]: payload, kv_model: design, parts["kv_model"]: choose("kv_model", design, lang)}

    def opened(shown: tuple, lang: str, one: str, other: str, name: str, design: str) -> dict:
        asked = (lang, one, other, name, design)
        if shown == asked:
            return {filled: asked}
        return {
            filled: asked,
            **compared(lang, one, other),
            parts["steps"]: walk(lang, name),
            **grown(lang, design, design),
        }

    filled = gr.State(())
    compare_places = [parts["comparison"], left, right, parts["left"], parts["right"]]
    context_places = [parts["curves"], kv_model, parts["kv_model"]]
    picked = [page.lang, parts["left"], parts["right"], left, right]
    quiet = {**page.UI, "show_progress_on": [parts["comparison"]]}
    gr.on(
        [parts["left"].input, parts["right"].input], pick, picked, compare_places, trigger_mode="always_last", **quiet
    )
    parts["swap"].click(swap, [page.lang, left, right], compare_places, **quiet)
    parts["take"].click(take, [page.lang, left, right, page.bound["design"]], compare_places, **quiet)
    parts["route"].input(walk, [page.lang, parts["route"]], parts["steps"], trigger_mode="always_last", **page.UI)
    asked = [page.lang, parts["kv_model"], kv_model]
    parts["kv_model"].input(grown, asked, context_places, trigger_mode="always_last", **page.UI)
    places = [filled, *compare_places, parts["steps"], *context_places]
    page.on_tab(
        opened,
        [filled, page.lang, left, right, parts["route"], kv_model],
        places,
        show_progress_on=[parts["comparison"]],
    )


TAB = Tab(id="compare", layout=layout)
