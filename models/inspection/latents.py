"""What latent attention keeps and what it saves: the cache of a token beside other attentions', and absorption counted.

DeepSeek-V2, arXiv:2405.04434, section 2.1.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.account import BYTES, account
from models.attend import probabilities
from models.cache import KVCache, Store
from models.config import ModelConfig
from models.errors import InputError
from models.inspection.weights import LayerAttention
from models.transformer import Transformer

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "int8": torch.int8}


@dataclass(frozen=True)
class Kept:
    """What a model keeps of one token in all layers, in numbers and bytes. kind: "own", or the attention that the same
    heads would have: "mha", "gqa", "mqa", "mla". n_kv_heads: None where a latent is kept."""

    kind: str
    numbers: int
    nbytes: int
    n_kv_heads: int | None


@dataclass(frozen=True)
class Order:
    """One order of the products: the heads' scores (H, T, S) and out (H, T, d_value), and the multiply-adds of each product
    by its name, counted as they were done."""

    scores: Tensor
    out: Tensor
    products: dict[str, int]

    @property
    def multiply_adds(self) -> int:
        return sum(self.products.values())


@dataclass(frozen=True)
class Latent:
    """One latent attention of a pass: q (H, T, d_nope + d_rope) after the rotation; what the cache holds, latent (S, rank)
    and k_rope (S, d_rope); the maps to each head's key, w_k (H, d_nope, rank), and value, w_v (H, d_value, rank)."""

    q: Tensor
    latent: Tensor
    k_rope: Tensor
    w_k: Tensor
    w_v: Tensor
    scale: float
    allowed: Tensor

    @property
    def d_nope(self) -> int:
        return self.w_k.shape[1]

    def double(self) -> "Latent":
        """The same in double precision."""
        parts = (self.q, self.latent, self.k_rope, self.w_k, self.w_v)
        return Latent(*(part.double() for part in parts), self.scale, self.allowed)

    def newest(self) -> "Latent":
        """Its last query alone: the step that decodes one token."""
        return Latent(self.q[:, -1:], self.latent, self.k_rope, self.w_k, self.w_v, self.scale, self.allowed[:, -1:])


@torch.no_grad()
def latent_of(model: Transformer, index: int, layer: LayerAttention, arguments: dict[str, Tensor]) -> Latent:
    """The latent attention of layer `index`, `layer` being the same in the pass `model(**arguments)` over one sequence; the
    latents are read out of the cache of a pass of its own. Raises `InputError` where a sliding window has let some go."""
    cfg, n_tokens = model.config, arguments["input_ids"].shape[1]
    windows = [cfg.layer(i).window for i in range(cfg.n_layers) if cfg.layer(i).mask == "sliding"]
    if windows and min(windows) < n_tokens:
        raise InputError("latents_let_go", window=min(windows), n_tokens=n_tokens)
    cache = model.new_cache(1, n_tokens)
    model(**arguments, cache=cache)
    latents, k_ropes = cache.room(0)
    part = model.layers[index].attn
    up = part.kv_up_proj.weight.unflatten(0, (part.n_heads, -1))  # (H, d_nope + d_value, rank)
    w_k, w_v = up.split([part.d_nope, part.d_value], dim=1)
    return Latent(layer.q, latents[index][0, 0], k_ropes[index][0, 0], w_k, w_v, layer.scale, layer.allowed)


@torch.no_grad()
def naive(one: Latent) -> Order:
    """Keys and values are made of the latents, then attended to: q·(W_k·c), and (Σ p·W_v·c)."""
    done: dict[str, int] = {}
    q_nope, q_rope = one.q[..., : one.d_nope], one.q[..., one.d_nope :]
    k_nope = _counted(done, "keys", one.latent, one.w_k.mT)  # (H, S, d_nope)
    values = _counted(done, "values", one.latent, one.w_v.mT)  # (H, S, d_value)
    scores = _counted(done, "scores", q_nope, k_nope.mT)
    scores = (scores + _counted(done, "rope", q_rope, one.k_rope.mT)) * one.scale
    scores = scores.masked_fill(~one.allowed, float("-inf"))
    out = _counted(done, "read", probabilities(scores), values)
    return Order(scores, out, done)


