"""What the figures say about a configuration in a few words: heads, masks, widths, which layers are sparse."""

from models.config import ModelConfig
from models.sizes import StackSizes
from playground.i18n import say
from playground.views import counts
from playground.views.numbers import exact, short

MOST_MASKS = 2  # kinds of mask that one line names

INSIDE = ("rotary", "rotary_2d", "alibi", "relative")
"""Positions that work inside attention; the others are added to the embedding."""

Count = tuple[str, str]
"""A number of parameters as it stands in a box, and in full."""


class Words:
    """Short phrases about one stack of a model, in one language."""

    def __init__(self, cfg: ModelConfig, lang: str):
        self.cfg, self.lang = cfg, lang

    def say(self, key: str, **params) -> str:
        """The words of a key of `diagram.toml`, whole numbers set with thin spaces."""
        values = {name: exact(value) if type(value) in (int, float) else value for name, value in params.items()}
        return say(self.lang, f"diagram.{key}", **values)

    def norm(self) -> str:
        """The kind of norm."""
        return self.say(f"norm_{self.cfg.norm}")

    def activation(self) -> str:
        """The kind of activation."""
        return self.say(f"activation_{self.cfg.activation}")

    def heads(self) -> str:
        """How many heads of which width, and who shares keys and values."""
        cfg = self.cfg
        if cfg.mla is not None:
            return self.say("heads_latent", heads=cfg.n_heads, latent=cfg.mla.kv_lora_rank)
        key = "heads_equal" if cfg.n_kv_heads == cfg.n_heads else "heads_shared" if cfg.n_kv_heads > 1 else "heads_one"
        return self.say(key, heads=cfg.n_heads, kv_heads=cfg.n_kv_heads, d_head=cfg.d_head)

    def heads_in_lines(self) -> tuple[str, ...]:
        """The same in short lines."""
        cfg = self.cfg
        if cfg.mla is not None:
            return (self.say("heads_short", count=cfg.n_heads), self.say("latent_short", latent=cfg.mla.kv_lora_rank))
        first = self.say("heads_equal", heads=cfg.n_heads, d_head=cfg.d_head)
        return (first,) if cfg.n_kv_heads == cfg.n_heads else (first, self.say("kv_short", count=cfg.n_kv_heads))

    def masks(self, kinds: list[str]) -> str:
        """The kinds of mask in one line."""
        if len(kinds) > MOST_MASKS:
            return self.say("masks_many", count=len(kinds))
        return " / ".join(self.say(f"mask_{mask}") for mask in kinds)

    def inside(self) -> str:
        """The position that works inside attention, if there is one."""
        return self.say(f"inside_{self.cfg.position}") if self.cfg.position in INSIDE else ""

    def widths(self, width: int) -> str:
        """From the stream to `width` and back."""
        d_model = exact(self.cfg.d_model)
        return f"{d_model} → {exact(width)} → {d_model}"

    def chosen(self) -> tuple[str, ...]:
        """What a mixture mixes, in short lines."""
        moe = self.cfg.moe
        if moe.mixing == "slots":
            return (self.say("moe_slots", experts=moe.n_experts, slots=moe.slots_per_expert),)
        key = "moe_merged" if moe.mixing == "merged" else "moe_all" if moe.uses_all else "moe_chosen"
        lines = (self.say(key, experts=moe.n_experts, chosen=moe.n_experts_per_token),)
        shared = self.say("moe_shared", count=moe.n_shared_experts) if moe.n_shared_experts else ""
        return (*lines, shared) if shared else lines

    def which_sparse(self, stack: StackSizes) -> str:
        """Which layers have experts: "3 dense, then 58 sparse", "every 2nd layer: 6 of 12"."""
        moe, depth, count = self.cfg.moe, stack.depth, stack.n_sparse
        if count == depth:
            return self.say("sparse_all")
        if not count:
            return self.say("sparse_none")
        if moe.every == 1:
            return self.say("sparse_after", dense=depth - count, sparse=count)
        return self.say("sparse_every", every=moe.every, sparse=count, total=depth)

    def share(self, count: int, total: int) -> str:
        """So many of all layers."""
        return self.say("layers_all") if count == total else self.say("layers_some", count=count, total=total)


def masks_of(stack: StackSizes) -> dict[str, int]:
    """Each kind of mask, and how many layers have it."""
    pattern = [stack.layer(index).mask for index in range(min(stack.depth, len(stack.cfg.mask_pattern)))]
    rounds, rest = divmod(stack.depth, len(pattern))
    return {mask: rounds * pattern.count(mask) + pattern[:rest].count(mask) for mask in dict.fromkeys(pattern)}


def count_of(*values: int) -> Count:
    """Parameters of a box; several numbers where its layers differ."""
    different = [value for value in dict.fromkeys(values) if value]
    return " / ".join(map(short, different)), " / ".join(map(exact, different))


def attention_count(stack: StackSizes) -> Count:
    """Parameters of attention in one layer, of each kind that the stack has."""
    return count_of(*(counts.attention(stack.cfg, kind) for kind in stack.kinds_of_attention()))


def feedforward_count(stack: StackSizes) -> Count:
    """Parameters of the feed-forward part of one layer: with experts where the stack has them."""
    return count_of(counts.feedforward(stack.cfg, is_sparse=stack.n_sparse > 0))
