"""Who may look at whom: the catalogue of masks, and what a pass makes of them.

A mask's pattern is a predicate over (query place, key place); `sparse_masks.py` has the sparse ones.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from models.config import LayerConfig, SparsePattern
from models.parts.sparse_masks import (
    Count,
    Predicate,
    band,
    bigbird,
    block_local,
    dilated,
    either,
    global_tokens,
    random_keys,
    star,
)


def everything() -> Predicate:
    """All tokens see all (BERT)."""
    return lambda q_pos, k_pos: torch.ones_like(q_pos + k_pos, dtype=torch.bool)


def causal() -> Predicate:
    """A token looks at itself and at what came before (GPT)."""
    return lambda q_pos, k_pos: k_pos <= q_pos


def recent(window: int) -> Predicate:
    """Not further back than the `window - 1` tokens before; cut at the query it is the sliding window of Mistral
    (arXiv:2310.06825, section 2)."""
    return lambda q_pos, k_pos: k_pos > q_pos - window


def prefix(length: Count) -> Predicate:
    """The first `length` tokens are seen by all, the later ones only by those after them (GLM, arXiv:2103.10360)."""
    return lambda q_pos, k_pos: (k_pos <= q_pos) | (k_pos < length)


@dataclass(frozen=True)
class Extent:
    """How long the sequences of a pass are, for the patterns that depend on it.

    n_tokens: of each sequence without its padding; n_places: of the batch; prefix: tokens of the prefix. Counts are
    (B, 1, 1, 1) where sequences may differ.
    """

    n_tokens: Count
    n_places: int
    prefix: Count = 0


@dataclass(frozen=True)
class Mask:
    """A mask of the catalogue.

    pattern: its predicate for a layer; whole_up_to: up to how many tokens in all it hides nothing, but the future in a
    causal layer: so far attention takes its shortcuts; 0 is a mask that has none. looks_back: no token sees a later one,
    in whichever layer. repeats: how often a key counts that the softmax meets several times, if there are such. reach:
    how far away a key may be that is seen, unless it or the query is among the first `n_global`; None: anywhere.
    """

    pattern: Callable[[LayerConfig, SparsePattern, Extent], Predicate]
    whole_up_to: Callable[[LayerConfig, SparsePattern], float]
    looks_back: bool = False
    repeats: Callable[[LayerConfig, SparsePattern, Extent], Predicate | None] = lambda layer, sparse, extent: None
    reach: Callable[[LayerConfig, SparsePattern], int | None] = lambda layer, sparse: None


def _random(layer: LayerConfig, sparse: SparsePattern, extent: Extent) -> Predicate:
    return random_keys(sparse.n_random, sparse.seed, extent.n_tokens, extent.n_places, layer.causal)


def _block_local_whole(layer: LayerConfig, sparse: SparsePattern) -> float:
    return sparse.block_size * (1 + sparse.n_blocks_before if layer.causal else 1)


def _bigbird(layer: LayerConfig, sparse: SparsePattern, extent: Extent) -> Predicate:
    if not sparse.like_transformers:
        return bigbird(sparse.block_size, sparse.n_random, sparse.seed, extent.n_tokens, extent.n_places)
    if extent.n_places <= _bigbird_whole(layer, sparse):
        return everything()
    return bigbird(sparse.block_size, 0, sparse.seed, extent.n_places, extent.n_places)


def _bigbird_whole(layer: LayerConfig, sparse: SparsePattern) -> float:
    return sparse.block_size * (5 + 2 * sparse.n_random if sparse.like_transformers else 4)


def _bigbird_repeats(layer: LayerConfig, sparse: SparsePattern, extent: Extent) -> Predicate | None:
    """Outside training `transformers` draws the first block `n_random` times for every block but the first and last."""
    if not sparse.like_transformers or extent.n_places <= _bigbird_whole(layer, sparse):
        return None
    last = (extent.n_places - 1) // sparse.block_size

    def count(q_pos: Tensor, k_pos: Tensor) -> Tensor:
        q_block, k_block = q_pos // sparse.block_size, k_pos // sparse.block_size
        return 1 + sparse.n_random * ((k_block == 0) & (q_block > 0) & (q_block < last))

    return count


def _half(layer: LayerConfig, sparse: SparsePattern) -> int:
    return layer.window // 2


def _near_whole(layer: LayerConfig, sparse: SparsePattern) -> float:
    """Tokens that one half of a two-sided window covers, the query's own included."""
    return layer.window // 2 + 1


def _with_global(layer: LayerConfig, sparse: SparsePattern, extent: Extent) -> Predicate:
    return either(band(layer.window), global_tokens(sparse.n_global))


