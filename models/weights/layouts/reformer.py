"""Reformer (Kitaev et al. 2020), as `ReformerModelWithLMHead` stores it."""

from collections.abc import Iterable, Mapping

from models.config import ModelConfig, SparsePattern
from models.weights.layouts.layout import (
    ACTIVATION_THERE,
    Layout,
    activation,
    demand,
    first_of,
    linear,
    refuse,
    shortest_pattern,
)
from models.weights.tensors import Row, shaped

MASKS = {"local": "block_local", "lsh": "lsh"}
KINDS = {mask: kind for kind, mask in MASKS.items()}
LAYERS = ("local", "lsh") * 3
BIASES = ("ffn", "norm", "head")


def read_config(values: Mapping) -> ModelConfig:
    """config.json to `ModelConfig`. Without a `hash_seed`, `transformers` hashes anew in every pass; here, by seed 0."""
    demand(values, "is_decoder", True)
    for name, allowed in {"lsh_num_chunks_before": 1, "lsh_num_chunks_after": 0, "local_num_chunks_after": 0}.items():
        demand(values, name, allowed)
    kinds = tuple(first_of(values, "attn_layers", default=LAYERS))
    if unknown := [kind for kind in kinds if kind not in MASKS]:
        refuse(values, "attn_layers", unknown[0], MASKS)
    max_seq_len = first_of(values, "max_position_embeddings", default=4096)
    return ModelConfig(
        vocab_size=first_of(values, "vocab_size", default=320),
        max_seq_len=max_seq_len,
        d_model=first_of(values, "hidden_size", default=256),
        n_layers=len(kinds),
        n_heads=first_of(values, "num_attention_heads", default=12),
        d_head=first_of(values, "attention_head_size", default=64),
        d_ff=first_of(values, "feed_forward_size", default=512),
        mask_pattern=shortest_pattern([MASKS[kind] for kind in kinds]),
        sparse=_pattern(values, kinds),
        **_positions(values),
        norm="layernorm",
        norm_eps=first_of(values, "layer_norm_eps", default=1e-12),
        block="reversible",
        ffn="plain",
        activation=activation(values, "hidden_act", "relu"),
        biases=BIASES,
        tie_embeddings=first_of(values, "tie_word_embeddings", default=False),
    )


def _pattern(values: Mapping, kinds: tuple[str, ...]) -> SparsePattern:
    own, hashed = first_of(values, "local_attn_chunk_length", default=64), None
    of_hashing = {}
    if "lsh" in kinds:
        hashed = first_of(values, "lsh_attn_chunk_length", default=64)
        of_hashing = {
            "n_hashes": first_of(values, "num_hashes", default=1),
            "n_buckets": _buckets(values),
            "seed": first_of(values, "hash_seed", default=0),
            "like_transformers": True,
        }
    if "local" not in kinds:
        return SparsePattern(block_size=hashed, hash_block_size=hashed, **of_hashing)
    before = first_of(values, "local_num_chunks_before", default=1)
    return SparsePattern(block_size=own, n_blocks_before=before, hash_block_size=hashed, **of_hashing)


def _buckets(values: Mapping) -> int:
    """How many buckets there are; two hashes that are one together are another function than one."""
    there = values.get("num_buckets")
    if isinstance(there, list | tuple) and len(there) == 1:
        there = there[0]
    if not isinstance(there, int):
        refuse(values, "num_buckets", there, ("one number",))
    return there


def _positions(values: Mapping) -> dict:
    if not first_of(values, "axial_pos_embds", default=True):
        return {"position": "learned"}
    return {
        "position": "axial",
        "axial_shape": tuple(first_of(values, "axial_pos_shape", default=(64, 64))),
        "axial_dims": tuple(first_of(values, "axial_pos_embds_dim", default=(64, 192))),
    }


