"""Build: every choice of an architecture on the left; on the right what it looks like and what it costs, at once."""

from dataclasses import replace

import gradio as gr

import models
from models.account import BYTES
from models.errors import InputError
from playground import limits, model_facts
from playground.design_api import build_design
from playground.design_controls import CHOICE_OF, FIELDS, FLAGS, GROUPS, OPTIONS, TUPLES, TYPED, elem_id, options_of
from playground.design_form import control_of, values_of
from playground.design_limit import silent_key, way_out, writes
from playground.design_measure import counted
from playground.design_screen import DEFAULT_CACHE, Cache, Shown, change, measured, redraw, show_card
from playground.i18n import explain, label, say
from playground.preset_lists import ALL, card_of, family_choices, family_of, first_of, preset_choices
from playground.session import DEFAULT_MODEL, is_card, parse_design
from playground.tab import Page, Tab, TabParts, carrier, refusals
from playground.views.design_changes import field_name
from playground.views.design_used import design_used
from playground.views.numbers import short

SCRIPTS = ("build.js",)
OPEN_GROUPS = ("structure", "size", "attention")
PLACES = ("title", "card", "diagram", "changes", "figures", "table")  # HTML that a design fills
CACHE = ("context", "batch", "dtype", "ranks")


def layout(page: Page) -> TabParts:
    parts: dict[str, gr.components.Component] = {}
    with gr.Row(elem_classes="split"):
        with gr.Column(scale=0, min_width=320, elem_classes="controls", elem_id="build-controls"):
            _start(parts)
            controls = _controls()
        with gr.Column(scale=1, min_width=320, elem_classes="picture", elem_id="build-picture"):
            _picture(parts)
    parts["design"] = carrier("build-design", DEFAULT_MODEL)
    page.bind("design", parts["design"])
    for name in ("typed", "retype"):  # pressed by build.js
        parts[name] = gr.Button(visible="hidden", elem_id=f"build-{name}")
    for name in CACHE:
        page.bind(name, parts[name])
    _connect(page, parts, controls)
    page.endpoint(build_design, "build")
    return TabParts(scripts=SCRIPTS)


def _start(parts: dict) -> None:
    """Where a design starts from, and what to do with it."""
    family = family_of(DEFAULT_MODEL)
    parts["family"] = gr.Dropdown(
        family_choices("en"),
        value=family,
        label=label("build.family"),
        info=label("build.family_info"),
        elem_id="build-family",
        interactive=True,
    )
    parts["preset"] = gr.Dropdown(
        preset_choices(family, "en"),
        value=DEFAULT_MODEL,
        label=label("build.preset"),
        info=label("build.preset_info"),
        elem_id="build-preset",
        interactive=True,
    )
    parts["reset"] = gr.Button(label("build.reset"), elem_id="build-reset", elem_classes="plain", size="sm")
    parts["use"] = gr.Button(label("build.use"), variant="primary", elem_id="build-use")
    parts["train"] = gr.Button(label("build.train"), elem_id="build-train", elem_classes="plain", size="sm")
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
        with gr.Accordion(
            label(f"build.group.{group}"),
            open=group in OPEN_GROUPS,
            elem_classes="build-group",
            elem_id=f"build-group-{group}",
        ):
            for name in names:
                controls[name] = _control(name, values[name])
    return controls


def _control(name: str, value: object) -> gr.components.Component:
    common = {"label": label(f"part.name.{name}"), "elem_id": elem_id(name), "interactive": True}
    if name in FLAGS:
        return gr.Checkbox(value, info=label(f"part.help.{name}"), **common)
    if name == "biases":
        return gr.CheckboxGroup(_options(name, OPTIONS[name]), value=value, info=label("part.help.biases"), **common)
    if name in OPTIONS:
        return gr.Dropdown(_options(name, OPTIONS[name]), value=value, allow_custom_value=name in TYPED, **common)
    if name in TUPLES:
        return gr.Textbox(value, info=label(f"part.help.{name}"), max_lines=1, **common)
    return gr.Number(value, info=label(f"part.help.{name}"), **common)


def _note(name: str) -> None:
    """Where build.js writes what belongs to no control; notes about a control it puts into the control itself."""
    gr.HTML(f'<div data-note="{name}" id="build-note-{name}"></div>', elem_classes="build-note")


def _options(name: str, options: tuple[str, ...]) -> list[tuple]:
    return [(label(f"part.choice.{_words_of(name)}.{option.replace(',', '_')}"), option) for option in options]


