"""The architecture as a figure in three parts, drawn from a configuration: model, attention, feed-forward."""

from html import escape

from models.config import ModelConfig
from playground.i18n import say
from playground.views.design_marks import marks
from playground.views.diagram_attention import attention
from playground.views.diagram_feedforward import feedforward
from playground.views.diagram_stack import stack


def diagram(cfg: ModelConfig, base: ModelConfig, previous: ModelConfig, base_title: str, lang: str) -> str:
    """HTML of the figure. What differs from `base` is outlined, what changed since `previous` moves once.

    `base_title` names the preset in the legend. Every part scales with its column; columns stack on narrow pages.
    """
    marked = marks(cfg, base, previous)
    panels = (
        ("a", "panel_model", stack(cfg, marked, lang)),
        ("b", "panel_attention", attention(cfg, marked, lang)),
        ("c", "panel_feedforward", feedforward(cfg, marked, lang)),
    )
    figures = "".join(
        f'<figure class="panel {letter}"><figcaption><b>{letter}</b> {escape(say(lang, f"diagram.{key}"))}</figcaption>'
        f"{svg}</figure>"
        for letter, key, svg in panels
    )
    key = "legend_differs" if cfg != base else "legend_same"
    sentence = escape(say(lang, f"diagram.{key}", base=base_title))
    symbols = escape(say(lang, "diagram.legend_symbols"))
    diamond = '<span class="diamond" aria-hidden="true">◆</span> ' if cfg != base else ""
    return f'<div class="diagram">{figures}<p class="legend">{diamond}{sentence} {symbols}</p></div>'
