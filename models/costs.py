"""What a pass costs and what a cache holds, as formulas over a model's parts and stacks.

A FLOP is one multiplication or one addition within a matrix product; norms, softmax and activations are left out. A pass
computes context × context scores in every layer: a mask hides scores, it does not save the pass from computing them.
"""

from models.config import ModelConfig
from models.formula import Formula, named, smaller, total
from models.parameters import PartWeights
from models.part_weights import latent_up
from models.sizes import StackSizes, stacks_of


def forward_flops(cfg: ModelConfig, parts: list[PartWeights], context: Formula) -> Formula:
    """One pass over a sequence of `context` tokens; an encoder-decoder's encoder reads as many as its decoder.

    Of experts those count that the tokens are sent to. Left out are tokens marked as global (Longformer), the modules that
    predict further tokens, and the comparison of the texts with the images of a batch (CLIP).
    """
    terms = []
    for reads in ("token", "memory", "patch", "slot", "sequence"):
        for n_vectors, entries in _multiplied(cfg, parts, reads, context):
            terms.append(2 * entries if n_vectors is None else 2 * n_vectors * entries)
    for stack in stacks_of(cfg):
        n_tokens = _tokens(stack, context)
        terms.append(score_flops(stack) * stack.n_layers * n_tokens.squared())
        if stack.cross:
            terms.append(score_flops(stack) * stack.n_layers * n_tokens.squared())
    return total(terms)


def token_flops(cfg: ModelConfig, parts: list[PartWeights], context: Formula) -> Formula:
    """The step that decodes one token which sees `context` tokens, its own included; its predecessors are cached.

    An encoder-decoder's encoder has read as many, once. Latent attention is absorbed: queries meet the cached latents
    themselves. Hashes and clusters of cached keys are known. What does not decode costs each of its tokens the same, in
    a text of `context`.
    """
    stack = _writing(cfg)
    return 2 * _of_one_token(cfg, parts) + _reading(stack, _tokens(stack, context), absorbed_score_flops(stack))


def naive_token_flops(cfg: ModelConfig, parts: list[PartWeights], context: Formula) -> Formula:
    """The same for latent attention that makes every cached token's keys and values anew from its latent."""
    stack = _writing(cfg)
    again = 2 * stack.n_layers * (context - named("1", 1)) * latent_up(stack)
    return 2 * _of_one_token(cfg, parts) + again + _reading(stack, context, score_flops(stack))


def score_flops(stack: StackSizes) -> Formula:
    """FLOPs of one score in one layer: query times key, and the probability times the value, in every head."""
    s = stack.s
    if stack.cfg.mla is not None:
        return 2 * s.n_heads * (s.d_head + s.v_head_dim)
    return 4 * s.n_heads * s.d_head


def absorbed_score_flops(stack: StackSizes) -> Formula:
    """The same in decoding, where latent attention compares and sums latents (DeepSeek-V2, section 2.1.2)."""
    s = stack.s
    if stack.cfg.mla is not None:
        return 2 * s.n_heads * (2 * s.kv_lora_rank + s.qk_rope_head_dim)
    return score_flops(stack)


def cached_entries(cfg: ModelConfig) -> Formula | None:
    """Numbers that one layer keeps of a token it has read; None where nothing is kept."""
    if cfg.structure not in ("decoder", "prefix_decoder", "encoder_decoder"):
        return None
    s = _writing(cfg).s
    return s.kv_lora_rank + s.qk_rope_head_dim if cfg.mla is not None else 2 * s.n_kv_heads * s.d_head


def tokens_kept(cfg: ModelConfig, context: Formula) -> Formula:
    """Tokens whose keys are cached, summed over the layers: with a sliding window the last `window`, otherwise all."""
    return _kept(_writing(cfg), context)


def _multiplied(
    cfg: ModelConfig, parts: list[PartWeights], reads: str, context: Formula
) -> list[tuple[Formula | None, Formula]]:
    """How many vectors of the kind `reads` a sequence has, with the matrix entries that each of them meets."""
    by_count: dict[str, tuple[Formula | None, list[Formula]]] = {}
    for part in parts:
        if (entries := part.multiplied(reads)) is not None:
            n_vectors = _vectors(part.stack, reads, context)
            key = "" if n_vectors is None else n_vectors.symbols
            by_count.setdefault(key, (n_vectors, []))[1].append(entries)
    return [(n_vectors, total(entries)) for n_vectors, entries in by_count.values()]


def _vectors(stack: StackSizes, reads: str, context: Formula) -> Formula | None:
    if reads == "sequence":
        return None
    if reads == "patch":
        return stack.s.n_patches
    return stack.s.slots_per_expert if reads == "slot" else _tokens(stack, context)


def _tokens(stack: StackSizes, context: Formula) -> Formula:
    return context if stack.cfg.image is None else stack.s.n_positions


def _of_one_token(cfg: ModelConfig, parts: list[PartWeights]) -> Formula:
    prefix = _writing(cfg).prefix
    entries = [part.multiplied("token") for part in parts if part.stack.prefix == prefix]
    return total(entry for entry in entries if entry is not None)


def _reading(stack: StackSizes, context: Formula, per_score: Formula) -> Formula:
    read = per_score * _kept(stack, context)
    return read + per_score * stack.n_layers * context if stack.cross else read


def _kept(stack: StackSizes, context: Formula) -> Formula:
    pattern, depth = stack.cfg.mask_pattern, stack.depth
    rounds, rest = divmod(depth, len(pattern))
    n_sliding = rounds * pattern.count("sliding") + pattern[:rest].count("sliding")
    if n_sliding == 0:
        return stack.n_layers * context
    in_window = smaller(context, named("window", stack.cfg.window))
    if n_sliding == depth:
        return stack.n_layers * in_window
    return named("n_causal", depth - n_sliding) * context + named("n_sliding", n_sliding) * in_window


def _writing(cfg: ModelConfig) -> StackSizes:
    """The stack that decodes, or the one that reads text, or the only one."""
    stacks = stacks_of(cfg)
    return stacks[0] if cfg.structure == "two_towers" else stacks[-1]
