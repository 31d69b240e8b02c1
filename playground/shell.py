"""The page: a header with the model in hand, and the tabs below it. The shell assembles; what is shown, tabs decide."""

import json
from dataclasses import replace
from urllib.parse import parse_qsl

import gradio as gr

from models.errors import InputError
from playground import limits, model_facts, objective_brought, recordings, services, token_shelf
from playground.app_blocks import AppBlocks
from playground.i18n import browser_words, explain, label, say
from playground.middleware import layers
from playground.page_head import NAMES, STATIC, page_head, script
from playground.session import DEFAULTS, Problem, Session
from playground.tab import UI, Page, Tab, TabParts, carrier, refusals
from playground.tabs import attention, build, compare, experts, generate, objectives, tokenizers, train
from playground.theme import theme
from playground.turns import COMPUTING
from playground.views import header
from playground.views.numbers import exact

TABS: tuple[Tab, ...] = (
    generate.TAB,
    build.TAB,
    compare.TAB,
    tokenizers.TAB,
    objectives.TAB,
    attention.TAB,
    experts.TAB,
    train.TAB,
)
# What the browser draws of the model in hand listens for this.
TELL_MODEL = "(design) => dispatchEvent(new CustomEvent('lineage:model', { detail: design }))"


def launch(host: str | None = None, port: int | None = None, prevent_thread_lock: bool = False, **options) -> tuple:
    """Builds the page and serves it until it is stopped; or, with `prevent_thread_lock`, returns at once and serves it as
    long as the program runs.

    `options` go to Gradio's `launch`, whose answer is returned. Raises `OSError` if the port is taken.
    """
    objective_brought.serve(host)
    app, parts = _assemble()
    scripts = [name for part in parts for name in part.scripts]
    later = [name for part in parts for name in part.later]
    head = page_head([tab.id for tab in TABS], scripts, later)
    served = app.launch(
        server_name=host,
        server_port=port,
        theme=theme(),
        i18n=gr.I18n(**browser_words()),
        app_kwargs={"middleware": layers(head, recordings.served, script)},
        favicon_path=STATIC / "favicon.svg",
        run_history=False,
        ssr_mode=False,
        pwa=False,
        enable_monitoring=False,
        footer_links=[],
        show_error=False,
        max_file_size="1mb",
        state_session_capacity=300,
        prevent_thread_lock=True,
        **options,
    )
    services.warm_up()  # not before: the page is served without torch, whose import takes seconds
    token_shelf.warm_up()
    if not prevent_thread_lock:
        app.block_thread()
    return served


def build_app() -> gr.Blocks:
    """The whole page, with its queue, not yet served."""
    return _assemble()[0]


def _assemble() -> tuple[gr.Blocks, list[TabParts]]:
    """The page, and what its tabs hand back."""
    handed = []
    with AppBlocks(title=say("en", "shell.title"), analytics_enabled=False, fill_width=True) as app:
        page, parts = _header()
        openings = {tab.id: carrier(f"opening-{tab.id}") for tab in TABS}
        with gr.Tabs(selected=TABS[0].id, overflow_behavior="wrap", elem_id="tabs") as tabs:
            for tab in TABS:
                with gr.Tab(label(f"{tab.id}.tab"), id=tab.id, elem_id=f"tab-{tab.id}") as item:
                    page.tab = tab.id
                    handed.append(tab.layout(page))
                opening = openings[tab.id]
                item.select(None, None, opening, js=f"() => lineage.opened({json.dumps(tab.id)})", **UI)
        _connect(app, page, parts, tabs, openings)
    app.queue(max_size=128, default_concurrency_limit=COMPUTING)
    return app, handed


def _header() -> tuple[Page, dict]:
    """The masthead and the hidden carriers of what the page knows; returns the page and the parts that change."""
    parts = {}
    with gr.Row(elem_id="masthead"):
        gr.HTML("<h1>Lineage</h1>", elem_id="wordmark")
        with gr.Row(elem_id="in-hand"):
            parts["picker"] = gr.Dropdown(
                [(model_facts.title(DEFAULTS["model"]), DEFAULTS["model"])],
                value=DEFAULTS["model"],
                label=label("shell.model.label"),
                elem_id="model-picker",
                filterable=False,
                interactive=True,
            )
            parts["facts"] = gr.HTML(elem_id="model-facts")
            another = gr.Button(label("shell.model.build"), elem_id="build-another", elem_classes="plain", size="sm")
        gr.HTML(html_template='<div class="tools"></div>', js_on_load="lineage.tools(element)", elem_id="tools")
    parts["notice"] = gr.HTML(elem_id="notice")
    parts["arrival"] = carrier("arrival")
    parts["address"] = carrier("address")
    model = carrier("model", DEFAULTS["model"])
    page = Page(lang=gr.State(DEFAULTS["lang"]), model=model)
    page.bind("model", model)
    page.open_tab(another.click, "build")
    return page, parts


