"""Generate: a prompt and how to sample on the left; the text as it streams and its distributions on the right."""

import json
from collections.abc import Iterator

import gradio as gr

from models.errors import InputError
from playground import model_facts, recordings
from playground.design_limit import writes
from playground.generation import SETTINGS, STAGES, Run, Runs, in_chunks, made_ready, observe, read_settings
from playground.generation_api import generate_text
from playground.i18n import label
from playground.prompt_ways import EXAMPLES, example, examples_of, suited, way_in_hand
from playground.session import DEFAULTS, LIMITS, MAX_PROMPT
from playground.session_memory import forget_value
from playground.subject import read, take
from playground.tab import Page, Tab, TabParts
from playground.transcript import Transcript, refused
from playground.turns import turn
from playground.views.generation import TEMPLATE

SCRIPTS = (
    "token_cells.js",
    "sampling.js",
    "next_token.js",
    "kept_run.js",
    "generate_format.js",
    "generate_text.js",
    "generate_tokens.js",
    "generate_view.js",
    "generate.js",
)
GROUPS = {"shape": ("temperature", "repetition_penalty"), "cut": ("top_k", "top_p", "min_p")}
SLIDER_STEPS = {"temperature": 0.05, "top_k": 1, "top_p": 0.01, "min_p": 0.01, "repetition_penalty": 0.05}

CHUNK_SECONDS = 0.12
# Every visitor's text streams at once; turn() shares the processor out among them, chunk by chunk.
STREAMS = {"concurrency_id": "generate", "concurrency_limit": 30, "api_visibility": "private"}
# Gradio would refuse a number beyond a slider's ends in English, before the handler runs; `read_settings` checks all.
AS_TYPED = {"preprocess": False}
VIEW = "generate-view"

runs = Runs()


def layout(page: Page) -> TabParts:
    with gr.Row(elem_classes="split"):
        with gr.Column(scale=0, min_width=320, elem_classes="controls"):
            prompt, examples = _prompt(page)
            chat = _chat(page)
            run, stop = _buttons()
            settings = _settings(page)
        with gr.Column(scale=1, min_width=320, elem_classes="picture"):
            view = gr.HTML(
                html_template=TEMPLATE,
                js_on_load="Generate.mount(element, props, watch)",
                elem_id=VIEW,
                apply_default_css=False,
            )

    asked = [page.model, prompt, chat, *(settings[name] for name in SETTINGS)]
    started = run.click(stream, asked, [view, stop], show_progress="minimal", **STREAMS, **AS_TYPED)
    started.then(None, None, None, js="Generate.ended", **page.UI)
    stop.click(stop_run, None, None, queue=False, **page.UI)
    stages = [settings[name] for name in STAGES]
    gr.on([slider.change for slider in stages], None, stages, None, js="Generate.moved", **page.UI)
    page.on_load(first_screen, page.model, [view, chat, run])
    page.model.change(first_screen, page.model, [view, chat, run], **page.UI)
    page.on_load(suit_prompt, [page.model, prompt], [prompt, *examples.values()])
    page.model.change(suit_prompt, [page.model, prompt], [prompt, *examples.values()], **page.UI)
    page.endpoint(generate_text, "generate")
    return TabParts(scripts=SCRIPTS)


def _prompt(page: Page) -> tuple[gr.Textbox, dict[str, gr.Row]]:
    """The box, and a row of examples for each way in which models answer a prompt."""
    prompt = gr.Textbox(
        DEFAULTS["prompt"],
        label=label("generate.prompt"),
        info=label("generate.prompt_hint"),
        lines=3,
        max_lines=12,
        max_length=MAX_PROMPT,
        elem_id="generate-prompt",
        interactive=True,
    )
    page.bind("prompt", prompt)
    rows = {}
    for way, names in EXAMPLES.items():
        with gr.Row(elem_classes="generate-examples", visible=way == "continue") as rows[way]:
            for name in names:
                chip = gr.Button(label(f"generate.example.{name}"), size="sm", elem_classes="chip", min_width=0)
                chip.click(None, None, prompt, js=f"() => {json.dumps(example(name))}", **page.UI)
    return prompt, rows


def _chat(page: Page) -> gr.Checkbox:
    """The switch that only a model which was trained to chat shows."""
    chat = gr.Checkbox(
        DEFAULTS["chat"],
        label=label("generate.chat"),
        info=label("generate.chat_hint"),
        visible="hidden",
        elem_id="generate-chat",
        interactive=True,
    )
    page.bind("chat", chat)
    return chat


