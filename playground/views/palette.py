"""The colours, for charts that cannot read CSS variables; `static/lineage.css` holds the same values.

A kind of part has one colour everywhere. The hues start from Okabe and Ito's set for colour-blind eyes ("Color
Universal Design", 2008), darkened for a light page and lightened for a dark one so that text in them stays legible.
"""

KINDS = ("embedding", "position", "norm", "attention", "ffn", "expert", "residual")

KIND_COLORS: dict[str, dict[str, str]] = {
    "light": {
        "embedding": "#0b66a8",
        "position": "#6b5b00",
        "norm": "#57606a",
        "attention": "#b34700",
        "ffn": "#00725a",
        "expert": "#a3467c",
        "residual": "#2f3338",
    },
    "dark": {
        "embedding": "#6db7ec",
        "position": "#e8d66b",
        "norm": "#a9b1ba",
        "attention": "#f39c5a",
        "ffn": "#4cc7a2",
        "expert": "#e59ac6",
        "residual": "#dfe3e8",
    },
}

INK = "#808890"  # axes and labels of charts: legible on the light page and on the dark one
