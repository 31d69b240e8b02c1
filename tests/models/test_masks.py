"""Each mask against its definition, written out pair by pair, and what a pass makes of masks."""

import itertools
import math

import pytest
import torch

from models.attend import attend, probabilities
from models.config import LayerConfig, SparsePattern
from models.parts import near
from models.parts.masks import MASKS, Extent, Visibility, visibility
from models.taps import Tap
from tests.rows import each_row

CPU = torch.device("cpu")
N = 23  # tokens: no multiple of any size below
SPARSE = SparsePattern(dilation=3, n_global=2, block_size=3, n_blocks_before=1, n_random=2, seed=5)
WINDOWS = {"sliding": 4, "band": 6, "dilated": 4, "longformer": 6, "star": 3, "etc": 4, "kmeans": 4}
MASKED = [name for name in MASKS if name not in ("lsh", "kmeans")]
DRAWN = ("random", "bigbird")


def layer_of(mask: str, causal: bool) -> LayerConfig:
    return LayerConfig(0, mask, WINDOWS.get(mask), causal=causal)


def seen(
    mask: str, causal: bool, n_tokens: int = N, n_past: int = 0, sparse=SPARSE, padding=None, **more
) -> torch.Tensor:
    """Who sees whom as a boolean (B, T, S), from what a pass gives to attention."""
    view = visibility(layer_of(mask, causal), sparse, n_past, n_tokens - n_past, padding, None, CPU, **more)
    n_batch = len(padding) if padding is not None else 1
    if more.get("prefix_lengths") is not None:
        n_batch = len(more["prefix_lengths"])
    scores = view.apply(torch.zeros(n_batch, 1, n_tokens - n_past, n_tokens))
    return (scores > float("-inf"))[:, 0]


def causal(i: int, j: int, n: int) -> bool:
    return j <= i


def sliding(i: int, j: int, n: int) -> bool:
    return j in range(i - 3, i + 1)


def bidirectional(i: int, j: int, n: int) -> bool:
    return True


def band(i: int, j: int, n: int) -> bool:
    return j in (i - 3, i - 2, i - 1, i, i + 1, i + 2, i + 3)


def global_(i: int, j: int, n: int) -> bool:
    return i == j or i in (0, 1) or j in (0, 1)


def dilated(i: int, j: int, n: int) -> bool:
    return j in (i - 6, i - 3, i, i + 3, i + 6)


def block_local(i: int, j: int, n: int) -> bool:
    blocks = [range(first, first + 3) for first in range(0, n, 3)]
    own = next(number for number, block in enumerate(blocks) if i in block)
    return j in blocks[own] or (own > 0 and j in blocks[own - 1])


def longformer(i: int, j: int, n: int) -> bool:
    return band(i, j, n) or i < 2 or j < 2


def star(i: int, j: int, n: int) -> bool:
    ring = list(range(2, n))  # 0 and 1 are relays
    if i not in ring or j not in ring:
        return True
    place = ring.index(i)
    return j in (ring[place - 1], i, ring[(place + 1) % len(ring)])


def etc(i: int, j: int, n: int) -> bool:
    return i < 2 or j < 2 or i - 2 <= j <= i + 2


DEFINITIONS = {
    "causal": causal,
    "sliding": sliding,
    "bidirectional": bidirectional,
    "prefix": causal,  # without a prefix
    "band": band,
    "global": global_,
    "dilated": dilated,
    "block_local": block_local,
    "longformer": longformer,
    "star": star,
    "etc": etc,
}


def written_out(mask: str, is_causal: bool, n: int = N) -> torch.Tensor:
    define = DEFINITIONS[mask]
    return torch.tensor([[define(i, j, n) and (j <= i or not is_causal) for j in range(n)] for i in range(n)])


def signed(x: int) -> int:
    """x as the 64 bits of a signed integer hold it."""
    return (x + 2**63) % 2**64 - 2**63


def lot(seed: int, i: int, j: int) -> int:
    x = signed(i * -7046029254386353131 + j * -4417276706812531889 + seed)
    for factor in (-4658895280553007687, -7723592293110705685):
        x = signed((x ^ (x >> 31)) * factor)
    return (x ^ (x >> 31)) % 2**63


