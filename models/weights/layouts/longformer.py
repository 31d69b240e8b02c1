"""Longformer (Beltagy et al. 2020), as `LongformerForMaskedLM` and `LongformerModel` store it."""

from collections.abc import Iterable, Mapping

from models.config import ModelConfig
from models.weights.layouts.bert import (
    BIASES,
    VOCABULARY_HEADS,
    encoder_fields,
    encoder_rows,
    head_of_class,
    masked_rows,
    reads_tokens,
    root_of,
    settle_heads,
)
from models.weights.layouts.bert import write_config as write_bert_config
from models.weights.layouts.layout import Layout, demand, first_of, linear, refuse
from models.weights.tensors import Row

ARCHITECTURES = {"mlm": "LongformerForMaskedLM", "none": "LongformerModel"}
PREFIX = "longformer."
SCORES = "lm_head"


def read_config(values: Mapping) -> ModelConfig:
    """config.json to `ModelConfig`; positions begin after the row of the padding token, as in RoBERTa."""
    demand(values, "hidden_act", "gelu", "gelu_python")  # the head's is always this one
    head = head_of_class(values, ARCHITECTURES, "mlm")
    n_positions = first_of(values, "max_position_embeddings", default=512)
    offset = first_of(values, "pad_token_id", default=1) + 1
    return ModelConfig(
        **encoder_fields(values),
        max_seq_len=n_positions - offset,
        n_positions=n_positions,
        position_offset=offset,
        mask_pattern=("longformer",),
        window=_window(values),
        activation="gelu",
        biases=BIASES,
        head=head,
        pooler=head == "none",
        tie_embeddings=head in VOCABULARY_HEADS and first_of(values, "tie_word_embeddings", default=True),
    )


def _window(values: Mapping) -> int:
    """The window of all layers, half of it on either side."""
    there = first_of(values, "attention_window", default=512)
    windows = set(there) if isinstance(there, list | tuple) else {there}
    if len(windows) != 1:
        refuse(values, "attention_window", there, ("one number for all layers",))
    return windows.pop()


def write_config(cfg: ModelConfig) -> dict:
    """The config.json of the Longformer that is closest to `cfg`."""
    return {
        **write_bert_config(cfg),
        "max_position_embeddings": cfg.n_positions,
        "pad_token_id": max(cfg.position_offset - 1, 0),
        "attention_window": [cfg.window - cfg.window % 2] * cfg.n_layers,
    }


def rows(cfg: ModelConfig) -> Iterable[Row]:
    """Every tensor of the file."""
    root = root_of(cfg, PREFIX)
    yield from encoder_rows(cfg, root)
    for i in range(cfg.n_layers):
        for name in ("query", "key", "value"):
            there = f"{root}encoder.layer.{i}.attention.self.{name}_global"
            yield from linear(there, f"layers.{i}.attn.{name[0]}_global_proj", True)
    if cfg.pooler:
        yield from linear(f"{root}pooler.dense", "pooler", True)
    yield from masked_rows(cfg, SCORES, f"{SCORES}.dense", f"{SCORES}.layer_norm")


LONGFORMER = Layout(
    model_type="longformer",
    architecture=lambda cfg: ARCHITECTURES.get(cfg.head, ""),
    prefix=PREFIX,
    ignored=r"(longformer\.)?embeddings\.position_ids",
    read_config=read_config,
    write_config=write_config,
    rows=rows,
    accepts=lambda cfg: reads_tokens(cfg, "longformer") and cfg.position == "learned",
    settle=settle_heads(PREFIX, SCORES),
    classes=("ForMaskedLM", "LongformerModel"),
)
