"""Build: every choice of an architecture on the left; on the right what it looks like and what it costs, at once."""

import gradio as gr

import models
from models.account import BYTES
from models.errors import InputError
from playground import services
from playground.design_api import build_design
from playground.design_form import FIELDS, FLAGS, GROUPS, OPTIONS, control_of, values_of
from playground.design_limit import way_out
from playground.design_screen import DEFAULT_CACHE, Cache, Shown, change, redraw
from playground.i18n import explain, label, say
from playground.preset_lists import family_choices, family_of, first_of, preset_choices
from playground.session import DEFAULT_MODEL, parse_design
from playground.tab import Page, Tab, TabParts, refusals
from playground.views.design_used import design_used
from playground.views.numbers import short

SCRIPTS = ("build.js",)
OPEN_GROUPS = ("size", "attention")
PLACES = ("title", "diagram", "changes", "figures", "table")  # HTML that a design fills
CACHE = ("context", "batch", "dtype")
FOLLOWERS = ("n_kv_heads", "d_head", "rotary_dim")  # controls that move with others


def layout(page: Page) -> TabParts:
    parts: dict[str, gr.components.Component] = {}
    with gr.Row(elem_classes="split"):
        with gr.Column(scale=0, min_width=320, elem_classes="controls", elem_id="build-controls"):
            _start(parts)
            controls = _controls()
        with gr.Column(scale=1, min_width=320, elem_classes="picture", elem_id="build-picture"):
            _picture(parts)
    parts["design"] = gr.Textbox(DEFAULT_MODEL, visible="hidden", show_label=False, elem_id="build-design")
    page.bind("design", parts["design"])
    parts["retype"] = gr.Button(visible="hidden", elem_id="build-retype")
    for name in CACHE:
        page.bind(name, parts[name])
    _connect(page, parts, controls)
    gr.api(build_design, api_name="build", **page.CPU)
    return TabParts(scripts=SCRIPTS)


def _start(parts: dict) -> None:
    """Where a design starts from, and what to do with it."""
    family = family_of(DEFAULT_MODEL)
    parts["family"] = gr.Dropdown(
        family_choices(),
        value=family,
        label=label("build.family"),
        info=label("build.family_info"),
        elem_id="build-family",
        interactive=True,
    )
    parts["preset"] = gr.Dropdown(
        preset_choices(family),
        value=DEFAULT_MODEL,
        label=label("build.preset"),
        info=label("build.preset_info"),
        elem_id="build-preset",
        interactive=True,
    )
    parts["reset"] = gr.Button(label("build.reset"), elem_id="build-reset", elem_classes="plain", size="sm")
    parts["use"] = gr.Button(label("build.use"), variant="primary", elem_id="build-use")
    _note("limit")
    parts["used"] = gr.HTML(elem_id="build-used")
    parts["generate"] = gr.Button(
        label("build.generate"), elem_id="build-generate", elem_classes="plain", size="sm", visible=False
    )


def _controls() -> dict[str, gr.components.Component]:
    """The controls by field, in folding groups by what they change."""
    values = values_of(models.preset(DEFAULT_MODEL))
    controls = {}
    for group, names in GROUPS.items():
        with gr.Accordion(label(f"build.group.{group}"), open=group in OPEN_GROUPS, elem_classes="build-group"):
            for name in names:
                controls[name] = _control(name, values[name])
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


def _note(name: str) -> None:
    """Where build.js writes what belongs to no control; notes about a control it puts into the control itself."""
    gr.HTML(f'<div data-note="{name}"></div>', elem_classes="build-note")


def _options(name: str) -> list[tuple]:
    return [(label(f"part.choice.{name}.{option.replace(',', '_')}"), option) for option in OPTIONS[name]]


def _picture(parts: dict) -> None:
    """What a design looks like, how it differs, what it costs, and where its parameters are."""
    parts["title"] = gr.HTML(elem_id="build-title")
    _note("general")
    parts["diagram"] = gr.HTML(elem_id="build-diagram", js_on_load="Build.mount(element)")
    with gr.Column(elem_classes="build-section"):
        _heading("changes")
        parts["changes"] = gr.HTML(elem_id="build-changes")
    with gr.Column(elem_classes="build-section"):
        _heading("figures")
        with gr.Row(elem_id="build-cache"):
            for name in CACHE:
                with gr.Column(min_width=160):
                    parts[name] = _cache_control(name)
        parts["figures"] = gr.HTML(elem_id="build-figures")
    with gr.Column(elem_classes="build-section"):
        _heading("parts")
        parts["chart"] = gr.Plot(show_label=False, elem_id="build-chart")
        parts["table"] = gr.HTML(elem_id="build-table")
    parts["form"] = gr.HTML(html_template="<span></span>", js_on_load="Build.form(props, watch)", elem_id="build-form")


