"""Figure (b) of attention that has more than queries, keys and values: chosen by content, or with maps for global tokens."""

from models.sizes import StackSizes
from playground.views import counts
from playground.views.diagram_attention import COLUMN, MEET, AttentionFigure, K, Q, V
from playground.views.diagram_latent import LatentFigure
from playground.views.numbers import exact
from playground.views.svg import Marks

WIDE = V + COLUMN - Q


class HashingFigure(AttentionFigure):
    """Reformer: one map gives queries that are keys, too; tokens of one bucket see each other (arXiv:2001.04451)."""

    def project(self) -> None:
        cfg = self.cfg
        self._fork(((Q, K + COLUMN - Q), (Q, K + COLUMN - Q), (V, COLUMN)))
        heads = f"→ {exact(cfg.n_heads)} × {exact(cfg.d_head)}"
        shared = " + b" if "q" in cfg.biases or "k" in cfg.biases else ""
        wide = (Q, K + COLUMN - Q)
        title = self.say("proj_qk")
        self.box(
            "qk_proj", "attention", wide, title, (heads + shared, self.say("keys_are_queries")), counts.qk_proj(cfg)
        )
        own = heads + (" + b" if "v" in cfg.biases else "")
        height = self.box("v_proj", "attention", (V, COLUMN), self.say("proj_v"), (own, ""), counts.v_proj(cfg))
        self.y += height
        self.v_from = self.y

    def choose(self) -> None:
        sparse = self.cfg.sparse
        self.down(MEET)
        details = (
            self.say("hashing_rounds", rounds=sparse.n_hashes, buckets=sparse.n_buckets),
            self.say("hashing_blocks", size=sparse.hash_block_size or sparse.block_size),
        )
        self.y += self.box("hashing", "attention", (Q, K + COLUMN - Q), self.say("hashing"), details)

    def mask(self) -> None:
        if self.cfg.position in ("alibi", "relative"):
            self.down(MEET)
        super().mask()


class ClusterFigure(AttentionFigure):
    """Routing Transformer: a query sees the keys nearest to its own centroid (arXiv:2003.05997)."""

    def choose(self) -> None:
        self.down(MEET)
        title = self.say("clusters", count=self.cfg.sparse.n_clusters)
        details = (self.say("clusters_take", window=self.cfg.window),)
        self.y += self.box("clusters", "attention", (Q, K + COLUMN - Q), title, details)


class GlobalFigure(AttentionFigure):
    """Longformer: tokens that see all and are seen by all have maps of their own (arXiv:2004.05150, section 3.1)."""

    def below(self) -> None:
        cfg = self.cfg
        biased = " + b" if {"q", "k", "v"} <= set(cfg.biases) else ""
        shape = f"3 × ({exact(cfg.d_model)} → {exact(cfg.n_heads)} × {exact(cfg.d_head)}{biased})"
        self.y += 10
        title, count = self.say("global_maps"), counts.global_projs(cfg)
        self.y += self.box("global_projs", "attention", (Q, WIDE), title, (self.say("global_who"), shape), count)
        super().below()


FIGURES: dict[str, type[AttentionFigure]] = {
    "mha": AttentionFigure,
    "gqa": AttentionFigure,
    "mqa": AttentionFigure,
    "mla": LatentFigure,
    "longformer": GlobalFigure,
    "lsh": HashingFigure,
    "kmeans": ClusterFigure,
}


def attention(stacks: list[StackSizes], kind: str, marks: Marks, lang: str) -> str:
    """The SVG of the attention of a kind, in the last of the stacks; the others are named beside its masks."""
    return FIGURES[kind](stacks, kind, marks, lang).draw()
