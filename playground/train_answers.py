"""What the training tab's script asks of the server: JSON in, JSON out; see `answering`.

A training goes on as long as its page asks how it is; each answer holds only what is new since the one before.
"""

import base64
import secrets

from models.errors import InputError
from playground import model_facts, train_files, train_recordings
from playground.answering import answering
from playground.design_strings import as_text
from playground.i18n import explain, say, words_under
from playground.session import LIMITS, TRAIN_EXPERTS, TRAIN_RACE, TRAIN_SMALL, parse_design
from playground.token_pieces import Pieces
from playground.train_designs import (
    MAX_PARAMS,
    N_MARKS,
    Trainable,
    balance_of,
    balances,
    small_form,
    trainable,
    with_balance,
)
from playground.train_house import MAX_RACERS, MAX_SECONDS, Order, as_designs, house, read_order
from playground.train_texts import BUNDLED, LEAST_CHARACTERS, MOST_BYTES, OWN, Text, bundled, is_english, read
from playground.trained_here import shelf
from playground.turns import turn
from playground.views.numbers import exact, short, short_bytes
from playground.views.train_payload import told
from playground.views.train_words import design_words, race_words, unlike_words
from playground.views.zoo_table import zoo_payload
from playground.zoo_scores import groups

WORDS = "train.view."
RACES = {
    "norm": TRAIN_RACE,
    "place": f"{TRAIN_SMALL}|{TRAIN_SMALL}~block=post~final_norm=false",
    "position": f"{TRAIN_SMALL}|{TRAIN_SMALL}~position=alibi",
    "experts": f"{TRAIN_SMALL}|{TRAIN_SMALL}~moe.n_experts=4~moe.n_experts_per_token=1~moe.d_expert=352"
    "~moe.router=switch~moe.aux_loss_coef=0.05",
    "heads": f"{TRAIN_SMALL}~attention=mha~n_kv_heads=4|{TRAIN_SMALL}~attention=mqa~n_kv_heads=1",
}
"""Ready-made races: designs that differ in one choice."""
SWITCH = (
    "mixtral-mini~max_seq_len=256~d_model=96~n_layers=3~attention=mqa~n_heads=3~n_kv_heads=1~moe.n_experts=8~moe.n_experts_per_token=1"
    "~moe.d_expert=128~moe.router=switch~moe.normalise_weights=false~moe.aux_loss_coef=0"
)
MIXTURES = {"sigmoid": TRAIN_EXPERTS, "switch": SWITCH, "deepseek": "deepseek-v3-mini"}
pieces = Pieces(most=3)


@answering
def opening(asked: dict, lang: str) -> dict:
    """All that the tab needs to begin: its words, what is ready-made, its limits, and what was recorded."""
    limits = {"tokens": LIMITS["train_tokens"], "racers": MAX_RACERS, "bytes": MOST_BYTES}
    limits |= {"characters": LEAST_CHARACTERS, "file": train_files.MAX_BROUGHT, "seconds": MAX_SECONDS}
    limits |= {"params": short(MAX_PARAMS), "file_words": short_bytes(train_files.MAX_BROUGHT)}
    return {
        "words": words_under(WORDS, lang),
        "limits": limits,
        "texts": [[name, say(lang, f"train.text.{name.replace('-', '_')}")] for name in [*BUNDLED, OWN]],
        "races": [[name, say(lang, f"train.race.{name}"), designs] for name, designs in RACES.items()],
        "mixtures": [[name, say(lang, f"train.mixture.{name}"), _mixture(name)] for name in MIXTURES],
        "balances": [[name, say(lang, f"train.balance.{name}")] for name in ("none", "aux", "bias")],
        "small": [[small, model_facts.title(parse_design(small).base)] for small in _small_ones()],
        "recorded": {section: train_recordings.recorded(section, lang) for section in train_recordings.SECTIONS},
        "zoo": zoo_payload(groups(), lang),
    }


def _mixture(name: str) -> str:
    return small_form(MIXTURES[name]) if name == "deepseek" else MIXTURES[name]


def _small_ones() -> list[str]:
    """Small forms of well-known designs, to choose from."""
    names = (
        "gpt2",
        "llama3-8b",
        "qwen3-8b",
        "bloom-7b1",
        "chatglm-6b",
        "deepseek-v3",
        "mixtral-8x7b",
        "bert-base-uncased",
        "transformer-base",
        "t5-small",
        "switch-base-8",
    )
    return [TRAIN_SMALL, *filter(None, map(small_form, names))]


@answering
def check(asked: dict, lang: str) -> dict:
    """What a design would learn and with what, or why it cannot and a small form that can. Of one's `own` text it takes the
    beginning."""
    design = as_text("design", asked.get("design"))
    try:
        found = trainable(design, _reads_english(asked.get("text"), asked.get("own")))
    except InputError as error:
        return {"refusal": explain(lang, error), "small": _small(design)}
    sentence = say(
        lang,
        "train.checked",
        name=design_words(found.base, found.config, lang),
        params=short(found.params),
        objective=say(lang, f"train.objective.{found.objective}"),
        tokenizer=_tokenizer_words(found, lang),
        row=exact(found.row),
    )
    sparse = found.config.moe is not None and not found.config.moe.uses_all
    return {
        "sentence": sentence,
        "design": found.design,
        "balances": list(balances(found.config)) if sparse else [],
        "balance": balance_of(found.config) if sparse else None,
        "grey": _grey(found, lang),
    }


