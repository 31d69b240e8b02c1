"""CARD.md of a trained model, written from its recipe, its history and the model itself: no figure is typed by hand."""

from pathlib import Path

import models
from models.installed import INSTALLABLE
from models.objectives import blank_infilling, span_corruption
from models.training.corpora import HELD_OUT_FRACTION
from models.training.recipe import CorpusShare, Recipe, load_recipe, recipes
from models.training.samples import sample
from models.training.trainer import table_times
from models.weights.files import WEIGHTS

INTRODUCTION = """# {title}

A language model of {params:,} parameters that {writes}. It was trained from nothing, on the processor named below, by
`python -m models.training {name}` of this repository.{siblings}

| | |
| --- | --- |
| Architecture | {source} |
| Layers and width | {n_layers} layers, d_model {d_model}, d_ff {d_ff} |
| Heads | {n_heads} query heads, {n_kv_heads} key-value heads, d_head {d_head} |
| Positions and context | {position}, {max_seq_len} tokens |
| Vocabulary | {vocab_size:,} ids, {algorithm}, learnt from the training texts |
| Weights | bf16 in `model.safetensors` |
"""

HEADS_INTRODUCTION = """# {title}

{params:,} parameters with which an encoder that others trained {writes}. The encoder comes with
`{command}`. Heads were trained for it{layers} on the processor named below, by
`python -m models.training {name}` of this repository; `models.load("{encoder}")` puts the two together.

| | |
| --- | --- |
| Architecture of the encoder | {source} |
| Layers and width | {n_layers} layers, d_model {d_model}, d_ff {d_ff} |
| Heads of attention | {n_heads} query heads, {n_kv_heads} key-value heads, d_head {d_head} |
| Positions and context | {position}, {max_seq_len} tokens |
| Vocabulary | {vocab_size:,} ids, {algorithm}, that of the encoder |
| Weights | bf16 in `model.safetensors`, {kilobytes:,.0f} kB |

The head for masked tokens is a linear layer, a norm and a bias for each token, before the encoder's own word embeddings;
that for pairs is one linear layer on the encoder's pooler.
"""

LAYERS = ", and its last {learning_layers} layers trained further,"

SIBLINGS = """ The recipes of {names} name the same tokenizer, texts, order
of texts, number of tokens and optimizer{except_rates}: what differs between them is the architecture."""
EXCEPT_RATES = " (learning rates too, but for the steps around the change of budget told below)"

TRAINING = """## Training

{tokens:,} tokens in {steps:,} steps of {batch_tokens:,} (rows of {lengths}); {minutes:.0f} minutes of wall
time on {processor}, beside other work on the same machine.
"""

OPTIMIZERS = """Muon (momentum {momentum}, weight decay {weight_decay}) for the matrices of the layers, AdamW (betas
{betas[0]} and {betas[1]}) for embeddings, norms and biases{routers}; peak learning rate {peak_lr}{table}, reached after
{warmup_steps:,} steps, then a cosine down to {final_lr_fraction:.0%} of it; gradients clipped at norm {clip_norm}; seed
{seed}. {positions}The loss curve is in `history.json`.{changes}
"""

ROUTERS = ", and for the routers of its experts"

TABLE = ", {times:.1f} times that for the table of tokens, whose logits are divided by as much"

LEFT_OUT = {
    "span_corruption": "; of the tokens of short rows {short:.0%} are left out, of others {usual:.0%}",
    "blank_infilling": (
        "; from {long:.0%} of the rows one long blank is left out, from the rest short ones: {short:.0%} of the tokens of "
        "short rows, {usual:.0%} of others"
    ),
}

USUAL = {"span_corruption": span_corruption.DENSITY, "blank_infilling": blank_infilling.DENSITY}

POSITIONS = {
    "random": "",
    "sinusoidal": "The table of positions began as sine waves. ",
    "near": "Positions began so that heads look at neighbours (`models/training/first_positions.py`). ",
}

HEADS_BEGAN = """
The head for masked tokens began as one that hands the encoder's vector on and prefers each token by the logarithm of its
frequency.
"""

CHANGE = """ At step {from_step:,} the budget was changed from {before:,} to {tokens:,} tokens: the learning rates
up to there are those of the earlier budget."""

PAIRS_TRAINING = """## Training

{pairs:,} pairs of sentences in {steps:,} steps of {rows}, those of similar lengths together, no sentence of more than
{sequence_length} tokens; {minutes:.0f} minutes of wall time on {processor}, beside other work on the same machine.
"""

