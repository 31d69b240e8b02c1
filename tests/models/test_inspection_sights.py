"""What each mask of the catalogue lets through: counts that follow from its definition."""

import pytest
import torch

from models.errors import InputError
from models.inspection.sights import BOTH_WAYS, BY_CONTENT, Numbers, sight
from models.parts.masks import MASKS
from tests.rows import each_row

N = 32


def pairs(mask: str, **numbers) -> int:
    return int(sight(mask, N, Numbers(**numbers)).sum())


def test_counts_follow_from_the_definitions():
    assert pairs("bidirectional") == N * N
    assert pairs("causal") == N * (N + 1) // 2
    assert pairs("sliding", window=5) == 5 * N - (4 + 3 + 2 + 1)
    assert pairs("band", window=4) == 5 * N - 2 * (1 + 2)
    assert pairs("band", window=4, causal=True) == 3 * N - (1 + 2)
    assert pairs("prefix", prefix=6) == N * (N + 1) // 2 + 5 * 6 // 2  # the prefix's own future beside the causal half
    assert pairs("global", n_global=2) == 2 * 2 * N - 2 * 2 + (N - 2)
    assert pairs("longformer", window=4, n_global=0) == pairs("band", window=4)
    assert pairs("etc", window=4, n_global=1) == pairs("longformer", window=4, n_global=1)
    assert pairs("dilated", window=4, dilation=3) == 5 * N - 2 * (3 + 6)
    assert pairs("block_local", block_size=4, n_blocks_before=0) == N * 4
    assert pairs("block_local", block_size=4, n_blocks_before=1) == N * 4 + (N - 4) * 4
    assert pairs("random", n_random=3) == N * 4
    assert pairs("random", n_random=3, causal=True) == 4 * N - (3 + 2 + 1)
    assert pairs("star", window=2, n_global=1) == 2 * N - 1 + 3 * (N - 1)


def test_bigbird_counts_by_blocks():
    n_blocks, n_random = N // 4, 1
    inner = n_blocks - 2
    seen = 2 * n_blocks + inner * 2 + inner * 3 - 2 + inner * n_random
    assert pairs("bigbird", block_size=4, n_random=n_random) == 16 * seen


@each_row("mask", MASKS)
@each_row("causal", [True, False])
def test_every_mask_lets_each_token_see_someone(mask, causal):
    seen = sight(mask, N, Numbers(causal=causal))
    assert seen.shape == (N, N)
    assert seen.any(dim=-1).all()
    if causal and mask in BOTH_WAYS:
        assert torch.equal(seen, seen.tril())


@pytest.mark.parametrize("mask", BY_CONTENT)
def test_masks_by_content_keep_like_with_like(mask):
    """A choice by content is not one by place, and sees less than all."""
    seen = sight(mask, N, Numbers(window=6))
    assert seen.sum() < N * N / 2
    assert not torch.equal(seen, sight(mask, N, Numbers(window=6, seed=1)))


def test_an_unknown_mask_is_a_sentence():
    with pytest.raises(InputError, match="mosaic"):
        sight("mosaic", N, Numbers())
