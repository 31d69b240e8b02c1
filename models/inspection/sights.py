"""The masks of the catalogue, as the core applies them, and what each lets through: allowed pairs, and their share of n²."""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.building import build
from models.choices import check_choice
from models.config import LayerConfig, ModelConfig, SparsePattern
from models.parts.masks import visibility
from models.taps import capture

BOTH_WAYS = ("band", "global", "dilated", "random", "block_local", "lsh", "kmeans")
"""Masks that decoders cut at the query; of the others, each looks back only or both ways by its nature."""
BY_CONTENT = ("lsh", "kmeans")
KINDS_OF_TOKENS = 12  # in the example that masks by content choose from


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """The numbers that masks take, each some of them; see `SparsePattern`. `prefix` is how many first tokens a prefix
    decoder shows to all, `n_groups` into how many buckets or clusters a mask by content sorts."""

    causal: bool = False
    window: int = 8
    dilation: int = 2
    n_global: int = 1
    block_size: int = 4
    n_blocks_before: int = 1
    n_random: int = 2
    seed: int = 0
    prefix: int = 6
    n_groups: int = 4


@torch.no_grad()
def sight(mask: str, n_tokens: int, numbers: Numbers) -> Tensor:
    """Who may look at whom among `n_tokens`, boolean (n_tokens, n_tokens), in one head.

    A mask by content chooses among example tokens of a few kinds, drawn with `seed`, in a small random model that has
    this mask: like tokens have like vectors.
    """
    check_choice("mask", mask)
    if mask in BY_CONTENT:
        return _by_content(mask, n_tokens, numbers)
    sparse = SparsePattern(
        dilation=numbers.dilation,
        n_global=numbers.n_global,
        block_size=numbers.block_size,
        n_blocks_before=numbers.n_blocks_before,
        n_random=numbers.n_random,
        seed=numbers.seed,
    )
    layer = LayerConfig(0, mask, numbers.window, causal=numbers.causal and mask in BOTH_WAYS)
    lengths = torch.tensor([min(numbers.prefix, n_tokens)])
    device = torch.device("cpu")
    view = visibility(layer, sparse, 0, n_tokens, None, None, device, lengths if mask == "prefix" else None)
    return view.allowed(torch.Size((n_tokens, n_tokens)), device).expand(1, 1, n_tokens, n_tokens)[0, 0]


def _by_content(mask: str, n_tokens: int, numbers: Numbers) -> Tensor:
    groups = {"n_hashes": 1, "n_buckets": 2 * ((numbers.n_groups + 1) // 2)} if mask == "lsh" else {}
    groups |= {"n_clusters": numbers.n_groups} if mask == "kmeans" else {}
    cfg = ModelConfig(
        structure="decoder" if numbers.causal else "encoder",
        head="none",
        position="none",
        vocab_size=KINDS_OF_TOKENS,
        max_seq_len=n_tokens,
        d_model=16,
        n_layers=1,
        n_heads=1,
        d_ff=16,
        mask_pattern=(mask,),
        window=min(numbers.window, n_tokens) if mask == "kmeans" else None,
        sparse=SparsePattern(block_size=numbers.block_size if mask == "lsh" else None, seed=numbers.seed, **groups),
    )
    generator = torch.Generator().manual_seed(numbers.seed)
    ids = torch.randint(0, KINDS_OF_TOKENS, (1, n_tokens), generator=generator)
    model = build(cfg, seed=numbers.seed)
    with capture("layers.0.attn.scores") as trace:
        model(ids)
    return trace["layers.0.attn.scores"][0, 0] > float("-inf")
