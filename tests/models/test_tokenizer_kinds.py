"""Every kind of engine behind the one interface: the library's own ids, exact places in the text, its own decoding."""

import random

import pytest

from models.errors import InputError
from models.tokenizers import load
from models.tokenizers.interface import UNKNOWN_TEXT
from models.tokenizers.offsets import byte_spans, groups, placed
from tests.models.tokenizer_texts import SMALL, TEXTS, check_encoding
from tests.rows import each_row

texts = each_row("text", TEXTS.values(), ids=TEXTS)


@pytest.fixture(scope="module", params=SMALL)
def tokenizer(request):
    return SMALL[request.param]()


def engine_ids(tokenizer, text: str) -> list[int]:
    """The ids of the library, called in its plainest way."""
    engine = tokenizer.bare()
    if hasattr(engine, "encode_ordinary"):
        return engine.encode(text, disallowed_special=())
    return engine.encode(text, add_special_tokens=False).ids


@texts
def test_ids_are_the_library_s(tokenizer, text):
    assert tokenizer.encode(text) == engine_ids(tokenizer, text)
    assert tokenizer.encode_many([text, "a", text]) == [tokenizer.encode(t) for t in (text, "a", text)]


@texts
def test_places_are_exact(tokenizer, text):
    check_encoding(tokenizer, text)


def test_random_text_has_its_places(tokenizer):
    draw = random.Random(3)
    alphabet = "".join(TEXTS.values())
    for _ in range(150):
        check_encoding(tokenizer, "".join(draw.choice(alphabet) for _ in range(draw.randint(0, 30))))


@texts
def test_decoding_is_the_library_s(tokenizer, text):
    """Where nothing is unknown; what the library writes for that is its vocabulary's name for it."""
    ids = [i for i in tokenizer.encode(text) if tokenizer.kind_of(i) != "unknown"]
    assert tokenizer.decode(ids) == tokenizer.bare().decode(ids)


def test_special_tokens(tokenizer):
    special = tokenizer.special_tokens()
    assert special
    assert list(special.values()) == sorted(special.values())
    for token, token_id in special.items():
        assert tokenizer.special_id(token) == token_id
        assert tokenizer.token(token_id) == token
        if tokenizer.kind_of(token_id) == "special":
            assert tokenizer.bytes_of(token_id) == b""
            assert tokenizer.decode([token_id, *tokenizer.encode("the"), token_id]) == "the"
            assert token_id not in tokenizer.encode(f"a {token} b{token}")
    assert tokenizer.special_id("the") is None


def test_every_id_has_a_kind(tokenizer):
    kinds = {tokenizer.kind_of(token_id) for token_id in range(tokenizer.vocab_size)}
    assert kinds <= {"text", "byte", "unknown", "special"}
    for token_id in (-1, tokenizer.vocab_size):
        for asked in (tokenizer.kind_of, tokenizer.bytes_of, tokenizer.token):
            with pytest.raises(InputError, match="outside the vocabulary"):
                asked(token_id)
        with pytest.raises(InputError, match="outside the vocabulary"):
            tokenizer.decode([token_id])


def test_lone_surrogates_are_refused(tokenizer):
    for refused in (tokenizer.encode, tokenizer.encode_with_offsets, lambda text: tokenizer.encode_many(["a", text])):
        with pytest.raises(InputError) as refusal:
            refused("ab\ud83d")
        assert refusal.value.code == "text_surrogate"


def test_saving_keeps_it(tokenizer, tmp_path):
    tokenizer.save(tmp_path)
    again = load(tmp_path)
    assert again.algorithm == tokenizer.algorithm
    assert (again.vocab_size, again.eos_id) == (tokenizer.vocab_size, tokenizer.eos_id)
    assert again.special_tokens() == tokenizer.special_tokens()
    for text in TEXTS.values():
        assert again.encode(text) == tokenizer.encode(text)
        assert again.decode(again.encode(text)) == tokenizer.decode(tokenizer.encode(text))


def test_a_megabyte_is_encoded(tokenizer):
    text = "The little dog 从前 likes\n" * 36_000
    assert len(text.encode()) > 1_000_000
    ids = tokenizer.encode(text)
    once = tokenizer.encode("The little dog 从前 likes\n" * 2)
    assert len(ids) > 36_000
    assert ids[:8] == once[:8]


