"""The published mixtures: what each holds and what a token meets of it, from the account of its configuration."""

from functools import cache

import models

CONTEXT = 4096
DENSE = ("llama3-8b", "llama2-70b", "llama3.1-405b")  # without experts, to compare with


@cache
def published_sizes() -> tuple[dict, ...]:
    """A row a model, the smallest first: parameters, bytes of the weights in each number format, and, for a decoding step
    that reads `CONTEXT` tokens (or the whole context, where it is shorter), FLOPs and bytes of the cache."""
    names = [name for name in models.presets() if not name.endswith("-mini") and models.preset(name).moe is not None]
    return tuple(sorted((_row(name) for name in (*names, *DENSE)), key=lambda row: row["params"]))


def _row(name: str) -> dict:
    cfg, about = models.preset(name), models.preset_info(name)
    context = min(CONTEXT, cfg.max_seq_len)
    account = models.account(cfg, context=context)
    moe = cfg.moe
    sparse = [cfg.layer(i).sparse for i in range(cfg.n_layers)]
    sparse += [cfg.encoder_layer(i).sparse for i in range(cfg.n_encoder_layers or 0)]
    return {
        "name": name,
        "title": about.title,
        "year": about.year,
        "params": account.params,
        "active": account.active_params,
        "memory": account.memory,
        "flops": account.flops_per_token,
        "kv": account.kv_bytes,
        "context": context,
        "n_layers": len(sparse),
        "n_sparse": sum(sparse),
        "moe": None if moe is None else [moe.n_experts, moe.n_experts_per_token, moe.n_shared_experts, moe.d_expert],
    }
