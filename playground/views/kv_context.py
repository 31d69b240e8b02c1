"""The payload of the context view: curves as numbers, and every word that `static/kv_*.js` put on the page."""

import json

from models.account import BYTES
from models.config import ModelConfig
from playground.i18n import say
from playground.kv_context import MEMORIES, Curve, curves_of, named_curves
from playground.views.numbers import exact

PLAIN = [
    "heading",
    "tokens",
    "shown",
    "known",
    "batch",
    "window",
    "dtype",
    "weights_dtype",
    "join",
    "never",
    "unlimited",
    "table",
    "fits",
    "fits_about",
    "kind",
    "per_token",
    "crosses",
]
FILLED = {  # sentences that the browser fills
    "weights": ("size",),
    "longest": ("tokens",),
    "crossing": ("name", "tokens"),
    "outgrows": ("batch", "tokens", "model", "kind", "size", "others"),
    "other": ("size", "kind"),
}


def context_payload(cfg: ModelConfig, title: str, titles: dict[str, str], lang: str) -> str:
    """JSON of all curves; `title` is the model's, `titles` those of the known models."""
    words = {name: say(lang, f"context.words.{name}") for name in PLAIN}
    for name, gaps in FILLED.items():
        words[name] = say(lang, f"context.words.{name}", **{gap: f"{{{gap}}}" for gap in gaps})
    own = [_curve(curve, *_kind(curve, title, lang)) for curve in curves_of(cfg)]
    known = [
        _curve(curve, titles[curve.key], say(lang, "context.long.named", model=titles[curve.key]))
        for curve in named_curves()
    ]
    return json.dumps(
        {
            "lang": lang,
            "model": title,
            "longest": cfg.max_seq_len,
            "curves": own,
            "known": known,
            "memories": MEMORIES,
            "bytes": BYTES,
            "words": words,
        },
        ensure_ascii=False,
    )


def _kind(curve: Curve, title: str, lang: str) -> tuple[str, str]:
    heads = exact(curve.n_kv_heads) if curve.n_kv_heads else ""
    long = say(lang, f"context.long.{curve.key}", model=title, heads=heads)
    return say(lang, f"context.kind.{curve.key}"), long


def _curve(curve: Curve, name: str, long: str) -> dict:
    return {
        "key": curve.key,
        "name": name,
        "long": long,
        "growing": curve.growing,
        "windowed": curve.windowed,
        "window": curve.window,
        "params": curve.params,
        "own": curve.own,
    }