class TestWordPiece:
    def test_places_in_the_original_text(self):
        tokenizer = SMALL["WordPiece"]()
        text = "Le  CAFÉ e\u0301"
        encoding = tokenizer.encode_with_offsets(text)
        words = [text[start:end] for start, end in encoding.char_spans]
        assert "".join(words).replace("\u0301", "") == "LeCAFÉe"
        assert tokenizer.decode(encoding.ids) == "le cafe e"

    def test_what_is_unknown_is_said(self):
        tokenizer = SMALL["WordPiece"]()
        encoding = tokenizer.encode_with_offsets("the 犇 dog")
        at = [tokenizer.kind_of(i) for i in encoding.ids].index("unknown")
        assert encoding.char_spans[at] == (4, 5)
        assert encoding.byte_spans[at] == (4, 7)
        assert tokenizer.decode(encoding.ids) == f"the {UNKNOWN_TEXT} dog"
        assert tokenizer.bytes_of(encoding.ids[at]) == UNKNOWN_TEXT.encode()


class TestParts:
    def test_bytes_of_a_character_share_its_span(self):
        tokenizer = SMALL["marked spaces"]()
        encoding = tokenizer.encode_with_offsets("a 👩")
        assert [tokenizer.kind_of(i) for i in encoding.ids[-4:]] == ["byte"] * 4
        assert encoding.char_spans[-4:] == [(2, 3)] * 4
        assert encoding.byte_spans[-4:] == [(2, 3), (3, 4), (4, 5), (5, 6)]
        assert tokenizer.bytes_of(encoding.ids[-1]) == "👩".encode()[3:]

    def test_a_changed_text_has_the_places_of_the_original(self):
        tokenizer = SMALL["composed"]()
        encoding = tokenizer.encode_with_offsets("e\u0301z")
        assert tokenizer.decode(encoding.ids) == "éz"
        assert encoding.char_spans[-1] == (2, 3)
        assert encoding.char_spans[0][0] == 0
        assert encoding.byte_spans[-1] == (3, 4)

    def test_a_typed_sentinel_is_text(self):
        tokenizer = SMALL["Unigram"]()
        assert tokenizer.special_tokens()["<extra_id_0>"] not in tokenizer.encode("the <extra_id_0> dog")
        assert tokenizer.decode([tokenizer.special_id("<extra_id_0>"), *tokenizer.encode("the dog")]) == "the dog"

    def test_words_end_with_a_space_but_the_last(self):
        tokenizer = SMALL["word ends"]()
        ids = tokenizer.encode("the little dog")
        assert tokenizer.decode(ids) == "the little dog"
        assert tokenizer.bytes_of(ids[-1]).endswith(b" ")
        assert tokenizer.shares(ids)[-1] == tokenizer.bytes_of(ids[-1])[:-1]


class TestOffsets:
    def test_groups_share_no_character(self):
        spans = [(0, 0), (0, 2), (1, 3), (3, 4), (6, 6)]
        assert [tuple(group) for group in groups(spans)] == [(0, 3, 0, 3), (3, 4, 3, 4), (4, 5, 6, 6)]

    def test_bytes_are_exact_only_where_the_text_is_spelled(self):
        assert byte_spans("é", [(0, 1), (0, 1)], [b"\xc3", b"\xa9"]) == [(0, 1), (1, 2)]
        assert byte_spans("ﬁ", [(0, 1), (0, 1)], [b"f", b"i"]) == [(0, 3), (0, 3)]
        assert byte_spans("é", [(0, 0), (0, 1), (0, 1)], [b" ", b"\xc3", b"\xa9"]) == [(0, 0), (0, 1), (1, 2)]

    def test_a_piece_of_an_expanded_character_has_it_all(self):
        """㍿ becomes four characters, two of which go with what is before and after it."""
        origins = [(0, 1), *[(1, 2)] * 4, (2, 3)]
        pieces = ["a株".encode(), "式会".encode(), "社b".encode()]
        assert placed(origins, "a株式会社b", pieces) == [(0, 2), (1, 2), (1, 3)]
