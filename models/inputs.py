"""What enters the first layer, where it is not tokens: an image as a sequence of patches."""

import torch
from torch import Tensor, nn

from models.config import ImageInput
from models.errors import InputError
from models.parts.linear import project


class PatchEmbedding(nn.Module):
    """Square patches of an image, each projected to d_model, after a trained class token (Dosovitskiy et al. 2020,
    arXiv:2010.11929, eq. 1). `weight` is (D, C·p·p), a patch read channel by channel and row by row."""

    def __init__(self, image: ImageInput, d_model: int):
        super().__init__()
        self.image = image
        self.weight = nn.Parameter(torch.empty(d_model, image.n_channels * image.patch_size**2))
        self.bias = nn.Parameter(torch.zeros(d_model)) if image.bias else None
        self.class_token = nn.Parameter(torch.zeros(d_model))

    def forward(self, pixel_values: Tensor) -> Tensor:
        """pixel_values (B, C, image_size, image_size) give (B, 1 + n_patches, D)."""
        size, p = self.image.image_size, self.image.patch_size
        expected = (self.image.n_channels, size, size)
        if pixel_values is None or pixel_values.dim() != 4 or tuple(pixel_values.shape[1:]) != expected:
            shape = None if pixel_values is None else tuple(pixel_values.shape)
            raise InputError("batch_shape", field="pixel_values", value=shape, expected=f"(B, {expected})")
        n_batch = pixel_values.shape[0]
        rows = pixel_values.unfold(2, p, p).unfold(3, p, p)  # (B, C, size/p, size/p, p, p)
        patches = rows.permute(0, 2, 3, 1, 4, 5).reshape(n_batch, self.image.n_patches, -1)  # (B, patches, C·p·p)
        embedded = project(patches.to(self.weight.dtype), self.weight, self.bias)  # (B, patches, D)
        return torch.cat((self.class_token.expand(n_batch, 1, -1), embedded), dim=1)
