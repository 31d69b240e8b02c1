"""The endpoints /tokenize and /compare_tokenizers."""

from dataclasses import asdict

from models.errors import InputError
from models.tokenizers.round_trip import round_trip
from playground.session import TOKENIZERS
from playground.tab import asked_in, refusals
from playground.token_figures import column, read_text, size_of
from playground.token_shelf import Named, find, licence_entry, read_names
from playground.turns import turn
from playground.views.token_words import comes_back, licence_of, source_of, title_of

DEFAULT_TOKENIZERS = tuple(TOKENIZERS.split(","))
MAX_LISTED = 200_000  # characters of a text whose tokens are listed one by one


def tokenize(text: str, tokenizer: str = "byte-bpe-8k", lang: str = "en") -> dict:
    """Cuts a text into tokens.

    Args:
        text: at most 200,000 characters
        tokenizer: the name of a shipped or installed tokenizer ("byte-bpe-8k", "wordpiece-8k", "gpt2"); an unknown name is
            answered with the list of names
        lang: "en" or "zh", the language of the sentences

    Returns:
        tokenizer, algorithm, vocab_size, source, licence: what did it
        special_tokens: its special tokens with their ids; no text becomes one of them
        ids: the tokens' ids
        tokens: the tokens as the vocabulary spells them
        kinds: for each token "text", "byte" (a byte of a character that the vocabulary lacks), "unknown" or "special"
        char_spans, byte_spans: for each token where in the text it is from, in code points and in UTF-8 bytes
        exact: whether decoding gives the text back, and
        back: what it gives, with a sentence (`sentence`) that says what changed
    """
    lang = asked_in(lang)
    with refusals(lang):
        checked = _listed(text)
        named = find(tokenizer)
        with turn():
            encoding = named.tokenizer.encode_with_offsets(checked)
            back = round_trip(named.tokenizer, checked)
    tool = named.tokenizer
    kept_as, licence = licence_entry(named.name)
    return {
        "tokenizer": named.name,
        "algorithm": tool.algorithm,
        "vocab_size": tool.vocab_size,
        "source": source_of(kept_as, lang),
        "licence": licence_of(kept_as, licence, lang),
        "special_tokens": tool.special_tokens(),
        "ids": encoding.ids,
        "tokens": [tool.token(token_id) for token_id in encoding.ids],
        "kinds": [tool.kind_of(token_id) for token_id in encoding.ids],
        "char_spans": [list(span) for span in encoding.char_spans],
        "byte_spans": [list(span) for span in encoding.byte_spans],
        "exact": back.exact,
        "back": back.became,
        "sentence": comes_back(back.exact, back.changes, lang),
    }


def compare_tokenizers(text: str, tokenizers: list[str] | None = None, lang: str = "en") -> dict:
    """Measures two to six tokenizers on one text.

    Args:
        text: at most 1,000,000 bytes of UTF-8
        tokenizers: names of shipped or installed tokenizers; by default the four that the page opens with
        lang: "en" or "zh", the language of the sentences

    Returns:
        characters, words, bytes: the text's size; a Chinese character counts as one word
        tokenizers: for each its name, title, algorithm, vocab_size, tokens, per_character, per_word, bytes_per_token,
            unknown and byte_fallback (shares of the tokens), seconds_per_mb (of this text, measured now), exact (whether
            decoding gives the text back; of a long text its beginning is tried), and a sentence that says what changed
    """
    lang = asked_in(lang)
    with refusals(lang):
        checked = read_text(text)
        names = read_names(list(DEFAULT_TOKENIZERS) if tokenizers is None else tokenizers)
        found = [find(name) for name in names]
        size = size_of(checked)
        with turn():
            rows = [_row(named, checked, size, lang) for named in found]
    return {**asdict(size), "tokenizers": rows}


def _row(named: Named, text: str, size, lang: str) -> dict:
    found = column(named.tokenizer, text, size)
    return {
        "name": named.name,
        "title": title_of(named, lang),
        "algorithm": named.tokenizer.algorithm,
        **asdict(found.figures),
        "exact": found.back.exact,
        "sentence": comes_back(found.back.exact, found.back.changes, lang),
    }


def _listed(text: object) -> str:
    checked = read_text(text)
    if len(checked) > MAX_LISTED:
        raise InputError("token_list_too_long", size=len(checked), limit=MAX_LISTED)
    return checked