def _spoken(name: str, options: tuple[str, ...], lang: str) -> list[tuple]:
    """The same in words for one reader: labels are resolved in the browser only while the page is built."""
    return [(say(lang, f"part.choice.{_words_of(name)}.{option.replace(',', '_')}"), option) for option in options]


def _structure(values: dict) -> tuple:
    """What the options of some choices depend on."""
    return values["structure"], values["reads"]


def _words_of(name: str) -> str:
    return "mask" if name == "mask_pattern" else CHOICE_OF.get(name, name)


def _picture(parts: dict) -> None:
    """What a design looks like, how it differs, what it costs, and where its parameters are."""
    parts["title"] = gr.HTML(elem_id="build-title")
    _note("general")
    parts["card"] = gr.HTML(elem_id="build-card")
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
        parts["measure"] = gr.Button(label("build.measure"), elem_id="build-measure", elem_classes="plain", size="sm")
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
    changing = [shown, *places, parts["family"], parts["preset"], *controls.values()]

    def answer(before: Shown, now: Shown, updates: dict) -> dict:
        """The texts that changed, and the chart; what was said of "Use this model" goes with the design it was about."""
        answered = {parts[place]: update for place, update in updates.items()}
        is_valid = not before.refusal and not now.refusal
        stays = is_valid and before.texts.get("design") == now.texts["design"]
        unsaid = {} if stays else {parts["used"]: "", parts["generate"]: gr.update(visible=False)}
        return {shown: now, **unsaid, **answered}

    def limited(values: dict, lang: str) -> dict:
        """The choices whose options depend on the structure, with those that it takes."""
        options = {name: _spoken(name, options_of(name, *_structure(values)), lang) for name in TYPED}
        return {controls[name]: gr.update(choices=options[name], value=values[name]) for name in TYPED}

    def changed(before: Shown, seen: int, lang: str, base: str | None, *typed) -> dict:
        # The list of presets can be emptied, and may show a card, from which no design starts.
        start_from = before.base if not base or is_card(base) else base
        cache, given = typed[: len(CACHE)], dict(zip(FIELDS, typed[len(CACHE) :], strict=True))
        # A list whose options change takes any words; those that are no head leave it as it was.
        is_head = given["head"] in OPTIONS["head"] or not before.values
        values = given if is_head else {**given, "head": before.values["head"]}
        with refusals(lang):
            now, updates = change(before, lang, start_from or DEFAULT_MODEL, values, Cache(*cache), seen)
        if now.refusal is not None:  # what was typed stays
            return {**answer(before, now, updates), **limited(values, lang)}
        followed = {controls[name]: now.values[name] for name in FIELDS if given[name] != now.values[name]}
        same = before.values and not before.refusal and _structure(before.values) == _structure(now.values)
        options = {} if same else limited(now.values, lang)
        back = {parts["preset"]: now.base} if base != now.base else {}
        return {**answer(before, now, updates), **followed, **options, **back}

    def started(before: Shown, lang: str, design: str, cache: Cache) -> dict:
        with refusals(lang):
            if is_card(design):
                return carded(before, lang, design, cache)
            wanted = parse_design(design)
            base = wanted.base if card_of(wanted.base) else models.preset_info(wanted.base).name
            now, updates = redraw(before, lang, base, wanted.config, cache)
        filled = {controls[name]: now.values[name] for name in FIELDS}
        return {**answer(before, now, updates), **filled, **limited(now.values, lang), **listed(base, lang)}

    def carded(before: Shown, lang: str, name: str, cache: Cache) -> dict:
        if not before.values:
            before, _ = redraw(before, lang, DEFAULT_MODEL, models.preset(DEFAULT_MODEL), cache)
            before = replace(before, texts={"form": before.texts["form"]})
        now, updates = show_card(before, lang, name)
        return {**answer(before, now, updates), **listed(name, lang)}

    def listed(name: str, lang: str) -> dict:
        """The lists that a design starts from, in the reader's language, at this model."""
        family = family_of(name)
        families = gr.update(choices=family_choices(lang), value=family)
        return {parts["family"]: families, parts["preset"]: gr.update(choices=preset_choices(family, lang), value=name)}

    def start(before: Shown, lang: str, base: str | None, *cache) -> dict:
        return started(before, lang, base or before.base or DEFAULT_MODEL, Cache(*cache))  # the dropdown can be emptied

    # A list says that there was input also when it has only been looked into: then the design stays as it is.

    def pick(before: Shown, lang: str, base: str | None, *cache) -> dict:
        if before.base and base in (None, before.card or before.base):
            return {parts["preset"]: before.card or before.base}
        return start(before, lang, base, *cache)

    def enter(before: Shown, lang: str, family: str | None, base: str | None, *cache) -> dict:
        if family == ALL:  # the design stays until a model is chosen
            return {parts["preset"]: gr.update(choices=preset_choices(ALL, lang), value=base)}
        if before.base and family in (None, family_of(before.card or before.base)):
            return listed(before.card or before.base, lang)
        return start(before, lang, first_of(family) if family else base, *cache)

    def opened(before: Shown, lang: str, design: str, *cache) -> dict:
        if before.texts.get("design") == design:
            return {shown: before}
        return started(before, lang, design, Cache(*cache))

    def count(now: Shown, lang: str) -> dict:
        if now.config is None:
            return {shown: now}
        with refusals(lang):
            now, updates = measured(now, lang, counted(now.config))
        return {shown: now, **{parts[place]: update for place, update in updates.items()}}

    def use(now: Shown, lang: str) -> dict:
        with refusals(lang):
            sentence, design = used(now, lang)
        can_write = design is not None and writes(now.config)
        answered = {parts["used"]: sentence, parts["generate"]: gr.update(visible=can_write)}
        return {**answered, page.model: design} if design else answered

    asked = [shown, page.lang, parts["preset"], *cache]
    # Gradio keeps a progress timer for every output, shown or not; for fifty of them that is work in each frame.
    quiet = {**page.UI, "show_progress_on": [parts["form"]]}
    # Of lists only Gradio knows what is chosen. For all else build.js listens, and presses a button: Gradio reads the whole
    # state of everything that starts an event, when the page is opened and whenever the event is started.
    lists = [widget.input for widget in (*controls.values(), *cache) if isinstance(widget, gr.Dropdown)]
    # On its way to the handler build.js keeps what was typed, since the address holds only what describes a model, and
    # says which answer it has seen.
    typed = [shown, parts["form"], *asked[1:], *controls.values()]
    keep = f"(...inputs) => Build.typed(inputs, {len(asked) + 1})"
    gr.on([*lists, parts["typed"].click], changed, typed, changing, js=keep, trigger_mode="always_last", **quiet)
    retyped = parts["retype"].click(None, None, list(controls.values()), js="Build.retype", **page.UI)
    retyped.then(changed, typed, changing, js=keep, **quiet)
    entered = [shown, page.lang, parts["family"], parts["preset"], *cache]
    parts["family"].input(enter, entered, changing, trigger_mode="always_last", **quiet)
    parts["preset"].input(pick, asked, changing, trigger_mode="always_last", **quiet)
    after = "(...inputs) => Build.settled(inputs)"  # a box may have been typed into just before
    parts["reset"].click(start, asked, changing, js=after, **quiet)
    page.on_tab(opened, [shown, page.lang, parts["design"], *cache], changing, show_progress_on=[parts["form"]])
    parts["use"].click(use, [shown, page.lang], [parts["used"], parts["generate"], page.model], js=after, **page.UI)
    parts["measure"].click(count, [shown, page.lang], [shown, parts["table"]], **page.CPU, api_visibility="private")
    page.open_tab(parts["generate"].click, "generate")
    parts["train"].click(None, None, None, js="() => Train.design()", **page.UI)


