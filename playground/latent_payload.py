"""What latent attention keeps and saves, as plain values: for the model in hand, or for one that has it as an example."""

import torch

import models
from models.account import BYTES
from models.inspection.groups import groups_of
from models.inspection.latents import (
    DTYPES,
    Latent,
    absorbed,
    absorbed_products,
    kept_per_token,
    latent_of,
    naive,
    naive_products,
)
from models.inspection.weights import layer_attention, taps
from playground.attention_subject import Looked, looked_at

EXAMPLE = "deepseek-v3-mini"  # for models without latent attention
CONTEXTS = (1, 64, 1024, 8192, 131_072)  # tokens that a decoding step sees, in the table of products


def example(looked: Looked, asked: dict) -> Looked:
    """Whose absorption is shown: the model's, or of one without latent attention that of `EXAMPLE` on the same text."""
    if looked.loaded.config.mla is not None:
        return looked
    return looked_at({**asked, "design": EXAMPLE, "second": "", "written": None})


def latents(looked: Looked, shown: Looked, at: tuple[str, int, int]) -> dict:
    """The cache of a token of `looked`, and both orders of one layer of `shown`; the caller has a turn."""
    return {
        "title": looked.known.name,
        "cache": _cache(looked.loaded.config),
        "example": None if shown is looked else {"name": EXAMPLE, "title": shown.known.name},
        "trained": shown.known.trained,
        "orders": _orders(shown.loaded, shown.inputs.arguments, at),
    }


def _cache(config: models.ModelConfig) -> dict | None:
    """None for a model that keeps nothing of what it has read."""
    if config.structure not in ("decoder", "prefix_decoder", "encoder_decoder"):
        return None
    kept = [
        {"kind": one.kind, "numbers": one.numbers, "bytes": {"bf16": one.nbytes}, "n_kv_heads": one.n_kv_heads}
        for one in kept_per_token(config)
    ]
    for dtype in DTYPES:
        for line, one in zip(kept, kept_per_token(config, dtype), strict=True):
            line["bytes"][dtype] = one.nbytes
    mla = config.mla
    return {
        "kept": kept,
        "account": {dtype: models.account(config, dtype=dtype).kv_bytes_per_token for dtype in DTYPES},
        "n_layers": config.n_layers,
        "n_heads": config.n_heads,
        "d_head": config.d_head,
        "d_value": mla.v_head_dim if mla else config.d_head,
        "attention": config.attention,
        "rank": mla.kv_lora_rank if mla else 4 * config.d_head,
        "d_rope": mla.qk_rope_head_dim if mla else config.d_head // 2,
        "sizes": {dtype: BYTES[dtype] for dtype in DTYPES},
    }


@torch.inference_mode()
def _orders(loaded: models.Loaded, arguments: dict[str, torch.Tensor], at: tuple[str, int, int]) -> dict:
    config, (_, index, head) = loaded.config, at
    path = groups_of(config)[0].path(index)
    with models.capture(*taps(path)) as trace:
        loaded.model(**arguments)
    layer = layer_attention(loaded.model, trace, path)
    whole = latent_of(loaded.model, index, layer, arguments)
    n_tokens = whole.latent.shape[0]
    passes = {"pass": whole, "step": whole.newest()}
    return {
        "layer": index,
        "head": head,
        "n_tokens": n_tokens,
        "sizes": {
            "n_heads": config.n_heads,
            "rank": config.mla.kv_lora_rank,
            "d_nope": config.mla.qk_nope_head_dim,
            "d_rope": config.mla.qk_rope_head_dim,
            "d_value": config.mla.v_head_dim,
        },
        "passes": {name: _compared(one, config) for name, one in passes.items()},
        "longer": [
            {
                "context": context,
                "naive": sum(naive_products(config, 1, context).values()),
                "absorbed": sum(absorbed_products(config, 1, context).values()),
            }
            for context in CONTEXTS
        ],
        "flops": _flops(config),
    }


def _compared(one: Latent, config: models.ModelConfig) -> dict:
    """Both orders on the same numbers: products counted and by formula, and how far the results are apart."""
    first, second = naive(one), absorbed(one)
    exact = one.double()
    exact_first, exact_second = naive(exact), absorbed(exact)
    n_new, n_total = one.q.shape[1], one.latent.shape[0]
    formulas = naive_products(config, n_new, n_total), absorbed_products(config, n_new, n_total)
    return {
        "n_new": n_new,
        "naive": first.products,
        "absorbed": second.products,
        "agree": (first.products, second.products) == formulas,
        "apart": float((first.out - second.out).abs().max()),
        "apart_double": float((exact_first.out - exact_second.out).abs().max()),
        "largest": float(first.out.abs().max()),
    }


def _flops(config: models.ModelConfig) -> dict:
    """The account's own figures for a decoding step at the model's whole context."""
    figures = models.account(config).figures
    return {name: figures[name].value for name in ("flops_per_token", "flops_per_token_naive")}
