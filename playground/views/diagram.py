"""The architecture as a figure in three parts, drawn from a configuration: model, attention, feed-forward."""

from html import escape

from models.config import ModelConfig
from models.sizes import StackSizes, stacks_of
from playground.i18n import say
from playground.views.design_marks import marks
from playground.views.diagram_content import attention
from playground.views.diagram_experts import experts
from playground.views.diagram_feedforward import feedforward
from playground.views.diagram_stack import stack
from playground.views.diagram_words import Words
from playground.views.svg import Marks

Pictures = list[tuple[str, str]]
"""SVGs, each with a line above it, which is empty where there is but one."""


def diagram(cfg: ModelConfig, base: ModelConfig, previous: ModelConfig, base_title: str, lang: str) -> str:
    """HTML of the figure. What differs from `base` is outlined, what changed since `previous` moves once.

    `base_title` names the preset in the legend. Every part scales with its column; columns stack on narrow pages.
    """
    marked = marks(cfg, base, previous)
    panels = (
        ("a", "panel_model", [("", stack(cfg, marked, lang))]),
        ("b", "panel_attention", _attentions(cfg, marked, lang)),
        ("c", "panel_feedforward", _feedforwards(cfg, marked, lang)),
    )
    figures = "".join(
        f'<figure class="panel {letter}"><figcaption><b>{letter}</b> {escape(say(lang, f"diagram.{key}"))}</figcaption>'
        f"{_pictures(pictures)}</figure>"
        for letter, key, pictures in panels
    )
    key = "legend_differs" if cfg != base else "legend_same"
    sentence = escape(say(lang, f"diagram.{key}", base=base_title))
    diamond = '<span class="diamond" aria-hidden="true">◆</span> ' if cfg != base else ""
    symbols = "".join(f"<li>{escape(say(lang, f'diagram.legend_{name}'))}</li>" for name in ("b", "t", "s", "counts"))
    return f'<div class="diagram">{figures}<ul class="legend"><li>{diamond}{sentence}</li>{symbols}</ul></div>'


def _pictures(pictures: Pictures) -> str:
    lines = (f'<p class="variant">{escape(line)}</p>' if line else "" for line, _ in pictures)
    return "".join(f'<div class="picture">{line}{svg}</div>' for line, (_, svg) in zip(lines, pictures, strict=True))


def _groups(cfg: ModelConfig) -> list[list[StackSizes]]:
    """Stacks whose layers have the same inside: both of an encoder-decoder, each tower alone."""
    stacks = stacks_of(cfg)
    return [[stack] for stack in stacks] if cfg.structure == "two_towers" else [stacks]


def _named(cfg: ModelConfig, stack: StackSizes, words: list[str], lang: str) -> str:
    """The line above a picture: its tower, and what is special about it."""
    tower = [say(lang, f"diagram.tower_{stack.prefix}")] if cfg.structure == "two_towers" else []
    return ": ".join([*tower, *filter(None, words)])


def _attentions(cfg: ModelConfig, marked: Marks, lang: str) -> Pictures:
    pictures = []
    for group in _groups(cfg):
        words, kinds = Words(group[-1].cfg, lang), group[-1].kinds_of_attention()
        for kind, layers in kinds.items():
            share = words.share(layers.value, group[-1].depth)
            which = words.say("variant", name=words.say(f"attention_{kind}"), share=share) if len(kinds) > 1 else ""
            line = _named(cfg, group[-1], [which], lang)
            pictures.append((line, attention(group, kind, marked, lang)))
    return pictures


def _feedforwards(cfg: ModelConfig, marked: Marks, lang: str) -> Pictures:
    pictures = []
    for group in _groups(cfg):
        words = Words(group[-1].cfg, lang)
        sparse = [stack for stack in group if stack.n_sparse]
        is_mixed = any(stack.n_sparse < stack.depth for stack in sparse)
        if sparse:
            which = [words.say("variant_sparse", which=_which(group, words))] if is_mixed else []
            pictures.append((_named(cfg, group[-1], which, lang), experts(sparse[-1], marked, lang)))
        if not sparse or is_mixed:
            which = [words.say("variant_dense")] if is_mixed else []
            pictures.append((_named(cfg, group[-1], which, lang), feedforward(group[-1].cfg, marked, lang)))
    return pictures


def _which(group: list[StackSizes], words: Words) -> str:
    """Which layers are sparse, of each stack where stacks differ."""
    said = {stack.prefix: words.which_sparse(stack) for stack in group}
    if len(set(said.values())) == 1:
        return said[group[0].prefix]
    return "; ".join(f"{words.say(f'tower_{prefix}')}: {which}" for prefix, which in said.items())