def drawn(seed: int, i: int, candidates: list[int], count: int) -> list[int]:
    return sorted(candidates, key=lambda j: lot(seed, i, j))[:count]


@each_row("is_causal", [False, True])
@each_row("mask", DEFINITIONS)
def test_mask_is_its_definition(mask, is_causal):
    assert torch.equal(seen(mask, is_causal)[0], written_out(mask, is_causal))


@pytest.mark.parametrize("is_causal", [False, True])
def test_random_is_its_definition(is_causal):
    expected = torch.eye(N, dtype=torch.bool)
    for i in range(N):
        candidates = list(range(i)) if is_causal else [j for j in range(N) if j != i]
        expected[i, drawn(5, i, candidates, 2)] = True
    assert torch.equal(seen("random", is_causal)[0], expected)


def test_bigbird_is_its_definition():
    n_blocks = math.ceil(N / 3)
    last = n_blocks - 1
    of_blocks = torch.zeros(n_blocks, n_blocks, dtype=torch.bool)
    for i, j in itertools.product(range(n_blocks), repeat=2):
        of_blocks[i, j] = i in (0, last) or j in (0, last) or abs(i - j) <= 1
    for i in range(1, last):
        others = [j for j in range(1, last) if abs(i - j) > 1]
        of_blocks[i, drawn(5, i, others, 2)] = True
    expected = torch.tensor([[of_blocks[i // 3, j // 3].item() for j in range(N)] for i in range(N)])
    assert torch.equal(seen("bigbird", False)[0], expected)
    assert expected.float().mean() < 0.9  # it hides something at this length


def test_draws_are_spread_and_follow_the_seed():
    sparse = SparsePattern(n_random=8, seed=1)
    drawn_keys = seen("random", False, 400, sparse=sparse)[0] & ~torch.eye(400, dtype=torch.bool)
    assert torch.equal(drawn_keys.sum(1), torch.full((400,), 8))
    per_key = drawn_keys.sum(0).float()
    assert per_key.std() == pytest.approx(8**0.5, rel=0.25)  # of a Poisson distribution with mean 8
    other = seen("random", False, 400, sparse=SparsePattern(n_random=8, seed=2))[0]
    shared = (drawn_keys & other).sum() / drawn_keys.sum()
    assert shared == pytest.approx(8 / 399, abs=0.02)


def test_prefix_is_its_definition():
    lengths = [1, 9, N]
    expected = torch.tensor(
        [[[j <= i or (i < length and j < length) for j in range(N)] for i in range(N)] for length in lengths]
    )
    assert torch.equal(seen("prefix", False, prefix_lengths=torch.tensor(lengths)), expected)
    assert visibility(layer_of("prefix", False), None, 0, N, None, None, CPU, torch.tensor([N, N])) == Visibility()
    assert visibility(layer_of("prefix", False), None, 0, N, None, None, CPU) == Visibility(is_causal=True)


@each_row("is_causal", [False, True])
@each_row("mask", MASKED)
def test_every_token_sees_itself(mask, is_causal):
    assert seen(mask, is_causal)[0].diagonal().all()


@pytest.mark.parametrize("mask", MASKED)
def test_no_future_in_a_causal_layer(mask):
    assert not seen(mask, True)[0].triu(1).any()
    padding = torch.ones(2, N, dtype=torch.long)
    padding[0, :4], padding[1, -3:] = 0, 0
    assert not seen(mask, True, padding=padding).triu(1).any()


@pytest.mark.parametrize("mask", [mask for mask in MASKED if mask not in ("bigbird", "star")])
def test_cached_rows_are_those_of_the_whole(mask):
    whole = seen(mask, True)[0]
    for n_past in (1, 4, 11, N - 1):
        for n_tokens in (n_past + 1, N):
            assert torch.equal(seen(mask, True, n_tokens, n_past)[0], whole[n_past:n_tokens, :n_tokens])


@each_row("is_causal", [False, True])
@each_row("mask", MASKED)
@each_row("side", ["left", "right", "both"])
def test_padding_hides_and_shifts_nothing(mask, is_causal, side):
    lengths = [N, 17, 5]
    padding = torch.zeros(3, N, dtype=torch.long)
    starts = [{"left": N - n, "right": 0, "both": (N - n) // 2}[side] for n in lengths]
    for row, (start, length) in enumerate(zip(starts, lengths, strict=True)):
        padding[row, start : start + length] = 1
    batch = seen(mask, is_causal, padding=padding)
    for row, (start, length) in enumerate(zip(starts, lengths, strict=True)):
        tokens = slice(start, start + length)
        alone = seen(mask, is_causal, length)[0]
        assert torch.equal(batch[row, tokens, tokens], alone)
        outside = batch[row].clone()
        outside[tokens, tokens] = False
        assert not outside[tokens].any()
        for place in {*range(N)} - {*range(start, start + length)}:  # padding sees tokens, or nothing: never itself
            assert not batch[row, place, place]


@each_row("is_causal", [False, True])
@each_row("mask", MASKED)
@each_row("like_transformers", [False, True])
def test_shortcuts_are_taken_where_nothing_is_hidden(mask, is_causal, like_transformers):
    layer = layer_of(mask, is_causal)
    sparse = SparsePattern(**{**SPARSE.to_dict(), "dilation": 1, "like_transformers": like_transformers})
    looks_back = is_causal or MASKS[mask].looks_back
    whole = MASKS[mask].whole_up_to(layer, sparse)
    for n in range(1, int(min(whole, 40)) + 1):
        pattern = MASKS[mask].pattern(layer, sparse, Extent(n, n))(torch.arange(n)[:, None], torch.arange(n)[None])
        visible = pattern & torch.ones(n, n, dtype=torch.bool).tril() if looks_back else pattern
        assert torch.equal(
            visible, torch.ones(n, n, dtype=torch.bool).tril() if looks_back else torch.ones_like(visible)
        )
        expected = Visibility(is_causal=True) if looks_back and n > 1 else Visibility()
        assert visibility(layer, sparse, 0, n, None, None, CPU) == expected
        assert visibility(layer, sparse, 0, n, torch.ones(2, n), None, CPU) == expected  # padding without any
        if looks_back:
            assert visibility(layer, sparse, n - 1, 1, None, None, CPU) == Visibility()


def test_positions_bias_the_scores():
    bias = torch.randn(2, N, N)
    scores = torch.zeros(1, 2, N, N)
    free = visibility(layer_of("bidirectional", False), None, 0, N, None, bias, CPU).apply(scores)
    assert torch.equal(free[0], bias)
    banded = visibility(layer_of("band", False), None, 0, N, None, bias, CPU).apply(scores)
    assert torch.equal(banded[0], bias.masked_fill(~written_out("band", False), float("-inf")))


@pytest.mark.parametrize("mask", MASKED)
def test_a_mask_of_four_dimensions_replaces_the_layers(mask):
    own = torch.rand(2, 1, N, N) < 0.5
    assert torch.equal(visibility(layer_of(mask, True), SPARSE, 0, N, own, None, CPU).mask, own)


def test_bigbird_like_transformers_counts_the_first_block_again():
    sparse = SparsePattern(block_size=2, n_random=2, like_transformers=True)
    n, last = 20, 9  # ten blocks: one more than are seen whole
    view = visibility(layer_of("bigbird", False), sparse, 0, n, None, None, CPU)
    added = view.apply(torch.zeros(1, 1, n, n))[0, 0]
    for i, j in itertools.product(range(n), repeat=2):
        a, b = i // 2, j // 2
        whole = a in (0, last) or b in (0, last)
        expected = 0.0 if whole or abs(a - b) <= 1 else float("-inf")
        if b == 0 and a not in (0, last):
            expected = math.log(3)
        assert added[i, j].item() == pytest.approx(expected)


@pytest.mark.parametrize("view", [Visibility(), Visibility(is_causal=True), Visibility(torch.rand(5, 5) < 0.6)])
def test_visibility_narrowed_and_widened(view):
    scores, other = torch.randn(2, 3, 5, 5), torch.rand(2, 3, 5, 5) < 0.5
    visible = view.apply(scores) > float("-inf")
    assert torch.equal(view.narrowed(other).apply(scores), scores.masked_fill(~(visible & other), float("-inf")))
    assert torch.equal(view.widened(other).apply(scores), scores.masked_fill(~(visible | other), float("-inf")))
    added = Visibility(torch.zeros(5, 5).masked_fill(~view.allowed((5, 5), CPU), float("-inf")))
    for change in (Visibility.narrowed, Visibility.widened):
        assert torch.equal(change(added, other).apply(scores), change(view, other).apply(scores))


def test_keys_that_count_several_times():
    scores, counts = torch.randn(1, 1, 4, 5), torch.randint(1, 4, (4, 5))
    hidden = torch.rand(4, 5) < 0.3
    probs = Visibility(~hidden).repeated(counts).apply(scores).softmax(-1)
    weights = scores.exp() * counts * ~hidden
    torch.testing.assert_close(probs, weights / weights.sum(-1, keepdim=True))


@pytest.mark.parametrize("mask", MASKED)
def test_masks_work_without_data(mask):
    padding = torch.ones(2, N, device="meta")
    for attention_mask in (None, padding):
        view = visibility(layer_of(mask, False), SPARSE, 0, N, attention_mask, None, torch.device("meta"))
        assert view.mask is None or view.mask.shape[-2:] == (N, N)


@each_row("is_causal", [False, True])
@each_row("mask", ["sliding", "band", "dilated", "block_local", "longformer", "etc"])
@each_row(("n_past", "padded"), [(0, False), (0, True), (90, False)])
def test_near_keys_in_pieces_are_all_keys_at_once(mask, is_causal, n_past, padded, monkeypatch):
    monkeypatch.setattr(near, "SMALLEST_PIECE", 16)
    n_tokens, calls = 150, []
    monkeypatch.setattr(near, "attend", lambda q, k, *rest: calls.append(k.shape[2]) or attend(q, k, *rest))
    padding = torch.ones(2, n_tokens)
    if padded:
        padding[1, :40] = 0
    layer = layer_of(mask, is_causal)
    view = visibility(layer, SPARSE, n_past, n_tokens - n_past, padding, None, CPU)
    q = torch.randn(2, 4, n_tokens - n_past, 8)
    k, v = torch.randn(2, 2, 2, n_tokens, 8)
    arguments = (view, 1.0, Tap("scores"), Tap("probs"))
    torch.testing.assert_close(near.attend_near(q, k, v, *arguments), attend(q, k, v, *arguments))
    in_pieces = mask not in ("longformer", "etc") or (not padded and n_past == 0)
    assert (len(calls) > 3) == in_pieces
    assert not in_pieces or sorted(calls)[-2] < 60


@each_row("is_causal", [False, True])
@each_row("mask", MASKED)
def test_nothing_out_of_reach_is_seen(mask, is_causal):
    view = visibility(layer_of(mask, is_causal), SPARSE, 0, N, None, None, CPU)
    if view.reach is not None:
        i, j = seen(mask, is_causal)[0].nonzero().unbind(1)
        at_the_ends = (i < view.n_global) | (j < view.n_global)
        assert (i - j).abs()[~at_the_ends].max() == view.reach


def test_a_row_that_sees_nothing_reads_nothing_and_learns_nothing():
    scores = torch.randn(2, 3, 5, 5, requires_grad=True)
    hidden = torch.full((5, 5), float("-inf")).triu(1)
    hidden[0] = float("-inf")  # the first query sees nothing
    probs = probabilities(scores + hidden)
    assert torch.equal(probs[:, :, 0], torch.zeros(2, 3, 5))
    torch.testing.assert_close(probs[:, :, 1:].sum(-1), torch.ones(2, 3, 4))
    probs.square().sum().backward()
    assert scores.grad.isfinite().all()
    assert not scores.grad[:, :, 0].any()
    assert scores.grad[:, :, 1:].any()
