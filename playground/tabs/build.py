"""Build: every choice of an architecture on the left; on the right what it looks like and what it costs, at once."""

from collections.abc import Iterator
from contextlib import contextmanager

import gradio as gr

import models
from models.account import BYTES
from models.errors import InputError
from playground import services
from playground.design_api import build_design
from playground.design_form import FIELDS, FLAGS, GROUPS, OPTIONS, applies, values_of
from playground.design_screen import DEFAULT_CACHE, Cache, Shown, change, redraw
from playground.i18n import explain, label, say
from playground.session import DEFAULT_MODEL, parse_design
from playground.tab import Page, Tab, TabParts
from playground.views.design_used import design_used
from playground.views.numbers import short

SCRIPTS = ("build.js",)
OPEN_GROUPS = ("size", "attention")
CACHE = ("context", "batch", "dtype")


def layout(page: Page) -> TabParts:
    parts: dict[str, gr.components.Component] = {}
    with gr.Row(elem_classes="split"):
        with gr.Column(scale=0, min_width=320, elem_classes="controls", elem_id="build-controls"):
            _start(parts)
            controls = _controls(parts)
        with gr.Column(scale=1, min_width=320, elem_classes="picture", elem_id="build-picture"):
            _picture(parts)
    parts["design"] = gr.Textbox(DEFAULT_MODEL, visible="hidden", show_label=False, elem_id="build-design")
    page.bind("design", parts["design"])
    page.bind("context", parts["context"])
    _connect(page, parts, controls)
    gr.api(build_design, api_name="build", **page.CPU)
    return TabParts(scripts=SCRIPTS)


def _start(parts: dict) -> None:
    """Where a design starts from, and what to do with it."""
    parts["preset"] = gr.Dropdown(
        preset_choices(),
        value=DEFAULT_MODEL,
        label=label("build.preset"),
        info=label("build.preset_info"),
        elem_id="build-preset",
        interactive=True,
    )
    with gr.Row(elem_id="build-actions"):
        parts["use"] = gr.Button(label("build.use"), variant="primary", elem_id="build-use", min_width=0)
        parts["reset"] = gr.Button(label("build.reset"), elem_id="build-reset", min_width=0)
    parts["used"] = gr.HTML(elem_id="build-used")
    parts["generate"] = gr.Button(
        label("build.generate"), elem_id="build-generate", elem_classes="plain", size="sm", visible=False
    )


def _controls(parts: dict) -> dict[str, gr.components.Component]:
    """The controls by field, in folding groups by what they change; their notes go to `parts`."""
    values = values_of(models.preset(DEFAULT_MODEL))
    shown = applies(values)
    controls = {}
    for group, names in GROUPS.items():
        with gr.Accordion(label(f"build.group.{group}"), open=group in OPEN_GROUPS, elem_classes="build-group"):
            for name in names:
                with gr.Column(elem_classes="build-control", elem_id=f"build-control-{name}", visible=shown[name]) as place:
                    controls[name] = _control(name, values[name])
                    parts[f"note_{name}"] = gr.HTML(elem_classes="build-note", elem_id=f"build-note-{name}")
                parts[f"place_{name}"] = place
    return controls


def _control(name: str, value: object) -> gr.components.Component:
    common = {"label": label(f"part.name.{name}"), "elem_id": f"build-{name.replace('_', '-')}", "interactive": True}
    if name in FLAGS:
        return gr.Checkbox(value, info=label(f"part.help.{name}"), **common)
    if name == "biases":
        return gr.CheckboxGroup(_options(name), value=value, info=label("part.help.biases"), **common)
    if name in OPTIONS:
        return gr.Dropdown(_options(name), value=value, allow_custom_value=name == "mask_pattern", **common)
    return gr.Number(value, info=label(f"part.help.{name}"), **common)


def _options(name: str) -> list[tuple]:
    return [(label(f"part.choice.{name}.{option.replace(',', '_')}"), option) for option in OPTIONS[name]]


def preset_choices() -> list[tuple[str, str]]:
    """Name and key of every preset: those with trained weights first, then family by family in order of age."""
    infos = [models.preset_info(name) for name in models.presets()]
    age: dict[str, int] = {}
    for info in infos:
        age.setdefault(info.family, min(other.year for other in infos if other.family == info.family))
    infos.sort(key=lambda info: (not info.trained, age[info.family], info.family, info.params))
    return [(f"{'★ ' if info.trained else ''}{info.title} · {short(info.params)}", info.name) for info in infos]


