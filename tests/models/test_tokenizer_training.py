"""Tokenizers are learnt as asked, the same way every time; those that are shipped are what their card says."""

from pathlib import Path

import pytest

from models.errors import InputError
from models.tokenizers import load
from models.tokenizers import train as training
from models.tokenizers.__main__ import common_characters, main
from models.tokenizers.catalogue import SHIPPED, SIZES
from models.tokenizers.sample import SOURCES, draw, read_sample
from models.tokenizers.train import ALGORITHMS, train, train_into, train_on_text
from tests.rows import each_row

STORY = """Once upon a time there was a little dog. The little dog liked the little girl, and the girl liked the dog.
从前有一个小女孩，她有一只小狗。小女孩很喜欢小狗，小狗也很喜欢小女孩。
"""
CORPORA = Path(__file__).resolve().parents[3] / "shared" / "corpora"
FOLDERS = [f"{algorithm}-{label}" for algorithm in ALGORITHMS for label in SIZES] + ["bytes"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_was_learnt_cuts_its_text(algorithm):
    tokenizer = train_on_text(algorithm, STORY * 3, 512)
    ids = tokenizer.encode(STORY)
    assert tokenizer.vocab_size <= 512
    assert max(ids) < tokenizer.vocab_size
    assert {tokenizer.kind_of(token_id) for token_id in ids} <= {"text", "byte"}
    given_back = tokenizer.decode(ids)
    if algorithm == "wordpiece":  # has no spaces in its vocabulary
        assert "".join(given_back.split()) == "".join(STORY.split())
    else:
        assert given_back == STORY
    if algorithm != "characters":
        assert len(tokenizer.encode("the little girl")) < 10


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_same_text_gives_the_same_files(algorithm, tmp_path):
    """Enough different pieces with equal counts that ties are broken many times."""
    text = STORY + "".join(f"{i:x} {i * 7919:x} {chr(0x4E00 + i)}{chr(0x4E01 + i)}\n" for i in range(300))
    for name in "ab":
        train_into(tmp_path / name, algorithm, [text], 700)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert files == sorted(path.name for path in (tmp_path / "b").iterdir())
    assert all((tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes() for file in files)


@each_row("algorithm", ALGORITHMS)
@each_row(
    "text",
    [
        "a",
        "\x00 b\x00",
        "▁",
        "👩‍👩‍👧 \u200d\ufeff",
        "a" * 5000,
        "שלום עולם",
        "\x01\x02",
        "<unk> <s> [UNK] <|endoftext|>",
    ],
)
def test_odd_texts_can_be_learnt_from(algorithm, text):
    tokenizer = train_on_text(algorithm, text, 512)
    assert tokenizer.vocab_size <= 512
    tokenizer.decode(tokenizer.encode(text + STORY))


@pytest.mark.parametrize("algorithm", ["sp-bpe", "unigram", "wordpiece"])
def test_single_characters_take_no_more_than_their_share(algorithm):
    """Nine thousand different characters, of which the first hundred are frequent."""
    characters = [chr(0x4E00 + i) for i in range(9000)]
    text = "\n".join(["".join(characters), "".join(characters[:100]) * 3])
    tokenizer = train_on_text(algorithm, text, 512)
    special = tokenizer.special_tokens()
    tokens = [tokenizer.token(i) for i in range(tokenizer.vocab_size)]
    single = {token for token in tokens if len(token) == 1 and token not in special}
    assert 100 <= len(single) <= training.ALPHABET_SHARE * 512 + 2  # and line ends and tabs, in Unigram
    assert set(characters[:100]) <= single
    rare = tokenizer.kind_of(tokenizer.encode(characters[5000])[-1])
    assert rare == ("byte" if algorithm == "sp-bpe" else "unknown")


def test_share_of_single_characters_can_be_another():
    text = "".join(chr(0x4E00 + i) for i in range(9000))
    tokenizer = train("wordpiece", [text], 1000, alphabet_share=0.9)
    assert sum(len(tokenizer.token(i)) == 1 for i in range(tokenizer.vocab_size)) == 900


def test_characters_are_the_most_frequent_ones():
    tokenizer = train("characters", ["c" * 3 + "bad" * 2], 512)
    assert [tokenizer.token(i) for i in range(tokenizer.vocab_size)] == ["[UNK]", "<|endoftext|>", "c", "a", "b", "d"]


def test_a_wordpiece_vocabulary_is_cased_and_splits_chinese():
    tokenizer = train_on_text("wordpiece", STORY * 3, 512)
    tokens = [tokenizer.token(i) for i in tokenizer.encode("The 小女孩")]
    assert tokens == ["The", "小", "女", "孩"]
    assert list(tokenizer.special_tokens()) == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def test_progress_names_every_stage_in_order():
    seen = []
    train("characters", ["ab", "cd"], 512, progress=lambda share, stage: seen.append((share, stage)))
    assert list(dict.fromkeys(stage for _, stage in seen)) == list(training.STAGES)
    assert [share for share, _ in seen] == sorted(share for share, _ in seen)


@pytest.mark.parametrize("stage", training.STAGES)
def test_progress_can_stop_the_work(stage):
    class Stop(Exception):
        pass

    def progress(share, begun):
        if begun == stage:
            raise Stop

    with pytest.raises(Stop):
        train("byte-bpe", [STORY], 512, progress=progress)


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda: train("bpe", [STORY], 512), "train_algorithm"),
        (lambda: train("byte-bpe", [STORY], 511), "train_size"),
        (lambda: train("byte-bpe", [STORY], 10**9), "train_size"),
        (lambda: train("byte-bpe", [" \n", ""], 512), "train_nothing"),
        (lambda: train("byte-bpe", ["a\ud800"], 512), "text_surrogate"),
        (lambda: train("sp-bpe", ["▅"], 512), "train_failed"),
        (lambda: train_on_text("byte-bpe", "字" * 333_334, 512), "train_text_too_long"),
    ],
)
def test_what_cannot_be_learnt_is_refused(call, code):
    with pytest.raises(InputError) as refusal:
        call()
    assert refusal.value.code == code


