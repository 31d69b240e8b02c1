"""What the shipped models reached: read from `assets/zoo/*/history.json`, whatever models are there."""

import json
from dataclasses import dataclass
from functools import cache

import models
from models.presets import ZOO
from playground import model_facts


@dataclass(frozen=True)
class Scored:
    """One shipped model: its sizes, its training and its scores on all held-out texts together.

    group: what its score can be compared within: models of one group read the same texts in the same order, with the same
    tokenizer, objective and optimizer. What may differ: peak_lr, and is_along_another_budget, whether its first steps had
    the learning rates of another budget. score: `loss` (nats per token), `perplexity`, and where every token is predicted
    from those before it `bits_per_byte`; of a model of BERT's kind the shares that were right. curve: (tokens, held-out
    loss).
    """

    name: str
    title: str
    params: int
    active: int
    objective: str
    tokens: int
    minutes: float
    score: dict[str, float]
    curve: tuple[tuple[int, float], ...]
    group: tuple
    peak_lr: float
    is_along_another_budget: bool


OPTIMIZER = (
    "batch_tokens",
    "sequence_length",
    "warmup_fraction",
    "final_lr_fraction",
    "momentum",
    "weight_decay",
    "clip_norm",
)


@cache
def _read(name: str, changed: int) -> Scored | None:
    history = json.loads((ZOO / name / "history.json").read_text(encoding="utf-8"))
    recipe, score = history["recipe"], history["validation"]["all"]
    info = models.preset_info(name)
    mixture = recipe["mixture"]
    texts = (
        mixture["tokenizer_name"],
        mixture["vocab_size"],
        tuple(sorted(mixture["corpora"].items())),
        recipe["seed"],
    )
    group = (recipe["objective"], *texts, *(recipe[field] for field in OPTIMIZER), *recipe["betas"])
    return Scored(
        name=name,
        title=info.title,
        params=history["params"],
        active=info.active_params if info.params != info.active_params else history["params"],
        objective=recipe["objective"],
        tokens=history["tokens"],
        minutes=history["seconds"] / 60,
        score=_figures(score, recipe["objective"]),
        curve=tuple((row["tokens"], row["val_loss"]) for row in history["curve"] if row["val_loss"] is not None),
        group=group,
        peak_lr=recipe["peak_lr"],
        is_along_another_budget=len(history["budgets"]) > 1,
    )


def _figures(score: dict, objective: str) -> dict[str, float]:
    """The scores as figures that can be read: of masked pairs, the shares of tokens and pairs that were right."""
    of_text = ("loss", "perplexity", "bits_per_byte") if objective == "causal" else ("loss", "perplexity")
    figures = {name: score[name] for name in of_text}
    if "masked" in score:
        figures |= {name: score[name] / score["masked"] for name in ("top1", "top5", "unigram_top1")}
        figures |= {name: score[name] / score["pairs"] for name in ("right", "majority")}
    return figures


def scored() -> list[Scored]:
    """The models that have a history, the best of each group first, the largest group before the others."""
    names = [name for name in model_facts.trained_models() if (ZOO / name / "history.json").is_file()]
    found = [_read(name, (ZOO / name / "history.json").stat().st_mtime_ns) for name in names]
    sizes = {one.group: sum(other.group == one.group for other in found) for one in found}
    return sorted(found, key=lambda one: (-sizes[one.group], one.group[:3], one.score["loss"]))


def groups() -> list[list[Scored]]:
    """The same by group."""
    found: dict[tuple, list[Scored]] = {}
    for one in scored():
        found.setdefault(one.group, []).append(one)
    return list(found.values())
