"""Rotary positions: queries and keys turn with their place, so that their product depends on the distance."""

import math

import torch
from torch import Tensor

from models.config import RopeScaling
from models.parts.no_position import Angles, NoPosition, in_two_dimensions


class Rotary(NoPosition):
    """Turn pairs of dimensions of q and k by angles that grow with the position (Su et al. 2021, arXiv:2104.09864).

    A product q·k then depends on the distance alone. Pairs are (j, j + rotary_dim/2) in layout "half", as in files of the
    Hugging Face LLaMA family, or (2j, 2j+1) in layout "interleaved", as in the paper. Only the first `rotary_dim`
    dimensions of a head turn.
    """

    n_dimensions = 1
    """Rows of positions, each of which turns its share of `rotary_dim`."""

    def __init__(
        self, rotary_dim: int, theta: float = 10_000.0, layout: str = "half", scaling: RopeScaling | None = None
    ):
        super().__init__()
        self.rotary_dim = rotary_dim
        self.turning = rotary_dim // self.n_dimensions
        self.theta = theta
        self.interleaved = layout == "interleaved"
        self.scaling = scaling
        self.factor = 1.0 if scaling is None else attention_factor(scaling)
        self._fixed = scale_frequencies(self.turning, theta, scaling)  # (turning/2,)

    def angles(self, positions: Tensor, dtype: torch.dtype) -> Angles:
        frequencies = self.frequencies(positions)
        return self._signed(positions[..., None].float() * frequencies, dtype)  # from (B, T, rotary_dim/2)

    def rotate(self, x: Tensor, angles: Angles) -> Tensor:
        cos, sin = angles
        if x.shape[-1] == self.rotary_dim:
            return torch.addcmul(x * cos, self._partners(x), sin)
        turned, still = x[..., : self.rotary_dim], x[..., self.rotary_dim :]
        return torch.cat((torch.addcmul(turned * cos, self._partners(turned), sin), still), dim=-1)

    def frequencies(self, positions: Tensor) -> Tensor:
        """Radians that each pair turns from one position to the next, (pairs,), in a pass over `positions`."""
        if self.scaling is not None and self.scaling.kind == "dynamic":
            return dynamic_frequencies(self.turning, self.theta, self.scaling, positions)
        return self._fixed.to(positions.device)

    def _signed(self, phase: Tensor, dtype: torch.dtype) -> Angles:
        """Cosines and sines of a phase (B, T, pairs), for each dimension, with the sign that its partner takes."""
        cos, sin = phase.cos(), phase.sin()
        if self.factor != 1.0:
            cos, sin = cos * self.factor, sin * self.factor
        if self.interleaved:
            cos = cos.repeat_interleave(2, dim=-1)
            sin = torch.stack((-sin, sin), dim=-1).flatten(-2)
        else:
            cos = torch.cat((cos, cos), dim=-1)
            sin = torch.cat((-sin, sin), dim=-1)
        return cos.unsqueeze(1).to(dtype), sin.unsqueeze(1).to(dtype)  # (B, 1, T, dimensions)

    def _partners(self, x: Tensor) -> Tensor:
        """The other dimension of each pair: turning is x·cos + partner·(∓sin)."""
        if self.interleaved:
            return x.unflatten(-1, (-1, 2)).flip(-1).flatten(-2)
        return x.roll(self.rotary_dim // 2, dims=-1)


class Rotary2d(Rotary):
    """The first half of the turning dimensions turns with the place in the text, the second with that in the block.

    Each half is paired within itself and has the frequencies of its own width (ChatGLM-6B).
    """

    n_dimensions = 2

    def angles(self, positions: Tensor, dtype: torch.dtype) -> Angles:
        frequencies = self.frequencies(positions)
        halves = [
            self._signed(row[..., None].float() * frequencies, dtype)  # from (B, T, rotary_dim/4)
            for row in in_two_dimensions(positions)
        ]
        cos, sin = (torch.cat(pair, dim=-1) for pair in zip(*halves, strict=True))
        return cos, sin  # (B, 1, T, rotary_dim) each

    def _partners(self, x: Tensor) -> Tensor:
        if self.interleaved:
            return super()._partners(x)
        return x.unflatten(-1, (2, self.turning)).roll(self.turning // 2, dims=-1).flatten(-2)


def inverse_frequencies(width: int, theta: float | Tensor, stretch: float = 1.0) -> Tensor:
    """theta^(-2j/width) / stretch for each pair j, (width/2,), on the device of `theta`, a plain number's being the
    processor."""
    # The order of these operations is that of transformers: far out, another rounding turns visibly further.
    device = theta.device if isinstance(theta, Tensor) else "cpu"
    return 1.0 / (stretch * theta ** (torch.arange(0, width, 2, dtype=torch.float32, device=device) / width))


def scale_frequencies(width: int, theta: float, scaling: RopeScaling | None) -> Tensor:
    """The frequencies of `width` dimensions, (width/2,), in a model whose context was extended; see `RopeScaling`.

    Those of "dynamic" scaling are the original ones up to the original length; beyond, see `dynamic_frequencies`.
    """
    frequencies = inverse_frequencies(width, theta)
    if scaling is None or scaling.kind == "dynamic":
        return frequencies
    if scaling.kind == "linear":
        return frequencies / scaling.factor
    if scaling.kind == "yarn":
        kept = _kept_yarn(width, theta, scaling)
        return (1 - kept) * inverse_frequencies(width, theta, scaling.factor) + kept * frequencies
    kept = _kept_llama3(frequencies, scaling)
    return (1 - kept) * frequencies / scaling.factor + kept * frequencies


def dynamic_frequencies(width: int, theta: float, scaling: RopeScaling, positions: Tensor) -> Tensor:
    """Frequencies of a base raised with the length of the text, which is told by the largest of `positions`.

    Dynamic NTK scaling: unchanged up to `original_max_seq_len`, and beyond it such that the slowest pair turns as far at
    the end as linear scaling would let it. The keys in a cache keep the angles of the pass that wrote them.
    """
    length = (positions.max() + 1).clamp(min=scaling.original_max_seq_len)
    stretch = scaling.factor * length / scaling.original_max_seq_len - (scaling.factor - 1)
    # A single pair has the frequency 1 at any base, and no exponent.
    return inverse_frequencies(width, theta * stretch ** (width / max(width - 2, 1)))


def attention_factor(scaling: RopeScaling) -> float:
    """What cosines and sines are multiplied by, so that a longer text does not flatten the softmax (YaRN, section 3.4)."""
    if scaling.kind != "yarn":
        return 1.0
    if scaling.attention_factor is not None:
        return scaling.attention_factor
    if scaling.mscale and scaling.mscale_all_dim:
        return _mscale(scaling.factor, scaling.mscale) / _mscale(scaling.factor, scaling.mscale_all_dim)
    return _mscale(scaling.factor, 1.0)


def softmax_factor(scaling: RopeScaling | None) -> float:
    """What latent attention multiplies the softmax scale by: (0.1·mscale_all_dim·ln(factor) + 1)² (DeepSeek-V2's code).

    DeepSeek sharpens all dimensions alike, those that do not turn included, where YaRN's own factor on cosines and sines
    would reach the rotary slice alone.
    """
    if scaling is None or not scaling.mscale_all_dim:
        return 1.0
    return _mscale(scaling.factor, scaling.mscale_all_dim) ** 2


def _mscale(factor: float, weight: float) -> float:
    return 0.1 * weight * math.log(factor) + 1.0 if factor > 1 else 1.0


def _kept_llama3(frequencies: Tensor, scaling: RopeScaling) -> Tensor:
    """0 where the wave is long against the context (fully stretched), 1 where it is short (kept), a ramp between."""
    wavelengths = 2 * math.pi / frequencies
    turns = scaling.original_max_seq_len / wavelengths
    kept = (turns - scaling.low_freq_factor) / (scaling.high_freq_factor - scaling.low_freq_factor)
    return kept.clamp(0, 1)


def _kept_yarn(width: int, theta: float, scaling: RopeScaling) -> Tensor:
    """The like, as a ramp over the pairs' numbers; its ends are rounded outwards to whole dimensions."""
    # A base of 1 turns all pairs alike, and has no logarithm to divide by.
    log_theta = max(math.log(theta), 1e-9)

    def pair_that_turns(times: float) -> float:
        return width * math.log(scaling.original_max_seq_len / (times * 2 * math.pi)) / (2 * log_theta)

    first = max(math.floor(pair_that_turns(scaling.beta_fast)), 0)
    last = min(math.ceil(pair_that_turns(scaling.beta_slow)), width - 1)
    ramp = (torch.arange(width // 2, dtype=torch.float32, device="cpu") - first) / (last - first or 0.001)
    return 1 - ramp.clamp(0, 1)
