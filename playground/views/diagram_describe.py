"""What figure (a) shows, in sentences for those who do not see it."""

from models.config import ModelConfig
from models.sizes import StackSizes, stacks_of
from playground.i18n import say
from playground.views.diagram_words import Words, masks_of


def describe(cfg: ModelConfig, lang: str) -> str:
    """One sentence for each stack, and what joins them."""
    stacks = stacks_of(cfg)
    if len(stacks) == 1:
        text = _sentence(lang, [*_inputs(stacks[0], lang), *_layers(stacks[0], lang), *_heads(stacks[0], lang)])
        return text[:1].upper() + text[1:]
    sentences = []
    for stack in stacks:
        name = say(lang, f"diagram.alt_stack_{stack.prefix}")
        start = [] if stack.prefix == "decoder" else _inputs(stack, lang)
        sentences.append(name + _sentence(lang, [*start, *_layers(stack, lang)]))
    if cfg.structure == "encoder_decoder":
        end = _heads(stacks[-1], lang)
    else:
        end = [Words(cfg, lang).say("alt_compare", d_projection=cfg.d_projection)]
    return "".join(sentences) + say(lang, "diagram.alt_stack_end") + _sentence(lang, end)


def _sentence(lang: str, clauses: list[str]) -> str:
    return say(lang, "diagram.alt_stop").join(clauses) + say(lang, "diagram.alt_end")


def _inputs(stack: StackSizes, lang: str) -> list[str]:
    cfg, words = stack.cfg, Words(stack.cfg, lang)
    clauses = []
    if cfg.image is not None:
        image = cfg.image
        clauses.append(words.say("alt_patches", n_patches=image.n_patches, size=image.patch_size, d_model=cfg.d_model))
    else:
        clauses.append(words.say("alt_tok_embed", vocab_size=cfg.vocab_size, d_model=cfg.d_model))
    clauses.append(words.say(f"alt_position_{cfg.position}"))
    if cfg.n_segments:
        clauses.append(words.say("alt_segments", count=cfg.n_segments))
    if cfg.embed_norm:
        clauses.append(words.say("alt_embed_norm", norm=words.norm()))
    return clauses


def _layers(stack: StackSizes, lang: str) -> list[str]:
    cfg, words = stack.cfg, Words(stack.cfg, lang)
    masks = masks_of(stack)
    differ = len(masks) > 1 or 0 < stack.n_sparse < stack.depth
    alike = "_one" if stack.depth == 1 else "_differ" if differ else ""
    attention = words.say(f"attention_{cfg.attention}")
    clauses = [
        words.say(f"alt_layers{alike}", n_layers=stack.depth),
        words.say("alt_attention", attention=attention, n_heads=cfg.n_heads, n_kv_heads=cfg.n_kv_heads),
        words.say("alt_masks", masks=" / ".join(words.say(f"mask_{mask}") for mask in masks)),
    ]
    if stack.cross:
        clauses.append(words.say("alt_cross"))
    if stack.n_sparse:
        mixture = " / ".join((*words.chosen(), words.which_sparse(stack)))
        clauses.append(words.say("alt_moe", mixture=mixture, activation=words.activation()))
    if stack.n_sparse < stack.depth:
        clauses.append(words.say(f"alt_ffn_{cfg.ffn}", d_ff=cfg.d_ff, activation=words.activation()))
    alpha = round(cfg.residual_alpha, 2) if cfg.residual_alpha else ""
    clauses.append(words.say(f"alt_block_{cfg.block}", norm=words.norm(), alpha=alpha))
    if cfg.final_norm:
        clauses.append(words.say("alt_final_norm", norm=words.norm()))
    return clauses


def _heads(stack: StackSizes, lang: str) -> list[str]:
    cfg, words = stack.cfg, Words(stack.cfg, lang)
    clauses = []
    if cfg.pooler:
        clauses.append(words.say("alt_pooler"))
    if cfg.head in ("lm", "mlm", "mlm_nsp"):
        clauses += [words.say("alt_mlm")] if cfg.head != "lm" else []
        clauses.append(words.say("alt_tied" if cfg.tie_embeddings else "alt_untied", vocab_size=cfg.vocab_size))
    if cfg.head == "mlm_nsp":
        clauses.append(words.say("alt_nsp"))
    if cfg.head == "classification":
        clauses.append(words.say("alt_classes", count=cfg.n_classes))
    if cfg.mtp_depth:
        clauses.append(words.say("alt_mtp", count=cfg.mtp_depth))
    return clauses or [words.say("alt_hidden")]
