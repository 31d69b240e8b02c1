"""A tokenizer with further special tokens after its own: for objectives that want marks it was not made with."""

import json
from collections.abc import Sequence

from models.tokenizers.engine import FILE, EngineTokenizer
from models.tokenizers.engine_files import read_tokenizer_json
from models.tokenizers.interface import Tokenizer


def with_special_tokens(
    tokenizer: EngineTokenizer, spellings: Sequence[str], end_of_text: str | None = None
) -> Tokenizer:
    """A copy of a tokenizer of the `tokenizers` library, in which each of `spellings` that it lacks is a special token.

    The new ids follow the old ones, which stay what they were. end_of_text: which special token ends a text.
    """
    parts = json.loads(tokenizer.to_json())
    known = {token["content"] for token in parts["added_tokens"]}
    new = [spelling for spelling in dict.fromkeys(spellings) if spelling not in known]
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    parts["added_tokens"] += [
        {"id": tokenizer.vocab_size + place, "content": spelling, **plain} for place, spelling in enumerate(new)
    ]
    return read_tokenizer_json(json.dumps(parts), parts, FILE, tokenizer.name, end_of_text)
