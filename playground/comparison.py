"""Two architectures field by field: what differs, groups opened, and what both cost on the same footing.

Nothing here knows Gradio or HTML: `views/comparison.py` puts it into words.
"""

from collections.abc import Iterator
from dataclasses import MISSING, dataclass, fields

import models
from models.account import Account
from models.config import GROUPS, ModelConfig
from playground.design_strings import Design, parse_design


@dataclass(frozen=True)
class Difference:
    """A field in which two configurations differ; `field` is dotted within a group ("moe.n_experts").

    `follows` marks what only follows from other differences: a derived value that is the usual one in both, or the
    details of a kind of position that only one of them has.
    """

    field: str
    left: object
    right: object
    follows: bool = False


@dataclass(frozen=True)
class Side:
    """One of the two: what it is called, and its figures in `account`; `context` is the one that both are read at."""

    title: str
    changed: bool
    design: Design
    account: Account
    context: int

    @property
    def config(self) -> ModelConfig:
        """The configuration of this side."""
        return self.design.config


@dataclass(frozen=True)
class Comparison:
    """Two sides, and every field in which they differ, in the order of the fields."""

    left: Side
    right: Side
    differences: tuple[Difference, ...]


def compare(left: str, right: str) -> Comparison:
    """Compares two design strings ("gpt2", "llama3-8b~n_layers=16"); raises `InputError` for one that is no design.

    Both are accounted at the longest context that both can read, so that caches and FLOPs can be set side by side.
    """
    designs = parse_design(left), parse_design(right)
    context = min(design.config.max_seq_len for design in designs)
    sides = [_side(design, context) for design in designs]
    return Comparison(*sides, tuple(differences(designs[0].config, designs[1].config)))


def differences(a: ModelConfig, b: ModelConfig) -> list[Difference]:
    """Every field in which `a` and `b` differ; unlike `models.diff`, the same fields whichever comes first."""
    told = {name for name, _, _ in (*models.diff(a, b), *models.diff(b, a))}
    found = []
    for field in fields(ModelConfig):
        left, right = getattr(a, field.name), getattr(b, field.name)
        if left == right:
            continue
        if field.name in GROUPS:
            found += _in_group(field.name, left, right)
        elif field.name == "vision_tower" and None not in (left, right):
            found += [
                Difference(f"vision_tower.{inner.field}", inner.left, inner.right, inner.follows)
                for inner in differences(left, right)
            ]
        else:
            found.append(Difference(field.name, left, right, field.name not in told))
    return found


def _in_group(group: str, left: object, right: object) -> Iterator[Difference]:
    """The differing fields of a group; where only one side has it, the group itself and what that side sets in it."""
    if None in (left, right):
        yield Difference(group, left is not None, right is not None)
    for field in fields(GROUPS[group]):
        of_left, of_right = (None if side is None else getattr(side, field.name) for side in (left, right))
        usual = None in (left, right) and (of_left if right is None else of_right) == field.default
        if of_left != of_right and (field.default is MISSING or not usual):
            yield Difference(f"{group}.{field.name}", of_left, of_right)


def _side(design: Design, context: int) -> Side:
    changed = design.config != models.preset(design.base)
    title = models.preset_info(design.base).title
    return Side(title, changed, design, models.account(design.config, context=context), context)
