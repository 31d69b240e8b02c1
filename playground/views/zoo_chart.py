"""The held-out loss of shipped models against the tokens that they have read: one line a model."""

from playground.i18n import say
from playground.views.palette import INK

# Okabe and Ito's set for colour-blind eyes ("Color Universal Design", 2008), without its black and yellow, which do not
# show on both a light and a dark page; dashes and marks tell further lines apart.
COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9")
DASHES = ("solid", "dash", "dot")
HEIGHT = 440


def zoo_chart(group: list, lang: str):
    """The Plotly figure of one group of `playground.zoo_scores.Scored`."""
    import plotly.graph_objects as go  # half a second, and only charts need it

    lines = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": one.title,
            "x": [tokens for tokens, _ in one.curve],
            "y": [loss for _, loss in one.curve],
            "line": {
                "color": COLORS[place % len(COLORS)],
                "dash": DASHES[place // len(COLORS) % len(DASHES)],
                "width": 2,
            },
            "marker": {"size": 5},
            "hovertemplate": say(lang, "train.zoo.hover"),
        }
        for place, one in enumerate(group)
    ]
    axis = {"gridcolor": "rgba(128,128,128,0.2)", "zeroline": False}
    layout = {
        "template": None,
        "height": HEIGHT,
        "margin": {"l": 56, "r": 8, "t": 16, "b": 96},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": INK, "family": "system-ui, sans-serif", "size": 13},
        "xaxis": {"title": {"text": say(lang, "train.axis.tokens")}, **axis},
        "yaxis": {"title": {"text": say(lang, "train.axis.held")}, **axis},
        "legend": {"orientation": "h", "y": -0.2},
        "hovermode": "closest",
    }
    return go.Figure({"data": lines, "layout": layout}, skip_invalid=False)