def test_documents_are_drawn_by_their_text_alone():
    documents = [f"document {i} " + "x" * (1 + i % 7) for i in range(200)]
    text = "\n<|endoftext|>\n".join(documents)
    learnt, measured = draw(text, 1000)
    assert draw("\n<|endoftext|>\n".join([*reversed(documents), documents[5]]), 1000) == (learnt, measured)
    assert 950 < sum(map(len, learnt)) <= 1000
    assert not set(learnt) & set(measured)
    assert {*learnt, *measured} <= set(documents)


def test_a_folder_of_texts_is_checked(tmp_path):
    for prepare, code in (
        (lambda: None, "train_no_folder"),
        ((tmp_path / "texts" / "en").mkdir, "train_no_text"),
        (lambda: (tmp_path / "texts" / SOURCES[0].file).write_text(STORY), "train_files_missing"),
    ):
        if code == "train_no_text":
            (tmp_path / "texts").mkdir()
        prepare()
        with pytest.raises(InputError) as refusal:
            read_sample(tmp_path / "texts")
        assert refusal.value.code == code


def test_the_command_learns_from_a_folder(tmp_path, capsys):
    (tmp_path / "mine.txt").write_text(STORY, encoding="utf-8")
    arguments = ["train", "byte-bpe", "--size", "600", "--corpus", str(tmp_path), "--out", str(tmp_path / "out")]
    assert main(arguments) == 0
    tokenizer = load(tmp_path / "out")
    assert tokenizer.decode(tokenizer.encode(STORY)) == STORY
    assert f"out: {tokenizer.vocab_size:,} ids" in capsys.readouterr().out


def test_the_command_says_what_is_wrong(tmp_path, capsys):
    assert main(["train", "sp-bpe", "--corpus", str(tmp_path / "none")]) == 2
    assert "does not exist" in capsys.readouterr().err
    (tmp_path / "mine.txt").write_text(STORY, encoding="utf-8")
    assert main(["train", "sp-bpe", "--size", "3", "--corpus", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "512 to 16384" in capsys.readouterr().err
    with pytest.raises(SystemExit) as usage:
        main(["train", "all", "--size", "4096"])
    assert usage.value.code == 2


def test_characters_to_fill_up_with_are_common_ones():
    characters = common_characters()
    assert len(characters) == len(set(characters)) == 21_887
    assert characters.startswith(' !"#')
    assert characters.index("中") < 95 + 7_445 <= characters.index("國")  # GB 2312 has 7,445, only simplified ones


@pytest.mark.parametrize("name", FOLDERS)
def test_shipped_ones_have_their_size(name):
    tokenizer = load(SHIPPED / name)
    size = SIZES.get(name.rsplit("-", 1)[-1], 257)
    assert tokenizer.name == name
    assert tokenizer.vocab_size == size
    expected = {
        "byte-bpe": "byte-level BPE",
        "sp-bpe": "SentencePiece BPE",
        "unigram": "Unigram",
        "wordpiece": "WordPiece",
    }
    family = name.rsplit("-", 1)[0] if name != "bytes" else name
    assert tokenizer.algorithm == expected.get(family, family)
    ids = tokenizer.encode(STORY)
    assert {tokenizer.kind_of(token_id) for token_id in ids} <= {"text", "byte"}


def test_shipped_ones_are_small_and_on_their_card():
    folders = sorted(path.name for path in SHIPPED.iterdir() if path.is_dir())
    assert folders == sorted(FOLDERS)
    assert sum(path.stat().st_size for path in SHIPPED.rglob("*")) < 5_000_000
    card = (SHIPPED / "CARD.md").read_text(encoding="utf-8")
    assert all(f"| `{name}` |" in card for name in FOLDERS)
    assert all(source.file in card and source.licence in card for source in SOURCES)


@pytest.mark.skipif(not CORPORA.is_dir(), reason="the texts are not beside the repository")
def test_a_shipped_one_is_made_again(tmp_path):
    """The two that take seconds; the others have the same texts."""
    texts = read_sample(CORPORA).learnt
    for algorithm in ("characters", "sp-bpe"):
        train_into(tmp_path / algorithm, algorithm, texts, 4_096, reserve=common_characters())
        for path in (tmp_path / algorithm).iterdir():
            assert path.read_bytes() == (SHIPPED / f"{algorithm}-4k" / path.name).read_bytes()