def _heading(name: str) -> None:
    """A section's heading; build.js writes it in the visitor's language."""
    gr.HTML(f'<h3 data-heading="{name}"></h3>')


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
    places = [parts[name] for name in (*PLACES, "chart", "design", "form", "used", "generate")]
    after_change = [shown, *places, *(controls[name] for name in FOLLOWERS)]
    after_start = [shown, *places, parts["family"], parts["preset"], *controls.values()]

    def answer(now: Shown, updates: dict) -> dict:
        """The texts that changed, and the chart; what was said of "Use this model" is about an earlier design."""
        answered = {parts[place]: update for place, update in updates.items()}
        return {shown: now, parts["used"]: "", parts["generate"]: gr.update(visible=False), **answered}

    def changed(before: Shown, lang: str, base: str | None, context, batch, dtype, *typed) -> dict:
        base, values = base or before.base or DEFAULT_MODEL, dict(zip(FIELDS, typed, strict=True))
        with refusals(lang):
            now, updates = change(before, lang, base, values, Cache(context, batch, dtype))
        if now.valid_title:  # refused: what was typed stays
            return answer(now, updates)
        followed = {controls[name]: now.values[name] for name in FOLLOWERS if values[name] != now.values[name]}
        return {**answer(now, updates), **followed}

    def started(before: Shown, lang: str, design: str, cache: Cache) -> dict:
        with refusals(lang):
            wanted = parse_design(design)
            now, updates = redraw(before, lang, wanted.base, wanted.config, cache)
        filled = {controls[name]: now.values[name] for name in FIELDS}
        family = family_of(wanted.base)
        presets = gr.update(choices=preset_choices(family), value=wanted.base)
        return {**answer(now, updates), **filled, parts["family"]: family, parts["preset"]: presets}

    def start(before: Shown, lang: str, base: str | None, *cache) -> dict:
        return started(before, lang, base or before.base or DEFAULT_MODEL, Cache(*cache))  # the dropdown can be emptied

    def enter(before: Shown, lang: str, family: str | None, base: str | None, *cache) -> dict:
        return start(before, lang, first_of(family) if family else base, *cache)

    def opened(before: Shown, lang: str, design: str, *cache) -> dict:
        if before.texts.get("design") == design:
            return {shown: before}
        return started(before, lang, design, Cache(*cache))

    def use(now: Shown, lang: str) -> dict:
        with refusals(lang):
            sentence, design = used(now, lang)
        answered = {parts["used"]: sentence, parts["generate"]: gr.update(visible=design is not None)}
        return {**answered, page.model: design} if design else answered

    asked = [shown, page.lang, parts["preset"], *cache]
    # Gradio keeps a progress timer for every output, shown or not; for fifty of them that is work in each frame.
    quiet = {**page.UI, "show_progress_on": [parts["form"]]}
    every = [widget.input for widget in (*controls.values(), *cache)]
    gr.on(every, changed, [*asked, *controls.values()], after_change, trigger_mode="always_last", **quiet)
    # What describes no model is not in the address; build.js keeps it, and types it again on a page in another language.
    gr.on(every, None, list(controls.values()), None, js="Build.typed", **page.UI)
    retyped = parts["retype"].click(None, None, list(controls.values()), js="Build.retype", **page.UI)
    retyped.then(changed, [*asked, *controls.values()], after_change, **quiet)
    entered = [shown, page.lang, parts["family"], parts["preset"], *cache]
    parts["family"].input(enter, entered, after_start, trigger_mode="always_last", **quiet)
    parts["preset"].input(start, asked, after_start, trigger_mode="always_last", **quiet)
    parts["reset"].click(start, asked, after_start, **quiet)
    page.on_tab(opened, [shown, page.lang, parts["design"], *cache], after_start, show_progress_on=[parts["form"]])
    parts["use"].click(use, [shown, page.lang], [parts["used"], parts["generate"], page.model], **page.UI)
    page.open_tab(parts["generate"].click, "generate")


def used(now: Shown, lang: str) -> tuple[str, str | None]:
    """The design takes the place of the model in hand: the sentence that says so and its design string.

    The string is None where the form holds no valid design or the model is too large; the sentence then says why.
    """
    if now.refusal:
        return design_used(_to_mend(now.refusal, lang), None), None
    try:
        services.check_design(now.texts["design"])
        model = services.inhand(now.texts["design"])
    except InputError as error:
        return design_used(way_out(now.base, now.config, error, lang), None), None
    name = say(lang, "build.title.changed", base=model.name) if model.changed else model.name
    key = "trained" if model.trained else "random"
    sentence = say(lang, f"build.used.{key}", name=name, params=short(model.params))
    return design_used(sentence, say(lang, "build.used.next")), now.texts["design"]


def _to_mend(refusal: InputError, lang: str) -> str:
    """What stands in the way of a valid design: the control by name, and the reason."""
    control, reason = control_of(refusal), explain(lang, refusal)
    if control is None:
        return say(lang, "build.used.nothing", reason=reason)
    return say(lang, "build.used.invalid", field=say(lang, f"part.name.{control}"), reason=reason)


TAB = Tab(id="build", layout=layout)
