"""Special tokens that text can spell.

A Unigram vocabulary may list its special tokens among its pieces, as T5's does its sentinels; the library then finds them
in any text that contains their names. With a space before their names it does not, because the text that pieces are looked
for in has none: each is ▁ there.
"""

import json

DISGUISE = " "


def disguised(parts: dict) -> str:
    """A tokenizer.json, parsed to `parts`, whose special tokens no text can spell."""
    special = {token["content"] for token in parts.get("added_tokens") or () if token.get("special")}
    return _renamed(parts, {token: DISGUISE + token for token in special})


def undisguised(text: str) -> str:
    """The tokenizer.json that `disguised` was given, from what the library made of the result."""
    parts = json.loads(text)
    special = {token["content"] for token in parts.get("added_tokens") or () if token.get("special")}
    return _renamed(parts, {token: token.removeprefix(DISGUISE) for token in special})


def _renamed(parts: dict, names: dict[str, str]) -> str:
    pieces = [[names.get(piece, piece), log_prob] for piece, log_prob in parts["model"]["vocab"]]
    added = [
        token | {"content": names.get(token["content"], token["content"])} for token in parts.get("added_tokens") or ()
    ]
    # What adds special tokens to an encoded text knows them by name; it is not used (see `engine`).
    return json.dumps(parts | {"model": parts["model"] | {"vocab": pieces}, "added_tokens": added}, ensure_ascii=False)
