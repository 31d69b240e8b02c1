"""Which heads a prediction hangs on: every head silenced in turn, all of them in one batched pass (Michel et al. 2019,
arXiv:1905.10650, section 3.2, silence heads one by one)."""

from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.inspection.silencing import MEAN, ZERO, Head, means_of
from models.taps import patch


@torch.inference_mode()
def ablated(
    model: nn.Module,
    arguments: Mapping[str, Tensor],
    place: int,
    heads: Sequence[Head],
    method: str = ZERO,
    rows: int | None = None,
) -> Tensor:
    """Log-probabilities at `place` with one head silenced in each row, (len(heads), V).

    arguments: those of a pass over one sequence. Row r of the batch is the same sequence without `heads[r]`, so that one
    pass answers for all of them; at most `rows` of them a pass, by default all. method: as in `Changes`.
    """
    means = means_of(model, arguments, heads) if method == MEAN else {}
    rows = len(heads) if rows is None else rows
    parts = [heads[start : start + rows] for start in range(0, len(heads), rows)]
    return torch.cat([_pass(model, arguments, place, part, means) for part in parts])


def _pass(model: nn.Module, arguments: Mapping, place: int, heads: Sequence[Head], means: Mapping) -> Tensor:
    n_rows = len(heads)
    batch = {name: value.expand(n_rows, *value.shape[1:]) for name, value in arguments.items()}
    rows_of: dict[str, list[tuple[int, int]]] = {}
    for row, head in enumerate(heads):
        rows_of.setdefault(head.tap, []).append((row, head.head))
    with patch({tap: _silencer(rows, means.get(tap)) for tap, rows in rows_of.items()}):
        return log_probabilities(model, batch, place)


def log_probabilities(model: nn.Module, arguments: Mapping[str, Tensor], place: int) -> Tensor:
    """Log-probabilities at one place of each row, (B, V); of a classifier, which has no places, those of its classes."""
    if model.config.head == "classification":
        return F.log_softmax(model(**arguments).logits.float(), dim=-1)
    read = arguments.get("decoder_input_ids", arguments.get("input_ids"))
    at = torch.zeros(read.shape, dtype=torch.bool)
    at[:, place] = True
    return F.log_softmax(model(**arguments, logits_at=at).logits.float(), dim=-1)


def _silencer(places: Sequence[tuple[int, int]], mean: Tensor | None) -> Callable[[Tensor], Tensor]:
    rows, heads = map(torch.tensor, zip(*places, strict=True))

    def edit(read: Tensor) -> Tensor:  # (B, H, T, d_head)
        changed = read.clone()
        changed[rows, heads] = 0.0 if mean is None else mean[0, heads]
        return changed

    return edit


def divergence(before: Tensor, after: Tensor) -> Tensor:
    """KL(before ‖ after) in nats of log-probabilities (V,) and (…, V): how wrong somebody is, on average, who expects
    `after` where `before` is true."""
    share = before.exp()
    # What is impossible before adds nothing, however impossible it is after.
    return torch.where(share > 0, share * (before - after), 0.0).sum(dim=-1).clamp(min=0.0)