def _grey(found: Trainable, lang: str) -> str:
    """Why not every way to balance experts can be chosen; empty where it can."""
    try:
        return "" if "bias" in balances(found.config) else say(lang, "train.bias_needs_sigmoid")
    except InputError as error:
        return explain(lang, error)


@answering
def compare(asked: dict, lang: str) -> dict:
    """What the `designs` of a race are called, and why their losses cannot be compared, where they cannot; nothing while
    one of them cannot be trained."""
    reads_english = _reads_english(asked.get("text"), asked.get("own"))
    try:
        designs = [trainable(design, reads_english) for design in as_designs(asked.get("designs"))]
    except InputError:
        return {"names": [], "note": ""}
    names = race_words([(design.base, design.config) for design in designs], lang)
    objectives, tokenizers = [one.objective for one in designs], [one.tokenizer for one in designs]
    return {"names": names, "note": unlike_words(names, objectives, tokenizers, lang)}


def _tokenizer_words(found: Trainable, lang: str) -> str:
    """The tokenizer's name, and how many marks it gets for the objective."""
    n_marks = N_MARKS.get(found.objective)
    return say(lang, "train.with_marks", tokenizer=found.tokenizer, count=n_marks) if n_marks else found.tokenizer


def _reads_english(name: object, own: object) -> bool:
    if name == OWN:
        return is_english(own) if isinstance(own, str) else True
    return bundled(name).is_english if isinstance(name, str) and name in BUNDLED else True


def _small(design: str) -> str | None:
    try:
        return small_form(design)
    except InputError:
        return None


@answering
def begin(asked: dict, lang: str) -> dict:
    """Begins a training: `designs`, `text` (and, for one's own, `own`), `tokens`, `seed`, `balance`."""
    visitor = asked.get("visitor")
    if not isinstance(visitor, str) or not 0 < len(visitor) <= 64:
        visitor = secrets.token_urlsafe(8)
    text = _text(asked)
    order = read_order(asked.get("designs"), text, asked.get("tokens"), asked.get("seed"), asked.get("balance"))
    training = house.begin(order, visitor)
    return {"training": training.name, "about": _lanes(order.designs, lang), "settings": _settings(order)}


def _text(asked: dict) -> Text:
    sent = asked.get("sent")
    return read(asked.get("text"), pieces.take(sent).decode("utf-8", "replace") if sent else asked.get("own"))


def _settings(order: Order) -> dict:
    """What a training was asked to be, beside its designs."""
    return {"text": order.text.name, "tokens": order.tokens, "seed": order.seed, "balance": order.balance}


def _lanes(designs: list[Trainable], lang: str) -> list[dict]:
    """What is known of the designs before they learn."""
    names = race_words([(design.base, design.config) for design in designs], lang)
    return [
        {
            "design": design.design,
            "title": name,
            "params": design.params,
            "active": design.active,
            "writes": design.config.head == "lm",
            "pays": design.pays,
            "objective": say(lang, f"train.objective.{design.objective}"),
            "tokenizer": design.tokenizer,
        }
        for name, design in zip(names, designs, strict=True)
    ]


@answering
def look(asked: dict, lang: str) -> dict:
    """How a training is: what is new since `seen`, [points, samples, loads] of each design; `hidden`: the page is out of
    sight."""
    training = house.get(asked.get("training"), is_in_sight=asked.get("hidden") is not True)
    answer = told(training, house.place(training), asked.get("seen"), lang)
    if asked.get("whole"):  # a page that was loaded anew
        answer |= {"about": _lanes(training.order.designs, lang), "settings": _settings(training.order)}
    return answer


@answering
def steer(asked: dict, lang: str) -> dict:
    """Pauses ("pause"), continues ("go"), stops ("stop"), or balances the experts in another way (`balance`)."""
    training, action = house.get(asked.get("training")), asked.get("action")
    actions = ("pause", "go", "stop", "balance") if training.balance else ("pause", "go", "stop")
    if action not in actions:
        raise InputError("not_a_choice", field="action", value=action, allowed=", ".join(actions))
    if action == "pause":
        training.paused.set()
    elif action == "go":
        training.paused.clear()
    elif action == "stop":
        training.stopped.set()
    else:
        with_balance(training.order.designs[0].config, asked.get("balance"))
        training.balance = asked["balance"]
    return {}


@answering
def piece(asked: dict, lang: str) -> dict:
    """Takes one piece of a text or of a file."""
    limit = train_files.MAX_BROUGHT if asked.get("kind") == "file" else MOST_BYTES
    return {"size": pieces.add(asked.get("name"), asked.get("index"), asked.get("data"), limit)}


@answering
def download(asked: dict, lang: str) -> dict:
    """The files of a model that was trained here, zipped, as base64."""
    kept = shelf.get(as_text("model", asked.get("model")))
    with turn():
        data = train_files.packed(kept)
    return {"name": f"{kept.base}-{kept.steps or 0}.zip", "zip": base64.b64encode(data).decode()}


@answering
def bring(asked: dict, lang: str) -> dict:
    """Puts the model of the zip file that was sent in pieces on the shelf."""
    data = pieces.take(asked.get("sent"))
    with turn():
        kept = train_files.brought(data)
    values = {"name": design_words(kept.base, kept.config, lang), "params": short(kept.params)}
    return {
        "model": kept.name,
        "in_hand": say(lang, "train.brought", **values),
        "aside": say(lang, "train.brought_aside", **values),
    }


ANSWERS = [opening, check, compare, begin, look, steer, piece, download, bring]
