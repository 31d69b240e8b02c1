"""Longformer's attention: a band for most tokens, and maps of their own for the few that see and are seen by all."""

import torch
from torch import Tensor

from models.attend import attend, probabilities
from models.config import LayerConfig, ModelConfig
from models.context import Context
from models.parts.linear import FusedLinear, Linear
from models.parts.masks import Visibility
from models.parts.near import attend_near
from models.parts.no_position import NoPosition
from models.parts.watched import WatchedAttention
from models.taps import Tap


class GlobalAttention(WatchedAttention):
    """Multi-head attention with a second set of projections for global tokens (Beltagy et al. 2020, arXiv:2004.05150,
    section 3.1).

    Global are the first `n_global` tokens of a sequence and those of `ctx.is_global`. Their queries, and the keys and
    values that these queries read, come from q_global_proj, k_global_proj and v_global_proj; whoever looks at a global
    token from elsewhere reads its ordinary key and value. The other arguments are those of `Attention`; every head has
    its own keys and values, and there is no cache: the mask looks both ways.

    The taps q, k and v are the ordinary ones, global_q, global_k and global_v those of the second set, where a token is
    global; scores and probs have the rows of global tokens as they are computed.
    """

    def __init__(
        self,
        d_model: int,
        n_heads: int,
        d_head: int,
        position: NoPosition,
        biases: tuple[str, ...] = (),
        n_global: int = 0,
        scale: float | None = None,
        index: int = 0,
    ):
        super().__init__(index, d_head**-0.5 if scale is None else scale, position)
        self.n_heads, self.d_head, self.n_global = n_heads, d_head, n_global
        self.qkv_proj = _projections(d_model, n_heads * d_head, biases, "{}_proj")
        self.qkv_global_proj = _projections(d_model, n_heads * d_head, biases, "{}_global_proj")
        self.o_proj = Linear(n_heads * d_head, d_model, bias="o" in biases)
        self.global_q, self.global_k, self.global_v = Tap("global_q"), Tap("global_k"), Tap("global_v")

    def forward(self, x: Tensor, ctx: Context) -> Tensor:
        """x (B, T, D) gives (B, T, D)."""
        n_batch, n_tokens, _ = x.shape
        view = ctx.view(self.index)
        if ctx.is_global is not None:
            view = view.widened(_seen_and_seeing(ctx.is_global, ctx.is_token))
        q, k, v = self._heads(self.qkv_proj(x), ctx)
        q, k, v = self.q(q), self.k(k), self.v(v)
        is_global = self._is_global(n_tokens, x.device, ctx)
        if is_global is None:
            attended = attend_near(q, k, v, view, self.scale, self.scores, self.probs)  # (B, H, T, d_head)
        else:
            of_global = self._heads(self.qkv_global_proj(x), ctx)
            taps = self.global_q, self.global_k, self.global_v
            of_global = tuple(tap(part) for tap, part in zip(taps, of_global, strict=True))
            compute = self._explicit if self.scores.watched or self.probs.watched else self._fused
            attended = compute((q, k, v), of_global, view, is_global.expand(n_batch, -1))  # (B, H, T, d_head)
        return self.joined(attended)

    def _heads(self, projected: Tensor, ctx: Context) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values (B, H, T, d_head) of projections (B, T, 3·H·d_head)."""
        n_batch, n_tokens, _ = projected.shape
        heads = projected.view(n_batch, n_tokens, 3 * self.n_heads, self.d_head).transpose(1, 2)  # (B, 3H, T, d_head)
        turned = self._rotate(heads[:, : 2 * self.n_heads], ctx.angles)  # queries and keys turn alike
        return turned[:, : self.n_heads], turned[:, self.n_heads :], heads[:, 2 * self.n_heads :]

    def _is_global(self, n_tokens: int, device: torch.device, ctx: Context) -> Tensor | None:
        """Which tokens are global, (B or 1, T); None where no token can be."""
        if self.n_global == 0:
            return ctx.is_global
        place = torch.arange(n_tokens, device=device)[None]  # (1, T)
        if ctx.is_token is not None:
            place = place - ctx.is_token.to(torch.uint8).argmax(dim=1, keepdim=True)  # (B, T), from the first token on
        is_global = (place >= 0) & (place < self.n_global)
        return is_global if ctx.is_global is None else is_global | ctx.is_global

    def _fused(self, local: tuple, of_global: tuple, view: Visibility, is_global: Tensor) -> Tensor:
        """Two passes: one of all tokens, one of the global ones alone, whose rows then take the place of the first's."""
        k_global, v_global = of_global[1:]
        out = attend_near(*local, view, self.scale, self.scores, self.probs)  # (B, H, T, d_head)
        n_batch, n_tokens = is_global.shape
        most = n_tokens if is_global.device.type == "meta" else int(is_global.sum(dim=1).max())
        rows = is_global.to(torch.uint8).argsort(dim=1, descending=True, stable=True)[:, :most]  # (B, most)
        of_heads = rows[:, None, :, None].expand(-1, self.n_heads, -1, self.d_head)  # (B, H, most, d_head)
        mask = view.mask
        if mask is not None:
            mask = mask if mask.dim() == 4 else mask[None, None]
            of_pairs = rows[:, None, :, None].expand(-1, mask.shape[1], -1, n_tokens)  # (B, 1 or H, most, S)
            mask = mask.expand(n_batch, -1, -1, -1).gather(2, of_pairs)
        q_rows = of_global[0].gather(2, of_heads)
        out_rows = attend(q_rows, k_global, v_global, Visibility(mask), self.scale, self.scores, self.probs)
        # A sequence with fewer global tokens than another has ordinary rows among these.
        return torch.where(is_global[:, None, :, None], out.scatter(2, of_heads, out_rows), out)

    def _explicit(self, local: tuple, of_global: tuple, view: Visibility, is_global: Tensor) -> Tensor:
        """The same with all scores and probabilities in sight."""
        is_global = is_global[:, None, :, None]  # (B, 1, T, 1)
        local_scores, global_scores = (q @ k.transpose(-2, -1) * self.scale for q, k, _ in (local, of_global))
        scores = self.scores(view.apply(torch.where(is_global, global_scores, local_scores)))  # (B, H, T, S)
        probs = self.probs(probabilities(scores))  # (B, H, T, S)
        return torch.where(is_global, probs @ of_global[2], probs @ local[2])


def _projections(d_model: int, width: int, biases: tuple[str, ...], spelling: str) -> FusedLinear:
    names = {name: spelling.format(name) for name in "qkv"}
    return FusedLinear(d_model, dict.fromkeys(names.values(), width), [names[name] for name in "qkv" if name in biases])


def _seen_and_seeing(is_global: Tensor, is_token: Tensor | None) -> Tensor:
    """Where query or key is global, (B, 1, T, T), padding left out."""
    pairs = is_global[:, :, None] | is_global[:, None, :]  # (B, T, T)
    if is_token is not None:
        pairs = pairs & is_token[:, :, None] & is_token[:, None, :]
    return pairs[:, None]


def longformer(cfg: ModelConfig, layer: LayerConfig, position: NoPosition) -> GlobalAttention:
    """The attention of a layer whose mask is "longformer"."""
    return GlobalAttention(
        d_model=cfg.d_model,
        n_heads=cfg.n_heads,
        d_head=cfg.d_head,
        position=position,
        biases=cfg.biases,
        n_global=cfg.sparse.n_global if cfg.sparse is not None else 0,
        scale=None if cfg.scale_scores else 1.0,
        index=layer.index,
    )
