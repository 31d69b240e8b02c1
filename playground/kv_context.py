"""How a KV cache grows with the context: one curve for each kind of attention, in a model's own sizes, and for known models.

A curve is three numbers, from which the browser draws it for any batch, number format and window without asking again.
"""

from dataclasses import dataclass
from functools import cache

import models
from models.account import BYTES
from models.config import ModelConfig
from models.errors import InputError

KINDS = ("own", "mha", "gqa", "mqa", "mla", "sliding")
NAMED = (
    "gpt3-175b",
    "llama1-7b",
    "llama2-70b",
    "llama3.1-405b",
    "qwen3-235b-a22b",
    "glm-4-9b-chat",
    "mixtral-8x7b",
    "deepseek-v3",
)
MEMORIES = (8, 16, 24, 40, 80, 141, 192)  # of common accelerators, in units of 2³⁰ bytes, as their tools report them
GENERATES = ("decoder", "prefix_decoder", "encoder_decoder")
USUAL_KV_HEADS = 8  # of grouped-query attention, where the model has none of its own


@dataclass(frozen=True)
class Curve:
    """Numbers that a cache keeps: `growing` for every token, `windowed` for each of the last `window` tokens.

    `window` is None where the reader chooses it. `n_kv_heads` is how many heads of keys and values there are (None: a
    latent). `params` are the weights that the cache is compared with; `own` says that the model itself is like this.
    """

    key: str
    growing: int
    windowed: int
    window: int | None
    n_kv_heads: int | None
    params: int
    own: bool = False

    def kv_bytes(self, context: int, window: int, batch: int = 1, dtype: str = "bf16") -> int:
        """Bytes of the cache of `batch` sequences of `context` tokens; `window` where the curve has none of its own."""
        kept = min(context, self.window or window)
        return BYTES[dtype] * batch * (self.growing * context + self.windowed * kept)


def check_generates(cfg: ModelConfig) -> None:
    """Raises `InputError` for a model that writes no text and so keeps no cache."""
    if cfg.structure not in GENERATES:
        raise InputError("not_a_choice", field="structure", value=cfg.structure, allowed=", ".join(GENERATES))


def curves_of(cfg: ModelConfig) -> list[Curve]:
    """The kinds of attention in the sizes of `cfg`, every layer causal; and the model itself, if it has other masks."""
    check_generates(cfg)
    params = models.account(cfg).params
    n_sliding = _n_sliding(cfg)
    d_key, d_value = cfg.d_head, cfg.mla.v_head_dim if cfg.mla else cfg.d_head
    found = [_as_it_is("own", cfg, own=True)] if n_sliding else []
    for kind, n_kv_heads in (("mha", cfg.n_heads), ("gqa", _groups(cfg)), ("mqa", 1)):
        if n_kv_heads is not None:
            own = cfg.attention == kind and not n_sliding
            growing = _layers(cfg) * n_kv_heads * (d_key + d_value)
            found.append(Curve(kind, growing, 0, None, n_kv_heads, params, own))
    own = cfg.attention == "mla" and not n_sliding
    found.append(Curve("mla", _layers(cfg) * _latent(cfg), 0, None, None, params, own))
    found.append(Curve("sliding", 0, _entries(cfg), None, None if cfg.mla else cfg.n_kv_heads, params))
    return found


@cache
def named_curves() -> tuple[Curve, ...]:
    """Known models as they are, each beside its own weights."""
    return tuple(_as_it_is(name, models.preset(name)) for name in NAMED)


def _as_it_is(key: str, cfg: ModelConfig, own: bool = False) -> Curve:
    entries, n_sliding = _entries(cfg), _n_sliding(cfg)
    windowed = entries * n_sliding // cfg.n_layers
    heads = None if cfg.mla else cfg.n_kv_heads
    return Curve(key, entries - windowed, windowed, cfg.window, heads, models.account(cfg).params, own)


def _entries(cfg: ModelConfig) -> int:
    """Numbers that all layers keep of a token; an encoder-decoder keeps as many again of each token that it reads."""
    per_token = models.account(cfg, dtype="int8").kv_bytes_per_token
    return per_token * 2 if cfg.structure == "encoder_decoder" else per_token


def _layers(cfg: ModelConfig) -> int:
    return cfg.n_layers * (2 if cfg.structure == "encoder_decoder" else 1)


def _n_sliding(cfg: ModelConfig) -> int:
    return sum(cfg.layer(index).mask == "sliding" for index in range(cfg.n_layers))


def _groups(cfg: ModelConfig) -> int | None:
    """The model's own key-value heads if it groups them, else the usual number, or the largest possible below it."""
    if cfg.attention == "gqa":
        return cfg.n_kv_heads
    possible = [count for count in range(2, min(USUAL_KV_HEADS, cfg.n_heads - 1) + 1) if cfg.n_heads % count == 0]
    return possible[-1] if possible else None


def _latent(cfg: ModelConfig) -> int:
    """The model's own latent, else as DeepSeek-V2 chooses it (section 2.1.3): four heads wide, and half a head for RoPE."""
    if cfg.mla:
        return cfg.mla.kv_lora_rank + cfg.mla.qk_rope_head_dim
    return 4 * cfg.d_head + cfg.d_head // 2
