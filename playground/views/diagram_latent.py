"""Figure (b) of multi-head latent attention: queries, keys and values are read from small latents.

From left to right: the queries' latent; the rotary key that all heads share; the latent from which every head's key and
value are made. The last two are what the cache holds.
"""

from playground.views import counts
from playground.views.diagram_attention import AttentionFigure
from playground.views.numbers import exact

Q, ROPE, LATENT = (6, 122), (140, 104), (256, 138)  # left edge and width of each path
DOWN = (ROPE[0], LATENT[0] + LATENT[1] - ROPE[0])  # the map to both the rotary key and the latent
KEY, VALUE = 284, 362  # where a head's key and value leave the latent's column


class LatentFigure(AttentionFigure):
    """DeepSeek-V2's attention (arXiv:2405.04434, section 2.1)."""

    meeting = (Q[0], 322)
    v_path = VALUE

    def project(self) -> None:
        cfg, mla = self.cfg, self.cfg.mla
        self._fork((Q, DOWN))
        queries = self._heads(mla.qk_nope_head_dim, mla.qk_rope_head_dim)
        row = self.y
        if mla.q_lora_rank:
            title, shape = self.say("latent_q_down"), (f"→ {exact(mla.q_lora_rank)}", "")
            self.box("q_down_proj", "attention", Q, title, shape, counts.q_down_proj(cfg))
        else:
            self.box("q_proj", "attention", Q, self.say("proj_q"), queries, counts.q_up_proj(cfg))
        shape = f"→ {exact(mla.qk_rope_head_dim)} + {exact(mla.kv_lora_rank)}"
        title = self.say("latent_kv_down")
        self.y = row + self.box("kv_down_proj", "attention", DOWN, title, (shape, ""), counts.kv_down_proj(cfg))
        self.down(*(left + width / 2 for left, width in (Q, ROPE, LATENT)))
        self._latents()
        row = self.y
        if mla.q_lora_rank:
            self.on.line((_middle(Q), row), (_middle(Q), row + 14))
            self.y = row + 14
            title = self.say("latent_q_up")
            self.box("q_up_proj", "attention", Q, title, queries, counts.q_up_proj(cfg))
        self.on.line((_middle(LATENT), row), (_middle(LATENT), row + 14))
        self.y = row + 14
        heads = self._heads(mla.qk_nope_head_dim, mla.v_head_dim)
        height = self.box("kv_up_proj", "attention", LATENT, self.say("latent_kv_up"), heads, counts.kv_up_proj(cfg))
        self.rope_from = self.query_from = row
        if mla.q_lora_rank:
            self.query_from = row + 14 + height
        self.y = row + 14 + height
        self.v_from = self.y

    def _heads(self, first: int, second: int) -> tuple[str, ...]:
        """All heads, and the two slices of each."""
        return (f"→ {exact(self.cfg.n_heads)} × {exact(first + second)}", f"= {exact(first)} + {exact(second)}", "")

    def _latents(self) -> None:
        """What the maps down give: two latents with their norms, and the rotary key between them."""
        mla, norm = self.cfg.mla, self.say("norm_rmsnorm")
        cached = self.say("latent_cached")
        if mla.q_lora_rank:
            title = self.say("latent_numbers", count=mla.q_lora_rank)
            height = self.box("q_norm", "norm", Q, title, (norm, ""), mla.q_lora_rank)
        else:
            height = 62.0
            self.on.line((_middle(Q), self.y - 14), (_middle(Q), self.y + height), arrow=False)
        title = self.say("latent_rope_key", count=mla.qk_rope_head_dim)
        self.box("k_rope", "attention", ROPE, title, (self.say("latent_for_all"), cached))
        title = self.say("latent_numbers", count=mla.kv_lora_rank)
        self.box("kv_norm", "norm", LATENT, title, (norm, cached), mla.kv_lora_rank)
        self.y += height

    def turn(self) -> None:
        """The slices that carry the position are turned: of each head's query, and the one rotary key."""
        x = _middle(Q)
        self.on.line((x, self.query_from), (x, self.y + 14))
        self.on.line((_middle(ROPE), self.rope_from), (_middle(ROPE), self.y + 14))
        self.y += 14
        left, right = Q[0], ROPE[0] + ROPE[1]
        title = self.say(f"rotary_{self.cfg.rope_layout}")
        self.turned_from = self.y
        self.y += self.box("rotary", "position", (left, right - left), title, self.turn_words())

    def score(self) -> None:
        self.on.line((KEY, self.v_from), (KEY, self.y + 14))
        super().score()

    def score_paths(self) -> tuple[float, ...]:
        return _middle(Q), _middle(ROPE)


def _middle(path: tuple[float, float]) -> float:
    return path[0] + path[1] / 2
