"""How the shipped translators are made: every number that decides what comes out."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A translator of days and times (`dates.py`).

    Of `n_pairs` phrases those not held out are read `rounds` times, `rows` at a time; the learning rate climbs to `peak_lr`
    in `warmup` steps and falls as a cosine to nothing.
    """

    kind: str
    d_embed: int = 32
    d_state: int = 64
    n_pairs: int = 9_000
    rounds: int = 8
    rows: int = 64
    peak_lr: float = 5e-3
    warmup: int = 100
    clip_norm: float = 1.0
    weight_decay: float = 0.01
    dropout: float = 0.1
    seed: int = 2014


RECIPES = {"bahdanau": Recipe(kind="bahdanau"), "luong": Recipe(kind="luong")}
