"""Attention that chooses by content whom to look at: by hashing (Reformer), or by clusters (Routing Transformer).

Both decide on the (T, S) pairs of a pass which are seen, and leave the rest to `attend`: what they compute is what the
papers describe, at the memory of full attention. What a token sees never depends on later tokens of a causal layer, so
that nothing of the future leaks, and a pass with a cache equals one without.
"""

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from models.attend import attend
from models.config import LayerConfig, ModelConfig
from models.context import Context
from models.parts.linear import FusedLinear, Linear
from models.parts.masks import Visibility
from models.parts.no_position import NoPosition
from models.parts.watched import WatchedAttention


class LSHAttention(WatchedAttention):
    """Locality-sensitive hashing: tokens see those that fall into the same bucket (Kitaev et al. 2020, arXiv:2001.04451).

    Queries and keys are one projection; a key is its query brought to the length √d_head. In each of `n_hashes` rounds a
    vector x has the bucket argmax [xR ; −xR], R of n_buckets/2 random columns a head. The tokens of a bucket are cut, in
    their order, into chunks of `chunk_size`; a token sees those of its chunk and of the chunk before, in whichever round,
    but itself only if there is nobody else. Rotations are drawn with `seed`.

    The paper sorts all tokens by bucket and then cuts, so that a chunk may begin in the middle of a bucket, at a place
    that later tokens shift; here each bucket is cut on its own. `across_buckets` is how `transformers` does it (outside
    training): chunks of the whole order, in which also neighbours of another bucket are seen, each as often as rounds
    show it, and everything where there is but one chunk. `padded_to`: that library fills a batch up to a multiple of this.

    The other arguments are those of `Attention`. Taps q, k, v as there; the buckets are those of the tapped keys.
    """

    def __init__(
        self,
        d_model: int,
        n_heads: int,
        d_head: int,
        position: NoPosition,
        n_hashes: int,
        n_buckets: int,
        chunk_size: int,
        seed: int = 0,
        across_buckets: bool = False,
        padded_to: int | None = None,
        biases: tuple[str, ...] = (),
        scale: float | None = None,
        index: int = 0,
    ):
        super().__init__(index, d_head**-0.5 if scale is None else scale, position)
        self.n_heads, self.d_head = n_heads, d_head
        self.n_hashes, self.n_buckets, self.chunk_size, self.seed = n_hashes, n_buckets, chunk_size, seed
        self.across_buckets = across_buckets
        self.padded_to = chunk_size if padded_to is None else padded_to
        biased = [name for name, kinds in (("qk_proj", "qk"), ("v_proj", "v")) if any(kind in biases for kind in kinds)]
        self.qkv_proj = FusedLinear(d_model, {"qk_proj": n_heads * d_head, "v_proj": n_heads * d_head}, biased)
        self.o_proj = Linear(n_heads * d_head, d_model, bias="o" in biases)

    def forward(self, x: Tensor, ctx: Context) -> Tensor:
        """x (B, T, D) gives (B, T, D); with a cache, T new tokens read the cached ones too."""
        n_batch, n_new, _ = x.shape
        heads = self.qkv_proj(x).view(n_batch, n_new, -1, self.d_head).transpose(1, 2)  # (B, 2H, T, d_head)
        q, v = self._rotate(heads[:, : self.n_heads], ctx.angles), heads[:, self.n_heads :]  # (B, H, T, d_head) each
        k = F.rms_norm(q, (self.d_head,), eps=1e-6)  # (B, H, T, d_head)
        if ctx.cache is not None:
            k, v = ctx.cache.extend(self.index, k, v)  # (B, H, S, d_head)
        q, k, v = self.q(q), self.k(k), self.v(v)
        view = self._choose(k, n_new, ctx)
        attended = attend(q, k, v, view, self.scale, self.scores, self.probs)  # (B, H, T, d_head)
        return self.joined(attended)

    @property
    def settled_up_to(self) -> int:
        """With `across_buckets`: how long a text may be for a new token to shift no old one, since all meet anyway.

        One round of two chunks is a ring in which each chunk comes after the other.
        """
        ring = 2 * self.chunk_size // self.padded_to * self.padded_to if self.n_hashes == 1 else 0
        return max(self.chunk_size, ring)

    @torch.no_grad()
    def buckets(self, x: Tensor) -> Tensor:
        """The bucket of each vector x (B, H, S, d_head) in each round, (B, H, n_hashes, S)."""
        rotations = _rotations(self.seed, self.n_heads, self.d_head, self.n_hashes, self.n_buckets // 2).to(x.device)
        turned = torch.einsum("bhsd,hdrn->bhrsn", x.float(), rotations)  # (B, H, n_hashes, S, n_buckets / 2)
        return torch.cat((turned, -turned), dim=-1).argmax(dim=-1)

    @torch.no_grad()
    def _choose(self, k: Tensor, n_new: int, ctx: Context) -> Visibility:
        """What the last `n_new` of the tokens with keys k (B, H, S, d_head) see."""
        n_batch, n_heads, n_total, _ = k.shape
        view = ctx.view(self.index)
        visible = view.allowed(torch.Size((n_new, n_total)), k.device)  # (…, T, S)
        oneself = torch.eye(n_total, dtype=torch.bool, device=k.device)[-n_new:]  # (T, S)
        if self.across_buckets and n_total <= self.settled_up_to:
            return view.narrowed(_rather_others(visible, oneself))
        is_key = visible[..., -1, :].expand(n_batch, n_heads, n_total).clone()  # all tokens: the last query sees them
        if ctx.is_token is not None:
            is_key[..., -n_new:] &= ctx.is_token[:, None]
        counts = self._meetings(self.buckets(k), is_key, n_new)  # (B, H, T, S)
        among = view.narrowed(_rather_others((counts > 0) & visible, oneself))
        return among.repeated(counts) if self.across_buckets else among

    def _meetings(self, buckets: Tensor, is_key: Tensor, n_new: int) -> Tensor:
        """How often the last `n_new` tokens meet each token, (B, H, T, S).

        buckets (B, H, n_hashes, S); is_key (B, H, S): False at padding, which takes no part.
        """
        n_total = buckets.shape[-1]
        buckets = torch.where(is_key[:, :, None], buckets, self.n_buckets)
        order = buckets.argsort(dim=-1, stable=True)  # (B, H, n_hashes, S)
        place = order.argsort(dim=-1)  # of each token in the order
        if self.across_buckets:
            return self._meetings_across(place, n_new)
        first = torch.searchsorted(buckets.gather(-1, order), buckets)  # where the token's bucket begins
        chunk = buckets * (n_total + 1) + (place - first) // self.chunk_size  # no bucket's first follows another's last
        counts = 0
        for of_round in chunk.unbind(2):  # (B, H, S)
            counts = counts + _own_or_before(of_round[..., -n_new:, None] - of_round[..., None, :])
        return counts

    def _meetings_across(self, place: Tensor, n_new: int) -> Tensor:
        """The same where all rounds stand in one ring: a round's first chunk comes after the last of the round before."""
        padded = -(-place.shape[-1] // self.padded_to) * self.padded_to
        starts = torch.arange(self.n_hashes, device=place.device)[:, None] * padded  # (n_hashes, 1)
        chunk = (place + starts) // self.chunk_size  # (B, H, n_hashes, S)
        n_chunks = self.n_hashes * padded // self.chunk_size
        counts = 0
        for of_queries in chunk.unbind(2):
            for of_keys in chunk.unbind(2):
                counts = counts + _own_or_before((of_queries[..., -n_new:, None] - of_keys[..., None, :]) % n_chunks)
        return counts


class RoutingAttention(WatchedAttention):
    """Clusters of queries and keys: a query sees the keys nearest to its own centroid (Roy et al. 2020, arXiv:2003.05997).

    Queries and keys are layer-normed without weights. A query belongs to the centroid μ of its head with the largest μ·q,
    and sees the `window` keys with the largest μ·k. In a causal layer only keys up to the query compete for these places;
    the paper lets the whole sequence compete, so that a later token can push an earlier one out.

    `centroids` (n_heads, n_clusters, d_head) learn in training passes, not by gradient: see `update_centroids`. The other
    arguments are those of `Attention`.
    """

    def __init__(
        self,
        d_model: int,
        n_heads: int,
        d_head: int,
        position: NoPosition,
        n_clusters: int,
        window: int,
        decay: float = 0.999,
        biases: tuple[str, ...] = (),
        scale: float | None = None,
        index: int = 0,
    ):
        super().__init__(index, d_head**-0.5 if scale is None else scale, position)
        self.n_heads, self.d_head, self.window, self.decay = n_heads, d_head, window, decay
        widths = dict.fromkeys(("q_proj", "k_proj", "v_proj"), n_heads * d_head)
        self.qkv_proj = FusedLinear(d_model, widths, biased=[f"{name}_proj" for name in biases if name in "qkv"])
        self.o_proj = Linear(n_heads * d_head, d_model, bias="o" in biases)
        self.register_buffer("centroids", torch.empty(n_heads, n_clusters, d_head))

    def forward(self, x: Tensor, ctx: Context) -> Tensor:
        """x (B, T, D) gives (B, T, D); with a cache, T new tokens read the cached ones too."""
        n_batch, n_new, _ = x.shape
        heads = self.qkv_proj(x).view(n_batch, n_new, -1, self.d_head).transpose(1, 2)  # (B, 3H, T, d_head)
        turned = self._rotate(F.layer_norm(heads[:, : 2 * self.n_heads], (self.d_head,)), ctx.angles)
        q, k = turned[:, : self.n_heads], turned[:, self.n_heads :]  # (B, H, T, d_head) each
        v = heads[:, 2 * self.n_heads :]  # (B, H, T, d_head)
        if ctx.cache is not None:
            k, v = ctx.cache.extend(self.index, k, v)  # (B, H, S, d_head)
        q, k, v = self.q(q), self.k(k), self.v(v)
        view = self._choose(q, k, ctx.view(self.index))
        attended = attend(q, k, v, view, self.scale, self.scores, self.probs)  # (B, H, T, d_head)
        if self.training:
            self.update_centroids(q, k, ctx.is_token)
        return self.joined(attended)

    @torch.no_grad()
    def clusters(self, x: Tensor) -> Tensor:
        """The centroid that each vector x (B, H, T, d_head) belongs to, (B, H, T)."""
        return self._nearness(x).argmax(dim=2)

    @torch.no_grad()
    def update_centroids(self, q: Tensor, k: Tensor, is_token: Tensor | None = None) -> None:
        """Move each centroid to λ·μ + (1 − λ)·(mean of the queries and keys that belong to it), λ = `decay`.

        q and k (B, H, T, d_head); is_token (B, T): False where they are of padding. The paper adds the sum of the members,
        which hinges on the size of the batch. A centroid without members stays.
        """
        members = torch.cat((q, k), dim=2).float()  # (B, H, 2T, d_head)
        belongs = F.one_hot(self.clusters(members), self.centroids.shape[1]).float()  # (B, H, 2T, clusters)
        if is_token is not None:
            belongs = belongs * is_token.repeat(1, 2)[:, None, :, None]
        sizes = belongs.sum(dim=(0, 2))[..., None]  # (H, clusters, 1)
        means = torch.einsum("bhtc,bhtd->hcd", belongs, members) / sizes.clamp(min=1.0)  # (H, clusters, d_head)
        self.centroids.lerp_(torch.where(sizes > 0, means, self.centroids).to(self.centroids.dtype), 1.0 - self.decay)

    def _nearness(self, x: Tensor) -> Tensor:
        """μ·x of each centroid with each of x (B, H, S, d_head), (B, H, clusters, S)."""
        return torch.einsum("hcd,bhsd->bhcs", self.centroids.float(), x.float())

    @torch.no_grad()
    def _choose(self, q: Tensor, k: Tensor, view: Visibility) -> Visibility:
        """What queries q (B, H, T, d_head) see of the keys k (B, H, S, d_head) that `view` shows them."""
        n_total = k.shape[2]
        own = self.clusters(q)[..., None].expand(-1, -1, -1, n_total)  # (B, H, T, S)
        nearness = self._nearness(k).gather(2, own)  # (B, H, T, S)
        nearness = nearness.masked_fill(~view.allowed(nearness.shape, k.device), float("-inf"))
        chosen = nearness.topk(min(self.window, n_total), dim=-1).indices  # (B, H, T, window)
        return view.narrowed(torch.zeros_like(nearness, dtype=torch.bool).scatter(-1, chosen, True))


def _rather_others(met: Tensor, oneself: Tensor) -> Tensor:
    """Whom a token sees of those that it meets (…, T, S): itself only if there is nobody else."""
    others = met & ~oneself
    return others | (oneself & ~others.any(dim=-1, keepdim=True))


def _own_or_before(chunks_back: Tensor) -> Tensor:
    return ((chunks_back == 0) | (chunks_back == 1)).long()


@lru_cache(maxsize=16)
def _rotations(seed: int, n_heads: int, d_head: int, n_hashes: int, n_columns: int) -> Tensor:
    """Random matrices (H, d_head, n_hashes, n_columns), on the processor."""
    generator = torch.Generator("cpu").manual_seed(seed)
    with torch.device("cpu"):
        return torch.randn(n_heads, d_head, n_hashes, n_columns, generator=generator)


def lsh(cfg: ModelConfig, layer: LayerConfig, position: NoPosition) -> LSHAttention:
    """The attention of a layer whose mask is "lsh"."""
    sparse = cfg.sparse
    chunk_size = sparse.hash_block_size or sparse.block_size
    local = [sparse.block_size] if "block_local" in cfg.mask_pattern else []
    return LSHAttention(
        d_model=cfg.d_model,
        n_heads=cfg.n_heads,
        d_head=cfg.d_head,
        position=position,
        n_hashes=sparse.n_hashes,
        n_buckets=sparse.n_buckets,
        chunk_size=chunk_size,
        seed=sparse.seed,
        across_buckets=sparse.like_transformers,
        padded_to=math.lcm(chunk_size, *local),
        biases=cfg.biases,
        scale=None if cfg.scale_scores else 1.0,
        index=layer.index,
    )


def routing(cfg: ModelConfig, layer: LayerConfig, position: NoPosition) -> RoutingAttention:
    """The attention of a layer whose mask is "kmeans"."""
    return RoutingAttention(
        d_model=cfg.d_model,
        n_heads=cfg.n_heads,
        d_head=cfg.d_head,
        position=position,
        n_clusters=cfg.sparse.n_clusters,
        window=layer.window,
        biases=cfg.biases,
        scale=None if cfg.scale_scores else 1.0,
        index=layer.index,
    )
