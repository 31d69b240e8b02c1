"""Attention: where each head of the model in hand looks, how a weight comes about, and what happens without it.

Everything is drawn in the browser (static/attention.js and a file for each section), which asks for plain values.
"""

import gradio as gr

from playground import attention_answers, before_answers, maps_answers, weight_answers, whatif_answers
from playground.attention_api import attention
from playground.tab import Page, Tab, TabParts, mounted
from playground.views.attention_page import template

SCRIPTS = (
    "asking.js",
    "masking_parts.js",
    "downloads.js",
    "tokenizers_player.js",
    "attention_svg.js",
    "attention_numbers.js",
    "attention_picture.js",
    "attention_plots.js",
    "attention_heads.js",
    "attention_places.js",
    "attention_head_map.js",
    "attention_head_twin.js",
    "attention_patches.js",
    "attention_head.js",
    "attention_generated.js",
    "attention_labels.js",
    "attention_overview_twin.js",
    "attention_overview.js",
    "attention_preview.js",
    "attention_maps.js",
    "attention_positions.js",
    "attention_sights.js",
    "attention_weight_steps.js",
    "attention_weight.js",
    "flash_tiles.js",
    "attention_latent.js",
    "attention_flash_costs.js",
    "attention_flash.js",
    "attention_whatif_board.js",
    "attention_whatif_lens.js",
    "attention_whatif.js",
    "attention_before_target.js",
    "attention_before.js",
    "attention.js",
)
ANSWERS = [
    *attention_answers.ANSWERS,
    *maps_answers.ANSWERS,
    *weight_answers.ANSWERS,
    *whatif_answers.ANSWERS,
    *before_answers.ANSWERS,
]


def layout(page: Page) -> TabParts:
    gr.HTML(
        html_template=template(),
        js_on_load=mounted(SCRIPTS, "Attention"),
        server_functions=ANSWERS,
        elem_id="attention-view",
        apply_default_css=False,
    )
    page.endpoint(attention, "attention")
    return TabParts(later=SCRIPTS)


TAB = Tab(id="attention", layout=layout)
