"""Tokens per character of several tokenizers over the bundled passages: grouped bars."""

from collections.abc import Sequence

import plotly.graph_objects as go

from playground.i18n import say
from playground.views.token_words import title_of

# Okabe and Ito's set for colour-blind eyes ("Color Universal Design", 2008), without its black and yellow, which do not
# show on both a light and a dark page.
COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9")
HEIGHT = 420


def passage_chart(found: Sequence, lang: str) -> go.Figure:
    """The figure of `playground.token_passages.Measured` values, one group of bars for each passage."""
    figure = go.Figure()
    for index, measured in enumerate(found):
        values = [figures.per_character for figures in measured.of.values()]
        titles = [say(lang, f"tokenizers.passage.{name}") for name in measured.of]
        counts = [figures.tokens for figures in measured.of.values()]
        figure.add_bar(
            name=title_of(measured.named, lang),
            x=titles,
            y=values,
            customdata=counts,
            marker_color=COLORS[index % len(COLORS)],
            hovertemplate=say(lang, "tokenizers.chart.hover"),
        )
    figure.update_layout(
        barmode="group",
        height=HEIGHT,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font_color="#888",
        margin={"l": 56, "r": 8, "t": 16, "b": 40},
        yaxis={
            "title": say(lang, "tokenizers.chart.axis"),
            "rangemode": "tozero",
            "gridcolor": "rgba(128,128,128,0.25)",
        },
        legend={"orientation": "h", "y": -0.15},
    )
    return figure