def write_config(cfg: ModelConfig) -> dict:
    """The config.json of the Reformer that is closest to `cfg`."""
    sparse = cfg.sparse
    values = {
        "is_decoder": True,
        "vocab_size": cfg.vocab_size,
        "max_position_embeddings": cfg.max_seq_len,
        "hidden_size": cfg.d_model,
        "num_attention_heads": cfg.n_heads,
        "attention_head_size": cfg.d_head,
        "feed_forward_size": cfg.d_ff,
        "attn_layers": [KINDS[cfg.layer(i).mask] for i in range(cfg.n_layers)],
        "local_attn_chunk_length": sparse.block_size,
        "local_num_chunks_before": sparse.n_blocks_before,
        "lsh_attn_chunk_length": sparse.hash_block_size or sparse.block_size,
        "num_hashes": sparse.n_hashes or 1,
        "num_buckets": sparse.n_buckets,
        "hash_seed": sparse.seed,
        "axial_pos_embds": cfg.position == "axial",
        "layer_norm_eps": cfg.norm_eps,
        "hidden_act": ACTIVATION_THERE[cfg.activation],
        "tie_word_embeddings": False,
    }
    if cfg.position == "axial":
        values |= {"axial_pos_shape": list(cfg.axial_shape), "axial_pos_embds_dim": list(cfg.axial_dims)}
    return values


def rows(cfg: ModelConfig) -> Iterable[Row]:
    """Every tensor of the file."""
    embeddings = "reformer.embeddings"
    yield Row(f"{embeddings}.word_embeddings.weight", ("tok_embed.weight",))
    if cfg.position == "axial":
        (n_rows, n_columns), (d_row, d_column) = cfg.axial_shape, cfg.axial_dims
        tables = {
            "rows": ((n_rows, 1, d_row), (n_rows, d_row)),
            "columns": ((1, n_columns, d_column), (n_columns, d_column)),
        }
        for k, (name, shapes) in enumerate(tables.items()):
            yield Row(f"{embeddings}.position_embeddings.weights.{k}", (f"position.{name}",), shaped(*shapes))
    else:
        yield Row(f"{embeddings}.position_embeddings.embedding.weight", ("position.weight",))
    for i in range(cfg.n_layers):
        yield from _layer_rows(f"reformer.encoder.layers.{i}", f"layers.{i}", cfg.layer(i).mask)
    yield from linear("reformer.encoder.layer_norm", "final_norm", True)
    yield Row("lm_head.decoder.weight", ("lm_head.weight",))
    yield Row("lm_head.bias", ("lm_head.bias",))


def _layer_rows(there: str, here: str, mask: str) -> Iterable[Row]:
    maps = {"query_key": "qk_proj", "value": "v_proj"}
    if mask == "block_local":
        maps = {"query": "q_proj", "key": "k_proj", "value": "v_proj"}
    yield from linear(f"{there}.attention.layer_norm", f"{here}.attn_norm", True)
    for theirs, ours in maps.items():
        yield from linear(f"{there}.attention.self_attention.{theirs}", f"{here}.attn.{ours}", False)
    yield from linear(f"{there}.attention.output.dense", f"{here}.attn.o_proj", False)
    yield from linear(f"{there}.feed_forward.layer_norm", f"{here}.ffn_norm", True)
    yield from linear(f"{there}.feed_forward.dense.dense", f"{here}.ffn.up_proj", True)
    yield from linear(f"{there}.feed_forward.output.dense", f"{here}.ffn.down_proj", True)


def _is_reformer(cfg: ModelConfig) -> bool:
    plain = cfg.structure == "decoder" and cfg.head == "lm" and cfg.moe is None and cfg.mla is None
    return plain and cfg.block == "reversible" and set(cfg.mask_pattern).issubset(KINDS)


REFORMER = Layout(
    model_type="reformer",
    architecture=lambda cfg: "ReformerModelWithLMHead",
    prefix="",
    # Buffers: the scores of what is masked, and of a token's own key.
    ignored=r"reformer\.encoder\.layers\.\d+\.attention\.self_attention\.(mask_value_float\d+|self_mask_value_float\d+)",
    read_config=read_config,
    write_config=write_config,
    rows=rows,
    accepts=_is_reformer,
    classes=("ModelWithLMHead",),
    free_heads=True,
)