def _content(layer: LayerConfig, sparse: SparsePattern, extent: Extent) -> Predicate:
    """What attention of this kind chooses from; the choice is its own, see `content_attention.py`."""
    return everything()


MASKS: dict[str, Mask] = {
    "causal": Mask(lambda layer, sparse, extent: everything(), lambda layer, sparse: math.inf, looks_back=True),
    "sliding": Mask(
        lambda layer, sparse, extent: recent(layer.window),
        lambda layer, sparse: layer.window,
        looks_back=True,
        reach=lambda layer, sparse: layer.window - 1,
    ),
    "bidirectional": Mask(lambda layer, sparse, extent: everything(), lambda layer, sparse: math.inf),
    "prefix": Mask(lambda layer, sparse, extent: prefix(extent.prefix), lambda layer, sparse: 0),
    "band": Mask(lambda layer, sparse, extent: band(layer.window), _near_whole, reach=_half),
    "global": Mask(
        lambda layer, sparse, extent: either(band(1), global_tokens(sparse.n_global)),
        lambda layer, sparse: sparse.n_global + 1,
    ),
    "dilated": Mask(
        lambda layer, sparse, extent: dilated(layer.window, sparse.dilation),
        lambda layer, sparse: 1 if sparse.dilation > 1 else _near_whole(layer, sparse),
        reach=lambda layer, sparse: _half(layer, sparse) * sparse.dilation,
    ),
    "random": Mask(_random, lambda layer, sparse: sparse.n_random + 1),
    "block_local": Mask(
        lambda layer, sparse, extent: block_local(sparse.block_size, sparse.n_blocks_before),
        _block_local_whole,
        reach=lambda layer, sparse: sparse.block_size * (1 + sparse.n_blocks_before) - 1,
    ),
    "longformer": Mask(_with_global, _near_whole, reach=_half),
    "bigbird": Mask(_bigbird, _bigbird_whole, repeats=_bigbird_repeats),
    "star": Mask(lambda layer, sparse, extent: star(layer.window, sparse.n_global, extent.n_tokens), _near_whole),
    "etc": Mask(_with_global, _near_whole, reach=_half),
    "lsh": Mask(_content, lambda layer, sparse: 0),
    "kmeans": Mask(_content, lambda layer, sparse: 0),
}
WITH_GLOBAL = ("longformer", "etc")  # a window, and first tokens that see and are seen by all


@dataclass(frozen=True)
class Visibility:
    """What the queries of one pass may see, in the form that attention takes it.

    `mask` is None, boolean (True = may look) or float (added to the scores), and broadcasts to (B, H, T, S). With
    `is_causal`, and `mask` None, each of the T = S tokens looks at itself and before. With `reach`, the mask is known to
    hide every key further away than that from its query, but for keys and queries of the first `n_global` tokens.
    """

    mask: Tensor | None = None
    is_causal: bool = False
    reach: int | None = None
    n_global: int = 0

    def apply(self, scores: Tensor) -> Tensor:
        """`scores` (B, H, T, S) with the bias added and what may not be seen at -inf."""
        if self.mask is not None and self.mask.dtype != torch.bool:
            return scores + self.mask
        if self.mask is None and not self.is_causal:
            return scores
        return scores.masked_fill(~self.allowed(scores.shape, scores.device), float("-inf"))

    def allowed(self, shape: torch.Size, device: torch.device) -> Tensor:
        """Who may look at whom, boolean, also where it goes without a mask; `shape` ends in (T, S), so does the answer's."""
        if self.mask is None:
            everyone = torch.ones(shape[-2:], dtype=torch.bool, device=device)
            return everyone.tril() if self.is_causal else everyone
        return self.mask if self.mask.dtype == torch.bool else self.mask > float("-inf")

    def narrowed(self, allowed: Tensor) -> "Visibility":
        """The same without what `allowed` (…, T, S), boolean, leaves out."""
        if self.mask is None or self.mask.dtype == torch.bool:
            mask = self.allowed(allowed.shape, allowed.device) & allowed
        else:
            mask = self.mask.masked_fill(~allowed, float("-inf"))
        return replace(self, mask=mask, is_causal=False)

    def widened(self, also: Tensor) -> "Visibility":
        """The same with what `also` (…, T, S), boolean, adds."""
        allowed = self.allowed(also.shape, also.device)
        if self.mask is None or self.mask.dtype == torch.bool:
            return Visibility(allowed | also)
        return Visibility(self.mask.masked_fill(also & ~allowed, 0.0))

    def repeated(self, counts: Tensor) -> "Visibility":
        """The same with each key counted `counts` (…, T, S) times in the softmax, where it is seen: exp(score) counted c
        times is exp(score + log c)."""
        often = counts.clamp(min=1).log()
        if self.mask is not None and self.mask.dtype != torch.bool:
            return Visibility(self.mask + often.to(self.mask.dtype))
        return Visibility(torch.where(self.allowed(counts.shape, counts.device), often, float("-inf")))


