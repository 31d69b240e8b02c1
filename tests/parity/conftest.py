"""Tiny random models of `transformers`, saved as plain folders for `models.load`.

The sizes are odd on purpose: heads of unusual width, vocabularies that are no power of two. Weights are drawn wide
(standard deviation 0.15 instead of 0.02), so that attention is far from uniform and a wrong detail moves the output.
"""

from pathlib import Path

import pytest
import torch

transformers = pytest.importorskip("transformers", reason="parity tests compare with transformers: pip install it")


def randomise(model, seed: int = 0, std: float = 0.15):
    """Every parameter of a `transformers` model drawn anew: matrices, biases and norms alike are non-trivial."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            is_scale = parameter.dim() == 1 and name.endswith("weight")
            parameter.normal_(1.0 if is_scale else 0.0, std, generator=generator)
    return model.eval()


@pytest.fixture(scope="session")
def folder_of(tmp_path_factory):
    """Saves a model of `transformers` and gives its folder."""

    def save(model, **options) -> Path:
        folder = tmp_path_factory.mktemp("hf")
        model.save_pretrained(folder, **options)
        return folder

    return save


@pytest.fixture(autouse=True, scope="session")
def quiet():
    """No progress bars and warnings of `transformers` between the dots of pytest."""
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