def _picture(parts: dict) -> None:
    """What a design looks like, how it differs, what it costs, and where its parameters are."""
    parts["title"] = gr.HTML(elem_id="build-title")
    parts["diagram"] = gr.HTML(elem_id="build-diagram", js_on_load="Build.mount(element)")
    with gr.Column(elem_classes="build-section"):
        parts["heading_changes"] = gr.HTML()
        parts["changes"] = gr.HTML(elem_id="build-changes")
    with gr.Column(elem_classes="build-section"):
        parts["heading_figures"] = gr.HTML()
        with gr.Row(elem_id="build-cache"):
            for name in CACHE:
                with gr.Column(min_width=160):
                    parts[name] = _cache_control(name)
                    parts[f"note_{name}"] = gr.HTML(elem_classes="build-note", elem_id=f"build-note-{name}")
        parts["figures"] = gr.HTML(elem_id="build-figures")
    with gr.Column(elem_classes="build-section"):
        parts["heading_parts"] = gr.HTML()
        parts["chart"] = gr.Plot(show_label=False, elem_id="build-chart")
        parts["table"] = gr.HTML(elem_id="build-table")


def _cache_control(name: str) -> gr.components.Component:
    common = {"label": label(f"build.{name}.label"), "info": label(f"build.{name}.info"), "interactive": True}
    value = getattr(DEFAULT_CACHE, name)
    if name == "dtype":
        return gr.Dropdown(list(BYTES), value=value, elem_id="build-dtype", **common)
    return gr.Number(value, elem_id=f"build-{name}", **common)


def _connect(page: Page, parts: dict, controls: dict) -> None:
    """Every change redraws what it concerns; the last one of a quick series is the one that stays."""
    shown = gr.State(Shown())
    cache = [parts[name] for name in CACHE]
    places = [parts[name] for name in parts if name not in ("use", "reset", "preset", *CACHE)]
    outputs = [shown, *places, parts["preset"], *controls.values()]

    def answer(before: Shown, now: Shown, updates: dict, typed: dict | None) -> dict:
        """What changes on the page: the texts, the chart, controls shown or hidden, and values that followed."""
        answered = {shown: now, parts["used"]: "", parts["generate"]: gr.update(visible=False)}
        answered |= {parts[place]: update for place, update in updates.items()}
        for name in FIELDS:
            if before.visible.get(name) != now.visible[name]:
                answered[parts[f"place_{name}"]] = gr.update(visible=now.visible[name])
            if not now.valid_title and (typed is None or typed[name] != now.values[name]):
                answered[controls[name]] = now.values[name]
        return answered

    def changed(before: Shown, lang: str, base: str, context, batch, dtype, *typed) -> dict:
        values = dict(zip(FIELDS, typed, strict=True))
        with refusals(lang):
            now, updates = change(before, lang, base, values, Cache(context, batch, dtype))
        return answer(before, now, updates, values)

    def start(before: Shown, lang: str, base: str, context, batch, dtype) -> dict:
        with refusals(lang):
            now, updates = redraw(before, lang, base, models.preset(base), Cache(context, batch, dtype))
        return answer(before, now, updates, None)

    def opened(before: Shown, lang: str, design: str, context, batch, dtype) -> dict:
        if before.texts.get("design") == design:
            return {shown: before}
        with refusals(lang):
            wanted = parse_design(design)
            now, updates = redraw(before, lang, wanted.base, wanted.config, Cache(context, batch, dtype))
        return {**answer(before, now, updates, None), parts["preset"]: wanted.base}

    def use(now: Shown, lang: str) -> dict:
        with refusals(lang):
            sentence, design = used(now, lang)
        answered = {parts["used"]: sentence, parts["generate"]: gr.update(visible=design is not None)}
        return {**answered, page.model: design} if design else answered

    asked = [shown, page.lang, parts["preset"], *cache]
    every = [widget.input for widget in (*controls.values(), *cache)]
    gr.on(every, changed, [*asked, *controls.values()], outputs, trigger_mode="always_last", **page.UI)
    parts["preset"].input(start, asked, outputs, trigger_mode="always_last", **page.UI)
    parts["reset"].click(start, asked, outputs, **page.UI)
    page.on_tab(opened, [shown, page.lang, parts["design"], *cache], outputs)
    parts["use"].click(use, [shown, page.lang], [parts["used"], parts["generate"], page.model], **page.UI)
    page.open_tab(parts["generate"].click, "generate")


@contextmanager
def refusals(lang: str) -> Iterator[None]:
    """What no control can be blamed for (an event not made by the page) is answered with its sentence."""
    try:
        yield
    except InputError as error:
        raise gr.Error(explain(lang, error), print_exception=False) from error


def used(now: Shown, lang: str) -> tuple[str, str | None]:
    """The design takes the place of the model in hand: the sentence that says so and its design string.

    The string is None where the form holds no valid design or the model is too large; the sentence then says why.
    """
    if now.config is None or now.valid_title:
        return design_used(say(lang, "build.used.invalid"), None), None
    try:
        services.check_design(now.texts["design"])
        model = services.inhand(now.texts["design"])
    except InputError as error:
        return design_used(explain(lang, error), None), None
    name = say(lang, "build.title.changed", base=model.name) if model.changed else model.name
    key = "trained" if model.trained else "random"
    sentence = say(lang, f"build.used.{key}", name=name, params=short(model.params))
    return design_used(sentence, say(lang, "build.used.next")), now.texts["design"]


TAB = Tab(id="build", layout=layout)
