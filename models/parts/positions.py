"""How a model knows the order of its tokens.

Every kind has the same ports, which do nothing unless the kind uses them: `embed` adds to the token embeddings (the
classes here), `angles` and `rotate` turn queries and keys (`rotary.py`), `bias` adds to the attention scores
(`score_biases.py`).
"""

import torch
from torch import Tensor, nn

from models.config import ModelConfig
from models.parts.no_position import NoPosition, in_two_dimensions
from models.parts.rotary import Rotary, Rotary2d, inverse_frequencies
from models.parts.score_biases import ALiBi, RelativeBias


class LearnedPosition(NoPosition):
    """One trained vector for each position, added to the embedding (GPT, BERT). There is none beyond the table.

    Position p reads row p + `offset`: some models keep the first rows for padding.
    """

    def __init__(self, n_positions: int, d_model: int, offset: int = 0):
        super().__init__()
        self.offset = offset
        self.limit = n_positions - offset
        self.weight = nn.Parameter(torch.empty(n_positions, d_model))

    def embed(self, x: Tensor, positions: Tensor) -> Tensor:
        rows = positions + self.offset if self.offset else positions
        return x + self.weight[rows]


class LearnedPosition2d(NoPosition):
    """Two trained vectors: for the place in the text and for that in the block (GLM, arXiv:2103.10360, section 2.3).

    What is filled in for a blank shares the place of the blank in the text, and counts from 1 in its block.
    """

    def __init__(self, n_positions: int, d_model: int):
        super().__init__()
        self.limit = n_positions
        self.weight = nn.Parameter(torch.empty(n_positions, d_model))
        self.block_weight = nn.Parameter(torch.empty(n_positions, d_model))

    def embed(self, x: Tensor, positions: Tensor) -> Tensor:
        in_text, in_block = in_two_dimensions(positions)
        return x + self.weight[in_text] + self.block_weight[in_block]


class AxialPosition(NoPosition):
    """Positions laid out row by row in a rectangle, a trained vector for each row and each column, side by side.

    R rows and C columns tell R·C positions apart with R + C vectors (Kitaev et al. 2020, Reformer, arXiv:2001.04451,
    section 5; after Ho et al. 2019, arXiv:1912.12180). shape: (R, C); dims: the widths of both, which sum to d_model.
    """

    def __init__(self, shape: tuple[int, int], dims: tuple[int, int]):
        super().__init__()
        self.n_columns = shape[1]
        self.limit = shape[0] * shape[1]
        self.rows = nn.Parameter(torch.empty(shape[0], dims[0]))
        self.columns = nn.Parameter(torch.empty(shape[1], dims[1]))

    def embed(self, x: Tensor, positions: Tensor) -> Tensor:
        row, column = positions // self.n_columns, positions % self.n_columns
        return x + torch.cat((self.rows[row], self.columns[column]), dim=-1)  # (B, T, D)


class SinusoidalPosition(NoPosition):
    """Sines and cosines of wavelengths from 2π to 10000·2π (Vaswani et al. 2017, section 3.5).

    layout "interleaved" has sines at even and cosines at odd dimensions, as in the paper; "half" has all sines before all
    cosines, as in Marian and fairseq.
    """

    def __init__(self, d_model: int, layout: str = "interleaved"):
        super().__init__()
        self.interleaved = layout == "interleaved"
        self.frequencies = inverse_frequencies(d_model, 10_000.0)  # (D/2,)

    def embed(self, x: Tensor, positions: Tensor) -> Tensor:
        phase = positions[..., None].float() * self.frequencies.to(x.device)  # (B, T, D/2)
        waves = phase.sin(), phase.cos()
        table = torch.stack(waves, dim=-1).flatten(-2) if self.interleaved else torch.cat(waves, dim=-1)  # (B, T, D)
        return x + table.to(x.dtype)


POSITIONS = {
    "none": lambda cfg, causal=True: NoPosition(),
    "learned": lambda cfg, causal=True: LearnedPosition(cfg.n_positions, cfg.d_model, cfg.position_offset),
    "learned_2d": lambda cfg, causal=True: LearnedPosition2d(cfg.n_positions, cfg.d_model),
    "axial": lambda cfg, causal=True: AxialPosition(cfg.axial_shape, cfg.axial_dims),
    "sinusoidal": lambda cfg, causal=True: SinusoidalPosition(cfg.d_model, cfg.sinusoid_layout),
    "rotary": lambda cfg, causal=True: Rotary(cfg.rotary_dim, cfg.rope_theta, cfg.rope_layout, cfg.rope_scaling),
    "rotary_2d": lambda cfg, causal=True: Rotary2d(cfg.rotary_dim, cfg.rope_theta, cfg.rope_layout, cfg.rope_scaling),
    "alibi": lambda cfg, causal=True: ALiBi(cfg.n_heads),
    "relative": lambda cfg, causal=True: RelativeBias(
        cfg.n_heads, cfg.relative_buckets, cfg.relative_max_distance, causal
    ),
}
"""Kind → factory `(cfg, causal)`, where `causal` tells that no query sees a later key."""


def build_position(cfg: ModelConfig, causal: bool = True) -> NoPosition:
    """The position part that `cfg` names, for a stack whose queries see what came before (`causal`), or both ways."""
    return POSITIONS[cfg.position](cfg, causal)
