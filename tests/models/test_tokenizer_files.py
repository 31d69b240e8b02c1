"""Files and folders of every kind are recognised; what cannot be read is refused in a sentence."""

import base64
import json
import random
import re
import sys

import pytest

from models.errors import InputError
from models.tokenizers import load, opened, rank_files, train_byte_bpe
from models.tokenizers.files import load_any, load_file
from models.tokenizers.opened import open_file, open_hub
from models.tokenizers.rank_files import RankFile
from models.tokenizers.ranks import is_rank_file
from playground.i18n import LANGUAGES, explain
from tests.models.tokenizer_texts import SMALL, STORIES, TEXTS, check_encoding, tekken_parts

VOCAB = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "dog", "##s", "从", "d", "é", "\u2028"]

BROKEN = ("tokenizer_broken", "tokenizer_not_text", "tokenizer_not_json", "tokenizer_shape", "tokenizer_part")
PYTHON = re.compile(
    r"object has no|NoneType|subscriptable|'(str|int|list|dict)'|Error|invalid literal|argument|unpack|codec|padding"
)
"""What is said to programmers: no part of a sentence for visitors."""


def code_of(refused, *arguments) -> str:
    with pytest.raises(InputError) as refusal:
        refused(*arguments)
    assert str(refusal.value)
    return refusal.value.code


class TestVocabTxt:
    def test_a_folder_with_it_is_bert(self, tmp_path):
        (tmp_path / "vocab.txt").write_text("\n".join(VOCAB) + "\n", encoding="utf-8")
        tokenizer = load(tmp_path)
        assert (tokenizer.algorithm, tokenizer.vocab_size) == ("WordPiece", len(VOCAB))
        assert [tokenizer.token(i) for i in tokenizer.encode("The DOGS从")] == ["the", "dog", "##s", "从"]
        assert tokenizer.special_tokens() == {token: i for i, token in enumerate(VOCAB[:5])}

    @pytest.mark.parametrize(
        ("vocab", "settings", "tokens"),
        [
            (VOCAB, {}, ["the", "[UNK]"]),
            ([*VOCAB, "The"], {}, ["The", "é"]),
            ([*VOCAB, "The"], {"do_lower_case": True}, ["the", "[UNK]"]),
            (VOCAB, {"do_lower_case": False}, ["[UNK]", "é"]),
            (VOCAB, {"strip_accents": False}, ["the", "é"]),
        ],
    )
    def test_case_and_accents(self, tmp_path, vocab, settings, tokens):
        (tmp_path / "vocab.txt").write_text("\r\n".join(vocab), encoding="utf-8", newline="")
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
        tokenizer = load(tmp_path)
        assert [tokenizer.token(i) for i in tokenizer.encode("The é")] == tokens

    def test_prose_is_no_vocabulary(self, tmp_path):
        (tmp_path / "vocab.txt").write_text("Once upon a time\nthere was a dog\n")
        assert code_of(load, tmp_path) == "tokenizer_no_unknown"
        assert code_of(open_file, tmp_path / "vocab.txt", "vocab.txt") == "tokenizer_no_unknown"


class TestVocabAndMerges:
    def test_word_ends_are_gpt1(self, tmp_path):
        parts = json.loads(SMALL["word ends"]().bare().to_str())["model"]
        (tmp_path / "vocab.json").write_text(json.dumps(parts["vocab"]))
        merges = "\n".join(" ".join(pair) for pair in parts["merges"])
        (tmp_path / "merges.txt").write_text(f"#version: 0.2\n{merges}\n")
        tokenizer = load(tmp_path)
        assert tokenizer.algorithm == "BPE"
        for text in TEXTS.values():
            assert tokenizer.encode(text) == SMALL["word ends"]().encode(text)

    def test_gpt2_s_first_names(self, tmp_path):
        parts = json.loads(train_byte_bpe(STORIES, 300).bare().to_str())["model"]
        (tmp_path / "encoder.json").write_text(json.dumps(parts["vocab"]))
        (tmp_path / "vocab.bpe").write_text("#version\n" + "\n".join(" ".join(pair) for pair in parts["merges"]))
        assert load_any(tmp_path).encode("the dog") == train_byte_bpe(STORIES, 300).encode("the dog")

    @pytest.mark.parametrize(
        ("merges", "code"),
        [("a b c\n", "tokenizer_merge"), ("t never\n", "tokenizer_broken"), ("\xff", "tokenizer_not_text")],
    )
    def test_wrong_merges(self, tmp_path, merges, code):
        (tmp_path / "vocab.json").write_text(json.dumps({"t": 0, "h": 1}))
        (tmp_path / "merges.txt").write_bytes(merges.encode("latin-1"))
        assert code_of(load, tmp_path) == code


