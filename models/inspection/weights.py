"""How an attention weight comes about: q·k, the scale, what positions add, the mask, the softmax over the row.

    with models.capture(*taps("layers.3.attn")) as trace:
        model(input_ids)
    layer = layer_attention(model, trace, "layers.3.attn")
    weight = weight_of(layer, head=1, query=7, key=4)

`path` names an attention in the model: "layers.3.attn", in an encoder-decoder "encoder.layers.3.attn" or
"decoder.layers.3.cross_attn", of two towers "text.layers.3.attn".
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from models.attend import probabilities
from models.inspection.turning import Turning, turning
from models.parts.latent_attention import MultiHeadLatentAttention
from models.parts.no_position import NoPosition
from models.parts.rotary import Rotary
from models.taps import Trace

TAPPED = ("q", "k", "v", "scores", "probs", "head_out", "global_q", "global_k", "global_v")
CERTAIN = 0.1  # a key that the softmax counts twice has log 2 = 0.69 added; rounding adds far less


@dataclass(frozen=True)
class LayerAttention:
    """All that the weights of one attention are made of, in one pass over one sequence.

    q (H, T, d_head), k (K, S, d_head) and v (K, S, d_value) as attention takes them, after the rotation; scale multiplies
    their product. scores and probs (H, T, S), head_out (H, T, d_value) as the pass had them. bias (H, T, S) is what ALiBi
    or T5 add, counts (H, T, S) how often the softmax meets a key (BigBird and Reformer as `transformers` has them); None
    where there is no such thing. turning tells the rotation. d_nope: how many first dimensions of a latent attention's
    head know no position, 0 otherwise. of_global: for Longformer's global tokens, which of the T they are, and their own
    q, k, v of those shapes.
    """

    q: Tensor
    k: Tensor
    v: Tensor
    scale: float
    scores: Tensor
    probs: Tensor
    head_out: Tensor
    bias: Tensor | None = None
    counts: Tensor | None = None
    turning: Turning | None = None
    d_nope: int = 0
    of_global: tuple[Tensor, Tensor, Tensor, Tensor] | None = None

    @property
    def allowed(self) -> Tensor:
        """Who may look at whom, boolean (H, T, S)."""
        return self.scores > float("-inf")

    def kv_head(self, head: int) -> int:
        """The key-value head that a query head reads."""
        return head * self.k.shape[0] // self.q.shape[0]

    def vectors(self, head: int, query: int) -> tuple[Tensor, Tensor, Tensor]:
        """q (d_head,), k (S, d_head) and v (S, d_value) that make the row of one query."""
        kv_head = self.kv_head(head)
        if self.of_global is not None and self.of_global[0][query]:
            _, q, k, v = self.of_global
            return q[head, query], k[kv_head], v[kv_head]
        return self.q[head, query], self.k[kv_head], self.v[kv_head]


@dataclass(frozen=True)
class Weight:
    """How one weight came about, in double precision from the pass's own q and k.

    components (d_head,) sum to product; product · scale + bias + log(count) is the score. product_unturned: what q·k is
    before the rotation, `product` itself without one. row (S,): the scores of all keys, -inf where the mask hides one;
    weight: the softmax's at the key; tapped: the probability that the pass itself had there.
    """

    components: Tensor
    product: float
    product_unturned: float
    scale: float
    bias: float
    count: float
    allowed: bool
    row: Tensor
    weights: Tensor
    weight: float
    tapped: float


def taps(path: str) -> tuple[str, ...]:
    """What to capture in a pass for `layer_attention`."""
    return tuple(f"{path}.{name}" for name in TAPPED)


@torch.no_grad()
def layer_attention(
    model: nn.Module, trace: Trace, path: str, batch: int = 0, position_ids: Tensor | None = None
) -> LayerAttention:
    """One attention of a captured pass, of sequence number `batch`; position_ids: as the pass got them, if it did."""
    q, k, v, scores, probs, head_out = (trace[f"{path}.{name}"][batch] for name in TAPPED[:6])
    part = model.get_submodule(path)
    is_latent = isinstance(part, MultiHeadLatentAttention)
    position = position_of(model, path)
    n_queries, n_keys = scores.shape[1:]
    bias = position.bias(range(n_queries), range(n_keys), scores.device)
    turns = None
    if isinstance(position, Rotary):
        positions = positions_of(n_keys, None if position_ids is None else position_ids[batch])
        turns = turning(position, positions, start=part.d_nope if is_latent else 0)
    layer = LayerAttention(
        q=q,
        k=k,
        v=v,
        scale=part.scale,
        scores=scores,
        probs=probs,
        head_out=head_out,
        bias=bias,
        turning=turns,
        d_nope=part.d_nope if is_latent else 0,
        of_global=_of_global(trace, path, getattr(part, "n_global", 0), batch),
    )
    return _with_counts(layer)


def position_of(model: nn.Module, path: str) -> NoPosition:
    """The position part of the stack that an attention is in; between two texts there is none."""
    stack, _, name = path.partition("layers.")
    return NoPosition() if name.endswith("cross_attn") else model.get_submodule(stack.rstrip(".")).position


def positions_of(n_places: int, position_ids: Tensor | None) -> Tensor:
    """Where tokens stand in the text and in their block, (2, S), from position ids (S,) or (2, S), or None for a pass that
    counts the places itself."""
    in_text = torch.arange(n_places) if position_ids is None else position_ids
    return in_text if in_text.dim() == 2 else torch.stack((in_text, torch.zeros_like(in_text)))


def weight_of(layer: LayerAttention, head: int, query: int, key: int) -> Weight:
    """How the weight of `key` for `query` came about."""
    q, k, _ = (vectors.double() for vectors in layer.vectors(head, query))
    products = k @ q  # (S,)
    allowed = layer.allowed[head, query]
    bias = torch.zeros_like(products) if layer.bias is None else layer.bias[head, query].double()
    count = torch.ones_like(products) if layer.counts is None else layer.counts[head, query].double()
    row = (products * layer.scale + bias + count.log()).masked_fill(~allowed, float("-inf"))
    weights = probabilities(row[None])[0]
    unturned = float(products[key])
    if layer.turning is not None:
        unturned = float(_unturned(layer, head, query) @ _unturned_keys(layer, head, query)[key])
    return Weight(
        components=q * k[key],
        product=float(products[key]),
        product_unturned=unturned,
        scale=layer.scale,
        bias=float(bias[key]),
        count=float(count[key]),
        allowed=bool(allowed[key]),
        row=row,
        weights=weights,
        weight=float(weights[key]),
        tapped=float(layer.probs[head, query, key]),
    )


def _unturned(layer: LayerAttention, head: int, query: int) -> Tensor:
    q = layer.vectors(head, query)[0].double()
    everywhere = q.expand(layer.turning.positions.shape[1], -1)
    return layer.turning.turned_back(everywhere)[query]


def _unturned_keys(layer: LayerAttention, head: int, query: int) -> Tensor:
    return layer.turning.turned_back(layer.vectors(head, query)[1].double())


def _of_global(trace: Trace, path: str, n_global: int, batch: int) -> tuple[Tensor, Tensor, Tensor, Tensor] | None:
    if f"{path}.global_q" not in trace:
        return None
    q, k, v = (trace[f"{path}.global_{name}"][batch] for name in "qkv")
    return torch.arange(q.shape[1]) < n_global, q, k, v


def _with_counts(layer: LayerAttention) -> LayerAttention:
    """The same with what the tapped scores have beside product and bias, if there is any: logarithms of counts."""
    n_heads = layer.q.shape[0]
    products = layer.q @ layer.k.repeat_interleave(n_heads // layer.k.shape[0], dim=0).mT * layer.scale  # (H, T, S)
    if layer.of_global is not None:
        rows, q, k, _ = layer.of_global
        products = torch.where(rows[:, None], q @ k.mT * layer.scale, products)
    beside = layer.scores - products - (0.0 if layer.bias is None else layer.bias)
    beside = beside.masked_fill(~layer.allowed, 0.0)
    if bool((beside < CERTAIN).all()):
        return layer
    return replace(layer, counts=beside.exp().round())
