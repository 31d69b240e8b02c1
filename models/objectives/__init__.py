"""What a model is trained to predict: from ids to inputs, targets and the places that count.

An objective is a function `(ids (B, L), generator) -> Example`; the generator is the only source of chance, so that
a training can be repeated. Registry: `OBJECTIVES`.
"""

from models.objectives.causal import causal
from models.objectives.example import Example, Objective

OBJECTIVES: dict[str, Objective] = {"causal": causal}

__all__ = ["OBJECTIVES", "Example", "Objective", "causal"]