@torch.no_grad()
def absorbed(one: Latent) -> Order:
    """Latents are attended to as they are: (q·W_k)·c, and W_v·(Σ p·c)."""
    done: dict[str, int] = {}
    q_nope, q_rope = one.q[..., : one.d_nope], one.q[..., one.d_nope :]
    q_latent = _counted(done, "queries", q_nope, one.w_k)  # (H, T, rank)
    scores = _counted(done, "scores", q_latent, one.latent.mT)
    scores = (scores + _counted(done, "rope", q_rope, one.k_rope.mT)) * one.scale
    scores = scores.masked_fill(~one.allowed, float("-inf"))
    read = _counted(done, "read", probabilities(scores), one.latent)  # (H, T, rank)
    out = _counted(done, "outputs", read, one.w_v.mT)
    return Order(scores, out, done)


def naive_products(cfg: ModelConfig, n_new: int, n_total: int) -> dict[str, int]:
    """The multiply-adds of `naive` in one layer by formula, for `n_new` queries that see `n_total` tokens."""
    mla, pairs = cfg.mla, cfg.n_heads * n_new * n_total
    made = cfg.n_heads * n_total * mla.kv_lora_rank
    return {
        "keys": made * mla.qk_nope_head_dim,
        "values": made * mla.v_head_dim,
        "scores": pairs * mla.qk_nope_head_dim,
        "rope": pairs * mla.qk_rope_head_dim,
        "read": pairs * mla.v_head_dim,
    }


def absorbed_products(cfg: ModelConfig, n_new: int, n_total: int) -> dict[str, int]:
    """The same of `absorbed`."""
    mla, pairs = cfg.mla, cfg.n_heads * n_new * n_total
    taken = cfg.n_heads * n_new * mla.kv_lora_rank
    return {
        "queries": taken * mla.qk_nope_head_dim,
        "scores": pairs * mla.kv_lora_rank,
        "rope": pairs * mla.qk_rope_head_dim,
        "read": pairs * mla.kv_lora_rank,
        "outputs": taken * mla.v_head_dim,
    }


def kept_per_token(cfg: ModelConfig, dtype: str = "bf16") -> list[Kept]:
    """What the model's own cache keeps of a token, and what that of other attentions with the same heads would.

    Heads as many and as wide as the model's own: "mha" keeps a key and a value for each, "gqa" for each of its groups (the
    model's own number, else 8, or the largest below it that divides the heads), "mqa" for one, "mla" a latent and a
    rotary key, the model's own, else 4 heads and half a head wide (section 2.1.3). Sizes are those of caches that the core
    has allocated. Raises `InputError` for a model that keeps none.
    """
    if account(cfg).kv_bytes_per_token == 0:
        raise InputError("not_a_choice", field="structure", value=cfg.structure, allowed="decoder, prefix_decoder")
    d_value = cfg.mla.v_head_dim if cfg.mla else cfg.d_head
    own_heads = None if cfg.mla else cfg.n_kv_heads
    found = [_kept("own", KVCache.for_model(cfg, 1, 1, _type(dtype)), dtype, own_heads)]
    of_heads = {"mha": cfg.n_heads, "gqa": _groups(cfg), "mqa": 1}
    for kind, n_kv_heads in of_heads.items():
        if n_kv_heads is not None:
            store = Store((n_kv_heads, cfg.d_head), (n_kv_heads, d_value))
            found.append(_kept(kind, _cache(cfg, store, dtype), dtype, n_kv_heads))
    rank, d_rope = (cfg.mla.kv_lora_rank, cfg.mla.qk_rope_head_dim) if cfg.mla else (4 * cfg.d_head, cfg.d_head // 2)
    found.append(_kept("mla", _cache(cfg, Store((1, rank), (1, d_rope)), dtype), dtype, None))
    return found


def _cache(cfg: ModelConfig, store: Store, dtype: str) -> KVCache:
    return KVCache([store] * cfg.n_layers, 1, 1, _type(dtype))


def _kept(kind: str, cache: KVCache, dtype: str, n_kv_heads: int | None) -> Kept:
    return Kept(kind, cache.nbytes // BYTES[dtype], cache.nbytes, n_kv_heads)


def _type(dtype: str) -> torch.dtype:
    if dtype not in DTYPES:
        raise InputError("not_a_choice", field="dtype", value=dtype, allowed=", ".join(DTYPES))
    return DTYPES[dtype]


def _groups(cfg: ModelConfig) -> int | None:
    if cfg.attention == "gqa":
        return cfg.n_kv_heads
    possible = [count for count in range(2, min(8, cfg.n_heads - 1) + 1) if cfg.n_heads % count == 0]
    return possible[-1] if possible else None


def _counted(done: dict[str, int], name: str, left: Tensor, right: Tensor) -> Tensor:
    """left @ right; a product of (…, n, m) and (…, m, p) is n·m·p multiply-adds for each of its matrices."""
    product = left @ right
    done[name] = product.numel() * left.shape[-1]
    return product
