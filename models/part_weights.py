"""How many parameters each kind of part has, as formulas: one small function for each.

A function takes the sizes of a stack and returns the `Weights` of the part: none where the stack has no such part, several
where layers differ or where not all of it multiplies the same vectors. A new kind of part is a function and a line in a
dict at the foot.
"""

from collections.abc import Callable
from dataclasses import replace

from models.config import ModelConfig
from models.formula import Formula, grouped, named, total
from models.sizes import StackSizes, Weights

# Inputs


def _tok_embed(stack: StackSizes) -> list[Weights]:
    return [] if stack.cfg.image else [Weights(vectors=stack.s.vocab_size * stack.s.d_model)]


def _patch_embed(stack: StackSizes) -> list[Weights]:
    if stack.cfg.image is None:
        return []
    s = stack.s
    matrix = s.d_model * s.n_channels * s.patch_size.squared()
    return [Weights(matrix, s.d_model if stack.cfg.image.bias else None, reads="patch")]


def _class_token(stack: StackSizes) -> list[Weights]:
    return [Weights(vectors=stack.s.d_model)] if stack.cfg.image else []


def _segment_embed(stack: StackSizes) -> list[Weights]:
    return [Weights(vectors=stack.s.n_segments * stack.s.d_model)] if stack.cfg.n_segments else []


def _embed_norm(stack: StackSizes) -> list[Weights]:
    return [Weights(vectors=_norm(stack))] if stack.cfg.embed_norm else []


def _position(stack: StackSizes) -> list[Weights]:
    cfg, s = stack.cfg, stack.s
    if cfg.position == "none":
        return []
    if cfg.position == "axial":
        (rows, columns), (d_rows, d_columns) = cfg.axial_shape, cfg.axial_dims
        table = _number(rows) * _number(d_rows) + _number(columns) * _number(d_columns)
    elif cfg.position == "relative":
        table = s.relative_buckets * s.n_heads
    elif cfg.position in ("learned", "learned_2d"):
        table = s.n_positions * s.d_model
        table = 2 * table if cfg.position == "learned_2d" else table
    else:
        return [Weights()]  # computed, not trained
    return [Weights(vectors=table)]


# Attention


def _attn(stack: StackSizes) -> list[Weights]:
    return [w for kind, copies in stack.kinds_of_attention().items() for w in ATTENTIONS[kind](stack, copies)]


def _multi_head(stack: StackSizes, copies: Formula) -> list[Weights]:
    cfg, s = stack.cfg, stack.s
    matrices = s.d_model * (s.n_heads + 2 * s.n_kv_heads) * s.d_head + s.n_heads * s.d_head * s.d_model
    biased_heads = [s.n_heads] if "q" in cfg.biases else []
    if n_biased_maps := ("k" in cfg.biases) + ("v" in cfg.biases):
        biased_heads.append(n_biased_maps * s.n_kv_heads if n_biased_maps > 1 else s.n_kv_heads)
    vectors = [total(biased_heads) * s.d_head] if biased_heads else []
    if "o" in cfg.biases:
        vectors.append(s.d_model)
    return [Weights(matrices, _maybe(vectors), copies=copies)]


def _latent(stack: StackSizes, copies: Formula) -> list[Weights]:
    cfg, s = stack.cfg, stack.s
    d_query = s.n_heads * s.d_head
    queries = s.d_model * s.q_lora_rank + s.q_lora_rank * d_query if cfg.mla.q_lora_rank else s.d_model * d_query
    down = s.d_model * (s.kv_lora_rank + s.qk_rope_head_dim)
    output = s.n_heads * s.v_head_dim * s.d_model
    matrices = queries + down + latent_up(stack) + output
    return [Weights(matrices, s.d_model if "o" in cfg.biases else None, copies=copies)]


def latent_up(stack: StackSizes) -> Formula:
    """The map of latent attention from the latent to all heads' keys and values, in one layer."""
    s = stack.s
    return s.kv_lora_rank * s.n_heads * (s.qk_nope_head_dim + s.v_head_dim)


