"""What reads the last layer: from a token's vector to scores."""

import torch
from torch import Tensor, nn

from models.config import ModelConfig
from models.parts.feedforward import ACTIVATIONS
from models.parts.linear import Linear, project
from models.parts.norms import NORMS


class LMHead(nn.Module):
    """One score for each token of the vocabulary, x (B, T, D) → (B, T, V).

    Tied, it multiplies by the embedding table and has no weight of its own (Press & Wolf 2016, arXiv:1608.05859).
    `scale` multiplies what it reads (T5: 1/√d_model where it is tied).
    """

    def __init__(self, d_model: int, vocab_size: int, tied: bool = False, bias: bool = False, scale: float = 1.0):
        super().__init__()
        self.weight = None if tied else nn.Parameter(torch.empty(vocab_size, d_model))
        self.bias = nn.Parameter(torch.zeros(vocab_size)) if bias else None
        self.scale = scale

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """`embedding` (V, D) is the token table, used where the head is tied."""
        if self.scale != 1.0:
            x = x * self.scale
        return project(x, embedding if self.weight is None else self.weight, self.bias)


class MaskedLMHead(nn.Module):
    """Which token stands behind a mask, x (B, T, D) → (B, T, V): a layer of its own before the vocabulary (BERT's code).

    Devlin et al. 2018, arXiv:1810.04805, section 3.1; the arguments are those of `LMHead`.
    """

    def __init__(self, d_model: int, vocab_size: int, activation: str, norm: nn.Module, tied: bool = True):
        super().__init__()
        self.dense = Linear(d_model, d_model)
        self.activation = ACTIVATIONS[activation]
        self.norm = norm
        self.weight = None if tied else nn.Parameter(torch.empty(vocab_size, d_model))
        self.bias = nn.Parameter(torch.zeros(vocab_size))

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """`embedding` (V, D) is the token table, used where the head is tied."""
        x = self.norm(self.activation(self.dense(x)))
        return project(x, embedding if self.weight is None else self.weight, self.bias)


class Pooler(Linear):
    """tanh of a linear map of the first token, x (B, T, D) → (B, D): the sequence as one vector (BERT)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x[:, 0]).tanh()


def last_tokens(x: Tensor, is_token: Tensor | None) -> Tensor:
    """The vector of each sequence's last token that is no padding, x (B, T, D) → (B, D); is_token (B, T) or None."""
    if is_token is None:
        return x[:, -1]
    n_new = x.shape[1]
    last = (is_token * torch.arange(1, n_new + 1, device=x.device)).argmax(dim=-1)  # (B,)
    return x[torch.arange(x.shape[0], device=x.device), last]


def heads(cfg: ModelConfig) -> dict[str, nn.Module]:
    """The modules that read the last layer of `cfg`, under the names that they have in the model."""
    width = 2 * cfg.d_model if cfg.block == "reversible" else cfg.d_model
    made: dict[str, nn.Module] = {}
    if cfg.pooler:
        made["pooler"] = Pooler(width, width)
    if cfg.head == "lm":
        scale = cfg.d_model**-0.5 if cfg.scale_logits else 1.0
        made["lm_head"] = LMHead(width, cfg.vocab_size, cfg.tie_embeddings, "head" in cfg.biases, scale)
    if cfg.head in ("mlm", "mlm_nsp"):
        norm = NORMS["layernorm"](cfg.d_model, cfg.norm_eps)
        made["mlm_head"] = MaskedLMHead(cfg.d_model, cfg.vocab_size, cfg.activation, norm, cfg.tie_embeddings)
    if cfg.head == "mlm_nsp":
        made["nsp_head"] = Linear(width, 2)
    if cfg.head == "classification":
        made["classifier"] = Linear(width, cfg.n_classes)
    return made