@pytest.fixture
def ranks(monkeypatch):
    """The lines of a small vocabulary of ranks, known for the test."""
    pieces = [*(bytes([byte]) for byte in range(256)), b"th", b"the", b" the", "从".encode()[:2]]
    known = RankFile("small", rank_files.LLAMA3, {"<|end|>": 261}, end_of_text="<|end|>", unicode_form="NFC")
    monkeypatch.setitem(rank_files.KNOWN, len(pieces), known)
    return [base64.b64encode(piece) + b" %d" % rank for rank, piece in enumerate(pieces)]


class TestRanks:
    @pytest.mark.parametrize("name", ["small.tiktoken", "tokenizer.model"])
    def test_both_names_of_such_a_file(self, ranks, tmp_path, name):
        (tmp_path / name).write_bytes(b"\n".join(ranks))
        tokenizer = load(tmp_path)
        assert tokenizer.encode("the the") == [257, 258]
        assert (tokenizer.eos_id, tokenizer.vocab_size) == (261, 262)
        assert tokenizer.token(258) == "Ġthe"
        for text in TEXTS.values():
            check_encoding(tokenizer, text)

    def test_saving_keeps_it(self, ranks, tmp_path):
        (tmp_path / "small.tiktoken").write_bytes(b"\n".join(ranks))
        tokenizer = load_file(tmp_path / "small.tiktoken")
        tokenizer.save(tmp_path / "again")
        again = load(tmp_path / "again")
        assert [again.encode(text) for text in TEXTS.values()] == [tokenizer.encode(text) for text in TEXTS.values()]

    def test_normalised_text_has_the_places_of_the_original(self, ranks, tmp_path):
        (tmp_path / "small.tiktoken").write_bytes(b"\n".join(ranks))
        tokenizer = load(tmp_path)
        encoding = tokenizer.encode_with_offsets("the e\u0301x")
        assert tokenizer.decode(encoding.ids) == "the éx"
        assert encoding.char_spans == [(0, 3), (3, 4), (4, 6), (4, 6), (6, 7)]
        assert encoding.byte_spans == [(0, 3), (3, 4), (4, 7), (4, 7), (7, 8)]

    def test_unknown_vocabularies_say_what_is_lacking(self, tmp_path):
        path = tmp_path / "x.tiktoken"
        path.write_bytes(b"IQ== 0\nIg== 1\n")
        assert code_of(load, tmp_path) == "tokenizer_pattern"
        with pytest.raises(InputError, match="2 tokens.*cl100k"):
            open_file(path, "x.tiktoken")

    @pytest.mark.parametrize(
        ("change", "code"),
        [
            (lambda lines: [*lines[:-1], lines[0]], "tokenizer_pattern"),
            (lambda lines: [*lines[1:], base64.b64encode(b"zz") + b" 0"], "tokenizer_lacks_byte"),
            (lambda lines: [*lines[:-1], base64.b64encode(b"zz") + b" 5"], "tokenizer_ids"),
            (lambda lines: [*lines[:-1], base64.b64encode(b"zz") + b" 999999999"], "tokenizer_ids"),
            (lambda lines: [*lines[:-1], base64.b64encode(b"zz") + b" -1"], "tokenizer_ids"),
            (lambda lines: [*lines[:-1], b"no base64 at all"], "tokenizer_rank"),
        ],
    )
    def test_wrong_lines(self, ranks, tmp_path, change, code):
        path = tmp_path / "x.tiktoken"
        path.write_bytes(b"\n".join(change(ranks)))
        assert code_of(load_file, path) == code

    def test_first_lines(self):
        assert is_rank_file(b"IQ== 0\nIg== 1\n")
        for other in (b"", b"\n", b"IQ==\n", b"IQ== x\n", b"\x0a\x0e\x0a\x05<unk>\x15\n", b"hello 1\n"):
            assert not is_rank_file(other)


