"""Objectives: the formats of the papers' examples, and the proportions on a large text."""

import math

import pytest
import torch

import models
from models.errors import InputError
from models.objectives import (
    IGNORED,
    OBJECTIVES,
    SUITS,
    Marks,
    batch,
    blank_infilling,
    marks_of,
    masked,
    next_sentence,
    prefix,
)
from models.objectives.blank_infilling import Blanks, draw_blanks, draw_long_blank, fill_in, parts
from models.objectives.denoisers import DENOISERS, draw_for
from models.objectives.example import Example
from models.objectives.masked import Fate
from models.objectives.next_sentence import Pair
from models.objectives.span_corruption import corrupt, draw_spans
from models.tokenizers import bytes_tokenizer

MARKS = Marks(
    vocab_size=1000,
    pad=0,
    end=1,
    mask=2,
    mask_to_end=3,
    cls=4,
    sep=5,
    start_of_piece=6,
    end_of_piece=7,
    sentinels=tuple(range(10, 60)),
    modes=(60, 61, 62),
)
TEXT = 100  # the first id that is text


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def text(n_tokens: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(TEXT, 1000, (n_tokens,), generator=chance(seed))


def within(count: int, trials: int, probability: float) -> bool:
    """Whether `count` lies within five standard deviations of a binomial's mean: false once in two million times."""
    return abs(count - trials * probability) <= 5 * math.sqrt(trials * probability * (1 - probability))


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_same_seed_gives_the_same_example(name):
    ids = text(120)
    first, again, other = (OBJECTIVES[name](ids, MARKS, chance(seed)) for seed in (3, 3, 4))
    assert torch.equal(first.inputs, again.inputs)
    assert torch.equal(first.targets, again.targets)
    if name != "causal":
        assert first.inputs.shape != other.inputs.shape or not torch.equal(first.targets, other.targets)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_examples_of_any_length_make_a_batch(name):
    examples = [OBJECTIVES[name](text(length, seed=length), MARKS, chance(length)) for length in (40, 64, 17)]
    made = batch(examples, MARKS.pad)
    read = made.arguments["decoder_input_ids" if "decoder_input_ids" in made.arguments else "input_ids"]
    assert made.targets.shape == read.shape
    for row, example in enumerate(examples):
        length = len(example.inputs)
        assert torch.equal(made.arguments["input_ids"][row, :length], example.inputs)
        assert made.arguments["attention_mask"][row].sum() == length
        assert (made.targets[row] != IGNORED).sum() == example.n_paid


def test_causal_predicts_the_following_token():
    example = OBJECTIVES["causal"](torch.tensor([7, 8, 9]), MARKS, chance())
    assert (example.inputs.tolist(), example.targets.tolist()) == ([7, 8], [8, 9])


class TestPrefix:
    def test_only_what_follows_the_prefix_pays(self):
        example = prefix.split_at(torch.tensor([11, 12, 13, 14, 15]), 2)
        assert example.inputs.tolist() == [11, 12, 13, 14]
        assert example.targets.tolist() == [IGNORED, 13, 14, 15]
        assert example.prefix_length == 2

    def test_any_split_is_as_likely(self):
        splits = [OBJECTIVES["prefix"](text(5), MARKS, chance(seed)).prefix_length for seed in range(2000)]
        assert all(within(splits.count(length), 2000, 1 / 4) for length in (1, 2, 3, 4))


class TestMasked:
    def test_proportions(self):
        n_tokens = 40_000
        ids = text(n_tokens)
        fates = masked.draw(ids, MARKS, chance())
        assert len(fates) == round(0.15 * n_tokens)
        assert len({fate.position for fate in fates}) == len(fates)
        for action, share in (("mask", 0.8), ("random", 0.1), ("keep", 0.1)):
            assert within(sum(fate.action == action for fate in fates), len(fates), share)
        assert within(sum(fate.position < n_tokens // 2 for fate in fates), len(fates), 0.5)

    def test_special_tokens_are_neither_chosen_nor_drawn(self):
        ids = torch.cat([torch.tensor([MARKS.cls]), text(3000), torch.tensor([MARKS.sep, MARKS.pad, MARKS.pad])])
        fates = masked.draw(ids, MARKS, chance())
        assert all(ids[fate.position] >= TEXT for fate in fates)
        assert all(fate.drawn not in MARKS.specials for fate in fates)

    def test_what_the_fates_do(self):
        ids = torch.tensor([101, 102, 103, 104])
        fates = [Fate(0, 0.79, 999), Fate(1, 0.85, 999), Fate(3, 0.95, 999)]
        example = masked.apply(ids, fates, MARKS)
        assert example.inputs.tolist() == [MARKS.mask, 999, 103, 104]
        assert example.targets.tolist() == [101, 102, IGNORED, 104]

    def test_one_token_at_least(self):
        assert len(masked.draw(text(1), MARKS, chance())) == 1
        with pytest.raises(InputError, match="special tokens"):
            masked.draw(torch.tensor([MARKS.cls, MARKS.sep]), MARKS, chance())

    def test_whole_words(self):
        words = [[0, 1], [2], [3, 4, 5], [6], [7, 8], [9], [10, 11, 12], [13], [14, 15], [16], [17, 18], [19]]
        for seed in range(50):
            chosen = {fate.position for fate in masked.draw(text(20), MARKS, chance(seed), share=0.3, words=words)}
            assert len(chosen) <= 6
            assert all(chosen.issuperset(word) or chosen.isdisjoint(word) for word in words)


class TestNextSentence:
    DOCUMENTS = [[[TEXT + 100 * document + i] * 4 for i in range(12)] for document in range(6)]

    def made(self, seed: int) -> list[Pair]:
        return list(next_sentence.pairs(self.DOCUMENTS, 35, chance(seed)))

    def drawn(self, seed: int) -> list[next_sentence.Drawn]:
        return list(next_sentence.draw_pairs(self.DOCUMENTS, 35, chance(seed)))

    def test_half_follow_and_half_come_from_another_document(self):
        pairs = [pair for seed in range(60) for pair in self.made(seed)]
        # A document's last sentence alone has no follower, so that a few more than half are random.
        share = sum(pair.is_next for pair in pairs) / len(pairs)
        assert 0.4 < share < 0.5
        thrown = [one for seed in range(60) for one in self.drawn(seed) if one.throw is not None]
        assert within(sum(one.pair.is_next for one in thrown), len(thrown), 0.5)
        for pair in pairs:
            first, second = {(i - TEXT) // 100 for i in pair.first}, {(i - TEXT) // 100 for i in pair.second}
            assert len(first) == len(second) == 1
            assert (first == second) == pair.is_next
            if pair.is_next:
                assert pair.second[0] - pair.first[-1] == 1
            assert len(pair.first) + len(pair.second) + next_sentence.N_MARKS <= 35

    def test_what_was_drawn_tells_how_each_pair_came_about(self):
        drawn = self.drawn(4)
        assert [one.pair for one in drawn] == self.made(4)
        for one in drawn:
            own, other = self.DOCUMENTS[one.document], self.DOCUMENTS[one.other] if one.other is not None else None
            assert one.whole.first == tuple(sum(own[one.place : one.place + one.n_first], []))
            follows = one.throw is not None and one.throw < 0.5
            assert one.pair.is_next == follows == (other is None)
            source = own[one.place + one.n_first : one.end] if follows else other[one.other_place : one.other_end]
            assert one.whole.second == tuple(sum(source, []))
            assert next_sentence.cut(one.whole, one.cuts) == one.pair
            assert len(one.whole.first + one.whole.second) - len(one.cuts) == len(one.pair.first + one.pair.second)

    def test_the_longer_side_is_cut(self):
        cut = next_sentence.truncated(Pair(tuple(range(10)), (50, 51), True), 6, chance())
        assert len(cut.first) == 4
        assert cut.second == (50, 51)
        assert cut.first == tuple(range(cut.first[0], cut.first[0] + 4))

    def test_the_format(self):
        example = next_sentence.masked_pair(Pair((101, 102), (103,), False), MARKS, chance())
        ids, segments = next_sentence.joined(Pair((101, 102), (103,), False), MARKS)
        assert ids.tolist() == [MARKS.cls, 101, 102, MARKS.sep, 103, MARKS.sep]
        assert segments.tolist() == example.token_type_ids.tolist() == [0, 0, 0, 0, 1, 1]
        assert example.n_paid == 1
        assert batch([example], 0).is_next.tolist() == [1]

    def test_one_document_is_refused(self):
        with pytest.raises(InputError, match="at least 2"):
            list(next_sentence.pairs([[[101]]], 20, chance()))


class TestSpanCorruption:
    def test_the_example_of_the_paper(self):
        thank, you, for_, inviting, me, to, your, party, last, week = range(101, 111)
        ids = torch.tensor([thank, you, for_, inviting, me, to, your, party, last, week])
        example = corrupt(ids, [(2, 4), (8, 9)], MARKS)
        x, y, z = MARKS.sentinels[:3]
        assert example.inputs.tolist() == [thank, you, x, me, to, your, party, y, week, MARKS.end]
        assert example.targets.tolist() == [x, for_, inviting, y, last, z, MARKS.end]
        assert example.decoder_inputs.tolist() == [MARKS.pad, x, for_, inviting, y, last, z]

    def test_proportions(self):
        spans = [draw_spans(100, chance(seed), 0.15, 3.0) for seed in range(200)]
        for drawn in spans:
            assert sum(end - start for start, end in drawn) == 15
            assert len(drawn) == 5
            assert drawn[0][0] > 0
            assert all(earlier[1] < later[0] for earlier, later in zip(drawn, drawn[1:], strict=False))
        lengths = [end - start for drawn in spans for start, end in drawn]
        # 15 places in 5 pieces, all C(14, 4) ways as likely: a piece has one place in C(13, 3) of them.
        assert within(lengths.count(1), len(lengths), math.comb(13, 3) / math.comb(14, 4))

    def test_a_text_for_which_there_are_not_enough_sentinels(self):
        with pytest.raises(InputError, match="50"):
            corrupt(text(600), draw_spans(600, chance(), 0.5, 3.0), MARKS)


class TestBlankInfilling:
    def test_the_example_of_the_paper(self):
        """Figure 2: x1 … x6, of which x3 and x5 x6 are blanks, the second spelled first."""
        example = fill_in(torch.arange(101, 107), Blanks(((2, 3), (4, 6)), (1, 0)), MARKS)
        mask, start, end = MARKS.mask, MARKS.start_of_piece, MARKS.end_of_piece
        assert parts(example) == ([101, 102, mask, 104, mask], [start, 105, 106, start, 103])
        assert example.targets.tolist() == [IGNORED] * 5 + [105, 106, end, 103, end]
        assert example.position_ids.tolist() == [[0, 1, 2, 3, 4, 4, 4, 4, 2, 2], [0, 0, 0, 0, 0, 1, 2, 3, 1, 2]]
        assert example.prefix_length == 5

    def test_proportions(self):
        for seed in range(200):
            blanks = draw_blanks(200, chance(seed))
            assert sum(end - start for start, end in blanks.spans) == 30
            assert all(a[1] < b[0] for a, b in zip(blanks.spans, blanks.spans[1:], strict=False))
            assert sorted(blanks.order) == list(range(len(blanks.spans)))

    def test_a_long_blank_reaches_to_the_end(self):
        lengths = []
        for seed in range(400):
            blanks = draw_long_blank(100, chance(seed))
            ((start, end),) = blanks.spans
            assert end == 100
            lengths.append(end - start)
        assert min(lengths) >= 50
        assert max(lengths) <= 99
        assert within(sum(length < 75 for length in lengths), 400, 25 / 51)
        example = fill_in(text(100), blanks, MARKS)
        assert parts(example)[0][-1] == MARKS.mask_to_end

    def test_both_kinds_as_often(self):
        examples = [OBJECTIVES["blank_infilling"](text(50), MARKS, chance(seed)) for seed in range(400)]
        assert within(sum(MARKS.mask_to_end in example.inputs for example in examples), 400, blank_infilling.LONG_SHARE)


class TestDenoisers:
    def test_each_corrupts_its_share(self):
        for denoiser in DENOISERS:
            counts = [sum(end - start for start, end in draw_for(denoiser, 400, chance(seed))) for seed in range(300)]
            assert sum(counts) / 300 == pytest.approx(400 * denoiser.density, rel=0.1)

    def test_the_mode_comes_first(self):
        marks = [
            int(OBJECTIVES["mixture_of_denoisers"](text(60), MARKS, chance(seed)).inputs[0]) for seed in range(700)
        ]
        for mode, share in zip(MARKS.modes, (2 / 7, 1 / 7, 4 / 7), strict=True):
            assert within(marks.count(mode), 700, share)


def test_a_missing_mark_is_named():
    marks = marks_of(bytes_tokenizer())
    assert (marks.vocab_size, marks.end, marks.mask, marks.sentinels) == (257, 256, None, ())
    with pytest.raises(InputError, match="mask"):
        OBJECTIVES["masked"](text(5), marks, chance())


def test_rows_of_different_lengths_need_a_token_to_pad_with():
    rows = [Example(torch.tensor([1, 2]), torch.tensor([2, 3])), Example(torch.tensor([1]), torch.tensor([2]))]
    with pytest.raises(ValueError, match="pad"):
        batch(rows)


SMALL = {"d_model": 32, "n_layers": 2, "n_heads": 2, "vocab_size": 1000, "max_seq_len": 256}
STARTS = {
    "causal": ("gpt2", {}),
    "prefix": ("gpt2", {"structure": "prefix_decoder", "mask_pattern": ("prefix",)}),
    "masked": ("bert-base-uncased", {"head": "mlm"}),
    "span_corruption": ("t5-small", {"n_encoder_layers": 2}),
    "blank_infilling": ("glm-10b", {}),
    "mixture_of_denoisers": ("t5-small", {"n_encoder_layers": 2}),
}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_model_of_a_suiting_structure_learns_it(name):
    preset, changes = STARTS[name]
    fields = {**SMALL, "d_head": 16, "d_ff": 64, **changes}
    start = models.preset(preset)
    if start.n_kv_heads:
        fields["n_kv_heads"] = 2
    model = models.build(start.replace(**fields), seed=1)
    assert model.config.structure in SUITS[name]
    made = batch([OBJECTIVES[name](text(40, seed), MARKS, chance(seed)) for seed in range(4)], MARKS.pad)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(12):
        logits = model(**made.arguments).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), made.targets.flatten(), ignore_index=IGNORED)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < 0.9 * losses[0]
