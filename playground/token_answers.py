"""What the script of the tab of tokenizers asks of the server."""

import base64
import tempfile
from pathlib import Path

from models.errors import InputError
from models.tokenizers.catalogue import INSTALL_COMMAND, available, catalogue
from models.tokenizers.opened import MAX_FILE_BYTES, open_file, open_hub
from playground.answering import answering, told
from playground.i18n import words_under
from playground.session import LIMITS
from playground.token_figures import LEAST, MAX_TEXT_BYTES, MOST, column, drawn_part, read_text, size_of
from playground.token_passages import measured, passage, passages
from playground.token_pieces import pieces
from playground.token_shelf import Named, entries, find, licence_entry, own, read_names
from playground.token_steps import encoding_steps, training_steps
from playground.token_training import jobs, packed
from playground.turns import turn
from playground.views.numbers import exact, short_bytes
from playground.views.token_columns import about, column_payload, comparison_payload, refused_column
from playground.views.token_words import algorithm, title, title_of
from playground.views.token_words import size_of as size_of_name

MAX_TITLE = 40
SURVEYED = ("chinese", "english")
SURVEY = {"llama2": 32_000, "chatglm": 130_528, "bloom": 250_880}
"""The survey's own vocabulary sizes; LLaMA's has a name in the catalogue."""
SURVEY_TITLES = {"llama2": "LLaMA", "chatglm": "ChatGLM-6B", "bloom": "BLOOM"}
WORDS = "tokenizers.view."


@answering
def opening(asked: dict, lang: str) -> dict:
    """All that the tab needs to begin: its words, the tokenizers, the passages, its limits."""
    listed = [
        {
            "name": entry.name,
            "title": title(entry.name, entry.title, entry.algorithm, lang),
            "algorithm": algorithm(entry.algorithm, lang),
            "size": size_of_name(entry.name),
            "vocab_size": entry.vocab_size,
            "licence": entry.licence,
            "command": entry.command,
            "shipped": entry.command is None,
            "available": available(entry),
        }
        for entry in catalogue()
    ]
    smallest, largest = LIMITS["train_size"]
    limits = {"text": MAX_TEXT_BYTES, "file": MAX_FILE_BYTES, "least": LEAST, "most": MOST}
    limits |= {"smallest": smallest, "largest": largest}
    return {
        "words": words_under(WORDS, lang),
        "tokenizers": listed,
        "install": INSTALL_COMMAND,
        "passages": [{"title": title, "text": text} for title, text in passages(lang)],
        "limits": limits,
        "limit_words": {"text": exact(MAX_TEXT_BYTES), "file": short_bytes(MAX_FILE_BYTES)},
    }


@answering
def compare(asked: dict, lang: str) -> dict:
    """The columns of `tokenizers` on `text` (or on the text that was sent in pieces under the name `sent`)."""
    names = read_names(asked.get("tokenizers"))
    text = text_of(asked)
    size = size_of(text)
    columns = [_column(name, text, size, lang) for name in names]
    return comparison_payload(columns, size, len(drawn_part(text)))


def _column(name: str, text: str, size, lang: str) -> dict:
    """One column. Each takes a turn of its own, and none to open its vocabulary: a long text, or a slow file, must not
    keep others waiting."""
    called = name
    try:
        named = find(name)
        called = title_of(named, lang)
        with turn():
            payload = column_payload(name, called, column(named.tokenizer, text, size), lang)
        return payload | {"about": about(*licence_entry(name), named.tokenizer, lang)}
    except InputError as error:
        return refused_column(name, called, told(error, lang))


def text_of(asked: dict) -> str:
    """The text of a request, checked."""
    if "sent" not in asked:
        return read_text(asked.get("text"))
    # A script sends the bytes of its text as UTF-8, in which half a character has become U+FFFD already.
    return read_text(pieces.take(asked["sent"]).decode("utf-8", "replace"))


@answering
def piece(asked: dict, lang: str) -> dict:
    """Takes one piece of a text or file."""
    limit = MAX_FILE_BYTES if asked.get("kind") == "file" else MAX_TEXT_BYTES
    return {"size": pieces.add(asked.get("name"), asked.get("index"), asked.get("data"), limit)}


