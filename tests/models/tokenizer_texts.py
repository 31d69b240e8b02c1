"""Texts that tokenizers stumble over, what must hold of every encoding, and small tokenizers of every kind."""

import base64
import json
from collections.abc import Callable, Sequence
from functools import cache

import tokenizers as hf
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

from models.tokenizers import Tokenizer, train_byte_bpe
from models.tokenizers.engine_files import read_tokenizer_json
from models.tokenizers.ranks import read_tekken

TEXTS = {
    "empty": "",
    "space": " ",
    "english": "Once upon a time, there was a little girl. She didn't know that it's 12,345 o'clock!",
    "chinese": "从前有一个小女孩，她很喜欢读书。犇猋骉麤。",
    "mixed": "Transformer 是 2017 年提出的，the paper 叫 “Attention”。",
    "code": "def f(x):\n    return x ** 2  # π\n\n\tprint(f'{f(3):.2f}')\r\n",
    "numbers": "3.14159 1,000,000 0x1F ½ ² Ⅳ ① ٣",
    "emoji": "👩‍👩‍👧‍👦 🇨🇳 🏳️‍🌈 👍🏽",
    "right to left": "שלום עולם مرحبا بالعالم \u202eabc",
    "joiners": "\u200d \u200b \ufeff a\u200db",
    "null": "a\0b\x01\x7f",
    "accents": "naïve Café É e\u0301llo cafe\u0301 İstanbul Straße",
    "forms": "ﬁ ㍿ ｱﾊﾟ \u1112\u1161\u11ab 한국어 ´a",
    "spaces": "  two  spaces \n\n\t end  ",
    "special": "<s> </s> <unk> <pad> [CLS] [UNK] [MASK] <|endoftext|> <extra_id_0> <0x0A> <|im_start|>",
    "spelled": "Ġonce ▁upon ##a a</w> time",
    "markup": "<script>alert('x')</script> &amp;",
    "high": "\U0010ffff\ue000\U0001f600",
}

STORIES = [
    "Once upon a time there was a little dog. The little dog liked the little girl, and the girl liked the dog. " * 3,
    "从前有一个小女孩，她很喜欢小狗。小狗也很喜欢小女孩。" * 3,
    "naive café 12 345 don't It's HELLO World ! ? , . fi é " * 2,
]


def check_encoding(tokenizer: Tokenizer, text: str) -> None:
    """Ids as `encode` gives them, spans within the text and in order, bytes that lie in their characters, exact parts of
    characters where the text came back whole, and no special token."""
    encoding = tokenizer.encode_with_offsets(text)
    ids, data = encoding.ids, text.encode()
    assert ids == tokenizer.encode(text)
    assert len(ids) == len(encoding.char_spans) == len(encoding.byte_spans)
    assert all(tokenizer.kind_of(token_id) != "special" for token_id in ids)
    for (start, end), (first, last) in zip(encoding.char_spans, encoding.byte_spans, strict=True):
        assert 0 <= start <= end <= len(text)
        inside = len(text[:start].encode()), len(text[:end].encode())
        assert inside[0] <= first <= last <= inside[1]
    starts = [start for start, _ in encoding.char_spans]
    assert starts == sorted(starts)
    if tokenizer.algorithm in ("byte-level BPE", "bytes") and tokenizer.decode(ids) == text:
        assert b"".join(data[first:last] for first, last in encoding.byte_spans) == data
        for token_id, (first, last) in zip(ids, encoding.byte_spans, strict=True):
            assert tokenizer.bytes_of(token_id) == data[first:last]


def _words(engine: hf.Tokenizer, trainer, name: str) -> Tokenizer:
    engine.train_from_iterator(STORIES, trainer)
    text = engine.to_str()
    return read_tokenizer_json(text, json.loads(text), "tokenizer.json", name)


def word_piece() -> Tokenizer:
    engine = hf.Tokenizer(models.WordPiece(unk_token="[UNK]"))
    engine.normalizer = normalizers.BertNormalizer(lowercase=True)
    engine.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    engine.decoder = decoders.WordPiece()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    return _words(engine, trainers.WordPieceTrainer(vocab_size=220, special_tokens=special, show_progress=False), "wp")


