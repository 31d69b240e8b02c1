"""Texts become documents and tokens in a way that depends on the texts alone."""

import numpy as np
import pytest

from models import tokenizers
from models.errors import InputError
from models.training.corpora import clean, documents, find_files, held_out, read_corpus
from models.training.data import TokenFile, TokenStream, _new_entry, tokenised

STORIES = [f"Story {i}. A dog met {i} cats." for i in range(2000)]


def write(folder, name, texts):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n<|endoftext|>\n".join(texts), encoding="utf-8")


def token_file(*documents):
    lengths = [len(document) for document in documents]
    return TokenFile(np.array(sum(documents, []), dtype=np.uint16), np.cumsum([0, *lengths]))


def test_documents_end_at_the_separator_line_only():
    assert documents("a\n<|endoftext|>\nb <|endoftext|> b\n<|endoftext|>\n\n<|endoftext|> \nc\n") == [
        "a",
        "b <|endoftext|> b",
        "c",
    ]


def test_quotes_are_made_plain_and_broken_ones_repaired():
    assert clean("“Hi,” she said—it’s me… \n") == '"Hi," she said--it\'s me...'
    assert clean("â€œThatâ€™s it!â€\x9d") == '"That\'s it!"'


def test_marks_of_chinese_may_stay():
    assert clean("“走吧”——他说…… \n", plain_marks=False) == "“走吧”——他说……"
    assert documents("“走吧”\n<|endoftext|>\n……", plain_marks=False) == ["“走吧”", "……"]


def test_held_out_part_does_not_depend_on_the_order(tmp_path):
    write(tmp_path, "forward.txt", STORIES)
    write(tmp_path, "backward.txt", STORIES[::-1])
    forward, backward = read_corpus(tmp_path, "forward.txt"), read_corpus(tmp_path, "backward.txt")
    assert set(forward.validation) == set(backward.validation)
    assert not set(forward.validation) & set(forward.training)
    assert len(forward.validation) + len(forward.training) == len(STORIES)
    assert 0.005 < len(forward.validation) / len(STORIES) < 0.03


def test_held_out_part_does_not_depend_on_other_documents():
    assert [story for story in STORIES[:500] if held_out(story)] == [s for s in STORIES if held_out(s)][
        : sum(map(held_out, STORIES[:500]))
    ]


def test_missing_folder_names_the_wanted_files(tmp_path):
    with pytest.raises(InputError, match="en/a.txt, en/b.txt"):
        find_files(tmp_path / "nowhere", ["en/a.txt", "en/b.txt"])


def test_missing_file_is_named(tmp_path):
    write(tmp_path, "en/a.txt", STORIES)
    with pytest.raises(InputError, match="lacks en/b.txt"):
        find_files(tmp_path, ["en/a.txt", "en/b.txt"])


def test_any_folder_of_texts_will_do(tmp_path):
    write(tmp_path, "mine/z.txt", STORIES)
    write(tmp_path, "y.txt", STORIES)
    assert find_files(tmp_path, ["en/a.txt"]) == ["mine/z.txt", "y.txt"]


def test_folder_without_texts_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no \.txt file"):
        find_files(tmp_path, ["en/a.txt"])


def test_corpus_without_documents_is_refused(tmp_path):
    write(tmp_path, "empty.txt", ["", " \n"])
    with pytest.raises(InputError, match=r"empty\.txt"):
        read_corpus(tmp_path, "empty.txt")


def test_stream_reads_the_same_tokens_in_any_pieces():
    files = [token_file([0, 1], [0, 2, 3], [0, 4, 5, 6]), token_file([0, 7, 8, 9, 10])]
    stream = TokenStream(files, [3, 2], seed=1)
    whole = stream.read(0, stream.n_tokens)
    assert stream.n_tokens == 3 * 9 + 2 * 5 == len(whole)
    for start in range(stream.n_tokens - 4):
        np.testing.assert_array_equal(stream.read(start, 4), whole[start : start + 4])


def test_each_pass_is_complete_before_the_next():
    file = token_file(*[[i] for i in range(50)])
    order = TokenStream([file], [3], seed=4).read(0, 150).reshape(3, 50)
    for turn in order:
        assert sorted(turn) == list(range(50))
    assert not np.array_equal(order[0], order[1])


def test_part_of_a_pass_reads_part_of_the_documents_once():
    file = token_file(*[[i] for i in range(1000)])
    stream = TokenStream([file], [0.3], seed=4)
    read = stream.read(0, stream.n_tokens)
    assert len(set(read)) == len(read)
    assert 250 < len(read) < 350


def test_any_stretch_has_the_proportions_of_the_mixture():
    files = [token_file(*[[1]] * 3000), token_file(*[[2]] * 1000)]
    stream = TokenStream(files, [1, 2], seed=9)
    for start in range(0, 5000, 1000):
        assert 0.55 < np.mean(stream.read(start, 1000) == 1) < 0.65
    assert sum(stream.tokens_by_file(2500)) == 2500


def test_order_hangs_on_the_seed_alone():
    files = [token_file(*[[i] for i in range(99)])]
    same, again, other = (TokenStream(files, [2], seed=seed) for seed in (1, 1, 2))
    assert same.fingerprint() == again.fingerprint() != other.fingerprint()


def test_documents_begin_with_the_end_of_text_token(tmp_path):
    tokenizer = tokenizers.bytes_tokenizer()
    first = tokenised(("ab", "c"), tokenizer, tmp_path)
    assert first.ids.tolist() == [256, 97, 98, 256, 99]
    assert first.starts.tolist() == [0, 3, 5]
    cached = tokenised(("ab", "c"), tokenizer, tmp_path)
    assert cached.ids.tolist() == first.ids.tolist()
    assert len(list(tmp_path.iterdir())) == 1


def test_trainings_that_start_together_share_a_whole_cache_entry(tmp_path):
    with _new_entry(tmp_path / "entry") as slow:
        (slow / "file").write_text("same")
        with _new_entry(tmp_path / "entry") as quick:
            (quick / "file").write_text("same")
        assert (tmp_path / "entry/file").read_text() == "same"
    assert [path.name for path in tmp_path.iterdir()] == ["entry"]


def test_part_without_documents_is_empty(tmp_path):
    assert tokenised((), tokenizers.bytes_tokenizer(), tmp_path).n_documents == 0
