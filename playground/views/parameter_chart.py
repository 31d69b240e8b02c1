"""Where the parameters are, as bars: the same rows and colours as the table."""

from models.account import Account
from playground.views.account_table import part_name
from playground.views.numbers import exact, percent
from playground.views.palette import INK, KIND_COLORS

ROW = 34  # pixels
CLEAR = "rgba(0,0,0,0)"
FONT = "system-ui, sans-serif"


def parameter_chart(account: Account, lang: str):
    """A Plotly figure with one bar for each part that has parameters, the first part on top."""
    import plotly.graph_objects as go  # half a second, and only this chart needs it

    parts = [part for part in account.parts if part.count][::-1]
    names = [part_name(part, lang) for part in parts]
    bars = {
        "type": "bar",
        "orientation": "h",
        "x": [part.count for part in parts],
        "y": names,
        "marker": {"color": [KIND_COLORS["light"][part.kind] for part in parts]},
        "customdata": [part.kind for part in parts],  # build.js takes the colours of light or dark by these names
        "text": [percent(part.count, account.params) for part in parts],  # no more fits beside a bar on a phone
        "textposition": "outside",
        "cliponaxis": False,
        "hovertext": [f"{name}: {exact(part.count)}" for name, part in zip(names, parts, strict=True)],
        "hoverinfo": "text",
    }
    layout = {
        "template": None,
        "height": ROW * len(parts) + 24,
        "margin": {"l": 8, "r": 8, "t": 8, "b": 16},
        "paper_bgcolor": CLEAR,
        "plot_bgcolor": CLEAR,
        "font": {"color": INK, "family": FONT, "size": 13},
        # Room on the right for the words outside the longest bar.
        "xaxis": {"visible": False, "range": [0, max(part.count for part in parts) * 1.3], "fixedrange": True},
        "yaxis": {
            "automargin": True,
            "fixedrange": True,
            "showline": False,
            "ticks": "outside",  # invisible, but they keep the names off the bars
            "ticklen": 8,
            "tickcolor": CLEAR,
        },
        "bargap": 0.35,
        "showlegend": False,
    }
    return go.Figure({"data": [bars], "layout": layout}, skip_invalid=False)
