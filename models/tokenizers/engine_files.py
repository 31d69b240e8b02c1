"""Reading what the `tokenizers` library reads: its tokenizer.json, and the vocab.txt of WordPiece."""

import json
from collections.abc import Iterator

import tokenizers as hf
from tokenizers.decoders import WordPiece as WordPieceDecoder
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from models.errors import InputError
from models.tokenizers.byte_level import ByteLevelTokenizer
from models.tokenizers.disguise import DISGUISE, disguised
from models.tokenizers.failures import Fault, broken
from models.tokenizers.interface import END_OF_TEXT, Tokenizer
from models.tokenizers.subwords import SubwordTokenizer, WordEndTokenizer, WordPieceTokenizer

KINDS = "byte-level BPE, BPE, WordPiece, Unigram, characters"
USUAL_ENDS = (END_OF_TEXT, "</s>")

JSON_KINDS = {dict: "object", list: "array", str: "string"}

BERT_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
UNKNOWN = "[UNK]"


def read_tokenizer_json(text: str, parts: dict, file: str, name: str, end_of_text: str | None = None) -> Tokenizer:
    """The tokenizer that the `text` of a tokenizer.json, parsed to `parts`, describes; refusals call it `file`.

    Raises InputError: "tokenizer_part" and what else `failures.broken` gives, "tokenizer_empty", "tokenizer_kind" for a kind
    that is not wrapped here, "tokenizer_spelling" for a byte-level vocabulary with other characters.
    """
    with broken(file):
        _check_parts(parts)
        model = parts["model"]
        kind = model.get("type") or "BPE"
        engine = hf.Tokenizer.from_str(disguised(parts) if kind == "Unigram" else text)
        byte_level = any(
            step.get("type") == "ByteLevel"
            for part in ("pre_tokenizer", "normalizer")
            for step in _steps(parts.get(part))
        )
        if not engine.get_vocab():
            raise Fault("tokenizer_empty")
        if kind == "BPE" and byte_level and not model.get("end_of_word_suffix"):
            algorithm = "byte-level BPE" if model["merges"] else "bytes"
            return ByteLevelTokenizer(engine, name, algorithm, end_of_text or END_OF_TEXT)
        special = {token["content"] for token in parts.get("added_tokens") or ()}
        end = end_of_text or next((token for token in USUAL_ENDS if token in special), None)
        if kind == "BPE" and not byte_level:
            return _bpe(engine, model, parts, name, end)
        if kind == "WordPiece":
            return WordPieceTokenizer(engine, name, "WordPiece", end, model["unk_token"])
        if kind == "Unigram":
            unknown = None if model.get("unk_id") is None else model["vocab"][model["unk_id"]][0]
            fallback = bool(model.get("byte_fallback"))
            return SubwordTokenizer(engine, name, "Unigram", end, unknown, fallback, disguise=DISGUISE)
        if kind == "WordLevel" and _single_characters(parts):
            return SubwordTokenizer(engine, name, "characters", end, model["unk_token"])
    raise InputError("tokenizer_kind", file=file, kind=f"byte-level {kind}" if byte_level else kind, known=KINDS)


def _check_parts(parts: dict) -> None:
    """Raises Fault("tokenizer_part") where a part of a tokenizer.json is not of the kind that its readers take it for."""
    model = _of_kind(parts, "model", dict)
    kind = _of_kind(model, "type", str, "model.", optional=True)
    vocab = _of_kind(model, "vocab", list if kind == "Unigram" else dict, "model.")
    if kind == "Unigram" and not all(isinstance(piece, list) and len(piece) == 2 for piece in vocab):
        raise Fault("tokenizer_part", part="model.vocab", kind="array of pairs")
    if kind in (None, "BPE"):
        _of_kind(model, "merges", list, "model.")
    if kind in ("WordPiece", "WordLevel"):
        _of_kind(model, "unk_token", str, "model.")
    for name in ("normalizer", "pre_tokenizer", "post_processor", "decoder"):
        _of_kind(parts, name, dict, optional=True)
    for number, token in enumerate(_of_kind(parts, "added_tokens", list, optional=True) or ()):
        if not isinstance(token, dict):
            raise Fault("tokenizer_part", part=f"added_tokens[{number}]", kind=JSON_KINDS[dict])
        _of_kind(token, "content", str, f"added_tokens[{number}].")


def _of_kind(holder: dict, name: str, kind: type, within: str = "", optional: bool = False) -> object:
    value = holder.get(name)
    if not isinstance(value, kind) and not (optional and value is None):
        raise Fault("tokenizer_part", part=within + name, kind=JSON_KINDS[kind])
    return value


def _bpe(engine: hf.Tokenizer, model: dict, parts: dict, name: str, end: str | None) -> Tokenizer:
    unknown = model.get("unk_token")
    if model.get("end_of_word_suffix"):
        return WordEndTokenizer(engine, name, "BPE", end, unknown)
    marked = model.get("byte_fallback") or "▁" in json.dumps(
        [parts.get("normalizer"), parts.get("pre_tokenizer")], ensure_ascii=False
    )
    algorithm = "SentencePiece BPE" if marked else "BPE" if model["merges"] else "characters"
    return SubwordTokenizer(engine, name, algorithm, end, unknown, bool(model.get("byte_fallback")))


def _steps(part: dict | None) -> Iterator[dict]:
    """The steps of a normaliser or pre-tokenizer, whether it is none, one, or a sequence."""
    if part is None:
        return
    inner = part.get("pretokenizers") or part.get("normalizers")
    if inner is None:
        yield part
        return
    for step in inner:
        yield from _steps(step)


def _single_characters(parts: dict) -> bool:
    """Whether a word-level vocabulary has characters for words: the text is cut into them, and nothing else is in it."""
    special = {token["content"] for token in parts.get("added_tokens", ())}
    isolated = any(step.get("type") == "Split" for step in _steps(parts.get("pre_tokenizer")))
    return isolated and all(len(token) == 1 for token in parts["model"]["vocab"] if token not in special)


def wordpiece(tokens: list[str], name: str, settings: dict) -> Tokenizer:
    """A BERT tokenizer from the lines of its vocab.txt.

    settings: those of a tokenizer_config.json. Without `do_lower_case`, text is lower-cased if no token has a capital.
    Raises Fault("tokenizer_no_unknown") for a file that is no such vocabulary.
    """
    if UNKNOWN not in tokens:
        raise Fault("tokenizer_no_unknown", unknown=UNKNOWN)
    vocab = {token: token_id for token_id, token in enumerate(tokens)}
    special = [token for token in BERT_SPECIAL if token in vocab]
    cased = any("A" <= character <= "Z" for token in vocab if token[0:1] not in "[<" for character in token)
    lower = settings.get("do_lower_case", not cased)
    engine = hf.Tokenizer(WordPiece(vocab, unk_token=UNKNOWN))
    engine.normalizer = BertNormalizer(
        handle_chinese_chars=settings.get("tokenize_chinese_chars", True),
        strip_accents=settings.get("strip_accents"),
        lowercase=lower,
    )
    engine.pre_tokenizer = BertPreTokenizer()
    engine.decoder = WordPieceDecoder()
    engine.add_special_tokens(special)
    return WordPieceTokenizer(engine, name, "WordPiece", unknown=UNKNOWN)
