"""What a Hugging Face family is, to us: how its config.json reads, and how its tensors are called.

Each family is one file beside this one that ends with its `Layout`; fields that a config.json leaves out have the
default of the family's class in `transformers`.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace

from torch import Tensor, equal

from models.combinations import NEEDS_WINDOW
from models.config import ModelConfig, RopeScaling
from models.errors import InputError
from models.weights.tensors import STACKED, Packing, Row

ACTIVATIONS = {
    "relu": "relu",
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "quick_gelu": "gelu_quick",
    "silu": "silu",
    "swish": "silu",
    "sigmoid": "sigmoid",
}
"""Hugging Face's names of activations to ours."""

ACTIVATION_THERE = {
    "relu": "relu", "gelu": "gelu", "gelu_tanh": "gelu_new", "gelu_quick": "quick_gelu", "silu": "silu",
    "sigmoid": "sigmoid",
}  # fmt: skip
"""Our names of activations to Hugging Face's."""

HEAD = "lm_head.weight"
DECODERS = ("ForCausalLM", "LMHeadModel", "ForSequenceClassification", "Model")
"""How the names of those classes of `transformers` end that are read of a family of decoders."""


@dataclass(frozen=True)
class Layout:
    """One family of Hugging Face models.

    model_type as in config.json; architecture: the class of `transformers` for a configuration, "" where it has none:
    such a family is read, and never written. prefix: what names begin with in a file that has a head and lack in one that
    was saved without. ignored: pattern of names that hold no weights (masks, tables). read_config and write_config
    translate between config.json and `ModelConfig`, the latter as well as the family can. rows: every tensor of a file.
    accepts: whether a configuration is of the family's kind at all, so that write_config can be asked, which has to
    answer for every such configuration. recognises: whether a config.json of this model_type
    is the family's, where several share one. settle: tensors and configuration brought to agree, see `settle_head`.
    classes: how the names of those classes end that are read. free_heads: whether the heads need not divide the width.
    """

    model_type: str
    prefix: str
    ignored: str
    read_config: Callable[[Mapping], ModelConfig]
    rows: Callable[[ModelConfig], Iterable[Row]]
    architecture: Callable[[ModelConfig], str] = lambda cfg: ""
    write_config: Callable[[ModelConfig], dict] | None = None
    accepts: Callable[[ModelConfig], bool] = lambda cfg: False
    recognises: Callable[[Mapping], bool] = lambda values: True
    settle: "Settle | None" = None
    classes: tuple[str, ...] = DECODERS
    free_heads: bool = False

    def check_class(self, values: Mapping) -> None:
        """Refuse a config.json none of whose classes is read, before its heads turn up as unknown tensors."""
        found = values.get("architectures") or ()
        if found and not any(name.endswith(self.classes) for name in found):
            raise InputError(
                "weights_class",
                architecture=", ".join(found),
                model_type=self.model_type,
                allowed=", ".join(f"…{name}" for name in self.classes),
            )

    def spell(self, tensors: Mapping[str, Tensor], cfg: ModelConfig) -> dict[str, Tensor]:
        """The tensors of a file under the full names of the family, without those that are no weights."""
        known = {row.there for row in self.rows(cfg)} | {HEAD}
        spelt = {}
        for name, tensor in tensors.items():
            full_name = self.prefix + name if name not in known and self.prefix + name in known else name
            if full_name in known or not re.fullmatch(self.ignored, name):
                spelt[full_name] = tensor
        return spelt

    def losses(self, cfg: ModelConfig) -> list[tuple[str, object, object]] | None:
        """What a model would lose as a member of this family: (field, value, value there); empty if nothing.

        None if no member comes near, as with another structure, or rotary positions and an odd head. The classes of
        `transformers` refuse a width that their heads do not divide, so the next one up stands in for it.
        """
        if self.write_config is None or not self.accepts(cfg):
            return None
        divisible = cfg
        if not self.free_heads and cfg.mla is None and cfg.d_model % cfg.n_heads:
            divisible = cfg.replace(d_model=-(-cfg.d_model // cfg.n_heads) * cfg.n_heads)
        try:
            there = self.read_config({**self.write_config(divisible), "architectures": [self.architecture(cfg)]})
        except InputError:
            return None
        wanted, got = _essence(cfg), _essence(there)
        pairs = ((field.name, getattr(wanted, field.name), getattr(got, field.name)) for field in fields(ModelConfig))
        return [(name, mine, theirs) for name, mine, theirs in pairs if mine != theirs]


Settled = tuple[dict[str, Tensor], ModelConfig]
Settle = Callable[[Mapping[str, Tensor], ModelConfig, Mapping], Settled]


def settle_head(embedding: str, head: str = HEAD) -> Settle:
    """Makes tensors and config agree on whether embedding and head are one matrix, as `transformers` decides it.

    A file may hold a tied matrix under either name or both. Where both are there and differ, the file is believed and
    not the config; where the config says nothing and there is no head, they are tied.
    """

    def settle(tensors: Mapping[str, Tensor], cfg: ModelConfig, values: Mapping) -> Settled:
        tensors = dict(tensors)
        if cfg.tie_embeddings and head in tensors:
            if embedding not in tensors:
                tensors[embedding] = tensors.pop(head)
            elif tensors[head].shape == tensors[embedding].shape and equal(tensors[head], tensors[embedding]):
                del tensors[head]
            else:
                cfg = cfg.replace(tie_embeddings=False)
        elif not cfg.tie_embeddings and head not in tensors and values.get("tie_word_embeddings") is None:
            cfg = cfg.replace(tie_embeddings=True)
        return tensors, cfg

    return settle


def decoder(cfg: ModelConfig) -> bool:
    """Whether `cfg` is a plain dense decoder: the kind that most families are."""
    return cfg.structure == "decoder" and cfg.head == "lm" and cfg.moe is None and cfg.mla is None and not cfg.mtp_depth


def sparse_decoder(cfg: ModelConfig) -> bool:
    """Whether `cfg` is a decoder with experts of their own, and attention of the usual kind."""
    return decoder(cfg.replace(moe=None)) and cfg.moe is not None and cfg.moe.expert == "ffn"


def first_of(values: Mapping, *names: str, default=None):
    """The first of several spellings of a setting that is there and not null."""
    return next((values[name] for name in names if values.get(name) is not None), default)


def needed(values: Mapping, name: str):
    """A setting without which the others mean nothing; raises `InputError` where it is absent or null."""
    if values.get(name) is None:
        raise InputError("missing_field", field=name)
    return values[name]


def demand(values: Mapping, name: str, *allowed) -> None:
    """Refuse a setting whose value is none of `allowed`; the first of them is what an absent setting means."""
    value = first_of(values, name, default=allowed[0])
    if value not in allowed:
        refuse(values, name, value, allowed)


def activation(values: Mapping, name: str, default: str) -> str:
    """Our name of the activation that setting `name` holds."""
    there = first_of(values, name, default=default)
    if not isinstance(there, str) or there not in ACTIVATIONS:
        refuse(values, name, there, ACTIVATIONS)
    return ACTIVATIONS[there]


def refuse(values: Mapping, name: str, value: object, allowed: Iterable) -> None:
    """Raise the error for a setting that this core does not have."""
    raise InputError(
        "weights_unsupported",
        model_type=values.get("model_type"),
        field=name,
        value=value,
        allowed=", ".join(map(str, allowed)),
    )


def linear(there: str, here: str | tuple[str, ...], biased: bool, packing: Packing = STACKED) -> Iterable[Row]:
    """The weight of a linear map or norm, and its bias if it has one; `here` may name several maps packed as one."""
    names = (here,) if isinstance(here, str) else here
    for kind in ("weight", "bias") if biased else ("weight",):
        yield Row(f"{there}.{kind}", tuple(f"{name}.{kind}" for name in names), packing)


def shortest_pattern(masks: Sequence[str]) -> tuple[str, ...]:
    """The shortest pattern whose repetition along the depth gives these masks, one a layer."""
    lengths = range(1, len(masks) + 1)
    return next(tuple(masks[:n]) for n in lengths if all(mask == masks[i % n] for i, mask in enumerate(masks)))


def sparse_rule(sparse: Sequence[int], n_layers: int) -> dict[str, int] | None:
    """`first_dense`, `every` and `offset` of a model whose layers `sparse` have experts; None if no rule gives these."""
    step = sparse[1] - sparse[0] if len(sparse) > 1 else n_layers
    for first, every in ((sparse[0], 1), (0, step), (sparse[0], step)):
        offset = sparse[0] % every
        if [index for index in range(first, n_layers) if index % every == offset] == list(sparse):
            return {"first_dense": first, "every": every, "offset": offset}
    return None


def _essence(cfg: ModelConfig) -> ModelConfig:
    """`cfg` with fields that have no effect in it at their defaults, so that only real differences remain."""
    changes: dict[str, object] = {}
    if cfg.rope_scaling is not None and cfg.rope_scaling.kind == "linear":
        factor = cfg.rope_scaling.factor
        changes["rope_scaling"] = RopeScaling(kind="linear", factor=factor, original_max_seq_len=1)
    if cfg.structure == "decoder" and cfg.sparse is None:
        pattern = shortest_pattern([cfg.layer(index).mask for index in range(cfg.n_layers)])
        windowed = any(mask in NEEDS_WINDOW for mask in pattern)
        changes |= {"mask_pattern": pattern, "window": cfg.window if windowed else None}
    if cfg.moe is not None and cfg.moe.router == "switch":
        changes["moe"] = replace(cfg.moe, normalise_weights=False)  # a single weight is never normalised
    if cfg.moe is not None and cfg.moe.expert == "ffn" and cfg.structure == "decoder" and not cfg.mtp_depth:
        sparse = [index for index in range(cfg.n_layers) if cfg.moe.is_sparse(index)]
        changes["moe"] = replace(cfg.moe, **(sparse_rule(sparse, cfg.n_layers) or {}))
        if len(sparse) == cfg.n_layers:
            changes["d_ff"] = cfg.moe.d_expert
    return cfg.replace(**changes)
