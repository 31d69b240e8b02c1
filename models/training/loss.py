"""The loss, its gradient computed in the same pass, some rows at a time.

So neither the logits nor their softmax are ever held in fp32 as a whole: with a small model and a vocabulary of thousands
they are the largest tensors of a step.
"""

import torch
from torch import Tensor

ROWS = 256  # at a time


class _Nats(torch.autograd.Function):
    @staticmethod
    def forward(ctx, logits: Tensor, targets: Tensor) -> Tensor:
        gradient = torch.empty_like(logits)
        total = torch.zeros((), device=logits.device)
        for start in range(0, len(logits), ROWS):
            rows, wanted = logits[start : start + ROWS].float(), targets[start : start + ROWS, None]
            log_probs = rows.log_softmax(dim=-1)
            total -= log_probs.gather(1, wanted).sum()
            # The gradient of −log p(target) by the logits is p, less 1 at the target.
            probs = log_probs.exp_()
            gradient[start : start + ROWS] = probs.scatter_add_(1, wanted, -torch.ones_like(wanted, dtype=probs.dtype))
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx, above: Tensor) -> tuple[Tensor, None]:
        return ctx.saved_tensors[0] * above.to(ctx.saved_tensors[0].dtype), None


def nats(logits: Tensor, targets: Tensor) -> Tensor:
    """The cross-entropy of logits (N, V) and the targets (N,) that they should have predicted, summed."""
    return _Nats.apply(logits, targets)