def _longformer(stack: StackSizes, copies: Formula) -> list[Weights]:
    """Beside the usual maps, three for tokens that see and are seen by all; a plain pass has no such tokens."""
    cfg, s = stack.cfg, stack.s
    n_biased = sum(name in cfg.biases for name in ("q", "k", "v"))
    width = s.n_heads * s.d_head
    biases = n_biased * width if n_biased else None
    return _multi_head(stack, copies) + [Weights(3 * s.d_model * width, biases, copies=copies, reads=None)]


def _lsh(stack: StackSizes, copies: Formula) -> list[Weights]:
    """One map gives queries and keys; each hash compares them with random directions, which are not trained."""
    cfg, s = stack.cfg, stack.s
    width = s.n_heads * s.d_head
    vectors = [width for maps in ("qk", "v") if any(name in cfg.biases for name in maps)]
    if "o" in cfg.biases:
        vectors.append(s.d_model)
    directions = width * s.n_hashes * s.n_buckets.shared_by(_number(2))
    own = Weights(2 * s.d_model * width + width * s.d_model, _maybe(vectors), copies=copies)
    return [own, Weights(borrowed=directions, copies=copies)]


def _kmeans(stack: StackSizes, copies: Formula) -> list[Weights]:
    """Queries and keys are compared with centroids, which follow them by a moving average, and are not trained."""
    s = stack.s
    centroids = s.n_heads * s.n_clusters * s.d_head
    return _multi_head(stack, copies) + [Weights(borrowed=2 * centroids, copies=copies)]


def _cross_attn(stack: StackSizes) -> list[Weights]:
    if not stack.cross:
        return []
    cfg, s = stack.cfg, stack.s
    d_query, d_key = s.n_heads * s.d_head, s.n_kv_heads * s.d_head
    own = [d_query for name in ("q",) if name in cfg.biases] + [s.d_model for name in ("o",) if name in cfg.biases]
    remembered = [d_key for name in ("k", "v") if name in cfg.biases]
    return [
        Weights(s.d_model * d_query + d_query * s.d_model, _maybe(own), copies=stack.n_layers),
        Weights(2 * s.d_model * d_key, _maybe(remembered), copies=stack.n_layers, reads="memory"),
    ]


# Feed-forward


def _ffn(stack: StackSizes) -> list[Weights]:
    moe = stack.cfg.moe
    n_layers = stack.depth - (0 if moe is not None and moe.expert == "lora" else stack.n_sparse)
    return [_mlp(stack, stack.s.d_ff, stack.share("n_dense", n_layers))] if n_layers else []


def _mlp(stack: StackSizes, width: Formula, copies: Formula, **options) -> Weights:
    s, n_inputs = stack.s, 2 if stack.cfg.ffn == "gated" else 1
    inner = n_inputs * width if n_inputs > 1 else width
    biases = inner + s.d_model if "ffn" in stack.cfg.biases else None
    return Weights((n_inputs + 1) * s.d_model * width, biases, copies=copies, **options)


def _sparse_layers(stack: StackSizes) -> Formula:
    return stack.share("n_sparse", stack.n_sparse)


def _router(stack: StackSizes) -> list[Weights]:
    moe, s = stack.cfg.moe, stack.s
    if not stack.n_sparse:
        return []
    copies = _sparse_layers(stack)
    if moe.mixing == "slots":
        slots = s.n_experts * s.slots_per_expert * s.d_model
        # Tokens are scored against the slots, then mixed into them, and out of them again.
        return [Weights(slots, copies=copies), Weights(borrowed=2 * slots, copies=copies)]
    matrix = s.n_experts * s.d_model
    reads = "sequence" if moe.mixing == "merged" else "token"
    noise = [Weights(matrix, copies=copies, reads=None)] if moe.router == "noisy_topk" else []  # in training only
    return [Weights(matrix, copies=copies, reads=reads), *noise]


