"""Tokenizers: one text cut by several, each algorithm step by step, and training on a text of one's own.

Everything but the chart is drawn in the browser (static/tokenizers*.js), which asks `token_answers` for plain values.
"""

import gradio as gr

from playground import token_answers
from playground.i18n import label
from playground.tab import CPU, Page, Tab, TabParts, carrier, mounted, refusals
from playground.token_api import compare_tokenizers, tokenize
from playground.token_passages import measured
from playground.token_shelf import MOST, find
from playground.views.token_chart import passage_chart
from playground.views.token_page import template

SCRIPTS = (
    "asking.js",
    "tokenizers_columns.js",
    "tokenizers_pieces.js",
    "tokenizers_table.js",
    "tokenizers_picker.js",
    "tokenizers_player.js",
    "tokenizers_lattice.js",
    "tokenizers_steps.js",
    "tokenizers_train.js",
    "tokenizers_survey.js",
    "tokenizers.js",
)
DRAWING = {**CPU, "api_visibility": "private"}
ANSWERS = [
    token_answers.opening,
    token_answers.compare,
    token_answers.piece,
    token_answers.bring,
    token_answers.survey,
    token_answers.kinds,
    token_answers.steps,
    token_answers.train,
    token_answers.trained,
    token_answers.stop,
    token_answers.download,
]


def layout(page: Page) -> TabParts:
    gr.HTML(
        html_template=template(),
        js_on_load=mounted(SCRIPTS, "Tokenizers"),
        server_functions=ANSWERS,
        elem_id="tokenizers-view",
        apply_default_css=False,
    )
    chosen = carrier("tokenizers-chosen")
    with gr.Accordion(label("tokenizers.chart.open"), open=False, elem_id="tokenizers-chart") as accordion:
        plot = gr.Plot(visible=False, show_label=False, elem_id="tokenizers-plot")
    accordion.expand(
        draw_chart, [page.lang, chosen], plot, js="(lang, names) => [lang, Tokenizers.chosen()]", **DRAWING
    )
    chosen.change(draw_chart, [page.lang, chosen], plot, **DRAWING)
    page.endpoint(tokenize, "tokenize")
    page.endpoint(compare_tokenizers, "compare_tokenizers")
    return TabParts(later=SCRIPTS)


def draw_chart(lang: str, names: str) -> gr.Plot:
    """Tokens per character of the chosen tokenizers on every passage."""
    with refusals(lang):
        found = [measured(find(name)) for name in names.split(",")[:MOST]]
    return gr.Plot(passage_chart(found, lang), visible=True)


TAB = Tab(id="tokenizers", layout=layout)
