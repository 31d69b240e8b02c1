"""What the script of the section "pairs" asks of the server."""

from dataclasses import asdict
from functools import cache

from models.errors import InputError
from models.tokenizers import Tokenizer
from playground.answering import answering, read_whole
from playground.i18n import say
from playground.objective_models import best_reader, find_masked, known_model, masked_models, tokenizer_of
from playground.pair_building import building, drawn_pairs
from playground.pair_documents import COLLECTIONS, GROUPS, OWN, Document, documents_of, texts_of
from playground.pair_judging import hold_judge, judge, typed_pair
from playground.pair_score import languages_of, scoreboard, summary
from playground.session import LIMITS
from playground.turns import turn


@answering
def pairs_opening(asked: dict, lang: str) -> dict:
    """The collections of documents to choose from, how long a pair may be, and for each model an example to ask about."""
    low, high = LIMITS["pair_tokens"]
    names = [{"name": name, "title": say(lang, f"pairs.collection.{name}")} for name in (*COLLECTIONS, OWN)]
    brought = known_model(asked.get("model"))
    listed = {one.name: one for one in (*masked_models(), brought) if one and one.judges_pairs}
    return {
        "collections": names,
        "tokens": {"low": low, "high": high},
        "examples": {name: example_for(name) for name in listed},
        "suited": {name: suited_collection(name) for name in listed},
    }


@cache
def example_for(model: str) -> tuple[str, str]:
    """The first two sentences of a held-out text in a language that the model reads: the last one, of which no pair is
    built beside it."""
    from models.objectives.sentences import sentences

    first, second, *_ = sentences(texts_of(_file(model))[-1])
    return first, second


def suited_collection(model: str) -> str:
    """The collection of documents that the model reads best."""
    return next(name for name, (file, _) in COLLECTIONS.items() if file == _file(model))


@cache
def _file(model: str) -> str:
    """The first file of held-out texts in a language that the model reads."""
    readable = languages_of(tokenizer_of(model))
    return GROUPS[readable[0] if readable else "en"][0]


@answering
def pairs_build(asked: dict, lang: str) -> dict:
    """The documents as sentences, how well the model reads them, and what was drawn for each pair."""
    found, loaded = hold_judge(asked.get("model"))
    with turn():
        documents, drawn = _drawn(asked, loaded)
        built = building(documents, drawn, loaded.tokenizer, asked["tokens"])
        return {**built, "reading": reading(documents, found.name, loaded.tokenizer)}


def reading(documents: list[Document], name: str, tokenizer: Tokenizer) -> dict:
    """How many tokens the documents have, how many of them the model does not know, and the judge that reads them better."""
    ids = [token_id for document in documents for sentence in document.ids for token_id in sentence]
    unknown = sum(tokenizer.kind_of(token_id) == "unknown" for token_id in ids)
    better = best_reader("\n".join(" ".join(document.sentences) for document in documents)) if unknown else name
    return {
        "tokens": len(ids),
        "unknown": unknown,
        "better": better if better != name and find_masked(better).judges_pairs else None,
    }


@answering
def pairs_judge(asked: dict, lang: str) -> dict:
    """What the model says of pair number `at` of those that `pairs_build` gives for the same request."""
    _, loaded = hold_judge(asked.get("model"))
    with turn():
        _, drawn = _drawn(asked, loaded)
        at = read_whole("at", asked.get("at"), 0, len(drawn) - 1)
        return asdict(judge(loaded, drawn[at].pair))


def _drawn(asked: dict, loaded) -> tuple[list, list]:
    documents = documents_of(asked.get("documents"), asked.get("text"), loaded.tokenizer)
    return documents, drawn_pairs(documents, asked.get("seed"), asked.get("tokens"))


@answering
def pairs_ask(asked: dict, lang: str) -> dict:
    """What the model says of two typed texts."""
    _, loaded = hold_judge(asked.get("model"))
    pair = typed_pair(asked.get("first"), asked.get("second"), loaded.tokenizer)
    with turn():
        return asdict(judge(loaded, pair))


@answering
def pairs_score(asked: dict, lang: str) -> dict:
    """The score of the model on the held-out pairs of one language, as it is after their parts 0 to `part`.

    Without a part: the whole score where it is known already, else only how many pairs there are.
    """
    found, loaded = hold_judge(asked.get("model"))
    readable = languages_of(loaded.tokenizer)
    if not readable:
        raise InputError("pair_no_language", model=found.title)
    wanted = asked.get("texts", lang)
    board = scoreboard(found.name, wanted if wanted in readable else readable[0])
    about = {"texts": board.lang, "readable": readable, "parts": board.n_parts, "n_pairs": len(board.pairs)}
    if asked.get("part") is None and not board.is_known:
        return about
    last = board.n_parts - 1
    part = last if asked.get("part") is None else read_whole("part", asked["part"], 0, last)
    return {**about, "part": part, **summary(board.pairs, board.upto(part, loaded))}


ANSWERS = [pairs_opening, pairs_build, pairs_judge, pairs_ask, pairs_score]
