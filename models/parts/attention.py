"""Self-attention: each token asks the others, and reads from those that answer."""

from torch import Tensor, nn

from models.attend import attend
from models.cache import KVCache
from models.config import ModelConfig
from models.parts.linear import FusedLinear, Linear
from models.parts.masks import Visibility
from models.parts.norms import RMSNorm
from models.parts.positions import NoPosition
from models.taps import Tap


class Attention(nn.Module):
    """Multi-head attention with n_kv_heads key-value heads (Vaswani et al. 2017, section 3.2).

    n_kv_heads = n_heads is multi-head, 1 is multi-query (Shazeer 2019, arXiv:1911.02150), anything between is
    grouped-query attention (Ainslie et al. 2023, arXiv:2305.13245). `biases` is any of "q", "k", "v", "o"; `qk_norm` is
    the eps of an RMSNorm on each query and key head, or None. `position` rotates, or leaves as they are, queries and keys.
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
    ):
        super().__init__()
        self.n_heads, self.n_kv_heads, self.d_head = n_heads, n_kv_heads, d_head
        self.scale = d_head**-0.5
        widths = {"q_proj": n_heads * d_head, "k_proj": n_kv_heads * d_head, "v_proj": n_kv_heads * d_head}
        self.qkv_proj = FusedLinear(d_model, widths, biased=[f"{name}_proj" for name in biases if name in ("q", "k", "v")])
        self.o_proj = Linear(n_heads * d_head, d_model, bias="o" in biases)
        self.q_norm = RMSNorm(d_head, qk_norm) if qk_norm is not None else None
        self.k_norm = RMSNorm(d_head, qk_norm) if qk_norm is not None else None
        # The model owns the position part; attention only uses it, so it is not registered here a second time.
        self._rotate = position.rotate
        self.q, self.k, self.v = Tap("q"), Tap("k"), Tap("v")
        self.scores, self.probs = Tap("scores"), Tap("probs")
        self.head_out, self.out = Tap("head_out"), Tap("out")

    def forward(
        self,
        x: Tensor,
        visibility: Visibility,
        angles: tuple[Tensor, Tensor] | None = None,
        cache: KVCache | None = None,
        layer: int = 0,
    ) -> Tensor:
        """x (B, T, D) gives (B, T, D); with a cache, T new tokens read the cached ones too."""
        n_batch, n_new, _ = x.shape
        n_q, n_kv = self.n_heads, self.n_kv_heads
        heads = self.qkv_proj(x).view(n_batch, n_new, -1, self.d_head).transpose(1, 2)  # (B, H + 2K, T, d_head)
        v = heads[:, n_q + n_kv :]  # (B, K, T, d_head)
        if self.q_norm is None:
            # Queries and keys lie side by side and turn alike: one rotation for both.
            turned = self._rotate(heads[:, : n_q + n_kv], angles)
            q, k = turned[:, :n_q], turned[:, n_q:]  # (B, H, T, d_head), (B, K, T, d_head)
        else:
            q = self._rotate(self.q_norm(heads[:, :n_q]), angles)
            k = self._rotate(self.k_norm(heads[:, n_q : n_q + n_kv]), angles)
        if cache is not None:
            k, v = cache.extend(layer, k, v)  # (B, K, S, d_head)
        q, k, v = self.q(q), self.k(k), self.v(v)
        head_out = self.head_out(attend(q, k, v, visibility, self.scale, self.scores, self.probs))  # (B, H, T, d_head)
        merged = head_out.transpose(1, 2).reshape(n_batch, n_new, self.n_heads * self.d_head)  # (B, T, H·d_head)
        return self.out(self.o_proj(merged))


def multi_head(cfg: ModelConfig, position: NoPosition) -> Attention:
    """The attention of a configuration whose key-value heads are counted by `n_kv_heads`."""
    return Attention(
        d_model=cfg.d_model,
        n_heads=cfg.n_heads,
        n_kv_heads=cfg.n_kv_heads,
        d_head=cfg.d_head,
        position=position,
        biases=cfg.biases,
        qk_norm=cfg.norm_eps if cfg.qk_norm else None,
    )


ATTENTIONS = {"mha": multi_head, "gqa": multi_head, "mqa": multi_head}
