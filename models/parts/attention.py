"""Attention: each token asks others, and reads from those that answer."""

from torch import Tensor

from models.attend import attend
from models.config import LayerConfig, ModelConfig
from models.context import Context
from models.parts.linear import FusedLinear, Linear
from models.parts.near import attend_near
from models.parts.no_position import NoPosition
from models.parts.norms import RMSNorm
from models.parts.watched import WatchedAttention


class Attention(WatchedAttention):
    """Multi-head attention with n_kv_heads key-value heads (Vaswani et al. 2017, section 3.2).

    n_kv_heads = n_heads is multi-head, 1 is multi-query (Shazeer 2019, arXiv:1911.02150), anything between is
    grouped-query attention (Ainslie et al. 2023, arXiv:2305.13245). `biases` is any of "q", "k", "v", "o"; `qk_norm` is
    the eps of an RMSNorm on each query and key head, or None; `scale` multiplies the scores, by default by 1/√d_head (T5
    has 1). `position` rotates, or leaves as they are, queries and keys. `index` is the layer's place in its stack.
    """

    def __init__(
        self,
        d_model: int,
        n_heads: int,
        n_kv_heads: int,
        d_head: int,
        position: NoPosition,
        biases: tuple[str, ...] = (),
        qk_norm: float | None = None,
        scale: float | None = None,
        index: int = 0,
    ):
        super().__init__(index, d_head**-0.5 if scale is None else scale, position)
        self.n_heads, self.n_kv_heads, self.d_head = n_heads, n_kv_heads, d_head
        widths = {"q_proj": n_heads * d_head, "k_proj": n_kv_heads * d_head, "v_proj": n_kv_heads * d_head}
        biased = [f"{name}_proj" for name in biases if name in ("q", "k", "v")]
        self.qkv_proj = FusedLinear(d_model, widths, biased=biased)
        self.o_proj = Linear(n_heads * d_head, d_model, bias="o" in biases)
        self.q_norm = RMSNorm(d_head, qk_norm) if qk_norm is not None else None
        self.k_norm = RMSNorm(d_head, qk_norm) if qk_norm is not None else None

    def forward(self, x: Tensor, ctx: Context) -> Tensor:
        """x (B, T, D) gives (B, T, D); with a cache, T new tokens read the cached ones too."""
        n_batch, n_new, _ = x.shape
        n_q, n_kv = self.n_heads, self.n_kv_heads
        heads = self.qkv_proj(x).view(n_batch, n_new, -1, self.d_head).transpose(1, 2)  # (B, H + 2K, T, d_head)
        if self.q_norm is None:
            # Queries and keys lie side by side and turn alike: one rotation for both.
            turning, v = heads.split([n_q + n_kv, n_kv], dim=1)
            q, k = self._rotate(turning, ctx.angles).split([n_q, n_kv], dim=1)
        else:
            q, k, v = heads.split([n_q, n_kv, n_kv], dim=1)
            q, k = self._rotate(self.q_norm(q), ctx.angles), self._rotate(self.k_norm(k), ctx.angles)
        # q (B, H, T, d_head), k and v (B, K, T, d_head)
        if ctx.cache is not None:
            k, v = ctx.cache.extend(self.index, k, v)  # (B, K, S, d_head)
        q, k, v = self.q(q), self.k(k), self.v(v)
        view = ctx.view(self.index)
        attended = attend_near(q, k, v, view, self.scale, self.scores, self.probs)  # (B, H, T, d_head)
        return self.joined(attended)


class CrossAttention(WatchedAttention):
    """Attention of a decoder to what its encoder has read (Vaswani et al. 2017, section 3.2.3).

    Queries come from the decoder's tokens, keys and values from `ctx.memory`; neither carries positions. With a cache,
    keys and values are computed once. The arguments are those of `Attention`.
    """

    def __init__(
        self,
        d_model: int,
        n_heads: int,
        n_kv_heads: int,
        d_head: int,
        biases: tuple[str, ...] = (),
        scale: float | None = None,
        index: int = 0,
    ):
        super().__init__(index, d_head**-0.5 if scale is None else scale)
        self.n_heads, self.n_kv_heads, self.d_head = n_heads, n_kv_heads, d_head
        widths = {"k_proj": n_kv_heads * d_head, "v_proj": n_kv_heads * d_head}
        self.q_proj = Linear(d_model, n_heads * d_head, bias="q" in biases)
        self.kv_proj = FusedLinear(d_model, widths, biased=[f"{name}_proj" for name in biases if name in ("k", "v")])
        self.o_proj = Linear(n_heads * d_head, d_model, bias="o" in biases)

    def forward(self, x: Tensor, ctx: Context) -> Tensor:
        """x (B, T, D) gives (B, T, D), read from `ctx.memory` (B, S, D)."""
        n_batch, n_new, _ = x.shape
        q = self.q_proj(x).view(n_batch, n_new, self.n_heads, self.d_head).transpose(1, 2)  # (B, H, T, d_head)
        k, v = self._memory(ctx)  # (B, K, S, d_head)
        q, k, v = self.q(q), self.k(k), self.v(v)
        attended = attend(q, k, v, ctx.memory_view, self.scale, self.scores, self.probs)  # (B, H, T, d_head)
        return self.joined(attended)

    def _memory(self, ctx: Context) -> tuple[Tensor, Tensor]:
        known = ctx.cache.cross(self.index) if ctx.cache is not None else None
        if known is not None:
            return known
        n_batch, n_read, _ = ctx.memory.shape
        heads = self.kv_proj(ctx.memory).view(n_batch, n_read, -1, self.d_head).transpose(1, 2)  # (B, 2K, S, d_head)
        k, v = heads[:, : self.n_kv_heads], heads[:, self.n_kv_heads :]  # (B, K, S, d_head) each
        if ctx.cache is not None:
            ctx.cache.keep_cross(self.index, k, v)
        return k, v


def multi_head(cfg: ModelConfig, layer: LayerConfig, position: NoPosition) -> Attention:
    """The attention of a configuration whose key-value heads are counted by `n_kv_heads`."""
    return Attention(
        d_model=cfg.d_model,
        n_heads=cfg.n_heads,
        n_kv_heads=cfg.n_kv_heads,
        d_head=cfg.d_head,
        position=position,
        biases=cfg.biases,
        qk_norm=cfg.norm_eps if cfg.qk_norm else None,
        scale=None if cfg.scale_scores else 1.0,
        index=layer.index,
    )


def cross_attention(cfg: ModelConfig, layer: LayerConfig) -> CrossAttention:
    """The attention of a decoder's layer to the encoder."""
    return CrossAttention(
        d_model=cfg.d_model,
        n_heads=cfg.n_heads,
        n_kv_heads=cfg.n_kv_heads,
        d_head=cfg.d_head,
        biases=cfg.biases,
        scale=None if cfg.scale_scores else 1.0,
        index=layer.index,
    )