def visibility(
    layer: LayerConfig,
    sparse: SparsePattern | None,
    n_past: int,
    n_new: int,
    attention_mask: Tensor | None,
    bias: Tensor | None,
    device: torch.device,
    prefix_lengths: Tensor | None = None,
) -> Visibility:
    """What `n_new` tokens after `n_past` cached ones see in a layer.

    attention_mask: (B, S) with 1 = token and 0 = padding; or (B, 1, T, S), boolean or float, which replaces the layer's
    own mask; bias: (H, T, S), added to the scores. S = n_past + n_new. prefix_lengths: (B,), how many tokens of each
    sequence the mask "prefix" shows to all, by default none. Patterns count their places from a sequence's first token,
    so that padding on either side changes nothing. Nobody sees padding; a query there that sees no token reads nothing.
    """
    if attention_mask is not None and attention_mask.dim() == 4:
        return Visibility(_with_bias(attention_mask, bias))
    if attention_mask is not None and device.type != "meta" and bool(attention_mask.all()):
        attention_mask = None
    sparse = SparsePattern() if sparse is None else sparse
    n_total = n_past + n_new
    mask = MASKS[_kind(layer, n_new, n_total, prefix_lengths)]
    looks_back = layer.causal or mask.looks_back
    if attention_mask is None and bias is None and n_total <= mask.whole_up_to(layer, sparse):
        if n_new == 1 or not looks_back:
            return Visibility()
        if n_past == 0:
            return Visibility(is_causal=True)
    q_pos = torch.arange(n_past, n_total, device=device, dtype=torch.int32)[:, None]  # (T, 1)
    k_pos = torch.arange(n_total, device=device, dtype=torch.int32)[None, :]  # (1, S)
    start, extent = _measure(n_total, attention_mask, prefix_lengths)
    allowed = mask.pattern(layer, sparse, extent)(q_pos - start, k_pos - start)  # (T, S) or (B, 1, T, S)
    if looks_back:
        allowed = allowed & causal()(q_pos, k_pos)
    if attention_mask is not None:
        allowed = allowed & attention_mask.to(torch.bool)[:, None, None, :]  # (B, 1, T, S)
    reach = mask.reach(layer, sparse)
    n_global = sparse.n_global if layer.mask in WITH_GLOBAL else 0
    if attention_mask is not None and n_global:
        reach = None  # with padding before them, the first tokens are not at the first places
    view = Visibility(_with_bias(allowed, bias), reach=reach, n_global=n_global)
    repeats = mask.repeats(layer, sparse, extent)
    return view if repeats is None else view.repeated(repeats(q_pos - start, k_pos - start))


def _kind(layer: LayerConfig, n_new: int, n_total: int, prefix_lengths: Tensor | None) -> str:
    """The mask's name; a prefix that is empty or all there is is one of the simpler masks."""
    if layer.mask != "prefix":
        return layer.mask
    if prefix_lengths is None or n_new == 1:
        return "causal"
    covers_all = prefix_lengths.device.type != "meta" and bool((prefix_lengths >= n_total).all())
    return "bidirectional" if covers_all else "prefix"


def _measure(n_places: int, attention_mask: Tensor | None, prefix_lengths: Tensor | None) -> tuple[Count, Extent]:
    """Where each sequence starts, and the lengths that patterns depend on."""
    length = 0 if prefix_lengths is None else prefix_lengths[:, None, None, None]  # (B, 1, 1, 1)
    if attention_mask is None:
        return 0, Extent(n_places, n_places, length)
    is_token = attention_mask.to(torch.uint8)[:, None, None, :]  # (B, 1, 1, S)
    start = is_token.argmax(dim=-1, keepdim=True)  # (B, 1, 1, 1)
    end = n_places - is_token.flip(-1).argmax(dim=-1, keepdim=True)  # (B, 1, 1, 1)
    return start, Extent(end - start, n_places, length)


def _with_bias(mask: Tensor, bias: Tensor | None) -> Tensor:
    if bias is None:
        return mask
    if mask.dtype == torch.bool:
        return torch.where(mask, bias, float("-inf"))
    return mask + bias
