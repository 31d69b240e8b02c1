"""From a configuration to a model with weights: random ones, or room for those of a file."""

import math

import torch
from torch import nn

from models.config import ModelConfig
from models.encoder_decoder import EncoderDecoder
from models.transformer import Transformer
from models.two_towers import TwoTowers

STRUCTURES: dict[str, type[nn.Module]] = {
    "decoder": Transformer,
    "prefix_decoder": Transformer,
    "encoder": Transformer,
    "encoder_decoder": EncoderDecoder,
    "two_towers": TwoTowers,
}


def allocate(cfg: ModelConfig, device: str = "cpu") -> nn.Module:
    """A model whose weights are memory that nobody has written yet, for a loader to fill; in eval mode."""
    with torch.device(device):
        return STRUCTURES[cfg.structure](cfg).eval()


def build(cfg: ModelConfig, seed: int = 0, device: str = "cpu") -> nn.Module:
    """A model with random weights, the same for the same seed; in eval mode. On "meta" it has shapes and no memory.

    Matrices are drawn from N(0, 0.02²), those that write to the residual stream from N(0, 0.02² / 2·n_layers)
    (Radford et al. 2019, section 2.3); norms start at one, biases at zero. A token table that is the head too, of a model
    that divides its logits by √d_model, is √d_model larger, so that the logits are as large as without.
    """
    model = allocate(cfg, device)
    if device != "meta":
        _initialise(model, seed)
    return model


@torch.no_grad()
def _initialise(model: nn.Module, seed: int) -> None:
    generator = torch.Generator(device=model.weight.device).manual_seed(seed)
    residual_std = 0.02 / (2 * model.config.n_layers) ** 0.5
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        _initialise_tensor(name, tensor, residual_std, generator)
    if model.config.scale_logits and model.config.tie_embeddings:
        model.weight.mul_(model.config.d_model**0.5)


def _initialise_tensor(name: str, tensor: torch.Tensor, residual_std: float, generator: torch.Generator) -> None:
    # A low-rank expert changes nothing at first: Hu et al. 2021, arXiv:2106.09685, section 4.1.
    if name.endswith(("bias", "class_token", "_proj.b")):
        tensor.zero_()
    elif name == "logit_scale":
        tensor.fill_(math.log(1 / 0.07))  # Radford et al. 2021, section 2.5
    elif tensor.dim() == 1:
        tensor.fill_(1.0)
    else:
        writes_to_stream = name.endswith(("o_proj.weight", "down_proj.weight", "experts.down_proj"))
        tensor.normal_(0.0, residual_std if writes_to_stream else 0.02, generator=generator)
