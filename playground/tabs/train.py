"""Train: a design that learns here and now, races between designs, experts that live or die, and the shipped models' scores.

All but the shipped models' chart is drawn in the browser (static/train*.js), which asks `train_answers` for plain values.
"""

import gradio as gr

from playground.tab import Page, Tab, TabParts, mounted
from playground.train_answers import ANSWERS
from playground.train_api import train
from playground.views.train_page import template
from playground.views.zoo_chart import zoo_chart
from playground.zoo_scores import groups

SCRIPTS = (
    "asking.js",
    "train_chart.js",
    "train_experts.js",
    "train_settings.js",
    "train_view.js",
    "train_form.js",
    "train_files.js",
    "train_zoo.js",
    "train.js",
)
# Not the options of what answers at once: a training would keep others from computing for minutes.
STREAMS = {"concurrency_id": "train", "concurrency_limit": 8}


def layout(page: Page) -> TabParts:
    gr.HTML(
        html_template=template(),
        js_on_load=mounted(SCRIPTS, "Train"),
        server_functions=ANSWERS,
        elem_id="train-view",
        apply_default_css=False,
    )
    plot = gr.Plot(show_label=False, elem_id="train-zoo-plot")
    page.on_tab(draw_zoo, page.lang, plot)
    page.endpoint(train, "train", STREAMS)
    return TabParts(later=SCRIPTS)


def draw_zoo(lang: str):
    """The held-out losses of the largest group of shipped models that can be compared."""
    return zoo_chart(groups()[0], lang)


TAB = Tab(id="train", layout=layout)
