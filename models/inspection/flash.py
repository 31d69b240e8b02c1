"""FlashAttention tile by tile, as the papers write it, with every number counted that crosses from slow memory to fast.

Dao et al. 2022, arXiv:2205.14135, algorithm 0 (plain) and algorithm 1; Dao 2023, arXiv:2307.08691, algorithm 1 (the order of
FlashAttention-2). Slow memory is the accelerator's HBM; what a tile computes stays in fast memory and is never written.
Masks and biases are computed from places, as kernels do it, and cost no traffic. This is for reading, not for speed: what
a model runs is `models.attend`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from models.attend import probabilities

ORDERS = ("flash1", "flash2")
NOTHING = float("-inf")


@dataclass(frozen=True)
class Traffic:
    """How many numbers were read from slow memory and written to it."""

    read: int = 0
    written: int = 0

    def nbytes(self, size: int) -> int:
        """Bytes moved in all, where a number has `size` bytes."""
        return size * (self.read + self.written)


class SlowMemory:
    """Tensors in slow memory, of which parts are loaded and stored; it counts."""

    def __init__(self, **tensors: Tensor):
        self.tensors = tensors
        self.read = self.written = 0

    def load(self, name: str, rows: slice) -> Tensor:
        part = self.tensors[name][rows]
        self.read += part.numel()
        return part

    def store(self, name: str, rows: slice, part: Tensor) -> None:
        self.tensors[name][rows] = part
        self.written += part.numel()

    @property
    def traffic(self) -> Traffic:
        return Traffic(self.read, self.written)


@dataclass(frozen=True)
class Problem:
    """One head's attention: q (T, d_head), k (S, d_head), v (S, d_value), all of one precision, in which everything is
    computed. allowed (T, S), boolean; bias (T, S), added to the scaled scores, or None."""

    q: Tensor
    k: Tensor
    v: Tensor
    scale: float
    allowed: Tensor
    bias: Tensor | None = None

    def scores(self, q: Tensor, k: Tensor, rows: slice, keys: slice) -> Tensor:
        """Those of some loaded queries and keys, -inf where the mask hides one."""
        scores = q @ k.mT * self.scale
        if self.bias is not None:
            scores = scores + self.bias[rows, keys].to(scores.dtype)
        return scores.masked_fill(~self.allowed[rows, keys], NOTHING)


@dataclass(frozen=True)
class Step:
    """After one tile: maximum (T,) and sum (T,) of each row as far as it has been read, out (T, d_value) and the traffic so
    far. `out` is what slow memory holds in FlashAttention's order; in FlashAttention-2's it is divided here by the sums,
    which the algorithm does once, at a row tile's end."""

    rows: slice
    keys: slice
    maximum: Tensor
    sum: Tensor
    out: Tensor
    traffic: Traffic


def plain(problem: Problem) -> tuple[Tensor, Traffic]:
    """Algorithm 0: all scores are written and read again, all probabilities too. Gives out (T, d_value)."""
    n_queries, n_keys = problem.allowed.shape
    dtype, everything = problem.q.dtype, slice(None)
    memory = SlowMemory(
        q=problem.q,
        k=problem.k,
        v=problem.v,
        scores=torch.empty(n_queries, n_keys, dtype=dtype),
        probs=torch.empty(n_queries, n_keys, dtype=dtype),
        out=torch.empty(n_queries, problem.v.shape[1], dtype=dtype),
    )
    q, k = memory.load("q", everything), memory.load("k", everything)
    memory.store("scores", everything, problem.scores(q, k, everything, everything))
    memory.store("probs", everything, probabilities(memory.load("scores", everything)))
    out = memory.load("probs", everything) @ memory.load("v", everything)
    memory.store("out", everything, out)
    return out, memory.traffic


def steps(problem: Problem, n_rows: int, n_keys: int, order: str = "flash1") -> Iterator[Step]:
    """Every tile that is computed, in the algorithm's order: tiles of `n_rows` queries and `n_keys` keys.

    A tile in which the mask hides every pair is skipped, and nothing of it is loaded.
    """
    return {"flash1": _keys_outside, "flash2": _rows_outside}[order](problem, n_rows, n_keys)


def live_tiles(allowed: Tensor, n_rows: int, n_keys: int) -> list[tuple[slice, slice]]:
    """The tiles with a pair that the mask shows, row tile by row tile."""
    row_tiles, key_tiles = _cut(allowed.shape[0], n_rows), _cut(allowed.shape[1], n_keys)
    return [(rows, keys) for rows in row_tiles for keys in key_tiles if bool(allowed[rows, keys].any())]


def plain_traffic(n_queries: int, n_keys: int, d_head: int, d_value: int) -> Traffic:
    """Algorithm 0 by formula: T·d + S·d + S·d_v + 2·T·S read, 2·T·S + T·d_v written."""
    pairs = n_queries * n_keys
    return Traffic(n_queries * d_head + n_keys * (d_head + d_value) + 2 * pairs, 2 * pairs + n_queries * d_value)


