"""Objectives: what models are trained to predict, on one text, with a real model answering.

Everything is drawn in the browser (static/objectives.js and a file for each section), which asks for plain values.
"""

import gradio as gr

from playground import masking_answers, objective_opening, pairs_answers, sides_answers
from playground.masking_api import fill_mask, mask
from playground.pair_api import next_sentence
from playground.side_api import objectives
from playground.tab import Page, Tab, TabParts, mounted
from playground.views.objectives_page import template

SCRIPTS = (
    "asking.js",
    "tokenizers_player.js",
    "masking_parts.js",
    "masking_steps.js",
    "masking_answers.js",
    "masking_why.js",
    "masking_fill.js",
    "masking.js",
    "pairs_steps.js",
    "pairs_score.js",
    "pairs.js",
    "sides_tokens.js",
    "sides.js",
    "objectives.js",
)
ANSWERS = [
    *objective_opening.ANSWERS,
    *masking_answers.ANSWERS,
    *pairs_answers.ANSWERS,
    *sides_answers.ANSWERS,
]


def layout(page: Page) -> TabParts:
    gr.HTML(
        html_template=template(),
        js_on_load=mounted(SCRIPTS, "Objectives"),
        server_functions=ANSWERS,
        elem_id="objectives-view",
        apply_default_css=False,
    )
    page.endpoint(mask, "mask")
    page.endpoint(fill_mask, "fill_mask")
    page.endpoint(next_sentence, "next_sentence")
    page.endpoint(objectives, "objectives")
    return TabParts(later=SCRIPTS)


TAB = Tab(id="objectives", layout=layout)
