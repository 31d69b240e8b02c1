"""FlashAttention tile by tile: the plain result, the promised memory traffic, and no tile that nobody may see."""

import pytest
import torch
import torch.nn.functional as F

import models
from models.inspection.flash import (
    ORDERS,
    Problem,
    flash_traffic,
    live_tiles,
    plain,
    plain_traffic,
    steps,
    tile_sizes,
)
from models.inspection.weights import layer_attention, taps
from tests.models.random_configs import tokens, wide
from tests.models.small_structures import STRUCTURES
from tests.models.test_inspection_weights import CONFIGS, inspected
from tests.rows import each_row

SIZES = [(1, 1), (3, 5), (4, 4), (8, 2), (17, 17), (64, 64)]


def problem(n_queries=17, n_keys=17, causal=True, dtype=torch.float64, d_head=6, d_value=5, spread=3.0) -> Problem:
    """Random vectors, so far apart that the running maximum has to move."""
    generator = torch.Generator().manual_seed(0)
    q, k, v = (
        spread * torch.randn(rows, width, generator=generator, dtype=torch.float64)
        for rows, width in ((n_queries, d_head), (n_keys, d_head), (n_keys, d_value))
    )
    allowed = torch.ones(n_queries, n_keys, dtype=torch.bool)
    return Problem(q.to(dtype), k.to(dtype), v.to(dtype), d_head**-0.5, allowed.tril() if causal else allowed)


def last(one: Problem, sizes: tuple[int, int], order: str):
    return list(steps(one, *sizes, order))[-1]


@each_row("sizes", SIZES)
@each_row("order", ORDERS)
@each_row("causal", [True, False])
def test_the_result_is_the_plain_one(sizes, order, causal):
    for dtype, close in ((torch.float64, 1e-12), (torch.float32, 1e-6)):
        one = problem(causal=causal, dtype=dtype)
        expected = F.scaled_dot_product_attention(one.q, one.k, one.v, attn_mask=one.allowed, scale=one.scale)
        found = last(one, sizes, order)
        assert (plain(one)[0] - expected).abs().max() <= close * expected.abs().max()
        assert (found.out - expected).abs().max() <= close * expected.abs().max()
        scores = (one.q @ one.k.mT * one.scale).masked_fill(~one.allowed, float("-inf"))
        torch.testing.assert_close(found.maximum, scores.amax(dim=-1))
        torch.testing.assert_close(found.maximum + found.sum.log(), scores.logsumexp(dim=-1))


@each_row("order", ORDERS)
@each_row("sizes", SIZES)
@each_row("causal", [True, False])
def test_the_count_of_the_traffic_is_the_formula(order, sizes, causal):
    one = problem(causal=causal)
    lengths = (17, 17, 6, 5)
    assert plain(one)[1] == plain_traffic(*lengths)
    tiles = tile_sizes(17, 17, *sizes, causal)
    assert last(one, sizes, order).traffic == flash_traffic(tiles, *lengths, order)
    seen = live_tiles(one.allowed, *sizes)
    assert sorted((rows.stop - rows.start, keys.stop - keys.start) for rows, keys in seen) == sorted(tiles)


def test_the_figures_of_the_paper():
    """Section 3.1: plain attention moves Θ(Nd + N²) numbers, FlashAttention Θ(N²d²/M)."""
    sizes = (1024, 1024, 64, 64)
    assert plain_traffic(*sizes).nbytes(2) == 2 * (4 * 1024 * 64 + 4 * 1024 * 1024)
    fewer = flash_traffic(tile_sizes(1024, 1024, 64, 128, False), *sizes, "flash1")
    more = flash_traffic(tile_sizes(1024, 1024, 64, 256, False), *sizes, "flash1")
    assert fewer.nbytes(2) < plain_traffic(*sizes).nbytes(2)
    # Twice the fast memory, twice the keys a tile: half the passes over the queries.
    assert fewer.read - 1024 * 128 == 2 * (more.read - 1024 * 128)


def test_tiles_of_the_future_are_skipped():
    one = problem(n_queries=16, n_keys=16)
    visited = [(step.rows.start, step.keys.start) for step in steps(one, 4, 4, "flash1")]
    assert visited == [(rows, keys) for keys in (0, 4, 8, 12) for rows in (0, 4, 8, 12) if keys <= rows]
    visited = [(step.rows.start, step.keys.start) for step in steps(one, 4, 4, "flash2")]
    assert visited == [(rows, keys) for rows in (0, 4, 8, 12) for keys in (0, 4, 8, 12) if keys <= rows]
    assert len(list(steps(problem(16, 16, causal=False), 4, 4))) == 16


@pytest.mark.parametrize("order", ORDERS)
def test_what_the_rows_know_grows_tile_by_tile(order):
    """Each step's maximum, sum and output are those of attention to the keys read so far."""
    one = problem(causal=False)
    read = torch.zeros_like(one.allowed)
    for step in steps(one, 5, 4, order):
        read[step.rows, step.keys] = True
        rows = read.any(dim=-1)
        scores = (one.q @ one.k.mT * one.scale).masked_fill(~read, float("-inf"))[rows]
        torch.testing.assert_close(step.maximum[rows], scores.amax(dim=-1))
        torch.testing.assert_close(step.sum[rows], (scores - scores.amax(-1, keepdim=True)).exp().sum(-1))
        torch.testing.assert_close(step.out[rows], scores.softmax(-1) @ one.v)
        assert (step.maximum[~rows] == float("-inf")).all()
        assert (step.sum[~rows] == 0).all()
        assert (step.out[~rows] == 0).all()


@pytest.mark.parametrize("order", ORDERS)
def test_rows_that_see_nothing_read_nothing(order):
    one = problem(causal=False)
    one.allowed[3] = False
    one.allowed[8, :9] = False  # in its first tiles it sees nothing yet
    out = last(one, (4, 4), order).out
    assert torch.equal(out[3], torch.zeros(5, dtype=torch.float64))
    torch.testing.assert_close(out, plain(one)[0])
    assert not out.isnan().any()


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", ["rotary", "latent", "alibi", "relative", "sliding", "clusters", "interleaved"])
def test_it_computes_what_the_pass_computed(name, order):
    """On the tapped q, k and v of every head: the tapped output, in the pass's own precision."""
    layer = inspected(CONFIGS[name])
    for head in range(layer.q.shape[0]):
        kv_head = layer.kv_head(head)
        bias = None if layer.bias is None else layer.bias[head]
        one = Problem(layer.q[head], layer.k[kv_head], layer.v[kv_head], layer.scale, layer.allowed[head], bias)
        found = last(one, (4, 3), order).out
        assert (found - layer.head_out[head]).abs().max() <= 1e-6 * max(1.0, float(layer.head_out[head].abs().max()))


@torch.no_grad()
def test_also_between_two_texts():
    path, model = "decoder.layers.0.cross_attn", wide(STRUCTURES["encoder_decoder"])
    with models.capture(*taps(path)) as trace:
        model(tokens(1, 13), decoder_input_ids=tokens(1, 7, seed=4))
    layer = layer_attention(model, trace, path)
    one = Problem(layer.q[1], layer.k[1], layer.v[1], layer.scale, layer.allowed[1])
    torch.testing.assert_close(last(one, (2, 5), "flash2").out, layer.head_out[1], rtol=1e-5, atol=1e-6)
    assert last(one, (2, 5), "flash1").traffic == flash_traffic(tile_sizes(7, 13, 2, 5, False), 7, 13, 4, 4, "flash1")
