"""Target attention: one query over a list, as recommenders have it (Deep Interest Network, Zhou et al. 2018,
arXiv:1706.06978, section 4.3).

There the list is what somebody bought, the query what might be advertised. Here the list are words that were read, the
query is a word that might come next, and the vectors are a shipped language model's.
"""

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

ACTIVATION_UNIT, SOFTMAX, SUM = "unit", "softmax", "sum"
POOLINGS = (ACTIVATION_UNIT, SOFTMAX, SUM)


@dataclass(frozen=True, kw_only=True)
class InterestConfig:
    """d_vector: of the vectors that are given; d_interest: what they are projected to; d_unit, d_head: hidden widths of
    the activation unit and of the prediction. pooling: one of `POOLINGS`. vectors: the model whose vectors they are."""

    d_vector: int
    d_interest: int = 32
    d_unit: int = 36
    d_head: int = 64
    pooling: str = ACTIVATION_UNIT
    vectors: str = "llama-mini"

    def to_dict(self) -> dict:
        return asdict(self)


class ActivationUnit(nn.Module):
    """a(k, q): how much an entry of the list counts for the query, from both vectors, their difference and their product.

    One number that may be negative, and large where many entries fit: the paper leaves out the softmax, so that the sum of
    the weights tells how strong the interest is.
    """

    def __init__(self, d_interest: int, d_unit: int):
        super().__init__()
        self.hidden = nn.Linear(4 * d_interest, d_unit)
        self.bend = nn.PReLU(d_unit)
        self.out = nn.Linear(d_unit, 1)
        nn.init.constant_(self.out.bias, 0.1)  # at first about the average of a list, from which to learn

    def forward(self, entries: Tensor, query: Tensor) -> Tensor:
        """entries (B, S, d_interest), query (B, d_interest): weights (B, S)."""
        query = query[:, None].expand_as(entries)
        both = torch.cat((query, entries, query - entries, query * entries), dim=-1)  # (B, S, 4·d_interest)
        hidden = self.bend(self.hidden(both).transpose(1, 2)).transpose(1, 2)  # (B, S, d_unit)
        return self.out(hidden).squeeze(-1)


@dataclass(frozen=True)
class Interest:
    """activations (B, S), what the unit says; weights (B, S), what the entries are summed with; logits (B,) of the query's
    coming next."""

    activations: Tensor
    weights: Tensor
    logits: Tensor


class TargetAttention(nn.Module):
    """Will the query come next? Its entries are summed with their weights, and two layers judge sum and query."""

    def __init__(self, cfg: InterestConfig):
        super().__init__()
        self.config = cfg
        self.project = nn.Linear(cfg.d_vector, cfg.d_interest)
        self.unit = ActivationUnit(cfg.d_interest, cfg.d_unit)
        self.hidden = nn.Linear(3 * cfg.d_interest, cfg.d_head)
        self.bend = nn.PReLU(cfg.d_head)
        self.out = nn.Linear(cfg.d_head, 1)

    def forward(self, entries: Tensor, query: Tensor, is_entry: Tensor) -> Interest:
        """entries (B, S, d_vector), query (B, d_vector), is_entry (B, S): False at padding."""
        entries, query = self.project(entries), self.project(query)
        activations = self.unit(entries, query)  # (B, S)
        weights = weigh(activations, is_entry, self.config.pooling)
        interest = (weights[:, None] @ entries).squeeze(1)  # (B, d_interest)
        judged = torch.cat((interest, query, interest * query), dim=-1)
        return Interest(activations, weights, self.out(self.bend(self.hidden(judged))).squeeze(-1))

    @torch.no_grad()
    def flip(self) -> None:
        """Turns the sign of every weight, and of what is made of the sum: what the model says stays the same."""
        width = self.config.d_interest
        for flipped in (
            self.unit.out.weight,
            self.unit.out.bias,
            self.hidden.weight[:, :width],
            self.hidden.weight[:, 2 * width :],
        ):
            flipped.neg_()


def weigh(activations: Tensor, is_entry: Tensor, pooling: str) -> Tensor:
    """The weights (B, S) that a pooling makes of activations: themselves, their softmax, or 1 for every entry."""
    if pooling == SOFTMAX:
        return activations.masked_fill(~is_entry, float("-inf")).softmax(dim=-1)
    return torch.where(is_entry, activations if pooling == ACTIVATION_UNIT else 1.0, 0.0)
