"""How the next token is to be chosen: the settings of models/sampling.py's stages, checked. Needs no torch."""

from dataclasses import dataclass

from models.choices import check_integer, check_number

LIMITS: dict[str, tuple[float, float]] = {
    "temperature": (0.0, 10.0),
    "top_k": (0, 1_000_000),
    "top_p": (0.0, 1.0),
    "min_p": (0.0, 1.0),
    "repetition_penalty": (0.1, 10.0),
    "seed": (0, 2**63 - 1),
}


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How the next token is chosen. `temperature=0` is greedy; `top_k=0`, `top_p=1`, `min_p=0` and
    `repetition_penalty=1` switch a stage off. The same `seed` gives the same text. Raises `InputError` out of range."""

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    seed: int = 0

    def __post_init__(self):
        for field, limits in LIMITS.items():
            check = check_integer if field in ("top_k", "seed") else check_number
            check(field, getattr(self, field), limits)
