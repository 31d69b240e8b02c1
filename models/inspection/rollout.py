"""Attention rollout: how much of each input token is left at each place of each layer, if attention is all that mixes."""

import torch
from torch import Tensor


def rollout(probs: Tensor) -> Tensor:
    """probs (L, H, T, T) of one stack give (L, T, T): row t of layer l says from which inputs place t comes.

    Abnar and Zuidema 2020 (arXiv:2005.00928, section 3): the heads of a layer are averaged, half of it stands for the
    residual connection, Ā = ½·mean(A) + ½·I, and layers are multiplied. Rows sum to one where those of probs do; a row
    that may see nothing is its own.
    """
    mixed = probs.float().mean(dim=1)  # (L, T, T)
    own = torch.eye(mixed.shape[-1])
    mixed = 0.5 * mixed + (1.0 - 0.5 * mixed.sum(dim=-1, keepdim=True)) * own
    rolled = [mixed[0]]
    for layer in mixed[1:]:
        rolled.append(layer @ rolled[-1])
    return torch.stack(rolled)
