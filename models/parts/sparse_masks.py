"""The sparse patterns, as predicates over (query place, key place).

Each answers True where a query may look at a key, both given as integer tensors that broadcast against each other, and
looks both ways: whoever needs a causal one cuts it at the query. A place is counted from the first token of its sequence.
A `window` of w tokens reaches w/2 to each side.
"""

from collections.abc import Callable
from functools import reduce
from operator import or_

import torch
from torch import Tensor

Predicate = Callable[[Tensor, Tensor], Tensor]
Count = int | Tensor  # of tokens: (B, 1, 1, 1) where the sequences of a batch differ


def either(*patterns: Predicate) -> Predicate:
    """What any of the patterns shows."""
    return lambda q_pos, k_pos: reduce(or_, [pattern(q_pos, k_pos) for pattern in patterns])


def band(window: int) -> Predicate:
    """Neighbours within w/2 on each side, and the token itself."""
    return lambda q_pos, k_pos: (q_pos - k_pos).abs() <= window // 2


def dilated(window: int, dilation: int) -> Predicate:
    """A band with gaps: of every `dilation` neighbours one, w/2 of them on each side (Longformer, section 3.1)."""

    def pattern(q_pos: Tensor, k_pos: Tensor) -> Tensor:
        distance = (q_pos - k_pos).abs()
        return (distance <= window // 2 * dilation) & (distance % dilation == 0)

    return pattern


def global_tokens(n_global: int) -> Predicate:
    """The first `n_global` tokens see all and are seen by all."""
    return lambda q_pos, k_pos: (q_pos < n_global) | (k_pos < n_global)


def block_local(block_size: int, n_blocks_before: int = 0) -> Predicate:
    """The tokens of the query's own block, and of so many blocks before it (Reformer's local layers: one)."""

    def pattern(q_pos: Tensor, k_pos: Tensor) -> Tensor:
        blocks_back = q_pos // block_size - k_pos // block_size
        return (blocks_back >= 0) & (blocks_back <= n_blocks_before)

    return pattern


def random_keys(n_random: int, seed: int, n_tokens: Count, n_places: int, causal: bool) -> Predicate:
    """The token itself, and `n_random` others drawn for each query: from those before it if `causal`, else from all."""

    def others(q_pos: Tensor, k_pos: Tensor) -> Tensor:
        return k_pos < q_pos if causal else (k_pos != q_pos) & (k_pos >= 0) & (k_pos < n_tokens)

    return either(band(1), _drawn(n_random, seed, others, n_places))


def star(window: int, n_global: int, n_tokens: Count) -> Predicate:
    """A ring of satellites, each seeing w/2 neighbours on either side, around `n_global` relay nodes that see and are seen
    by all (Star-Transformer, arXiv:1902.09113: one relay, a window of 3). The last satellite is the first one's neighbour.
    """

    def ring(q_pos: Tensor, k_pos: Tensor) -> Tensor:
        distance = (q_pos - k_pos).abs()
        return torch.minimum(distance, n_tokens - n_global - distance) <= window // 2

    return either(ring, global_tokens(n_global))


def bigbird(block_size: int, n_random: int, seed: int, n_tokens: Count, n_places: int) -> Predicate:
    """Of blocks of tokens: the first and the last see and are seen by all; any other sees itself, the one before and the
    one after, and `n_random` drawn from the rest (Zaheer et al. 2020, arXiv:2007.14062, section 2, and appendix D)."""
    last = (n_tokens - 1) // block_size

    def blocks_at_the_ends(q_block: Tensor, k_block: Tensor) -> Tensor:
        return (q_block == 0) | (q_block == last) | (k_block == 0) | (k_block == last)

    def others(q_block: Tensor, k_block: Tensor) -> Tensor:
        far = (q_block - k_block).abs() > 1
        return far & (k_block > 0) & (k_block < last) & (q_block > 0) & (q_block < last)

    n_blocks = -(-n_places // block_size)
    of_blocks = either(blocks_at_the_ends, band(3), _drawn(n_random, seed, others, n_blocks))
    return lambda q_pos, k_pos: of_blocks(q_pos // block_size, k_pos // block_size)


def _drawn(n: int, seed: int, candidate: Predicate, n_keys: int) -> Predicate:
    """`n` of the candidate keys of each query, or all if there are fewer; keys are numbered below `n_keys`.

    Every pair of query and key has a lot; those with the lowest are drawn. As a lot depends on nothing else, tokens that
    come later change no draw among those before.
    """

    def pattern(q_pos: Tensor, k_pos: Tensor) -> Tensor:
        if n == 0:
            return (q_pos == k_pos) & False
        everyone = torch.arange(n_keys, device=q_pos.device)
        blank = torch.iinfo(torch.int64).max
        lots = torch.where(candidate(q_pos, everyone), _lot(seed, q_pos, everyone), blank)  # (..., T, n_keys)
        highest = lots.topk(min(n, n_keys), largest=False).values[..., -1:]  # (..., T, 1)
        return candidate(q_pos, k_pos) & (_lot(seed, q_pos, k_pos) <= highest)

    return pattern


def _lot(seed: int, q_pos: Tensor, k_pos: Tensor) -> Tensor:
    """A number below 2⁶³ for each pair, as good as random, and the same on every machine.

    The mixing of splitmix64 (Steele et al. 2014, "Fast splittable pseudorandom number generators"), on integers that
    wrap around at 2⁶⁴.
    """
    x = q_pos.long() * -7046029254386353131 + k_pos.long() * -4417276706812531889 + seed
    for factor in (-4658895280553007687, -7723592293110705685):
        x = (x ^ (x >> 31)) * factor
    return (x ^ (x >> 31)) & torch.iinfo(torch.int64).max
