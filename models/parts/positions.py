"""How a model knows the order of its tokens.

Every kind has the same ports, which do nothing unless the kind uses them: `embed` adds to the token embeddings, `angles`
and `rotate` turn queries and keys, `bias` adds to the attention scores.
"""

import math

import torch
from torch import Tensor, nn

from models.config import ModelConfig, RopeScaling

Angles = tuple[Tensor, Tensor]


class NoPosition(nn.Module):
    """No positions at all: only the causal mask tells order (Kazemnejad et al. 2023, arXiv:2305.19466)."""

    limit: int | None = None
    """Positions from here on do not exist; None where any number is a position."""

    def embed(self, x: Tensor, positions: Tensor) -> Tensor:
        """x (B, T, D) with position information added; positions (B or 1, T)."""
        return x

    def angles(self, positions: Tensor, dtype: torch.dtype) -> Angles | None:
        """Cosines and signed sines of `positions` (B or 1, T), computed once a pass for all layers."""
        return None

    def rotate(self, x: Tensor, angles: Angles | None) -> Tensor:
        """Queries or keys x (B, heads, T, d_head), turned by their positions."""
        return x

    def bias(self, q_pos: range, k_pos: range, device: torch.device) -> Tensor | None:
        """What is added to the scores of queries at places q_pos and keys at k_pos, (H, T, S)."""
        return None


class LearnedPosition(NoPosition):
    """One trained vector for each position, added to the embedding (GPT, BERT). There is none beyond `max_seq_len`."""

    def __init__(self, max_seq_len: int, d_model: int):
        super().__init__()
        self.limit = max_seq_len
        self.weight = nn.Parameter(torch.empty(max_seq_len, d_model))

    def embed(self, x: Tensor, positions: Tensor) -> Tensor:
        return x + self.weight[positions]


class SinusoidalPosition(NoPosition):
    """Sines at even and cosines at odd dimensions, of wavelengths from 2π to 10000·2π (Vaswani et al. 2017, section 3.5)."""

    def __init__(self, d_model: int):
        super().__init__()
        self.d_model = d_model

    def embed(self, x: Tensor, positions: Tensor) -> Tensor:
        frequencies = inverse_frequencies(self.d_model, 10_000.0).to(x.device)
        phase = positions[..., None].float() * frequencies  # (B, T, D/2)
        table = torch.stack((phase.sin(), phase.cos()), dim=-1).flatten(-2)  # (B, T, D)
        return x + table.to(x.dtype)


class Rotary(NoPosition):
    """Turn pairs of dimensions of q and k by angles that grow with the position (Su et al. 2021, arXiv:2104.09864).

    A product q·k then depends on the distance alone. Pairs are (j, j + rotary_dim/2) in layout "half", as in files of the
    Hugging Face LLaMA family, or (2j, 2j+1) in layout "interleaved", as in the paper. Only the first `rotary_dim`
    dimensions of a head turn.
    """

    def __init__(self, rotary_dim: int, theta: float = 10_000.0, layout: str = "half", scaling: RopeScaling | None = None):
        super().__init__()
        self.rotary_dim = rotary_dim
        self.interleaved = layout == "interleaved"
        self.frequencies = scale_frequencies(inverse_frequencies(rotary_dim, theta), scaling)  # (rotary_dim/2,)

    def angles(self, positions: Tensor, dtype: torch.dtype) -> Angles:
        phase = positions[..., None].float() * self.frequencies.to(positions.device)  # (B, T, rotary_dim/2)
        cos, sin = phase.cos(), phase.sin()
        if self.interleaved:
            cos = cos.repeat_interleave(2, dim=-1)
            sin = torch.stack((-sin, sin), dim=-1).flatten(-2)
        else:
            cos = torch.cat((cos, cos), dim=-1)
            sin = torch.cat((-sin, sin), dim=-1)
        return cos.unsqueeze(1).to(dtype), sin.unsqueeze(1).to(dtype)  # (B, 1, T, rotary_dim)

    def rotate(self, x: Tensor, angles: Angles) -> Tensor:
        cos, sin = angles
        if x.shape[-1] == self.rotary_dim:
            return torch.addcmul(x * cos, self._partners(x), sin)
        turned, still = x[..., : self.rotary_dim], x[..., self.rotary_dim :]
        return torch.cat((torch.addcmul(turned * cos, self._partners(turned), sin), still), dim=-1)

    def _partners(self, x: Tensor) -> Tensor:
        """The other dimension of each pair: turning is x·cos + partner·(∓sin)."""
        if self.interleaved:
            return x.unflatten(-1, (-1, 2)).flip(-1).flatten(-2)
        return x.roll(self.rotary_dim // 2, dims=-1)


class ALiBi(NoPosition):
    """A penalty on the score that grows with the distance, steeper in some heads (Press et al. 2021, arXiv:2108.12409)."""

    def __init__(self, n_heads: int):
        super().__init__()
        self.slopes = alibi_slopes(n_heads)  # (H,)

    def bias(self, q_pos: range, k_pos: range, device: torch.device) -> Tensor:
        queries = torch.arange(q_pos.start, q_pos.stop, dtype=torch.float32, device=device)
        keys = torch.arange(k_pos.start, k_pos.stop, dtype=torch.float32, device=device)
        return self.slopes.to(device)[:, None, None] * (keys[None, :] - queries[:, None])  # (H, T, S)


def inverse_frequencies(width: int, theta: float) -> Tensor:
    """theta^(-2j/width) for each pair j, (width/2,); always on the processor, whatever device is being built on."""
    # The order of these operations is that of transformers: far out, another rounding turns visibly further.
    return 1.0 / theta ** (torch.arange(0, width, 2, dtype=torch.float32, device="cpu") / width)


def scale_frequencies(frequencies: Tensor, scaling: RopeScaling | None) -> Tensor:
    """The frequencies of a model whose context was extended; see `RopeScaling`."""
    if scaling is None:
        return frequencies
    if scaling.kind == "linear":
        return frequencies / scaling.factor
    wavelengths = 2 * math.pi / frequencies
    turns = scaling.original_max_seq_len / wavelengths
    # 0 where the wave is long against the context (fully stretched), 1 where it is short (kept), a ramp between.
    kept = (turns - scaling.low_freq_factor) / (scaling.high_freq_factor - scaling.low_freq_factor)
    kept = kept.clamp(0, 1)
    return (1 - kept) * frequencies / scaling.factor + kept * frequencies


def alibi_slopes(n_heads: int) -> Tensor:
    """One slope a head, (H,): a geometric series from 2^(-8/H); for H that is no power of two, every second slope of the
    next one fills up (as in the authors' code)."""
    power = 2 ** int(math.log2(n_heads))
    slopes = [2 ** (-8 * (i + 1) / power) for i in range(power)]
    finer = [2 ** (-8 * (i + 1) / (2 * power)) for i in range(0, 2 * power, 2)]
    return torch.tensor(slopes + finer[: n_heads - power], dtype=torch.float32, device="cpu")


POSITIONS = {
    "none": lambda cfg: NoPosition(),
    "learned": lambda cfg: LearnedPosition(cfg.max_seq_len, cfg.d_model),
    "sinusoidal": lambda cfg: SinusoidalPosition(cfg.d_model),
    "rotary": lambda cfg: Rotary(cfg.rotary_dim, cfg.rope_theta, cfg.rope_layout, cfg.rope_scaling),
    "alibi": lambda cfg: ALiBi(cfg.n_heads),
}


def build_position(cfg: ModelConfig) -> NoPosition:
    """The position part that `cfg` names."""
    return POSITIONS[cfg.position](cfg)