def _experts(stack: StackSizes) -> list[Weights]:
    moe, s = stack.cfg.moe, stack.s
    if not stack.n_sparse:
        return []
    copies = _sparse_layers(stack)
    if moe.expert == "lora":
        n_maps = 3 if stack.cfg.ffn == "gated" else 2
        pairs = n_maps * s.lora_rank * (s.d_model + s.d_ff)
        return [Weights(pairs, copies=copies, times=s.n_experts, chosen=s.n_experts_per_token)]
    expert = _mlp(stack, s.d_expert, copies, times=s.n_experts, chosen=s.n_experts_per_token)
    if moe.mixing == "merged":  # all are added into one for each sequence, which its tokens then use
        return [replace(expert, reads="sequence"), Weights(borrowed=expert.matrices, copies=copies)]
    return [replace(expert, reads="slot")] if moe.mixing == "slots" else [expert]


def _shared_experts(stack: StackSizes) -> list[Weights]:
    if not stack.n_sparse or not stack.cfg.moe.n_shared_experts:
        return []
    return [_mlp(stack, stack.s.n_shared_experts * stack.s.d_expert, _sparse_layers(stack))]


# Norms and heads


def _norms(stack: StackSizes) -> list[Weights]:
    n_norms = NORMS_PER_LAYER[stack.cfg.block]
    if stack.cross:
        n_norms += 2 if stack.cfg.block == "sandwich" else 1
    return [Weights(vectors=_layer_norms(stack, n_norms), copies=stack.n_layers)]


def _layer_norms(stack: StackSizes, n_norms: int) -> Formula:
    cfg, s = stack.cfg, stack.s
    vectors = _number(n_norms) * _norm(stack)
    if cfg.qk_norm:
        vectors = vectors + 2 * s.d_head
    if cfg.mla is not None:
        vectors = vectors + (s.q_lora_rank + s.kv_lora_rank if cfg.mla.q_lora_rank else s.kv_lora_rank)
    return vectors


def _final_norm(stack: StackSizes) -> list[Weights]:
    if not stack.cfg.final_norm:
        return []
    norm = _norm(stack)
    return [Weights(vectors=2 * norm if stack.cfg.block == "reversible" else norm)]


def _norm(stack: StackSizes) -> Formula:
    d_model = stack.s.d_model
    return d_model + d_model if "norm" in stack.cfg.biases else d_model


def _head_width(stack: StackSizes) -> Formula:
    return 2 * stack.s.d_model if stack.cfg.block == "reversible" else stack.s.d_model


def _lm_head(stack: StackSizes) -> list[Weights]:
    cfg, s = stack.cfg, stack.s
    if cfg.head != "lm":
        return []
    table = s.vocab_size * _head_width(stack)
    bias = s.vocab_size if "head" in cfg.biases else None
    return [Weights(vectors=bias, borrowed=table) if cfg.tie_embeddings else Weights(table, bias)]


def _mlm_head(stack: StackSizes) -> list[Weights]:
    cfg, s = stack.cfg, stack.s
    if cfg.head not in ("mlm", "mlm_nsp"):
        return []
    before = Weights(s.d_model * s.d_model, s.d_model + 2 * s.d_model)
    table = s.vocab_size * s.d_model
    after = Weights(vectors=s.vocab_size, borrowed=table) if cfg.tie_embeddings else Weights(table, s.vocab_size)
    return [before, after]


def _pooler(stack: StackSizes) -> list[Weights]:
    width = _head_width(stack)
    return [Weights(width * width, width, reads="sequence")] if stack.cfg.pooler else []


def _nsp_head(stack: StackSizes) -> list[Weights]:
    two = _number(2)
    return [Weights(two * _head_width(stack), two, reads="sequence")] if stack.cfg.head == "mlm_nsp" else []


def _classifier(stack: StackSizes) -> list[Weights]:
    if stack.cfg.head != "classification":
        return []
    n_classes = stack.s.n_classes
    return [Weights(n_classes * _head_width(stack), n_classes, reads="sequence")]