TEXTS = """## Texts

| texts | source | licence | training tokens | times read |
| --- | --- | --- | ---: | ---: |
{rows}

Changes to the texts: {plain_marks}quotes broken by a wrong decoding repaired, spaces at line ends dropped.
{held_out:.1%} of the documents, chosen by a hash of their text, were held out of the training and of the tokenizer's.
"""
PLAIN_MARKS = "curly quotes and dashes made straight and plain, "

VALIDATION = """## Validation

On held-out documents, with the weights as they are in the file. Loss is in nats per token; loss and perplexity hold for
this tokenizer only, bits per byte can be compared among models that predict every token of a text. The row of all texts is
also the validation loss of the curve; texts that training read little of have more weight in it than in the training loss.

| held out of | tokens | loss | perplexity | bits per byte |
| --- | ---: | ---: | ---: | ---: |
{rows}
"""

TRANSLATIONS = """
chrF (Popović, 2015; spaces left out) of the translations of held-out sentences, the likeliest token each time, from 0 to
100, each against the nearest of its references. The guess needs no model: the translation of the training sentence that
shares most words with the one to be translated.

| held out of | sentences | chrF | guess |
| --- | ---: | ---: | ---: |
{rows}
"""

PAIRS_VALIDATION = """## Validation

On held-out documents, with the weights as they are in the file. Loss is in nats per masked token, of which 80 % read
[MASK], 10 % another token and 10 % themselves. The guesses need no model: of a token, that it is the commonest of the
training texts, or one of the five commonest; of a pair, the answer that is right more often.

| held out of | masked tokens | loss | perplexity | first right | among five | guess | among five | pairs | right | guess |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
{rows}
"""

EXPERTS = """## Experts

Where the tokens of the held-out texts go, layer by layer: each expert's share of the choices, the busiest's and the
idlest's over the mean, experts that no token went to, and choices lost because an expert was full. Information is that of
the expert about the token (mutual information), beside that of a random router with the same load.

| layer | load of the experts | busiest | idlest | dead | lost | information | random |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |
{rows}
"""

LIMITS = """## Limits

{limits}
"""


def write_card(
    recipe: Recipe, shares: tuple[CorpusShare, ...], history: dict, written: models.Loaded, out: Path
) -> None:
    """Write `out`/CARD.md. `written` is the model as loaded from its files, `history` what history.json holds."""
    is_paired = "pairs" in history["validation"]["all"]
    parts = (
        _introduction(recipe, history, written, out),
        training_of(recipe, history),
        _texts(recipe, shares, history),
        _pairs_validation(shares, history) if is_paired else _validation(shares, history),
        *([_experts(history)] if "routing" in history else []),
        sample(recipe, written),
        LIMITS.format(limits=recipe.mixture.limits.strip()),
    )
    (out / "CARD.md").write_text("\n".join(parts), encoding="utf-8")


def _introduction(recipe: Recipe, history: dict, written: models.Loaded, out: Path) -> str:
    info = models.preset_info(recipe.preset)
    values = written.config.to_dict() | {"name": recipe.name, "title": info.title, "source": info.source}
    names = _siblings(recipe)
    except_rates = EXCEPT_RATES if len(history["budgets"]) > 1 else ""
    values |= {"params": history["params"], "writes": recipe.mixture.writes, "algorithm": written.tokenizer.algorithm}
    if recipe.encoder is not None:
        entry = INSTALLABLE[recipe.encoder]
        layers = LAYERS.format(**vars(recipe)) if recipe.learning_layers else ""
        of_heads = {"title": entry.title, "command": entry.command, "encoder": recipe.encoder, "layers": layers}
        return HEADS_INTRODUCTION.format(kilobytes=(out / WEIGHTS).stat().st_size / 1000, **values | of_heads)
    return INTRODUCTION.format(
        siblings=SIBLINGS.format(names=_listed(names), except_rates=except_rates) if names else "",
        **values,
    )


def _siblings(recipe: Recipe) -> list[str]:
    """The shipped recipes that differ from this one in the architecture only, itself included; none if it is alone."""

    def training(other: Recipe) -> dict:
        return {field: value for field, value in other.to_dict().items() if field not in ("name", "preset")}

    same = [name for name in recipes() if training(load_recipe(name)) == training(recipe)]
    return same if len(same) > 1 and recipe.name in same else []


