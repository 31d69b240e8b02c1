"""The endpoint /compare: two architectures, field by field, with what both cost."""

from playground.comparison import Side, compare
from playground.design_strings import as_text, design_string
from playground.tab import asked_in, refusals
from playground.views.comparison_words import sentence_of

FIGURES = ("params", "active_params", "memory_bf16", "kv_bytes_per_token", "kv_bytes", "flops_per_token")


def compare_designs(left: str = "gpt2", right: str = "llama3-8b", lang: str = "en") -> dict:
    """Compares two architectures without building them.

    Args:
        left: a preset ("gpt2") or a design string as page addresses have it ("gpt2~norm=rmsnorm~biases=")
        right: the other one
        lang: "en" or "zh", the language of the sentences

    Returns:
        context: tokens at which the KV cache and the FLOPs of both are counted: the longest that both can read
        left, right: for each side its title, design string, figures (value, unit, formula, worked) and parts (key, kind,
            count)
        fields: every differing field, dotted within a group ("moe.n_experts"), with both values, whether it only follows
            from other fields, and one sentence that explains it
    """
    lang = asked_in(lang)
    with refusals(lang):
        found = compare(as_text("left", left), as_text("right", right))
    return {
        "context": found.left.context,
        "left": _side(found.left),
        "right": _side(found.right),
        "fields": [
            {
                "field": difference.field,
                "left": _plain(difference.left),
                "right": _plain(difference.right),
                "follows": difference.follows,
                "sentence": sentence_of(difference, lang),
            }
            for difference in found.differences
        ],
    }


def _side(side: Side) -> dict:
    figures = {key: side.account.figures[key] for key in FIGURES}
    return {
        "title": side.title,
        "design": design_string(side.design.base, side.config),
        "figures": {
            key: {name: getattr(figure, name) for name in ("value", "unit", "formula", "worked")}
            for key, figure in figures.items()
        },
        "parts": [{name: getattr(part, name) for name in ("key", "kind", "count")} for part in side.account.parts],
    }


def _plain(value: object) -> object:
    """A field's value as JSON can hold it."""
    if isinstance(value, tuple):
        return list(value)
    return value.to_dict() if hasattr(value, "to_dict") else value
