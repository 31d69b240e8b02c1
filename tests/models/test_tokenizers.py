"""A tokenizer gives back every text it was given, byte by byte, and takes no orders from the text."""

import json
import random

import pytest

from models import tokenizers
from models.errors import InputError
from models.tokenizers import END_OF_TEXT
from models.tokenizers.catalogue import STORY_MODELS
from models.weights.zoo import ZOO
from tests.rows import each_row

HARD_TEXTS = [
    "",
    " ",
    "\0\x01\x7f",
    "  two  spaces \n\n\ttab\r\n",
    "naïve café — “quotes”",
    "从前，有一个小女孩。",
    "👩‍👩‍👧‍👦 🇨🇳 e\u0301 \u200d \ufeff",
    f"typed {END_OF_TEXT} and {END_OF_TEXT}{END_OF_TEXT}",
    "Ġonce ĠĠ",
    "\U0010ffff",
]
STORY = "Once upon a time there was a little dog. The little dog liked the little girl, and the girl liked the dog. "


@pytest.fixture(scope="module")
def small():
    return tokenizers.train_byte_bpe([STORY * 4, STORY.upper()], vocab_size=320)


@pytest.fixture(params=["bytes", "trained"])
def tokenizer(request, small):
    return small if request.param == "trained" else tokenizers.bytes_tokenizer()


@each_row("text", HARD_TEXTS)
def test_text_comes_back_whole(tokenizer, text):
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert b"".join(map(tokenizer.bytes_of, ids)) == text.encode()


def test_any_text_comes_back_whole(tokenizer):
    draw = random.Random(5)
    planes = [(0, 0x7F), (0x80, 0x7FF), (0x800, 0xD7FF), (0xE000, 0xFFFF), (0x10000, 0x10FFFF)]
    for _ in range(200):
        text = "".join(chr(draw.randint(*draw.choice(planes))) for _ in range(draw.randint(0, 40)))
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_typed_special_text_stays_text(tokenizer):
    ids = tokenizer.encode(f"a{END_OF_TEXT}b")
    assert tokenizer.eos_id not in ids
    assert tokenizer.token(tokenizer.eos_id) == END_OF_TEXT


def test_special_tokens_carry_no_text(tokenizer):
    assert tokenizer.bytes_of(tokenizer.eos_id) == b""
    assert tokenizer.decode([tokenizer.eos_id, *tokenizer.encode("hi"), tokenizer.eos_id]) == "hi"


def test_part_of_a_character_is_shown_as_a_replacement(tokenizer):
    ids = tokenizers.bytes_tokenizer().encode("é")
    assert tokenizers.bytes_tokenizer().decode(ids[:1]) == "\ufffd"


def test_a_lone_surrogate_is_refused_with_its_place(tokenizer):
    with pytest.raises(InputError, match="Character 3"):
        tokenizer.encode("ab\ud83d")
    with pytest.raises(InputError, match="surrogate"):
        tokenizer.encode_many(["fine", "\udc00"])


@pytest.mark.parametrize("token_id", [-1, 10**6])
def test_an_unknown_id_is_refused(tokenizer, token_id):
    with pytest.raises(InputError) as refusal:
        tokenizer.bytes_of(token_id)
    assert refusal.value.code == "token_out_of_range"


def test_encoding_many_equals_encoding_each(tokenizer):
    assert tokenizer.encode_many(HARD_TEXTS) == [tokenizer.encode(text) for text in HARD_TEXTS]


def test_saved_tokenizer_is_the_same(tokenizer, tmp_path):
    tokenizer.save(tmp_path)
    loaded = tokenizers.load(tmp_path)
    assert loaded.algorithm == tokenizer.algorithm
    assert (loaded.vocab_size, loaded.eos_id) == (tokenizer.vocab_size, tokenizer.eos_id)
    for text in HARD_TEXTS:
        assert loaded.encode(text) == tokenizer.encode(text)


def test_bytes_tokenizer_has_byte_values_as_ids():
    assert tokenizers.bytes_tokenizer().encode("A é") == [0x41, 0x20, 0xC3, 0xA9]
    assert (tokenizers.bytes_tokenizer().vocab_size, tokenizers.bytes_tokenizer().eos_id) == (257, 256)


def test_training_learns_what_is_frequent(small):
    assert small.vocab_size == 320
    assert small.eos_id == 0
    assert small.token(small.encode(" little")[0]) == "Ġlittle"
    assert len(small.encode(STORY)) < len(STORY) / 3


def test_training_is_deterministic(small):
    again = tokenizers.train_byte_bpe([STORY * 4, STORY.upper()], vocab_size=320)
    assert [again.token(i) for i in range(320)] == [small.token(i) for i in range(320)]


def test_too_small_a_vocabulary_is_refused():
    with pytest.raises(InputError, match="257"):
        tokenizers.train_byte_bpe([STORY], vocab_size=256)


def test_older_gpt2_folders_are_read(small, tmp_path):
    small.save(tmp_path)
    parts = json.loads((tmp_path / "tokenizer.json").read_text())["model"]
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in parts["merges"]]
    old = tmp_path / "old"
    old.mkdir()
    (old / "vocab.json").write_text(json.dumps(parts["vocab"]))
    (old / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    loaded = tokenizers.load(old)
    assert loaded.eos_id == small.eos_id
    assert [loaded.encode(text) for text in HARD_TEXTS] == [small.encode(text) for text in HARD_TEXTS]


def test_folder_may_name_another_end_of_text(small, tmp_path):
    small.save(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text('{"eos_token": {"content": "!"}}')
    assert tokenizers.load(tmp_path).eos_id == small.encode("!")[0]


def test_unreadable_folders_are_refused_in_words(tmp_path):
    with pytest.raises(InputError, match=r"tokenizer\.json"):
        tokenizers.load(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(InputError, match="cannot|can be read"):
        tokenizers.load(tmp_path)
    word_level = {"version": "1.0", "model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}}
    (tmp_path / "tokenizer.json").write_text(json.dumps(word_level | {"pre_tokenizer": None, "added_tokens": []}))
    with pytest.raises(InputError, match="WordLevel"):
        tokenizers.load(tmp_path)


def test_shipped_story_models_share_one_tokenizer_of_4096_ids():
    files = [ZOO / name / "tokenizer.json" for name in STORY_MODELS]
    assert len({file.read_bytes() for file in files}) == 1
    house = tokenizers.load(files[0].parent)
    assert (house.vocab_size, house.eos_id) == (4096, 0)
    for text in HARD_TEXTS:
        assert house.decode(house.encode(text)) == text
    assert len(house.encode("Once upon a time, there was a little girl.")) <= 12
