"""Unigram's lattice and its training, step by step, against SentencePiece and the `tokenizers` library."""

import math
import random
import struct
from pathlib import Path

import pytest
import tokenizers as hf
from tokenizers import models as hf_models
from tokenizers import pre_tokenizers

from models.tokenizers import load, steps
from models.tokenizers.catalogue import SHIPPED
from models.tokenizers.files import load_file
from models.tokenizers.model_proto import fields
from models.tokenizers.steps.unigram_lattice import unigram_table
from models.tokenizers.steps.unigram_training import digamma
from models.tokenizers.train import train_on_text
from playground.token_passages import passage
from tests.models.step_texts import CHINESE, ENGLISH, HUG, TEXTS, library_tokens


def single(value: bytes) -> float:
    return struct.unpack("<f", value)[0]


def library_paths(processor, text: str, n_best: int) -> list[tuple[list[int], float]]:
    """SentencePiece's n best ways as ids and scores, from its protocol buffer."""
    ways = []
    for _, way in fields(processor.nbest_encode(text, nbest_size=n_best, return_type="serialized_proto")):
        pieces = [dict(fields(value)) for number, value in fields(way) if number == 2]
        ways.append(([piece.get(2, 0) for piece in pieces], single(dict(fields(way)).get(3, bytes(4)))))
    return ways


@pytest.fixture(scope="module", params=["unigram-4k", "unigram-8k", "unigram-16k", "learnt"])
def unigram(request):
    return load(SHIPPED / request.param) if request.param != "learnt" else train_on_text("unigram", ENGLISH * 3, 512)


def test_the_best_way_is_that_of_sentencepiece(unigram):
    table = unigram_table(unigram)
    for text in TEXTS:
        found = steps.unigram_lattice(unigram, text)
        pieces = [found.edges[edge].piece for edge in found.best]
        assert table.spelled(pieces) == library_tokens(unigram, text), text
        assert "".join(pieces) == found.text
        assert found.best_log_prob == pytest.approx(sum(found.edges[edge].log_prob for edge in found.best))
        assert found.forward[-1][0] == found.best_log_prob
        assert found.paths[0] == (found.best, found.best_log_prob)


def test_the_next_best_ways_are_those_of_sentencepiece(unigram):
    for text in TEXTS:
        found = steps.unigram_lattice(unigram, text)
        theirs = library_paths(unigram.bare(), text, 5)
        scores = [score for _, score in theirs]
        assert [log_prob for _, log_prob in found.paths] == pytest.approx(scores, rel=1e-5, abs=1e-3), text
        mine = [[found.edges[edge].token_id for edge in path] for path, _ in found.paths]
        for place, (ids, score) in enumerate(theirs):
            # Equal ways may come in another order, and unknown neighbours are one id there.
            alone = all(abs(score - other) > 1e-2 for i, other in enumerate(scores) if i != place)
            if alone and place < 4 and unigram_table(unigram).unknown_id not in ids:
                assert mine[place] == ids, text


def test_every_place_of_a_lattice_knows_its_best_way(unigram):
    found = steps.unigram_lattice(unigram, "the miller's cat")
    for end, (log_prob, edge) in enumerate(found.forward):
        arriving = [found.forward[e.start][0] + e.log_prob for e in found.edges if e.end == end]
        assert log_prob == (max(arriving) if arriving else 0.0)
        assert (edge is None) == (end == 0)


def test_a_lattice_of_tokenizer_json_is_the_library_s_too(tmp_path):
    pieces = [
        ("<unk>", 0.0),
        ("▁", -2.0),
        ("▁the", -3.0),
        ("t", -5.0),
        ("h", -5.1),
        ("e", -4.0),
        ("he", -6.0),
        ("▁t", -4.5),
    ]
    engine = hf.Tokenizer(hf_models.Unigram(pieces, unk_id=0, byte_fallback=False))
    engine.pre_tokenizer = pre_tokenizers.Metaspace()
    engine.save(str(tmp_path / "tokenizer.json"))
    tokenizer = load(tmp_path)
    for text in ["the", "the the", "hete", "xxthe", "t x he", ""]:
        found = steps.unigram_lattice(tokenizer, text)
        spelled = unigram_table(tokenizer).spelled(found.edges[edge].piece for edge in found.best)
        assert spelled == library_tokens(tokenizer, text), text
    two = steps.unigram_lattice(tokenizer, "the the")
    assert not any(edge.start < 4 < edge.end for edge in two.edges)


@pytest.mark.parametrize("file", ["spiece.model", "tokenizer.json"])
def test_the_best_way_of_t5_is_its_own(file):
    path = Path(__file__).resolve().parents[3] / "shared" / "tokenizers" / "t5" / file
    if not path.is_file():
        pytest.skip("the published vocabularies are not beside the repository")
    tokenizer = load_file(path)
    for text in TEXTS:
        found = steps.unigram_lattice(tokenizer, text)
        pieces = [found.edges[edge].piece for edge in found.best]
        assert unigram_table(tokenizer).spelled(pieces) == library_tokens(tokenizer, text), text


def test_unigram_s_expectations_are_those_of_the_library():
    """With room for all pieces there is nothing to prune, and both do two rounds of expectation-maximisation."""
    text = ENGLISH.replace('"', "")
    found = steps.unigram_pruning(text, 300)
    theirs = steps.library_pieces(text, 300)
    mine = {piece: log_prob for piece, log_prob, _ in found[0].pieces}
    assert len(mine) > 50
    assert {piece: theirs[piece] for piece in mine} == pytest.approx(mine, abs=1e-9)


