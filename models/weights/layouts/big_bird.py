"""BigBird (Zaheer et al. 2020), as `BigBirdForMaskedLM`, `BigBirdForPreTraining` and `BigBirdModel` store it."""

from collections.abc import Iterable, Mapping

from models.config import ModelConfig, SparsePattern
from models.weights.layouts.bert import (
    BIASES,
    SCORES,
    VOCABULARY_HEADS,
    encoder_fields,
    encoder_rows,
    head_of_class,
    head_rows,
    reads_tokens,
    root_of,
    settle_heads,
)
from models.weights.layouts.bert import write_config as write_bert_config
from models.weights.layouts.layout import Layout, activation, demand, first_of, linear
from models.weights.tensors import Row

ARCHITECTURES = {"mlm_nsp": "BigBirdForPreTraining", "mlm": "BigBirdForMaskedLM", "none": "BigBirdModel"}
DEFAULTS = {"vocab_size": 50358}
"""Where the class differs from BERT's in what an absent field means."""


def read_config(values: Mapping) -> ModelConfig:
    """config.json to `ModelConfig`, sparse as `transformers` computes it, or seeing everything ("original_full")."""
    demand(values, "attention_type", "block_sparse", "original_full")
    head = head_of_class(values, ARCHITECTURES, "mlm")
    is_sparse = first_of(values, "attention_type", default="block_sparse") == "block_sparse"
    pattern = SparsePattern(
        block_size=first_of(values, "block_size", default=64),
        n_random=first_of(values, "num_random_blocks", default=3),
        like_transformers=True,
    )
    return ModelConfig(
        **encoder_fields({**DEFAULTS, **{name: value for name, value in values.items() if value is not None}}),
        max_seq_len=first_of(values, "max_position_embeddings", default=4096),
        mask_pattern=("bigbird",) if is_sparse else ("bidirectional",),
        sparse=pattern if is_sparse else None,
        activation=activation(values, "hidden_act", "gelu_new"),
        biases=BIASES if first_of(values, "use_bias", default=True) else ("o", "ffn", "norm"),
        scale_embeddings=first_of(values, "rescale_embeddings", default=False),
        head=head,
        pooler=True,
        tie_embeddings=head in VOCABULARY_HEADS and first_of(values, "tie_word_embeddings", default=True),
    )


def write_config(cfg: ModelConfig) -> dict:
    """The config.json of the BigBird that is closest to `cfg`."""
    values = {
        **write_bert_config(cfg),
        "attention_type": "original_full",
        "use_bias": "q" in cfg.biases,
        "rescale_embeddings": cfg.scale_embeddings,
    }
    if cfg.sparse is not None:
        sparse = cfg.sparse
        values |= {
            "attention_type": "block_sparse",
            "block_size": sparse.block_size,
            "num_random_blocks": sparse.n_random,
        }
    return values


def rows(cfg: ModelConfig) -> Iterable[Row]:
    """Every tensor of the file; its pooler is a bare linear map."""
    root = root_of(cfg, "bert.")
    yield from encoder_rows(cfg, root)
    if cfg.pooler:
        yield from linear(f"{root}pooler", "pooler", True)
    yield from head_rows(cfg)


BIG_BIRD = Layout(
    model_type="big_bird",
    architecture=lambda cfg: ARCHITECTURES.get(cfg.head, ""),
    prefix="bert.",
    ignored=r"(bert\.)?embeddings\.position_ids",
    read_config=read_config,
    write_config=write_config,
    rows=rows,
    accepts=lambda cfg: reads_tokens(cfg, "bigbird", "bidirectional"),
    settle=settle_heads("bert.", SCORES),
    classes=("ForPreTraining", "ForMaskedLM", "BigBirdModel"),
)
