"""Muon: momentum whose every update is made orthogonal, for the matrices inside the layers.

A matrix's momentum is replaced by the nearest matrix whose singular values are about one, so that all directions learn
at the same pace, also those that Adam's element-wise steps would leave behind (Jordan et al., 2024,
https://kellerjordan.github.io/posts/muon). The update is scaled to the size of an AdamW update, so that both share a
learning rate (Liu et al., 2025, arXiv:2502.16982, section 2.2). `torch.optim.Muon` always multiplies in bf16, which
processors without bf16 arithmetic only emulate, and takes no stacks of matrices.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from models.training.processes import sliced_like, whole

COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def orthogonalised(matrix: Tensor, iterations: int = 5) -> Tensor:
    """UVᵀ of `matrix` = USVᵀ, roughly: singular values come out between about 0.7 and 1.2 (Newton-Schulz).

    Of a tensor of more dimensions, such as the weights of all experts, each matrix of the last two.
    """
    a, b, c = COEFFICIENTS
    x = matrix / (matrix.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x  # the product below is smaller for a wide matrix
    for _ in range(iterations):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """SGD with Nesterov momentum and orthogonalised updates, weight decay decoupled; for matrices and stacks of them.

    products: the type in which they are made orthogonal; the momentum stays in that of the gradients.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        products: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self.products = products

    @torch.no_grad()
    def step(self) -> None:
        """One update from the gradients."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:  # Longformer's global queries have none where no token is global
                    self._update(parameter, group)

    def _update(self, parameter: Tensor, group: dict) -> None:
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        average = state["momentum"].lerp_(parameter.grad, 1 - group["momentum"])
        # Where processes share the matrix, each puts it together, and keeps its slice of what comes out.
        update = whole(parameter.grad.lerp(average, group["momentum"]))
        direction = sliced_like(orthogonalised(update.to(self.products)), parameter)
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        parameter.add_(direction, alpha=-group["lr"] * 0.2 * max(parameter.shape[-2:]) ** 0.5)