def _mtp(stack: StackSizes) -> list[Weights]:
    """Each depth: two norms and a map on what goes in, a layer, a norm; embedding and head are the model's own."""
    cfg, s = stack.cfg, stack.s
    layers = [cfg.layer(cfg.n_layers + depth) for depth in range(cfg.mtp_depth)]
    counted: list[Weights] = []
    for attention, sparse in dict.fromkeys((layer.attention, layer.sparse) for layer in layers):
        count = sum((layer.attention, layer.sparse) == (attention, sparse) for layer in layers)
        copies = s.mtp_depth if count == cfg.mtp_depth else _number(count)
        one = replace(stack, depth=1, n_layers=copies, cfg=cfg if sparse else cfg.replace(moe=None))
        one = replace(one, cfg=_starting_sparse(one.cfg))
        norms = _layer_norms(stack, NORMS_PER_LAYER[cfg.block] + 3)
        counted.append(Weights(2 * s.d_model * s.d_model, norms, copies=copies))
        counted += ATTENTIONS[attention](one, copies)
        counted += [*_ffn(one), *_router(one), *_experts(one), *_shared_experts(one)]
    return [replace(weights, reads=None) for weights in counted if weights.count.value]


def _starting_sparse(cfg: ModelConfig) -> ModelConfig:
    """`cfg` with experts from its first layer on."""
    return cfg if cfg.moe is None else cfg.replace(moe=replace(cfg.moe, first_dense=0, every=1, offset=0))


def _text_projection(stack: StackSizes) -> list[Weights]:
    return [Weights(_number(stack.cfg.d_projection) * stack.s.d_model, reads="sequence")]


def _vision_projection(stack: StackSizes) -> list[Weights]:
    width = named("vision_tower.d_model", stack.cfg.vision_tower.d_model)
    return [Weights(_number(stack.cfg.d_projection) * width, reads="sequence")]


def _logit_scale(stack: StackSizes) -> list[Weights]:
    return [Weights(vectors=_number(1))]


def _number(value: int) -> Formula:
    return named(grouped(value), value)


def _maybe(terms: list[Formula]) -> Formula | None:
    return total(terms) if terms else None


ATTENTIONS: dict[str, Callable[[StackSizes, Formula], list[Weights]]] = {
    "mha": _multi_head,
    "gqa": _multi_head,
    "mqa": _multi_head,
    "mla": _latent,
    "longformer": _longformer,
    "lsh": _lsh,
    "kmeans": _kmeans,
}
NORMS_PER_LAYER: dict[str, int] = {"pre": 2, "post": 2, "sandwich": 4, "deepnorm": 2, "parallel": 1, "reversible": 2}

# Key of a part → the kind that gives its colour, and the function that counts it.
Counts = dict[str, tuple[str, Callable[[StackSizes], list[Weights]]]]
TABLES: Counts = {"tok_embed": ("embedding", _tok_embed)}
INPUTS: Counts = {
    "patch_embed": ("embedding", _patch_embed),
    "class_token": ("embedding", _class_token),
    "segment_embed": ("embedding", _segment_embed),
    "embed_norm": ("norm", _embed_norm),
}
LAYERS: Counts = {
    "position": ("position", _position),
    "attn": ("attention", _attn),
    "cross_attn": ("attention", _cross_attn),
    "ffn": ("ffn", _ffn),
    "router": ("expert", _router),
    "experts": ("expert", _experts),
    "shared": ("expert", _shared_experts),
    "norms": ("norm", _norms),
    "final_norm": ("norm", _final_norm),
}
HEADS: Counts = {
    "pooler": ("embedding", _pooler),
    "lm_head": ("embedding", _lm_head),
    "mlm_head": ("embedding", _mlm_head),
    "nsp_head": ("embedding", _nsp_head),
    "classifier": ("embedding", _classifier),
    "mtp": ("ffn", _mtp),
}
TOWERS: Counts = {
    "text_projection": ("embedding", _text_projection),
    "vision_projection": ("embedding", _vision_projection),
    "logit_scale": ("embedding", _logit_scale),
}
PARTS: Counts = TABLES | INPUTS | LAYERS | HEADS | TOWERS
"""Every part by its key, without the stack's prefix."""