def _buttons() -> tuple[gr.Button, gr.Button]:
    with gr.Row(elem_classes="generate-buttons"):
        run = gr.Button(label("generate.run"), variant="primary", elem_id="generate-run", min_width=0)
        stop = gr.Button(label("generate.stop"), elem_id="generate-stop", min_width=0, interactive=False)
    return run, stop


def _settings(page: Page) -> dict[str, gr.components.Component]:
    """The widgets of `SETTINGS` by name."""
    widgets: dict[str, gr.components.Component] = {}
    for group, names in GROUPS.items():
        with gr.Accordion(label(f"generate.group.{group}"), open=True):
            for name in names:
                widgets[name] = _slider(name, SLIDER_STEPS[name])
    with gr.Accordion(label("generate.group.draw"), open=True):
        with gr.Row(elem_classes="generate-seed"):
            widgets["seed"] = gr.Number(
                DEFAULTS["seed"],
                label=label("generate.setting.seed"),
                info=label("generate.about.seed"),
                precision=0,
                elem_id="generate-seed",
                interactive=True,
            )
            new_seed = gr.Button(label("generate.setting.new_seed"), elem_id="generate-new-seed", min_width=0)
        new_seed.click(None, None, widgets["seed"], js="() => Math.floor(Math.random() * 1e6)", **page.UI)
        widgets["max_new_tokens"] = _slider("max_new_tokens", 1)
    for name, widget in widgets.items():
        page.bind(name, widget)
    return widgets


def _slider(name: str, step: float) -> gr.Slider:
    low, high = LIMITS[name]
    about = None if name == "max_new_tokens" else label(f"generate.about.{name}")
    return gr.Slider(
        low,
        high,
        DEFAULTS[name],
        step=step,
        label=label(f"generate.setting.{name}"),
        info=about,
        buttons=[],
        elem_id=f"generate-{name.replace('_', '-')}",
        interactive=True,
    )


def stream(request: gr.Request, design: str, prompt: str, chat: bool, *settings: float | None) -> Iterator[tuple]:
    """Streams a run as (payload, Stop button); `settings` are the values of `SETTINGS`, in that order. Ends when the
    text does, on Stop, and when the visitor leaves."""
    try:
        with runs.begin(request.session_hash) as run:
            yield gr.skip(), gr.update(interactive=True)
            for text in _told(design, prompt, chat, dict(zip(SETTINGS, settings, strict=True)), run):
                if not run.forgotten:
                    yield text or gr.skip(), gr.skip()
        # Gradio repeats the last value in full when a stream ends: this one costs nothing.
        yield gr.skip(), gr.update(interactive=False)
    finally:
        forget_value(request.session_hash, VIEW)  # up to 4 MB a run, which would stay with Gradio


def _told(design: str, prompt: str, chat: bool, settings: dict, run: Run) -> Iterator[str | None]:
    """The payload, each time longer; None while the model is made ready. Nothing more if that is stopped."""
    transcript = None
    try:
        sampling, most = read_settings(settings)
        taken = yield from made_ready(lambda: take(design, run.cancelled), run.cancelled)
        if taken is None:
            return
        subject, loaded = taken
        reading = read(subject, prompt, chat, most)
        transcript = Transcript(subject, reading, sampling, most)
        yield transcript.text
        steps = observe(loaded, reading, sampling, most, with_top=not transcript.all_kept)
        for chunk, finish in in_chunks(steps, CHUNK_SECONDS, turn, run.cancelled):
            transcript.add(chunk)
            if finish:
                transcript.end(finish)
            yield transcript.text
    except InputError as error:
        if transcript is None:
            yield refused(error)
        else:
            transcript.fail(error)
            yield transcript.text


def stop_run(request: gr.Request) -> None:
    """Stop: the run of this page computes no further token."""
    runs.stop(request.session_hash)


def first_screen(design: str, request: gr.Request) -> tuple[str, dict, dict]:
    """What is shown before anything runs, and when another model is taken in hand; whether it can chat, and write."""
    runs.stop(request.session_hash, forget=True)
    config = model_facts.inhand(design).config
    chats = model_facts.instruction(config) is not None
    shown = gr.update(visible=chats or "hidden")
    return recordings.first_screen(design), shown, gr.update(interactive=writes(config))


def suit_prompt(design: str, prompt: str) -> tuple:
    """The prompt and the examples that suit the model in hand; what a visitor typed stays."""
    way = way_in_hand(design)
    fitting = suited(prompt, way)
    rows = [gr.update(visible=names == examples_of(way)) for names in EXAMPLES.values()]
    return (gr.skip() if fitting == prompt else fitting, *rows)


TAB = Tab(id="generate", layout=layout)