def _listed(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def training_of(recipe: Recipe, history: dict) -> str:
    """What a card says of the training."""
    times = table_times(models.preset(recipe.preset))
    values = vars(recipe) | {
        "tokens": history["tokens"],
        "steps": recipe.steps,
        "rows": recipe.rows,
        "pairs": recipe.steps * recipe.rows,
        "warmup_steps": recipe.warmup_steps,
        "lengths": recipe.sequence_length,
        "positions": POSITIONS[recipe.first_positions],
        "routers": ROUTERS if models.preset(recipe.preset).moe else "",
        "table": TABLE.format(times=times) if times != 1.0 else "",
    }
    if recipe.short_length is not None:
        values["lengths"] = (
            f"{recipe.short_length} for {recipe.short_fraction:.0%} of them, then {recipe.sequence_length}"
        )
    if recipe.short_density is not None:
        values["lengths"] += LEFT_OUT[recipe.objective].format(
            short=recipe.short_density, usual=USUAL[recipe.objective], long=blank_infilling.LONG_SHARE
        )
    budgets = history["budgets"]
    changes = "".join(
        CHANGE.format(before=before["tokens"], **after) for before, after in zip(budgets, budgets[1:], strict=False)
    )
    minutes = history["seconds"] / 60
    amount = PAIRS_TRAINING if recipe.objective == "translation" else TRAINING
    began = "" if recipe.encoder is None else HEADS_BEGAN
    return (amount + OPTIMIZERS + began).format(
        minutes=minutes, processor=history["processor"], changes=changes, **values
    )


def _texts(recipe: Recipe, shares: tuple[CorpusShare, ...], history: dict) -> str:
    rows = []
    for share in shares:
        count = history["texts"][share.file]
        times = count["tokens_read"] / count["tokens"]
        title = f"{share.title} (`{share.file}`)"
        rows.append(f"| {title} | {share.source} | {share.licence} | {count['tokens_read']:,} | {times:.1f} |")
    plain_marks = PLAIN_MARKS if recipe.mixture.plain_marks else ""
    return TEXTS.format(rows="\n".join(rows), plain_marks=plain_marks, held_out=HELD_OUT_FRACTION)


def _validation(shares: tuple[CorpusShare, ...], history: dict) -> str:
    titles = {share.file: share.title for share in shares} | {"all": "**all texts**"}
    rows = [
        f"| {titles[file]} | {score['tokens']:,} | {score['loss']:.3f} | {score['perplexity']:.2f} "
        f"| {score['bits_per_byte']:.3f} |"
        for file, score in history["validation"].items()
    ]
    return VALIDATION.format(rows="\n".join(rows)) + _translations(titles, history)


def _translations(titles: dict[str, str], history: dict) -> str:
    """How near translations come to the references; empty where nothing was translated."""
    rows = [
        f"| {titles[file]} | {score['sentences']} | {score['chrf']:.1f} | {score['chrf_looked_up']:.1f} |"
        for file, score in history.get("translations", {}).items()
    ]
    return TRANSLATIONS.format(rows="\n".join(rows)) if rows else ""


def _experts(history: dict) -> str:
    rows = [
        f"| `{name}` | {' '.join(f'{share:.1%}' for share in layer['load'])} | {layer['most']:.2f} | {layer['least']:.2f} "
        f"| {layer['dead']} | {layer['left_out']:.1%} | {layer['bits']:.2f} bits | {layer['random_bits']:.2f} bits |"
        for name, layer in history["routing"].items()
    ]
    return EXPERTS.format(rows="\n".join(rows))


def _pairs_validation(shares: tuple[CorpusShare, ...], history: dict) -> str:
    titles = {share.file: share.title for share in shares} | {"all": "**all texts**"}
    rows = []
    for file, score in history["validation"].items():
        of_tokens = (score[name] / score["masked"] for name in ("top1", "top5", "unigram_top1", "unigram_top5"))
        of_pairs = (score[name] / score["pairs"] for name in ("right", "majority"))
        figures = (
            f"{score['masked']:,}",
            f"{score['loss']:.3f}",
            f"{score['perplexity']:.1f}",
            *(f"{share:.1%}" for share in of_tokens),
            f"{score['pairs']:,}",
            *(f"{share:.1%}" for share in of_pairs),
        )
        rows.append(f"| {titles[file]} | {' | '.join(figures)} |")
    return PAIRS_VALIDATION.format(rows="\n".join(rows))
