"""A comparison of tokenizers as one compact string, which static/tokenizers_columns.js draws.

Of each token travel its id, how many bytes of the text lie between it and the one before, and how many it spans.
"""

from collections.abc import Iterable
from dataclasses import asdict

from playground.views.token_words import algorithm, comes_back, licence_of, source_of

MOST_SPECIAL = 6
KIND_LETTERS = {"text": "t", "byte": "b", "unknown": "u", "special": "s"}


def column_payload(name: str, title: str, column, lang: str) -> dict:
    """One column (`playground.token_figures.Column`) as plain values."""
    encoding, tokenizer = column.encoding, column.tokenizer
    gaps, lengths, at = [], [], 0
    for start, end in encoding.byte_spans:
        gaps.append(start - at)
        lengths.append(end - start)
        at = end
    unique = sorted(set(encoding.ids))
    kinds = {token_id: KIND_LETTERS[tokenizer.kind_of(token_id)] for token_id in unique}
    return {
        "name": name,
        "title": title,
        "algorithm": algorithm(tokenizer.algorithm, lang),
        "ids": encoding.ids,
        "gaps": gaps,
        "lengths": lengths,
        "kinds": "".join(kinds[token_id] for token_id in encoding.ids),
        "spellings": {token_id: tokenizer.token(token_id) for token_id in unique},
        "figures": {key: _rounded(value) for key, value in asdict(column.figures).items()},
        "exact": column.back.exact,
        "back": comes_back(column.back.exact, column.back.changes, lang),
    }


def about(name: str, licence: str, tokenizer, lang: str) -> dict:
    """What a tokenizer is: source, licence and special tokens, of which the first ones are spelled out."""
    special = list(tokenizer.special_tokens())
    return {
        "source": source_of(name, lang),
        "licence": licence_of(name, licence, lang),
        "special": special[:MOST_SPECIAL],
        "n_special": len(special),
    }


def refused_column(name: str, title: str, sentence: str) -> dict:
    """A tokenizer that could not do it, and why."""
    return {"name": name, "title": title, "refused": sentence}


def comparison_payload(columns: Iterable[dict], size, drawn: int) -> dict:
    """All columns, the text's size, and how many characters of it are drawn."""
    return {"columns": list(columns), "size": asdict(size), "drawn": drawn}


def _rounded(value: float | None) -> float | None:
    return value if value is None or isinstance(value, int) else float(f"{value:.6g}")