@answering
def bring(asked: dict, lang: str) -> dict:
    """Opens the file that was sent in pieces, or the tokenizer of a hub id."""
    if "hub" in asked:
        hub = asked["hub"]
        if not isinstance(hub, str):
            raise InputError("not_a_text", field="hub", value=hub)
        return kept(hub.strip()[:MAX_TITLE], open_hub(hub.strip()), lang)
    name = asked.get("file")
    if not isinstance(name, str):
        raise InputError("not_a_text", field="file", value=name)
    data = pieces.take(asked.get("sent"))
    name = name.replace("\\", "/").rsplit("/", 1)[-1]
    with turn(), tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(data)
        return kept(name[:MAX_TITLE], open_file(path, name), lang)


def kept(title: str, tokenizer, lang: str) -> dict:
    """Keeps a visitor's tokenizer, and describes it as the list does."""
    return described(own.keep(title, tokenizer), lang)


def described(named: Named, lang: str) -> dict:
    """A tokenizer as the list of the page has it."""
    return {
        "name": named.name,
        "title": named.title,
        "algorithm": algorithm(named.tokenizer.algorithm, lang),
        "vocab_size": named.tokenizer.vocab_size,
        "size": "",
        "licence": "",
        "command": None,
        "shipped": False,
        "available": True,
    }


@answering
def steps(asked: dict, lang: str) -> dict:
    """Every step of a training on a small text, or, with a `tokenizer`, of how it cuts a word."""
    named = find(asked["tokenizer"]) if "tokenizer" in asked else None
    with turn():
        if named:
            return {**encoding_steps(named, asked.get("word")), "title": title_of(named, lang)}
        return training_steps(asked.get("algorithm"), asked.get("text"))


@answering
def train(asked: dict, lang: str) -> dict:
    """Begins a training on the visitor's text; `trained` says how far it is."""
    return {"job": jobs.begin(lang, asked.get("algorithm"), text_of(asked), asked.get("vocab_size"))}


@answering
def trained(asked: dict, lang: str) -> dict:
    """How far a training is; the tokenizer, once there is one."""
    job = jobs.get(asked.get("job"))
    if job.error:
        raise job.error
    return {"share": job.share, "done": described(job.named, lang) if job.named else None}


@answering
def stop(asked: dict, lang: str) -> dict:
    """Stops a training."""
    jobs.get(asked.get("job")).stopped.set()
    return {}


@answering
def download(asked: dict, lang: str) -> dict:
    """The files of a visitor's tokenizer, zipped, as base64."""
    named = find(asked.get("tokenizer"))
    with turn():
        return {"name": f"{named.title}.zip", "zip": base64.b64encode(packed(named.tokenizer)).decode()}


@answering
def survey(asked: dict, lang: str) -> dict:
    """The table that a survey prints, beside the same measured here: on the bundled Chinese and English passages, of the
    chosen tokenizers and of those that the survey has, where they are here."""
    names = read_names(asked.get("tokenizers"))
    here = [name for name in SURVEY if name in entries() and available(entries()[name])]
    opened = [find(name) for name in dict.fromkeys([*here, *names])]
    with turn():
        found = [measured(named, SURVEYED) for named in opened]
    rows = [
        {
            "title": title_of(one.named, lang),
            "printed": SURVEY.get(one.named.name),
            "vocab_size": one.named.tokenizer.vocab_size,
            **{name: [one.of[name].per_character, one.of[name].seconds_per_mb] for name in SURVEYED},
        }
        for one in found
    ]
    absent = [
        {"title": SURVEY_TITLES[name], "printed": size, "remark": name}
        for name, size in SURVEY.items()
        if name not in here
    ]
    return {"characters": {name: size_of(passage(name)).characters for name in SURVEYED}, "rows": rows + absent}


@answering
def kinds(asked: dict, lang: str) -> dict:
    """Tokens per character of the chosen tokenizers on every bundled passage: the chart's figures as a table."""
    opened = [find(name) for name in read_names(asked.get("tokenizers"))]
    with turn():
        found = [measured(named) for named in opened]
    return {
        "passages": [title for title, _ in passages(lang)],
        "rows": [[title_of(one.named, lang), *(figures.per_character for figures in one.of.values())] for one in found],
    }
