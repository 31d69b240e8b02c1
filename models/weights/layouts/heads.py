"""What reads the last layer of a decoder, in files: a head over the vocabulary, a classifier, or nothing."""

from collections.abc import Iterable, Mapping

from torch import Tensor

from models.config import ModelConfig
from models.weights.layouts.layout import HEAD, Settle, Settled, linear, settle_head
from models.weights.tensors import Row

CLASSIFIER = "score"


def head_rows(cfg: ModelConfig) -> Iterable[Row]:
    """The head's tensors; a tied one has none of its own."""
    if cfg.head == "lm" and not cfg.tie_embeddings:
        yield Row(HEAD, ("lm_head.weight",))
    if cfg.head == "classification":
        yield from linear(CLASSIFIER, "classifier", True)


def settle_decoder(embedding: str) -> Settle:
    """As `settle_head`; a file may also have a classifier, whose bias is zero, or, where its class says so, no head.

    A file without a head whose embeddings are tied has the one over the vocabulary, as `transformers` reads it.
    """
    weight, bias = f"{CLASSIFIER}.weight", f"{CLASSIFIER}.bias"

    def settle(tensors: Mapping[str, Tensor], cfg: ModelConfig, values: Mapping) -> Settled:
        scores = tensors.get(weight)
        if scores is not None and scores.dim() == 2 and bias not in tensors:
            cfg = cfg.replace(head="classification", n_classes=scores.shape[0], tie_embeddings=False)
            return {**tensors, bias: scores.new_zeros(scores.shape[0])}, cfg
        if HEAD not in tensors and not cfg.tie_embeddings and _is_bare(values):
            return dict(tensors), cfg.replace(head="none")
        return settle_head(embedding)(tensors, cfg, values)

    return settle


def _is_bare(values: Mapping) -> bool:
    """Whether the classes of a config.json are those of stacks without a head: LlamaModel, Qwen2Model, …"""
    classes = values.get("architectures") or ("",)
    return all(name.endswith("Model") and not name.endswith("LMHeadModel") for name in classes)
