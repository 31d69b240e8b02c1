"""The sizes of a model's stacks as named formulas, and what a part made of them weighs."""

from dataclasses import dataclass, fields, replace
from types import SimpleNamespace

from models.config import LayerConfig, ModelConfig
from models.formula import Formula, named, total

SIZES = (
    "vocab_size",
    "max_seq_len",
    "d_model",
    "n_heads",
    "n_kv_heads",
    "d_head",
    "d_ff",
    "n_positions",
    "n_segments",
    "relative_buckets",
    "n_classes",
    "mtp_depth",
)


@dataclass(frozen=True, slots=True)
class Weights:
    """The parameters of one copy of a part, or of one of the forms that it has in different layers.

    `matrices` multiply vectors, `vectors` do not: biases, norms, and tables that are looked up. `borrowed` matrices
    multiply too, but belong to another part, which counts them. `copies` is in how many layers the part is; `times` how
    many of it are side by side in each (experts), of which a token meets `chosen`. `reads` says what the matrices
    multiply: every "token" of their stack, every token of the "memory" that an encoder hands on, every "patch" of an
    image, every "slot", one vector a "sequence", or nothing in a plain pass (None).
    """

    matrices: Formula | None = None
    vectors: Formula | None = None
    borrowed: Formula | None = None
    copies: Formula | None = None
    times: Formula | None = None
    chosen: Formula | None = None
    reads: str | None = "token"

    @property
    def count(self) -> Formula:
        """All own parameters, in all copies; 0 for a part that has none."""
        return self._of(self._own(), self.times)

    @property
    def active(self) -> Formula:
        """Those of them that one token meets."""
        return self._of(self._own(), self.chosen or self.times)

    @property
    def multiplied(self) -> Formula | None:
        """The matrix entries that one vector meets, in all copies; each costs a multiplication and an addition."""
        entries = self.borrowed if self.matrices is None else self.matrices
        return None if entries is None else self._of(entries, self.chosen or self.times)

    def _own(self) -> Formula:
        return total(term for term in (self.matrices, self.vectors) if term is not None)

    def _of(self, each: Formula, times: Formula | None) -> Formula:
        for factor in (times, self.copies):
            if factor is not None:
                each = factor * each
        return each


@dataclass(frozen=True)
class StackSizes:
    """One stack of layers: `prefix` is its place in the model ("encoder", …; empty where it is the whole model).

    `s` are its sizes under their names, as formulas; `cross` says that its layers also attend to an encoder.
    """

    prefix: str
    cfg: ModelConfig
    depth: int
    n_layers: Formula
    s: SimpleNamespace
    reads_everything: bool = False
    cross: bool = False

    def layer(self, index: int) -> LayerConfig:
        """What layer `index` is."""
        return self.cfg.encoder_layer(index) if self.reads_everything else self.cfg.layer(index)

    def kinds_of_attention(self) -> dict[str, Formula]:
        """Each kind of attention, and how many layers have it."""
        pattern = [self.layer(index).attention for index in range(min(self.depth, len(self.cfg.mask_pattern)))]
        rounds, rest = divmod(self.depth, len(pattern))
        counts = {kind: rounds * pattern.count(kind) + pattern[:rest].count(kind) for kind in dict.fromkeys(pattern)}
        return {kind: self.share(f"n_{kind}", count) for kind, count in counts.items()}

    @property
    def n_sparse(self) -> int:
        """How many layers have experts."""
        return 0 if self.cfg.moe is None else _count_sparse(self.cfg, self.depth)

    def share(self, symbol: str, count: int) -> Formula:
        """`count` layers, under the name of all where it is all."""
        return self.n_layers if count == self.depth else named(symbol, count)


def _count_sparse(cfg: ModelConfig, depth: int) -> int:
    moe = cfg.moe
    first = moe.first_dense + (moe.offset - moe.first_dense) % moe.every
    return 0 if first >= depth else 1 + (depth - 1 - first) // moe.every


def stacks_of(cfg: ModelConfig) -> list[StackSizes]:
    """The stacks of a model, in the order in which a pass runs them."""
    if cfg.structure == "encoder_decoder":
        n_encoder_layers = named("n_encoder_layers", cfg.n_encoder_layers)
        encoder = StackSizes(
            "encoder", cfg, cfg.n_encoder_layers, n_encoder_layers, sizes_of(cfg), reads_everything=True
        )
        return [encoder, replace(_single("decoder", cfg), cross=True)]
    if cfg.structure == "two_towers":
        return [_single("text", cfg), _single("vision", cfg.vision_tower)]
    return [_single("", cfg)]


def _single(prefix: str, cfg: ModelConfig) -> StackSizes:
    return StackSizes(prefix, cfg, cfg.n_layers, named("n_layers", cfg.n_layers), sizes_of(cfg))


def sizes_of(cfg: ModelConfig) -> SimpleNamespace:
    """The sizes of a configuration, its groups' included, under their names; those that it has not are left out."""
    values = {name: getattr(cfg, name) for name in SIZES}
    for group in (cfg.mla, cfg.moe, cfg.sparse, cfg.image):
        if group is not None:
            values |= {field.name: getattr(group, field.name) for field in fields(group)}
    if cfg.image is not None:
        values["n_patches"] = cfg.image.n_patches
    counts = {name: named(name, value) for name, value in values.items() if type(value) is int}
    return SimpleNamespace(**counts)
