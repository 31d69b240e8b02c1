"""What a Hugging Face family is, to us: how its config.json reads, and how its tensors are called.

Each family is one file beside this one that ends with its `Layout`; fields that a config.json leaves out have the
default of the family's class in `transformers`.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields

from torch import Tensor, equal

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
}
"""Hugging Face's names of activations to ours."""

ACTIVATION_THERE = {
    "relu": "relu", "gelu": "gelu", "gelu_tanh": "gelu_new", "gelu_quick": "quick_gelu", "silu": "silu",
}  # fmt: skip
"""Our names of activations to Hugging Face's."""

HEAD = "lm_head.weight"


@dataclass(frozen=True)
class Layout:
    """One family of Hugging Face models.

    model_type, architecture: as in config.json. prefix: what names begin with in a file that has a head and lack in one
    that was saved without. ignored: pattern of names that hold no weights (masks, tables). read_config and write_config
    translate between config.json and `ModelConfig`, the latter as well as the family can. rows: every tensor of a file.
    """

    model_type: str
    architecture: str
    prefix: str
    ignored: str
    read_config: Callable[[Mapping], ModelConfig]
    write_config: Callable[[ModelConfig], dict]
    rows: Callable[[ModelConfig], Iterable[Row]]

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

        None if no member comes near, as with rotary positions and an odd head. The classes of `transformers` refuse a
        width that their heads do not divide, so the next one up stands in for it.
        """
        divisible = cfg.replace(d_model=-(-cfg.d_model // cfg.n_heads) * cfg.n_heads)
        try:
            there = self.read_config(self.write_config(divisible))
        except InputError:
            return None
        wanted, got = _essence(cfg), _essence(there)
        pairs = ((field.name, getattr(wanted, field.name), getattr(got, field.name)) for field in fields(ModelConfig))
        return [(name, mine, theirs) for name, mine, theirs in pairs if mine != theirs]


def settle_head(
    tensors: Mapping[str, Tensor], cfg: ModelConfig, embedding: str, tying_stated: bool
) -> tuple[dict[str, Tensor], ModelConfig]:
    """Tensors and config that agree on whether embedding and head are one matrix, as `transformers` decides it.

    A file may hold a tied matrix under either name or both. Where both are there and differ, the file is believed and
    not the config; where the config says nothing (`tying_stated` false) and there is no head, they are tied.
    """
    tensors = dict(tensors)
    if cfg.tie_embeddings and HEAD in tensors:
        if embedding not in tensors:
            tensors[embedding] = tensors.pop(HEAD)
        elif tensors[HEAD].shape == tensors[embedding].shape and equal(tensors[HEAD], tensors[embedding]):
            del tensors[HEAD]
        else:
            cfg = cfg.replace(tie_embeddings=False)
    elif not cfg.tie_embeddings and HEAD not in tensors and not tying_stated:
        cfg = cfg.replace(tie_embeddings=True)
    return tensors, cfg


def first_of(values: Mapping, *names: str, default=None):
    """The first of several spellings of a setting that is there and not null."""
    return next((values[name] for name in names if values.get(name) is not None), default)


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


def _essence(cfg: ModelConfig) -> ModelConfig:
    """`cfg` with fields that have no effect in it at their defaults, so that only real differences remain."""
    if cfg.position != "rotary":
        return cfg.replace(rope_theta=10_000.0, rope_layout="half")
    if cfg.rope_scaling is not None and cfg.rope_scaling.kind == "linear":
        factor = cfg.rope_scaling.factor
        return cfg.replace(rope_scaling=RopeScaling(kind="linear", factor=factor, original_max_seq_len=1))
    return cfg
