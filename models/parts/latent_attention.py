"""Multi-head latent attention: keys and values of all heads are read from one small vector a token."""

import torch
import torch.nn.functional as F
from torch import Tensor

from models.attend import attend, probabilities
from models.config import LayerConfig, ModelConfig
from models.context import Context
from models.parts.linear import FusedLinear, Linear
from models.parts.masks import Visibility
from models.parts.no_position import NoPosition
from models.parts.norms import RMSNorm
from models.parts.rotary import softmax_factor
from models.parts.watched import WatchedAttention


class MultiHeadLatentAttention(WatchedAttention):
    """Attention whose keys and values are projections of a latent (DeepSeek-V2, arXiv:2405.04434, section 2.1).

    A token is compressed to `kv_lora_rank` numbers, from which each head makes its key's `qk_nope_head_dim` and its value's
    `v_head_dim` dimensions. The other `qk_rope_head_dim` dimensions of a key carry the position and are one for all
    heads. The cache holds the latent and this rotary key only. Queries come from a latent of `q_lora_rank`, or from
    the token itself where it is None. `norm_eps` is that of the norms on the latents; `scale` multiplies the scores, by
    default by 1/√(qk_nope_head_dim + qk_rope_head_dim); `position` turns the rotary slices; `index` is the layer's place.

    There are two orders of the same products. The naive one expands latents to keys and values; with a cache it would
    expand all of them again for every token. The absorbed one leaves them as they are: it takes queries into the latent's
    space instead, and what the heads read out of it. Whichever needs fewer multiplications runs, the naive one where a
    tap asks for keys, values, scores or probabilities.
    """

    def __init__(
        self,
        d_model: int,
        n_heads: int,
        kv_lora_rank: int,
        qk_nope_head_dim: int,
        qk_rope_head_dim: int,
        v_head_dim: int,
        position: NoPosition,
        q_lora_rank: int | None = None,
        norm_eps: float = 1e-6,
        o_bias: bool = False,
        scale: float | None = None,
        index: int = 0,
    ):
        super().__init__(index, (qk_nope_head_dim + qk_rope_head_dim) ** -0.5 if scale is None else scale, position)
        self.n_heads, self.rank = n_heads, kv_lora_rank
        self.d_nope, self.d_rope, self.d_value = qk_nope_head_dim, qk_rope_head_dim, v_head_dim
        all_queries = n_heads * (qk_nope_head_dim + qk_rope_head_dim)
        compressed = {"kv_down_proj": kv_lora_rank + qk_rope_head_dim}
        if q_lora_rank is None:
            self.q_kv_proj = FusedLinear(d_model, {"q_proj": all_queries, **compressed})
            self.q_norm = self.q_up_proj = None
        else:
            self.q_kv_proj = FusedLinear(d_model, {"q_down_proj": q_lora_rank, **compressed})
            self.q_norm = RMSNorm(q_lora_rank, norm_eps)
            self.q_up_proj = Linear(q_lora_rank, all_queries, bias=False)
        self.kv_norm = RMSNorm(kv_lora_rank, norm_eps)
        self.kv_up_proj = Linear(kv_lora_rank, n_heads * (qk_nope_head_dim + v_head_dim), bias=False)
        self.o_proj = Linear(n_heads * v_head_dim, d_model, bias=o_bias)

    def forward(self, x: Tensor, ctx: Context) -> Tensor:
        """x (B, T, D) gives (B, T, D); with a cache, T new tokens read the cached ones too."""
        n_batch, n_new, _ = x.shape
        of_query, latent, k_rope = self.q_kv_proj(x).split([self._q_width, self.rank, self.d_rope], dim=-1)
        if self.q_up_proj is not None:
            of_query = self.q_up_proj(self.q_norm(of_query))  # (B, T, H·d_head)
        q = of_query.view(n_batch, n_new, self.n_heads, -1).transpose(1, 2)  # (B, H, T, d_head)
        q_nope, q_rope = q.split([self.d_nope, self.d_rope], dim=-1)
        q_rope = self._rotate(q_rope, ctx.angles)
        latent = self.kv_norm(latent).unsqueeze(1)  # (B, 1, T, rank)
        k_rope = self._rotate(k_rope.unsqueeze(1), ctx.angles)  # (B, 1, T, d_rope)
        if ctx.cache is not None:
            latent, k_rope = ctx.cache.extend(self.index, latent, k_rope)  # (B, 1, S, …)
        q = self.q(torch.cat((q_nope, q_rope), dim=-1))
        watched = any(tap.watched for tap in (self.k, self.v, self.scores, self.probs))
        attend_to = self._naive if watched or self._naive_is_cheaper(n_new, latent.shape[2]) else self._absorbed
        return self.joined(attend_to(q, latent, k_rope, ctx.view(self.index)))

    @property
    def _q_width(self) -> int:
        return self.q_kv_proj.weight.shape[0] - self.rank - self.d_rope

    def _naive_is_cheaper(self, n_new: int, n_total: int) -> bool:
        """Multiplications of a head, those left out that both orders have."""
        both = self.d_nope + self.d_value
        naive = n_total * self.rank * both + n_new * n_total * both
        absorbed = n_new * self.rank * both + n_new * n_total * 2 * self.rank
        return bool(naive <= absorbed)  # while a pass is being recorded, sizes are tensors

    def _naive(self, q: Tensor, latent: Tensor, k_rope: Tensor, visibility: Visibility) -> Tensor:
        """q (B, H, T, d_head), latent (B, 1, S, rank), k_rope (B, 1, S, d_rope) give (B, H, T, d_value)."""
        expanded = self.kv_up_proj(latent[:, 0])  # (B, S, H·(d_nope + d_value))
        heads = expanded.unflatten(-1, (self.n_heads, -1)).transpose(1, 2)  # (B, H, S, d_nope + d_value)
        k_nope, v = heads.split([self.d_nope, self.d_value], dim=-1)
        k = torch.cat((k_nope, k_rope.expand(-1, self.n_heads, -1, -1)), dim=-1)  # (B, H, S, d_head)
        k, v = self.k(k), self.v(v)
        # The fused kernel wants values as wide as keys.
        spare = k.shape[-1] - self.d_value
        if spare > 0 and not (self.scores.watched or self.probs.watched):
            v = F.pad(v, (0, spare))
        return attend(q, k, v, visibility, self.scale, self.scores, self.probs)[..., : self.d_value]

    def _absorbed(self, q: Tensor, latent: Tensor, k_rope: Tensor, visibility: Visibility) -> Tensor:
        """As `_naive`, with the products taken in another order: (qᵀ·W_k)·c for qᵀ·(W_k·c), and likewise for values."""
        up = self.kv_up_proj.weight.unflatten(0, (self.n_heads, -1))  # (H, d_nope + d_value, rank)
        w_k, w_v = up.split([self.d_nope, self.d_value], dim=1)
        q_nope, q_rope = (q * self.scale).split([self.d_nope, self.d_rope], dim=-1)
        q_latent = torch.einsum("bhtn,hnr->bhtr", q_nope, w_k)  # (B, H, T, rank)
        # All heads read the same keys: they are rows of one product.
        rows = q_latent.flatten(1, 2) @ latent[:, 0].mT + q_rope.flatten(1, 2) @ k_rope[:, 0].mT  # (B, H·T, S)
        scores = visibility.apply(rows.unflatten(1, (self.n_heads, -1)))  # (B, H, T, S)
        probs = scores.softmax(dim=-1) if visibility.mask is None else probabilities(scores)
        read = (probs.flatten(1, 2) @ latent[:, 0]).unflatten(1, (self.n_heads, -1))  # (B, H, T, rank)
        return torch.einsum("bhtr,hvr->bhtv", read, w_v)


def latent(cfg: ModelConfig, layer: LayerConfig, position: NoPosition) -> MultiHeadLatentAttention:
    """The latent attention of a configuration, with the sharper softmax of a stretched context."""
    mla = cfg.mla
    return MultiHeadLatentAttention(
        d_model=cfg.d_model,
        n_heads=cfg.n_heads,
        kv_lora_rank=mla.kv_lora_rank,
        qk_nope_head_dim=mla.qk_nope_head_dim,
        qk_rope_head_dim=mla.qk_rope_head_dim,
        v_head_dim=mla.v_head_dim,
        position=position,
        q_lora_rank=mla.q_lora_rank,
        norm_eps=mla.norm_eps,
        o_bias="o" in cfg.biases,
        scale=(cfg.d_head**-0.5 if cfg.scale_scores else 1.0) * softmax_factor(cfg.rope_scaling),
        index=layer.index,
    )