def used(now: Shown, lang: str) -> tuple[str, str | None]:
    """The design takes the place of the model in hand: the sentence that says so and its design string.

    The string is None where the form holds no valid design or the model is too large; the sentence then says why.
    """
    if now.card or now.config is None:
        return design_used(say(lang, "build.used.card"), None), None
    if now.refusal:
        return design_used(_to_mend(now.refusal, lang), None), None
    try:
        limits.check_design(now.texts["design"])
        model = model_facts.inhand(now.texts["design"])
    except InputError as error:
        return design_used(way_out(now.base, now.config, error, lang), None), None
    name = say(lang, "build.title.changed", base=model.name) if model.changed else model.name
    key = "trained" if model.trained else "random"
    sentence = say(lang, f"build.used.{key}", name=name, params=short(model.params))
    next_step = say(lang, "build.used.next" if writes(now.config) else silent_key(now.config))
    return design_used(sentence, next_step), model_facts.named(now.texts["design"])


def _to_mend(refusal: InputError, lang: str) -> str:
    """What stands in the way of a valid design: the control by name, and the reason."""
    control, reason = control_of(refusal), explain(lang, refusal)
    if control is None:
        return say(lang, "build.used.nothing", reason=reason)
    return say(lang, "build.used.invalid", field=field_name(control, lang), reason=reason)


TAB = Tab(id="build", layout=layout)