def few_letters(seed: int, n_words: int) -> str:
    """Words of four letters only, so that many pieces are needed often."""
    draw = random.Random(seed)
    return " ".join("".join(draw.choices("abcd", weights=[5, 3, 2, 1], k=draw.randint(2, 6))) for _ in range(n_words))


def check_the_same(found, theirs):
    assert {piece for piece, *_ in found[-1].pieces} == theirs.keys()
    # What is a required character only has a probability that follows from their order, which the library does not fix.
    mine = {piece: log_prob for piece, log_prob, _ in found[-1].pieces if len(piece) > 1}
    assert {piece: theirs[piece] for piece in mine} == pytest.approx(mine, abs=1e-9)


@pytest.mark.parametrize("seed", range(8))
def test_a_round_of_pruning_is_the_library_s(seed):
    """Room for a few pieces less than there are, so that there is one round. The library may make the last cut, to the
    wanted number, elsewhere: what it keeps is among what is here before that cut."""
    text = few_letters(seed, 60)
    size = int((len(steps.unigram_pruning(text, 1000)[0].pieces) - 3) / 1.1)
    before, after, *_ = steps.unigram_pruning(text, size)
    theirs = {piece: value for piece, value in steps.library_pieces(text, size).items() if len(piece) > 1}
    mine = {piece: log_prob for piece, log_prob, _ in after.pieces}
    assert before.removed
    assert len(theirs) > 20
    assert {piece: mine[piece] for piece in theirs} == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize(
    ("text", "size"), [(ENGLISH, 40), (few_letters(6, 120), 40), (few_letters(6, 120), 45)], ids=["text", "40", "45"]
)
def test_several_rounds_can_be_the_library_s_too(text, size):
    found = steps.unigram_pruning(text, size)
    assert sum(bool(step.removed) for step in found) >= 3
    check_the_same(found, steps.library_pieces(text, size))


@pytest.mark.parametrize(
    ("text", "size"),
    [(ENGLISH, 45), (passage("english"), 40), (passage("english"), 100), (few_letters(2, 120), 30)],
    ids=["text", "passage-40", "passage-100", "letters"],
)
def test_where_the_order_of_losses_differs_most_pieces_are_the_library_s(text, size):
    found = {piece for piece, *_ in steps.unigram_pruning(text, size)[-1].pieces}
    theirs = steps.library_pieces(text, size).keys()
    assert len(found) == len(theirs)
    assert 0.85 <= len(found & theirs) / len(found) < 1


@pytest.mark.parametrize("text", [ENGLISH, CHINESE, HUG, "x" * 3000])
def test_pruning_takes_away_what_costs_least(text):
    size = 40
    found = steps.unigram_pruning(text, size)
    for before, after in zip(found, found[1:], strict=False):
        losses = {piece: loss for piece, _, loss in before.pieces}
        log_probs = [log_prob for _, log_prob, _ in before.pieces]
        assert log_probs == sorted(log_probs, reverse=True)
        removed = [losses[piece] for piece in before.removed]
        assert None not in removed
        assert not set(before.removed) & {piece for piece, *_ in after.pieces}
        if after is not found[-1]:
            kept = [losses[p] for p in losses if p not in before.removed and losses[p] is not None]
            assert max(removed) <= min(kept)
    letters = {character for word in text.split() for character in "▁" + word}
    final = {piece for piece, *_ in found[-1].pieces}
    assert letters <= final
    assert len(final) <= max(size, len(letters))
    assert found[-1].removed == []


def ways(word: str) -> list[list[str]]:
    """All ways to cut a word."""
    return [[word]] + [[word[:end], *rest] for end in range(1, len(word)) for rest in ways(word[end:])]


def test_a_loss_is_what_the_removal_costs():
    """Counted anew, from all ways to cut each word: the piece's uses go to the best other way to spell it."""
    words = ["ab"] * 6 + ["ac"] * 3 + ["abb"] * 2 + ["b"] * 2 + ["c"] + ["abc"] * 3
    found = steps.unigram_pruning(" ".join(words), 100)[0]
    log_probs = {piece: log_prob for piece, log_prob, _ in found.pieces}
    unknown = min(log_probs.values()) - 10
    log_probs |= {character: unknown for character in "▁abc" if character not in log_probs}

    def ranked(word: str) -> list[list[str]]:
        known = [way for way in ways(word) if all(piece in log_probs for piece in way)]
        return sorted(known, key=lambda way: -sum(log_probs[piece] for piece in way))

    used = dict.fromkeys(log_probs, 0)
    for word in words:
        for piece in ranked("▁" + word)[0]:
            used[piece] += 1
    checked = 0
    for piece, _, loss in found.pieces:
        if loss:
            others = ranked(piece)[1]
            total = sum(used.values())
            after = total + used[piece] * (len(others) - 1)
            spelled = sum(math.log((used[other] + used[piece]) / after) for other in others)
            expected = used[piece] / len(words) * (math.log(used[piece] / total) - spelled)
            assert loss == pytest.approx(expected), piece
            checked += 1
        elif loss == 0.0:
            assert not used[piece] or len(ranked(piece)[0]) > 1
        else:
            assert len(ranked(piece)) == 1
    assert checked == 2
    likelihood = sum(
        math.log(sum(math.exp(sum(log_probs[p] for p in way)) for way in ranked("▁" + word))) for word in words
    )
    assert found.loss == pytest.approx(-likelihood / len(words), rel=1e-3)


def test_digamma():
    assert digamma(1) == pytest.approx(-0.5772156649, abs=1e-7)
    assert digamma(10.5) == pytest.approx(math.log(10.5) - 1 / 21 - 1 / (12 * 10.5**2), abs=1e-6)
