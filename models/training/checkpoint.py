"""A training's state in one safetensors file: tensors as tensors, everything else as JSON in the file's header.

One file, replaced in one move, is always a whole state; and reading it cannot run code, as unpickling would.
"""

import json
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

HEADER = "training"


def write(path: Path, tensors: dict[str, Tensor], state: dict) -> None:
    """Write both to `path`; the file that was there stays until the new one is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    save_file(tensors, unfinished, metadata={HEADER: json.dumps(state)})
    unfinished.replace(path)


def read(path: Path) -> tuple[dict[str, Tensor], dict]:
    """The tensors and the state that `write` put there."""
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict, cannot be iterated
        return tensors, json.loads(file.metadata()[HEADER])
