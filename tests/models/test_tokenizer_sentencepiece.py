"""SentencePiece models behind the one interface, learnt here: BPE with bytes, Unigram with NFKC, single characters."""

import io
import json

import pytest

from models.errors import InputError
from models.tokenizers import load
from models.tokenizers.failures import Fault
from models.tokenizers.interface import UNKNOWN_TEXT
from models.tokenizers.model_proto import algorithm_of, fields
from models.tokenizers.sentencepieces import read_sentencepiece
from tests.models.tokenizer_texts import STORIES, TEXTS, check_encoding
from tests.rows import each_row

sentencepiece = pytest.importorskip("sentencepiece", reason="the package sentencepiece is not installed")

SETTINGS = {
    "bpe": {"model_type": "bpe", "byte_fallback": True, "normalization_rule_name": "identity", "vocab_size": 340},
    "exact": {
        "model_type": "bpe",
        "byte_fallback": True,
        "normalization_rule_name": "identity",
        "remove_extra_whitespaces": False,
        "vocab_size": 340,
    },
    "unigram": {"model_type": "unigram", "normalization_rule_name": "nmt_nfkc", "vocab_size": 110},
    "char": {"model_type": "char", "vocab_size": 60},
    "no prefix": {"model_type": "bpe", "add_dummy_prefix": False, "vocab_size": 110},
}
ALGORITHMS = {"unigram": "Unigram", "char": "characters"}


def learnt(kind: str) -> bytes:
    model = io.BytesIO()
    lines = [line for story in STORIES for line in (story[:300], story[300:600]) if line]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=model, hard_vocab_limit=False, minloglevel=2, **SETTINGS[kind]
    )
    return model.getvalue()


@pytest.fixture(scope="module", params=SETTINGS)
def model(request):
    return request.param, learnt(request.param)


@pytest.fixture(scope="module")
def tokenizer(model):
    kind, data = model
    return read_sentencepiece(data, "tokenizer.model", kind)


@each_row("text", TEXTS.values(), ids=TEXTS)
def test_ids_places_and_text_are_the_library_s(model, tokenizer, text):
    library = sentencepiece.SentencePieceProcessor(model_proto=model[1])
    ids = tokenizer.encode(text)
    assert ids == library.encode(text)
    check_encoding(tokenizer, text)
    decoded = library.decode(ids)
    assert tokenizer.decode(ids) == decoded.replace(" ⁇ ", UNKNOWN_TEXT)


def test_algorithm_is_read_from_the_model(model, tokenizer):
    assert tokenizer.algorithm == ALGORITHMS.get(model[0], "SentencePiece BPE")


def test_kinds_of_tokens(model, tokenizer):
    assert tokenizer.special_tokens() == {"<s>": 1, "</s>": 2}
    assert tokenizer.eos_id == 2
    assert tokenizer.kind_of(0) == "unknown"
    assert tokenizer.kind_of(1) == "special"
    n_bytes = sum(tokenizer.kind_of(i) == "byte" for i in range(tokenizer.vocab_size))
    assert n_bytes == (256 if SETTINGS[model[0]].get("byte_fallback") else 0)


def test_saving_keeps_it(tokenizer, tmp_path):
    tokenizer.save(tmp_path)
    again = load(tmp_path)
    assert (again.algorithm, again.vocab_size) == (tokenizer.algorithm, tokenizer.vocab_size)
    assert [again.encode(text) for text in TEXTS.values()] == [tokenizer.encode(text) for text in TEXTS.values()]


def test_a_lone_surrogate_is_refused(tokenizer):
    for refused in (tokenizer.encode, tokenizer.encode_with_offsets):
        with pytest.raises(InputError, match="Character 3"):
            refused("ab\ud83d")


def test_the_space_before_a_text_stands_for_nothing():
    tokenizer = read_sentencepiece(learnt("exact"), "tokenizer.model", "exact")
    encoding = tokenizer.encode_with_offsets("犇a")
    assert tokenizer.token(encoding.ids[0]) == "▁"
    assert encoding.char_spans[:2] == [(0, 0), (0, 1)]
    assert encoding.byte_spans[:5] == [(0, 0), (0, 1), (1, 2), (2, 3), (3, 4)]
    assert tokenizer.decode(encoding.ids) == "犇a"


def test_text_comes_back_with_its_spaces():
    tokenizer = read_sentencepiece(learnt("exact"), "tokenizer.model", "exact")
    for text in (" ", "  ", " a", "  a  b ", "a\n b"):
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_normalised_text_has_the_places_of_the_original():
    tokenizer = read_sentencepiece(learnt("unigram"), "tokenizer.model", "unigram")
    text = "the ﬁ  é"
    encoding = tokenizer.encode_with_offsets(text)
    covered = {place for span in encoding.char_spans for place in range(*span)}
    assert covered == set(range(len(text)))
    of_ligature = [i for i, (start, end) in enumerate(encoding.char_spans) if start <= 4 < end]
    assert b"".join(tokenizer.bytes_of(encoding.ids[i]) for i in of_ligature).decode().strip() == "fi"


class TestFurtherTokens:
    def test_sentinels_follow_the_model_s_ids(self, tmp_path):
        data = learnt("unigram")
        own = read_sentencepiece(data, "spiece.model", "t").vocab_size
        (tmp_path / "spiece.model").write_bytes(data)
        added = {str(own + 1): {"content": "<extra_id_0>", "special": True}, "1": {"content": "<s>", "special": True}}
        (tmp_path / "tokenizer_config.json").write_text(json.dumps({"added_tokens_decoder": added}))
        tokenizer = load(tmp_path)
        assert tokenizer.vocab_size == own + 2
        assert tokenizer.special_id("<extra_id_0>") == own + 1
        assert own + 1 not in tokenizer.encode("the <extra_id_0>")
        assert tokenizer.decode([own + 1, *tokenizer.encode("the dog")]) == "the dog"
        tokenizer.save(tmp_path / "again")
        assert load(tmp_path / "again").special_tokens() == tokenizer.special_tokens()

    def test_an_id_far_beyond_is_refused(self):
        with pytest.raises(InputError) as refusal:
            read_sentencepiece(learnt("char"), "tokenizer.model", "t", {10**12: "<far>"})
        assert refusal.value.code == "tokenizer_ids"


class TestModelFile:
    def test_cut_off_files_are_refused(self):
        data = learnt("char")
        for length in (0, 1, 10, len(data) // 2, len(data) - 1):
            with pytest.raises(InputError) as refusal:
                read_sentencepiece(data[:length], "tokenizer.model", "t")
            assert refusal.value.code in ("tokenizer_no_model", "tokenizer_broken")

    def test_words_are_no_kind_that_is_read(self):
        with pytest.raises(Fault, match="tokenizer_kind"):
            algorithm_of(b"\x0a\x00\x12\x02\x18\x03")

    def test_fields_of_every_wire_type(self):
        message = b"\x08\x96\x01\x12\x02hi\x1d\x00\x00\x80?\x21" + bytes(8)
        assert list(fields(message)) == [(1, 150), (2, b"hi"), (3, b"\x00\x00\x80?"), (4, bytes(8))]
        for wrong in (b"\x0b", b"\x08", b"\x12\x05hi", b"\x08" + b"\xff" * 11):
            with pytest.raises(ValueError, match="wire type|cut off|no end"):
                list(fields(wrong))
