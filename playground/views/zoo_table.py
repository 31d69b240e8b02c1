"""The scores of the shipped models: the rows of their tables, as texts, and the sentences about them."""

from statistics import mode

from playground.i18n import say
from playground.views.numbers import NARROW, exact, short

OF_TOKENS = ("params", "active", "tokens", "loss", "perplexity", "bits_per_byte", "minutes")
OF_PAIRS = ("params", "tokens", "loss", "perplexity", "top1", "unigram_top1", "top5", "right", "majority", "minutes")
SHARES = ("top1", "top5", "unigram_top1", "right", "majority")


def zoo_payload(groups: list[list], lang: str) -> list[dict]:
    """For each group of models that can be compared: a heading, a sentence, the heads and the rows of its table, what its
    `columns` mean, and the heads and rows of its curves."""
    return [_group(group, lang) for group in groups]


def _group(group: list, lang: str) -> dict:
    columns = OF_PAIRS if "top1" in group[0].score else OF_TOKENS
    columns = [name for name in columns if name in ("params", "active", "tokens", "minutes") or name in group[0].score]
    if all(one.active == one.params for one in group):
        columns = [name for name in columns if name != "active"]
    heads = [say(lang, f"train.zoo.{name}") for name in columns]
    return {
        "title": _title(group, lang),
        "sentence": _sentence(group, lang),
        "heads": [say(lang, "train.zoo.model"), *heads],
        "columns": [[head, say(lang, f"train.zoo.column.{name}")] for head, name in zip(heads, columns, strict=True)],
        "rows": [[one.title, *(_cell(one, name) for name in columns)] for one in group],
        "curves": _curves(group, lang),
    }


def _title(group: list, lang: str) -> str:
    """The objective, and the model where it is alone: others may have the same objective."""
    objective = say(lang, f"train.objective.{group[0].objective}")
    if len(group) == 1:
        return say(lang, "train.zoo.alone_title", objective=objective, model=group[0].title)
    return say(lang, "train.zoo.title", objective=objective, count=len(group))


def _curves(group: list, lang: str) -> dict:
    """The held-out losses by the tokens read, a column a model: what the chart draws."""
    places = sorted({tokens for one in group for tokens, _ in one.curve})
    losses = [dict(one.curve) for one in group]
    return {
        "heads": [say(lang, "train.zoo.tokens"), *(one.title for one in group)],
        "rows": [
            [exact(place), *(f"{known[place]:.3f}" if place in known else "–" for known in losses)] for place in places
        ],
    }


def _sentence(group: list, lang: str) -> str:
    best = min(group, key=lambda one: one.score["loss"])
    if len(group) == 1:
        return say(lang, "train.zoo.alone", model=best.title)
    same = len({one.tokens for one in group}) == 1
    tokens = " / ".join(dict.fromkeys(short(one.tokens) for one in group))
    key = "train.zoo.compared" if same else "train.zoo.compared_unequal"
    rates = _rates(group, lang)
    also = say(lang, "train.zoo.also_rates") if rates else ""
    return say(lang, key, best=best.title, loss=f"{best.score['loss']:.3f}", tokens=tokens, also=also) + rates


def _rates(group: list, lang: str) -> str:
    """Where learning rates were not the same for all."""
    usual = mode(one.peak_lr for one in group)
    others = say(lang, "train.comma").join(f"{one.title} {one.peak_lr:g}" for one in group if one.peak_lr != usual)
    along = say(lang, "train.comma").join(one.title for one in group if one.is_along_another_budget)
    told = say(lang, "train.zoo.rates", others=others, usual=f"{usual:g}") if others else ""
    return told + (say(lang, "train.zoo.budgets", models=along) if along else "")


def _cell(one, name: str) -> str:
    if name in ("params", "active"):
        return short(getattr(one, name))
    if name == "tokens":
        return exact(one.tokens)
    if name == "minutes":
        return f"{one.minutes:.0f}"
    value = one.score.get(name)
    if value is None:
        return "–"
    if name in SHARES:
        return f"{100 * value:.1f}{NARROW}%"
    return f"{value:.2f}" if name == "perplexity" else f"{value:.3f}"
