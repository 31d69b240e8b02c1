"""Attention to near keys, in pieces: what a window makes possible."""

import torch
from torch import Tensor

from models.attend import attend
from models.parts.masks import Visibility
from models.taps import Tap

SMALLEST_PIECE = 128  # queries; smaller ones cost more in calls than they save


def attend_near(
    q: Tensor, k: Tensor, v: Tensor, visibility: Visibility, scale: float, scores_tap: Tap, probs_tap: Tap
) -> Tensor:
    """The same as `attend`; where `visibility` has a reach, at a cost that grows with the length and not with its square.

    Queries are taken piece by piece, with the keys that a piece reaches and those of the first `n_global` tokens. Those
    tokens themselves see all keys.
    """
    n_new, n_total = q.shape[2], k.shape[2]
    reach, n_global = visibility.reach, visibility.n_global
    watched = scores_tap.watched or probs_tap.watched
    if reach is None or watched or visibility.mask is None:
        return attend(q, k, v, visibility, scale, scores_tap, probs_tap)
    size = max(reach, SMALLEST_PIECE)
    n_past = n_total - n_new
    if n_global + size + 2 * reach > n_total // 2 or (n_past and n_global):
        return attend(q, k, v, visibility, scale, scores_tap, probs_tap)

    def piece(start: int, end: int, keys: list[slice]) -> Tensor:
        k_near, v_near = (torch.cat([x[:, :, part] for part in keys], dim=2) for x in (k, v))  # (B, K, near, d_head)
        mask = torch.cat([visibility.mask[..., start:end, part] for part in keys], dim=-1)
        return attend(q[:, :, start:end], k_near, v_near, Visibility(mask), scale, scores_tap, probs_tap)

    pieces = [piece(0, n_global, [slice(0, n_total)])] if n_global else []
    for start in range(n_global, n_new, size):
        end = min(start + size, n_new)
        near = slice(max(n_global, n_past + start - reach), min(n_total, n_past + end + reach))
        pieces.append(piece(start, end, [slice(0, n_global), near] if n_global else [near]))
    return torch.cat(pieces, dim=2)
