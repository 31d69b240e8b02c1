"""What heads do, by their numbers alone: how much of their attention goes to places of a kind, and what that is called.

A score is an average over the queries that see at least `MIN_SEEN` keys (else even a head that knows nothing scores high)
and that have such a place to look at. A head bears the name of a score that reaches its bound:

- "previous", "next": the token before, the token after. More than half of a head's attention: what Clark et al. 2019
  (arXiv:1906.04341, section 3.1) count as heads that attend to neighbours in BERT.
- "first": the sequence's first token, an attention sink (Xiao et al. 2023, arXiv:2309.17453, section 3.1). More than 0.3,
  the bound of Gu et al. 2024 (arXiv:2410.10781, section 3.1).
- "self": the query's own token. The half of Clark et al., section 3.1, who find few such heads in BERT.
- "same": the same token elsewhere that the query sees, in a decoder earlier (the duplicate token heads of Wang et al. 2022,
  arXiv:2211.00593, section 3.1). "induction": the token that came after an earlier one like the query's (the prefix-matching
  score of Olsson et al. 2022, arXiv:2209.11895). Both papers give a score but no bound; 0.4 is ours.
- "separators": special tokens but the first, and punctuation. More than half, as Clark et al., section 3.2, say of BERT's
  [SEP].
- "even": how many keys a row looks at, e to the power of its entropy, as a share of those it sees. Clark et al., section
  3.3, know broad heads by their entropy but draw no line; three quarters is ours.

For "same", "induction" and "separators" a head must also give twice what one would that looks evenly, since some texts are
full of such places; this, too, is ours.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.inspection.attention import AttentionGroup
from models.inspection.inputs import DELIMITER, PATCH, SPECIAL, Sequence

BOUNDS = {
    "previous": 0.5,
    "next": 0.5,
    "first": 0.3,
    "self": 0.5,
    "same": 0.4,
    "induction": 0.4,
    "separators": 0.5,
    "even": 0.75,
}
MIN_SEEN = 4  # keys that a query must see to be counted
MIN_QUERIES = 2  # queries that must be counted for a score
OFTEN = ("same", "induction", "separators")  # places of which a text may be full …
TIMES_EVEN = 2.0  # … so that a head must give them so many times its even share


@dataclass(frozen=True)
class HeadLabels:
    """scores: by name (L, H), NaN where it cannot be told. names[l][h]: those that the head bears, the surest first."""

    scores: dict[str, Tensor]
    names: list[list[list[str]]]


def label_heads(group: AttentionGroup, sequences: dict[str, Sequence]) -> HeadLabels:
    """Scores and names of every head of a group. Between two sequences only "first", "separators" and "even" are told."""
    keys = sequences[group.keys]
    counted = group.visible.sum(dim=-1) >= MIN_SEEN  # (L, H, T)
    wanted = _within(keys) if group.queries == group.keys else _between(keys)
    scores = {name: _score(group, counted, place) for name, place in wanted.items()}
    scores["even"] = _evenness(group, counted)
    reached = {name: score >= BOUNDS[name] for name, score in scores.items()}
    for name in OFTEN:
        if name in wanted:
            reached[name] &= scores[name] >= TIMES_EVEN * _score(group, counted, wanted[name], evenly=True)
    return HeadLabels(scores, _names(scores, reached))


def _within(sequence: Sequence) -> dict[str, Tensor]:
    """Which keys count for each score, (T, T) by name."""
    n = len(sequence)
    at = torch.arange(n)
    query, key = at[:, None], at[None, :]
    places = {
        "previous": key == query - 1,
        "next": key == query + 1,
        "first": (key == 0) & (query > 0),
        "self": key == query,
    }
    if sequence.ids is not None:
        ids = torch.tensor(sequence.ids)
        is_text = torch.tensor([kind not in (SPECIAL, PATCH) for kind in sequence.kinds])
        alike = (ids[:, None] == ids[None, :]) & is_text[:, None] & (key != query)
        places["same"] = alike
        after = torch.zeros_like(alike)
        after[:, 1:] = alike[:, :-1]  # key s counts where s − 1 is like the query …
        places["induction"] = after & (key < query)  # … and both are in the past
    if separators := _separators(sequence):
        is_separator = torch.zeros(n, dtype=torch.bool)
        is_separator[separators] = True
        places["separators"] = is_separator[None, :] & ~is_separator[:, None]
    return places


def _between(keys: Sequence) -> dict[str, Tensor]:
    places = {"first": (torch.arange(len(keys)) == 0)[None, :]}  # (1, S)
    if separators := _separators(keys):
        places["separators"] = torch.zeros(1, len(keys), dtype=torch.bool)
        places["separators"][0, separators] = True
    return places


def _separators(sequence: Sequence) -> list[int]:
    return [place for place, kind in enumerate(sequence.kinds) if place and kind in (SPECIAL, DELIMITER)]


def _score(group: AttentionGroup, counted: Tensor, places: Tensor, evenly: bool = False) -> Tensor:
    """The attention (L, H) to `places` (T, S) in the mean over the counted queries that see one; NaN with too few.

    evenly: what a head would give that looks at all it sees alike.
    """
    seen = group.visible & places  # (L, H, T, S)
    used = counted & seen.any(dim=-1)  # (L, H, T)
    given = seen.sum(dim=-1) / group.visible.sum(dim=-1).clamp_min(1) if evenly else (group.probs * places).sum(dim=-1)
    n_used = used.sum(dim=-1)  # (L, H)
    mean = (given * used).sum(dim=-1) / n_used.clamp_min(1)
    return mean.masked_fill(n_used < MIN_QUERIES, float("nan"))


def _evenness(group: AttentionGroup, counted: Tensor) -> Tensor:
    """The mean of e^entropy over the number of keys seen, (L, H)."""
    effective = torch.special.entr(group.probs).sum(dim=-1).exp()  # (L, H, T), keys
    share = effective / group.visible.sum(dim=-1).clamp_min(1)
    n_used = counted.sum(dim=-1)
    mean = (share * counted).sum(dim=-1) / n_used.clamp_min(1)
    return mean.masked_fill(n_used < MIN_QUERIES, float("nan"))


def _names(scores: dict[str, Tensor], reached: dict[str, Tensor]) -> list[list[list[str]]]:
    n_layers, n_heads = scores["even"].shape
    sure = {name: ((score - BOUNDS[name]) / (1.0 - BOUNDS[name])).tolist() for name, score in scores.items()}
    held = {name: reach.tolist() for name, reach in reached.items()}

    def of_head(layer: int, head: int) -> list[str]:
        borne = [name for name in scores if held[name][layer][head]]
        return sorted(borne, key=lambda name: -sure[name][layer][head])

    return [[of_head(layer, head) for head in range(n_heads)] for layer in range(n_layers)]