def flash_traffic(
    tiles: list[tuple[int, int]], n_queries: int, n_keys: int, d_head: int, d_value: int, order: str
) -> Traffic:
    """By formula, for `tiles` of so many (queries, keys), of which each row and each column of tiles has one at least.

    "flash1": S·(d + d_v) read once, T·(d_v + 2) written to begin with; each tile reads its r queries, and reads and writes
    their r outputs, maxima and sums. "flash2": T·d read and T·(d_v + 1) written once; each tile reads its c keys and values.
    """
    rows = sum(r for r, _ in tiles)
    if order == "flash1":
        read = n_keys * (d_head + d_value) + rows * (d_head + d_value + 2)
        return Traffic(read, (n_queries + rows) * (d_value + 2))
    keys = sum(c for _, c in tiles)
    return Traffic(n_queries * d_head + keys * (d_head + d_value), n_queries * (d_value + 1))


def tile_sizes(n_queries: int, n_keys: int, rows: int, keys: int, causal: bool) -> list[tuple[int, int]]:
    """The (queries, keys) of every live tile, where nothing is hidden, or (T = S) only the future."""
    return [
        (row_tile.stop - row_tile.start, key_tile.stop - key_tile.start)
        for row_tile in _cut(n_queries, rows)
        for key_tile in _cut(n_keys, keys)
        if not causal or key_tile.start < row_tile.stop
    ]


def _keys_outside(problem: Problem, n_rows: int, n_keys: int) -> Iterator[Step]:
    """FlashAttention, algorithm 1, its lines 5 to 15: for each tile of keys, every tile of queries."""
    memory = _memory(problem)
    everything = slice(None)
    for name, start in (("out", 0.0), ("sum", 0.0), ("maximum", NOTHING)):
        memory.store(name, everything, torch.full_like(memory.tensors[name], start))
    tiles = live_tiles(problem.allowed, n_rows, n_keys)
    for keys in _cut(len(problem.k), n_keys):
        row_tiles = [rows for rows, of_tile in tiles if of_tile == keys]
        if not row_tiles:
            continue
        k, v = memory.load("k", keys), memory.load("v", keys)
        for rows in row_tiles:
            q, out = memory.load("q", rows), memory.load("out", rows)
            total, highest = memory.load("sum", rows), memory.load("maximum", rows)
            scores = problem.scores(q, k, rows, keys)
            tile_highest = scores.amax(dim=-1)
            shares = _exp(scores - tile_highest[:, None])  # (r, c)
            new_highest = torch.maximum(highest, tile_highest)
            kept, added = _exp(highest - new_highest), _exp(tile_highest - new_highest)
            new_total = kept * total + added * shares.sum(dim=-1)
            mixed = (total * kept)[:, None] * out + added[:, None] * (shares @ v)
            memory.store("out", rows, mixed / _or_one(new_total)[:, None])
            memory.store("sum", rows, new_total)
            memory.store("maximum", rows, new_highest)
            yield _step(memory, rows, keys, memory.tensors["out"])


def _rows_outside(problem: Problem, n_rows: int, n_keys: int) -> Iterator[Step]:
    """FlashAttention-2, algorithm 1: for each tile of queries, every tile of keys; divided once, at the end."""
    memory = _memory(problem)
    shown = torch.zeros_like(memory.tensors["out"])
    tiles = live_tiles(problem.allowed, n_rows, n_keys)
    for rows in _cut(len(problem.q), n_rows):
        key_tiles = [keys for of_tile, keys in tiles if of_tile == rows]
        q = memory.load("q", rows) if key_tiles else problem.q[rows]
        out = torch.zeros_like(shown[rows])
        total, highest = torch.zeros_like(out[:, 0]), torch.full_like(out[:, 0], NOTHING)
        for number, keys in enumerate(key_tiles, 1):
            k, v = memory.load("k", keys), memory.load("v", keys)
            scores = problem.scores(q, k, rows, keys)
            new_highest = torch.maximum(highest, scores.amax(dim=-1))
            kept, shares = _exp(highest - new_highest), _exp(scores - new_highest[:, None])
            total = kept * total + shares.sum(dim=-1)
            out = kept[:, None] * out + shares @ v
            highest = new_highest
            if number == len(key_tiles):
                memory.store("out", rows, out / _or_one(total)[:, None])
                memory.store("logsumexp", rows, highest + total.log())
            memory.tensors["sum"][rows], memory.tensors["maximum"][rows] = total, highest  # fast memory, looked at here
            shown[rows] = out / _or_one(total)[:, None]
            yield _step(memory, rows, keys, shown)


def _memory(problem: Problem) -> SlowMemory:
    """Every row as it is before it has met a key."""
    n_queries, d_value = len(problem.q), problem.v.shape[1]
    return SlowMemory(
        q=problem.q,
        k=problem.k,
        v=problem.v,
        out=problem.q.new_zeros(n_queries, d_value),
        sum=problem.q.new_zeros(n_queries),
        maximum=problem.q.new_full((n_queries,), NOTHING),
        logsumexp=problem.q.new_full((n_queries,), NOTHING),
    )


def _step(memory: SlowMemory, rows: slice, keys: slice, out: Tensor) -> Step:
    kept = (memory.tensors[name].clone() for name in ("maximum", "sum"))
    return Step(rows, keys, *kept, out.clone(), memory.traffic)


def _cut(length: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, length)) for start in range(0, length, size)]


def _exp(difference: Tensor) -> Tensor:
    """exp, where the difference of two that are both -inf, a row without any key so far, counts as -inf."""
    return difference.nan_to_num(nan=NOTHING, posinf=NOTHING, neginf=NOTHING).exp()


def _or_one(total: Tensor) -> Tensor:
    """What to divide by: a row that sees nothing has the sum 0, and reads nothing."""
    return torch.where(total == 0, torch.ones_like(total), total)