class TestTekken:
    def test_special_tokens_come_first(self, tmp_path):
        (tmp_path / "tekken.json").write_text(json.dumps(tekken_parts()))
        tokenizer = load(tmp_path)
        assert tokenizer.special_tokens() == {"<unk>": 0, "<s>": 1, "</s>": 2, "[INST]": 3, "[/INST]": 4}
        assert tokenizer.encode("the the") == [5 + 257, 5 + 258]

    def test_broken_ones(self, tmp_path):
        shape = ({"config": {}}, {"vocab": [{"rank": 0}]}, {"vocab": 5})
        for change, code in [
            *((change, "tokenizer_shape") for change in shape),
            ({"vocab": []}, "tokenizer_lacks_byte"),
        ]:
            (tmp_path / "tekken.json").write_text(json.dumps(tekken_parts() | change))
            assert code_of(load, tmp_path) == code


class TestOpenFile:
    def test_each_suffix(self, tmp_path):
        SMALL["Unigram"]().save(tmp_path)
        assert open_file(tmp_path / "tokenizer.json", "my tokenizer.json").name == "my tokenizer"
        (tmp_path / "upload").write_text("\n".join(VOCAB))
        assert open_file(tmp_path / "upload", "vocab.txt").algorithm == "WordPiece"

    @pytest.mark.parametrize(
        ("name", "content", "code"),
        [
            ("tokenizer.json", b"{", "tokenizer_not_json"),
            ("tokenizer.json", b"[1, 2]", "tokenizer_shape"),
            ("tokenizer.json", b"[" * 100_000, "tokenizer_shape"),
            ("tokenizer.json", b"\xff\xfe", "tokenizer_not_text"),
            ("tokenizer.json", b'{"model": {}}', "tokenizer_part"),
            ("tokenizer.json", b'{"model": null}', "tokenizer_part"),
            ("tokenizer.json", b'{"model": "<img src=x>"}', "tokenizer_part"),
            ("tokenizer.json", b'{"model": {"type": 5, "vocab": {}}}', "tokenizer_part"),
            ("tokenizer.json", b'{"model": {"type": "WordPiece", "vocab": {"a": 0}}}', "tokenizer_part"),
            ("tokenizer.json", b'{"model": {"type": "BPE", "vocab": {"a": "b"}, "merges": []}}', "tokenizer_broken"),
            ("tokenizer.json", b'{"model": {"type": "BPE", "vocab": {}, "merges": []}}', "tokenizer_empty"),
            ("tokenizer.json", b'{"model": {"vocab": {}, "merges": []}, "added_tokens": [5]}', "tokenizer_part"),
            ("vocab.json", b'{"the": 0}', "tokenizer_half"),
            ("tokenizer.model", b"not a model", "tokenizer_no_model"),
            ("tokenizer.model", b"", "tokenizer_no_model"),
            ("tokenizer.model", b"\x0a\x00\x12\x02\x18\x03", "tokenizer_kind"),
            ("x.tiktoken", b"", "tokenizer_pattern"),
            ("vocab.txt", b"\xff", "tokenizer_not_text"),
            ("vocab.txt", b"the\na\n", "tokenizer_no_unknown"),
            ("tokenizer.pkl", b"cos\nsystem\n", "tokenizer_suffix"),
            ("tokenizer", b"", "tokenizer_suffix"),
        ],
    )
    def test_refusals(self, tmp_path, name, content, code):
        (tmp_path / "upload").write_bytes(content)
        assert code_of(open_file, tmp_path / "upload", name) == code
        with pytest.raises(InputError) as refusal:
            open_file(tmp_path / "upload", name)
        for lang in LANGUAGES:
            assert not PYTHON.search(explain(lang, refusal.value))

    def test_missing_and_oversized_files(self, tmp_path, monkeypatch):
        assert code_of(open_file, tmp_path / "none", "vocab.txt") == "file_unreadable"
        (tmp_path / "upload").write_text("\n".join(VOCAB))
        monkeypatch.setattr(opened, "MAX_FILE_BYTES", 10)
        assert code_of(open_file, tmp_path / "upload", "vocab.txt") == "tokenizer_too_large"

    def test_the_name_of_a_folder_is_not_shown(self, tmp_path):
        with pytest.raises(InputError) as refusal:
            open_file(tmp_path / "none", "../../etc/vocab.txt")
        assert "etc" not in str(refusal.value)

    def test_damaged_files_never_do_worse_than_a_refusal(self, tmp_path):
        """Whatever is changed in a file, it is read, or refused in a sentence."""
        draw = random.Random(4)
        path = tmp_path / "upload"
        codes, sentences = set(), []
        for kind in ("WordPiece", "Unigram", "byte-level"):
            SMALL[kind]().save(tmp_path)
            whole = (tmp_path / "tokenizer.json").read_bytes()
            for _ in range(40):
                data = bytearray(whole)
                for _ in range(3):
                    data[draw.randrange(min(len(data), 2_000))] = draw.choice(b'{}[]",:0a')
                path.write_bytes(data)
                try:
                    open_file(path, "tokenizer.json").encode_with_offsets("The dog")
                except InputError as error:
                    codes.add(error.code)
                    sentences.append(explain("zh", error))
        assert [sentence for sentence in sentences if PYTHON.search(sentence)] == []
        assert {"tokenizer_not_json", "tokenizer_broken"} <= codes
        assert codes <= {*BROKEN, "tokenizer_kind", "tokenizer_half", "tokenizer_spelling"}

    def test_a_pattern_without_end_is_given_up(self, tmp_path):
        """A split pattern that backtracks for ever stops at the library's limit, and it is said."""
        parts = json.loads(train_byte_bpe(STORIES, 300).bare().to_str())
        split = {"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Isolated", "invert": False}
        parts["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [split, parts["pre_tokenizer"]]}
        (tmp_path / "upload").write_text(json.dumps(parts))
        tokenizer = open_file(tmp_path / "upload", "tokenizer.json")
        assert tokenizer.decode(tokenizer.encode("the dog")) == "the dog"
        for refused in (tokenizer.encode, tokenizer.encode_with_offsets):
            assert code_of(refused, "a" * 60 + "b") == "tokenizer_gave_up"

    def test_a_vocabulary_without_its_own_unknown_token_is_given_up(self, tmp_path):
        model = {"type": "WordPiece", "vocab": {"the": 0}, "unk_token": "[UNK]"}
        model |= {"continuing_subword_prefix": "##", "max_input_chars_per_word": 100}
        (tmp_path / "upload").write_text(json.dumps({"version": "1.0", "model": model}))
        tokenizer = open_file(tmp_path / "upload", "tokenizer.json")
        for refused in (tokenizer.encode, tokenizer.encode_with_offsets):
            assert code_of(refused, "the dog") == "tokenizer_gave_up"

    def test_a_missing_package_is_named(self, tmp_path, monkeypatch, ranks):
        monkeypatch.setitem(sys.modules, "tiktoken", None)
        (tmp_path / "upload").write_bytes(b"\n".join(ranks))
        with pytest.raises(InputError, match="pip install tiktoken"):
            open_file(tmp_path / "upload", "x.tiktoken")
        monkeypatch.setitem(sys.modules, "sentencepiece", None)
        (tmp_path / "upload").write_bytes(b"\x0a\x00")
        with pytest.raises(InputError, match="pip install sentencepiece"):
            open_file(tmp_path / "upload", "tokenizer.model")


class TestHub:
    @pytest.mark.parametrize("name", ["", "../secrets", "a/b/c", "https://x.y/z", "owner/", "/etc"])
    def test_wrong_names(self, name):
        assert code_of(open_hub, name) == "tokenizer_hub_id"

    def test_without_network_it_says_so(self, monkeypatch):
        hub = pytest.importorskip("huggingface_hub", reason="the package huggingface_hub is not installed")

        def refuse(*arguments, **settings):
            raise hub.errors.LocalEntryNotFoundError("no network\nand more")

        monkeypatch.setattr(hub, "snapshot_download", refuse)
        with pytest.raises(InputError, match="^owner/model is not on this machine, and .* hub cannot be reached"):
            open_hub(" owner/model ")

    def test_what_came_is_loaded(self, tmp_path, monkeypatch):
        hub = pytest.importorskip("huggingface_hub", reason="the package huggingface_hub is not installed")
        SMALL["WordPiece"]().save(tmp_path)
        asked = {}
        monkeypatch.setattr(hub, "snapshot_download", lambda name, **settings: asked.update(settings) or str(tmp_path))
        assert open_hub("owner/model").name == "owner/model"
        assert not any("safetensors" in pattern or pattern == "*" for pattern in asked["allow_patterns"])
        monkeypatch.setattr(opened, "MAX_FILE_BYTES", 10)
        assert code_of(open_hub, "owner/model") == "tokenizer_too_large"
