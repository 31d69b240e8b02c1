"""Small pictures that are computed, for models that read images: nothing has to be fetched to see where they look."""

import torch
from torch import Tensor

from models.errors import InputError

SKY, SUN, HILL, ROOF = (0.45, 0.70, 0.95), (1.0, 0.80, 0.15), (0.20, 0.55, 0.25), (0.75, 0.25, 0.20)


def scene(size: int) -> Tensor:
    """A sun over a hill with a house: (3, size, size), values from 0 to 1."""
    y, x = _grid(size)
    image = torch.tensor(SKY)[:, None, None] * (1.0 - 0.3 * y)
    image = _paint(image, (x - 0.75) ** 2 + (y - 0.25) ** 2 < 0.012, SUN)
    image = _paint(image, y > 0.72 - 0.12 * torch.sin(3.0 * x), HILL)
    image = _paint(image, (x > 0.2) & (x < 0.42) & (y > 0.5) & (y < 0.75), (0.93, 0.90, 0.82))
    return _paint(image, ((x - 0.31).abs() < (y - 0.34) * 0.9) & (y > 0.34) & (y < 0.5), ROOF)


def stripes(size: int) -> Tensor:
    """Upright stripes, black and white: every row of patches is the same."""
    _, x = _grid(size)
    return (torch.floor(8 * x) % 2).expand(3, -1, -1).clone()


def disc(size: int) -> Tensor:
    """A bright disc on a dark ground."""
    y, x = _grid(size)
    return ((x - 0.5) ** 2 + (y - 0.5) ** 2 < 0.09).float().expand(3, -1, -1).clone()


PICTURES = {"scene": scene, "stripes": stripes, "disc": disc}


def picture(name: str, size: int, n_channels: int = 3) -> Tensor:
    """The picture of that name, (n_channels, size, size), from −1 to 1; grey where a model reads one channel."""
    if name not in PICTURES:
        raise InputError("not_a_choice", field="picture", value=name, allowed=", ".join(PICTURES))
    image = 2.0 * PICTURES[name](size) - 1.0
    if n_channels == 3:
        return image
    return image.mean(dim=0, keepdim=True).expand(n_channels, -1, -1).clone()


def _grid(size: int) -> tuple[Tensor, Tensor]:
    """Heights and widths from 0 to 1, (size, size) each."""
    places = (torch.arange(size) + 0.5) / size
    return tuple(torch.meshgrid(places, places, indexing="ij"))


def _paint(image: Tensor, where: Tensor, colour: tuple[float, float, float]) -> Tensor:
    return torch.where(where, torch.tensor(colour)[:, None, None], image)
