"""Experts: where a mixture sends the tokens of a text, how its router comes to that, and what other routers would do.

Everything is drawn in the browser (static/routers.js computes, static/experts*.js draw), which asks for plain values.
"""

import gradio as gr

from playground.expert_answers import ANSWERS
from playground.expert_api import routing
from playground.tab import Page, Tab, TabParts, mounted
from playground.views.experts_page import template

SCRIPTS = (
    "asking.js",
    "masking_parts.js",
    "downloads.js",
    "routers.js",
    "experts_pictures.js",
    "experts_loads.js",
    "experts_habits.js",
    "experts_board.js",
    "experts_steps.js",
    "experts_compare.js",
    "experts_sizes.js",
    "experts.js",
)


def layout(page: Page) -> TabParts:
    gr.HTML(
        html_template=template(),
        js_on_load=mounted(SCRIPTS, "Experts"),
        server_functions=ANSWERS,
        elem_id="experts-view",
        apply_default_css=False,
    )
    page.endpoint(routing, "routing")
    return TabParts(later=SCRIPTS)


TAB = Tab(id="experts", layout=layout)
