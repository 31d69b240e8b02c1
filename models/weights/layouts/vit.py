"""ViT (Dosovitskiy et al. 2020), as `ViTForImageClassification` and `ViTModel` store it."""

from collections.abc import Iterable, Mapping

from torch import Tensor

from models.config import ImageInput, ModelConfig
from models.weights.layouts.bert import head_of_class, n_labels, write_labels
from models.weights.layouts.layout import (
    ACTIVATION_THERE,
    Layout,
    Settled,
    activation,
    demand,
    first_of,
    linear,
    refuse,
)
from models.weights.tensors import Row, shaped

ARCHITECTURES = {"classification": "ViTForImageClassification", "none": "ViTModel"}
PREFIX = "vit."
BIASES = ("q", "k", "v", "o", "ffn", "norm")
IN_MEMORY = {
    "encoder.layer.": "layers.",
    "attention.attention.query": "attention.q_proj",
    "attention.attention.key": "attention.k_proj",
    "attention.attention.value": "attention.v_proj",
    "attention.output.dense": "attention.o_proj",
    "intermediate.dense": "mlp.fc1",
    "output.dense": "mlp.fc2",
}
"""Names of files to those of the class in version 5 of `transformers`, some of which begin alike: the order matters."""


def read_config(values: Mapping) -> ModelConfig:
    """config.json to `ModelConfig`; whether there is a classifier or a pooler is seen in the file, by `settle`."""
    demand(values, "pooler_act", "tanh")
    d_model = first_of(values, "hidden_size", default=768)
    demand(values, "pooler_output_size", d_model)
    head = head_of_class(values, ARCHITECTURES, "classification")
    image = ImageInput(
        image_size=square(values, "image_size", 224),
        patch_size=square(values, "patch_size", 16),
        n_channels=first_of(values, "num_channels", default=3),
    )
    return ModelConfig(
        structure="encoder",
        vocab_size=0,
        max_seq_len=image.n_patches + 1,
        d_model=d_model,
        n_layers=first_of(values, "num_hidden_layers", default=12),
        n_heads=first_of(values, "num_attention_heads", default=12),
        d_ff=first_of(values, "intermediate_size", default=3072),
        position="learned",
        norm="layernorm",
        norm_eps=first_of(values, "layer_norm_eps", default=1e-12),
        ffn="plain",
        activation=activation(values, "hidden_act", "gelu"),
        biases=BIASES if first_of(values, "qkv_bias", default=True) else ("o", "ffn", "norm"),
        head=head,
        n_classes=n_labels(values) if head == "classification" else None,
        pooler=head == "none",
        image=image,
    )


def square(values: Mapping, name: str, usual: int) -> int:
    """The side of a square whose sides setting `name` gives, as one number or two."""
    there = first_of(values, name, default=usual)
    sides = set(there) if isinstance(there, list | tuple) else {there}
    if len(sides) != 1:
        refuse(values, name, there, ("a square",))
    return sides.pop()


def write_config(cfg: ModelConfig) -> dict:
    """The config.json of the ViT that is closest to `cfg`."""
    return {
        "hidden_size": cfg.d_model,
        "num_hidden_layers": cfg.n_layers,
        "num_attention_heads": cfg.n_heads,
        "intermediate_size": cfg.d_ff,
        "hidden_act": ACTIVATION_THERE[cfg.activation],
        "layer_norm_eps": cfg.norm_eps,
        "image_size": cfg.image.image_size,
        "patch_size": cfg.image.patch_size,
        "num_channels": cfg.image.n_channels,
        "qkv_bias": "q" in cfg.biases,
        **write_labels(cfg),
    }


def rows(cfg: ModelConfig) -> Iterable[Row]:
    """Every tensor of the file; a model without a classifier is saved without the `vit.` before its names."""
    root = "" if cfg.head == "none" else PREFIX
    d_model = cfg.d_model
    positions = (cfg.max_seq_len, d_model)
    yield Row(f"{root}embeddings.cls_token", ("patch_embed.class_token",), shaped((1, 1, d_model), (d_model,)))
    yield Row(f"{root}embeddings.position_embeddings", ("position.weight",), shaped((1, *positions), positions))
    yield from patch_rows(f"{root}embeddings.patch_embeddings.projection", cfg, "patch_embed")
    for i in range(cfg.n_layers):
        there, here = f"{root}encoder.layer.{i}", f"layers.{i}"
        for name in ("query", "key", "value"):
            short = name[0]
            yield from linear(f"{there}.attention.attention.{name}", f"{here}.attn.{short}_proj", short in cfg.biases)
        yield from linear(f"{there}.attention.output.dense", f"{here}.attn.o_proj", True)
        yield from linear(f"{there}.layernorm_before", f"{here}.attn_norm", True)
        yield from linear(f"{there}.layernorm_after", f"{here}.ffn_norm", True)
        yield from linear(f"{there}.intermediate.dense", f"{here}.ffn.up_proj", True)
        yield from linear(f"{there}.output.dense", f"{here}.ffn.down_proj", True)
    yield from linear(f"{root}layernorm", "final_norm", True)
    if cfg.pooler:
        yield from linear(f"{root}pooler.dense", "pooler", True)
    if cfg.head == "classification":
        yield from linear("classifier", "classifier", True)


def patch_rows(there: str, cfg: ModelConfig, here: str) -> Iterable[Row]:
    """A convolution whose steps are as wide as its window (D, C, p, p): the same as our matrix (D, C·p·p)."""
    c, p = cfg.image.n_channels, cfg.image.patch_size
    yield Row(f"{there}.weight", (f"{here}.weight",), shaped((cfg.d_model, c, p, p), (cfg.d_model, c * p * p)))
    if cfg.image.bias:
        yield Row(f"{there}.bias", (f"{here}.bias",))


def settle(tensors: Mapping[str, Tensor], cfg: ModelConfig, values: Mapping) -> Settled:
    """The classifier or the pooler that the file has, and the names of files where it has those of the class."""
    classifies = "classifier.weight" in tensors
    spelt = {}
    for name, tensor in tensors.items():
        if not name.startswith("classifier."):
            name = _name_in_files(name.removeprefix(PREFIX))
            name = PREFIX + name if classifies else name
        spelt[name] = tensor
    pooled = any("pooler." in name for name in spelt)
    n_classes = len(spelt["classifier.weight"]) if classifies else None
    return spelt, cfg.replace(head="classification" if classifies else "none", n_classes=n_classes, pooler=pooled)


def _name_in_files(name: str) -> str:
    if not name.startswith("layers."):
        return name
    for in_file, in_memory in IN_MEMORY.items():
        name = name.replace(in_memory, in_file)
    return name


VIT = Layout(
    model_type="vit",
    architecture=lambda cfg: ARCHITECTURES.get(cfg.head, ""),
    prefix=PREFIX,
    ignored="",
    read_config=read_config,
    write_config=write_config,
    rows=rows,
    accepts=lambda cfg: cfg.image is not None and cfg.moe is None,
    settle=settle,
    classes=("ForImageClassification", "ViTModel"),
)
