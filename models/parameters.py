"""All parts of a model with their parameters, as formulas: what `part_weights` counts, put together."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from models.config import ModelConfig
from models.formula import Formula, total
from models.part_weights import HEADS, INPUTS, LAYERS, PARTS, TABLES, TOWERS, Counts
from models.sizes import StackSizes, Weights, stacks_of

__all__ = ["PARTS", "PartWeights", "parts_of"]


@dataclass(frozen=True)
class PartWeights:
    """A part of a model: `key` begins with the stack's prefix where there are several stacks, `kind` names its colour."""

    key: str
    kind: str
    stack: StackSizes
    weights: tuple[Weights, ...]

    @property
    def count(self) -> Formula:
        """All parameters of the part."""
        return _sum(weights.count for weights in self.weights)

    @property
    def active(self) -> Formula:
        """Those that one token meets."""
        return _sum(weights.active for weights in self.weights)

    @property
    def copies(self) -> int:
        """In how many layers the part is."""
        return sum({w.copies.symbols: w.copies.value for w in self.weights if w.copies is not None}.values()) or 1

    def multiplied(self, reads: str) -> Formula | None:
        """The matrix entries that each vector of the kind `reads` meets, or None."""
        entries = [w.multiplied for w in self.weights if w.reads == reads and w.multiplied is not None]
        return total(entries) if entries else None


def _sum(terms: Iterable[Formula]) -> Formula:
    return total(term for term in terms if term.value)


def parts_of(cfg: ModelConfig) -> list[PartWeights]:
    """Every part that the model has, in the order of a pass."""
    stacks = stacks_of(cfg)
    last = stacks[-1]
    if cfg.structure == "encoder_decoder":
        return _parts(last, TABLES) + _within(stacks) + _parts(last, HEADS)
    if cfg.structure == "two_towers":
        return _within(stacks, TABLES | INPUTS, HEADS) + _parts(stacks[0], TOWERS)
    return _parts(last, TABLES | INPUTS | LAYERS | HEADS)


def _within(stacks: list[StackSizes], before: Counts | None = None, after: Counts | None = None) -> list[PartWeights]:
    counted = (before or {}) | LAYERS | (after or {})
    return [replace(part, key=f"{stack.prefix}.{part.key}") for stack in stacks for part in _parts(stack, counted)]


def _parts(stack: StackSizes, counted: Counts) -> list[PartWeights]:
    parts = [(key, kind, count(stack)) for key, (kind, count) in counted.items()]
    return [PartWeights(key, kind, stack, tuple(weights)) for key, kind, weights in parts if weights]