def word_ends() -> Tokenizer:
    engine = hf.Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
    engine.normalizer = normalizers.BertNormalizer(lowercase=True)
    engine.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    engine.decoder = decoders.BPEDecoder("</w>")
    trainer = trainers.BpeTrainer(
        vocab_size=220, special_tokens=["<unk>"], end_of_word_suffix="</w>", show_progress=False
    )
    return _words(engine, trainer, "ends")


def unigram() -> Tokenizer:
    """Its sentinel is among the pieces, as T5's are."""
    engine = hf.Tokenizer(models.Unigram())
    engine.normalizer = normalizers.NFKC()
    engine.pre_tokenizer = pre_tokenizers.Metaspace()
    engine.decoder = decoders.Metaspace()
    special = ["<unk>", "</s>", "<extra_id_0>"]
    trainer = trainers.UnigramTrainer(vocab_size=160, special_tokens=special, unk_token="<unk>", show_progress=False)
    return _words(engine, trainer, "unigram")


def marked_spaces() -> Tokenizer:
    """BPE as in LLaMA's tokenizer.json: ▁ for spaces, bytes for what has no token."""
    alphabet = sorted(set("".join(STORIES).replace(" ", "▁")) - set("é喜"))
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *alphabet, "li", "lit", "▁t"]
    vocab = {token: token_id for token_id, token in enumerate(tokens)}
    merges = [("l", "i"), ("li", "t"), ("▁", "t")]
    engine = hf.Tokenizer(models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    engine.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    parts = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    engine.decoder = decoders.Sequence(parts)
    engine.add_special_tokens(["<unk>", "<s>", "</s>"])
    text = engine.to_str()
    return read_tokenizer_json(text, json.loads(text), "tokenizer.json", "marked")


def characters() -> Tokenizer:
    vocab = {token: i for i, token in enumerate(["[UNK]", "<|endoftext|>", *sorted(set("".join(STORIES)))])}
    engine = hf.Tokenizer(models.WordLevel(vocab, unk_token="[UNK]"))
    engine.pre_tokenizer = pre_tokenizers.Split(hf.Regex(r"[\s\S]"), "isolated")
    engine.decoder = decoders.Fuse()
    engine.add_special_tokens(["[UNK]", "<|endoftext|>"])
    text = engine.to_str()
    return read_tokenizer_json(text, json.loads(text), "tokenizer.json", "characters")


def composed() -> Tokenizer:
    """Byte-level BPE over text in the form NFC, as Qwen's."""
    learnt = train_byte_bpe(STORIES, 330)
    parts = json.loads(learnt.bare().to_str()) | {"normalizer": {"type": "NFC"}}
    return read_tokenizer_json(json.dumps(parts), parts, "tokenizer.json", "composed")


def tekken_parts(tokens: Sequence[bytes] = (b"th", b"the", b" the", b"\xe4\xbb\x8e", b" \xe4\xbb")) -> dict:
    pieces = [*(bytes([byte]) for byte in range(256)), *tokens]
    vocab = [{"rank": rank, "token_bytes": base64.b64encode(piece).decode()} for rank, piece in enumerate(pieces)]
    config = {
        "pattern": r" ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+",
        "default_vocab_size": len(pieces) + 5,
        "default_num_special_tokens": 5,
    }
    return {"config": config, "vocab": vocab}


def tekken() -> Tokenizer:
    return read_tekken(tekken_parts(), "tekken.json", "tekken")


# Each is made once: some trainers number equally frequent pairs differently from run to run.
SMALL: dict[str, Callable[[], Tokenizer]] = {
    "byte-level": cache(lambda: train_byte_bpe(STORIES, 330)),
    "composed": cache(composed),
    "WordPiece": cache(word_piece),
    "word ends": cache(word_ends),
    "Unigram": cache(unigram),
    "marked spaces": cache(marked_spaces),
    "characters": cache(characters),
    "tekken": cache(tekken),
}