def _connect(app: gr.Blocks, page: Page, parts: dict, tabs: gr.Tabs, openings: dict[str, gr.Textbox]) -> None:
    """The way in: address → session → widgets → tabs; and the header's own events."""
    shown = [parts["picker"], parts["facts"]]
    bound = list(page.bound.items())

    def restore(arrival: str):
        session = read_arrival(arrival)
        return (
            session.lang,
            gr.skip() if session.tab == TABS[0].id else gr.Tabs(selected=session.tab),
            session.to_query(),
            header.notice(session.lang, [_sentence(session.lang, problem) for problem in session.problems]),
            *show_model(session.lang, session.model),
            *(getattr(session, name) for name, _ in bound),
        )

    outputs = [page.lang, tabs, parts["address"], parts["notice"], *shown, *(component for _, component in bound)]
    # Gradio keeps a progress timer for every output, shown or not.
    quiet = {**UI, "show_progress_on": [parts["notice"]]}
    restored = app.load(restore, parts["arrival"], outputs, js="() => lineage.arrival()", **quiet)
    names = json.dumps(list(openings))
    restored.then(None, parts["address"], list(openings.values()), js=f"(query) => lineage.ready(query, {names})", **UI)
    for listener in page.listeners:
        start = openings[listener.tab].change if listener.tab else restored.then
        start(listener.fn, listener.inputs, listener.outputs, **listener.options)
    page.model.change(show_model, [page.lang, page.model], shown, **UI)
    page.model.change(None, page.model, None, js=TELL_MODEL, **UI)
    parts["picker"].input(None, parts["picker"], page.model, js="(name) => name", **UI)


def read_arrival(arrival: str) -> Session:
    """The session of the page's parameters; a model that cannot be held is replaced, and the visitor told."""
    query = dict(parse_qsl(arrival, keep_blank_values=True))
    session = Session.from_query(query)
    if "long" in query:
        session = session.with_problem(Problem("not_carried", "prompt"))
    try:
        limits.check_design(session.model)
        session = replace(session, model=model_facts.named(session.model))
    except InputError as error:
        session = session.with_problem(Problem("unusable", "model", DEFAULTS["model"], error), model=DEFAULTS["model"])
    return session


def show_model(lang: str, design: str):
    """The header's dropdown and facts for the model in hand."""
    with refusals(lang):
        model = model_facts.inhand(design)
    names = model_facts.models_with_weights()
    choices = [(model_facts.title(name), name) for name in names]
    value = model.weights or design
    if value not in names:
        choices.append((model_facts.called(model, lang), design))
    return gr.Dropdown(choices=choices, value=value), header.facts(lang, model.params, model.origin_key, model.steps)


def _sentence(lang: str, problem: Problem) -> str:
    field, used = say(lang, f"shell.field.{problem.field}"), _in_words(lang, problem.field, problem.used)
    if problem.error:
        return say(lang, "shell.problem.refused", field=field, used=used, reason=explain(lang, problem.error))
    return say(lang, f"shell.problem.{problem.code}", field=field, used=used)


def _in_words(lang: str, field: str, used: object) -> object:
    """What is used in place of an address's value, as the page names it elsewhere."""
    if field in ("model", "design", "left", "right", "kv_model"):
        return model_facts.title(used)
    if field in ("train_design", "train_experts", "train_race"):
        return model_facts.title(str(used).split("~")[0])
    if field == "tab":
        return say(lang, f"{used}.tab")
    if field == "lang":
        return NAMES[used]
    if isinstance(used, bool):
        return say(lang, "shell.value.on" if used else "shell.value.off")
    if field == "context" and used is None:
        return say(lang, "shell.value.whole_context")
    return exact(used) if isinstance(used, int | float) else used
