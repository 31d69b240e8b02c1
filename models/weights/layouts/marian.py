"""Marian (Junczys-Dowmunt et al. 2018, arXiv:1804.00344), as `MarianMTModel` stores it: the transformer of 2017 in all
but the order of sines and cosines."""

from collections.abc import Iterable, Mapping

from torch import Tensor

from models.config import ModelConfig
from models.weights.layouts.heads import head_rows
from models.weights.layouts.layout import (
    ACTIVATION_THERE,
    Layout,
    Settled,
    activation,
    demand,
    first_of,
    linear,
    refuse,
    settle_head,
)
from models.weights.layouts.t5 import one_table, with_copies
from models.weights.tensors import Row, shaped

SHARED = "model.shared.weight"
COPIES = ("model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight")
"""Other names of the token table, in old files."""

LOGITS_BIAS = "final_logits_bias"
BIASES = ("q", "k", "v", "o", "ffn", "norm")
NORM_EPS = 1e-5  # of torch.nn.LayerNorm; no field says it
SIDES = {
    "ffn_dim": 4096,
    "attention_heads": 16,
}
"""Sizes that each stack could have of its own, and the class's defaults."""


def read_config(values: Mapping) -> ModelConfig:
    """config.json to `ModelConfig`; whether there is a bias on the logits is seen in the file, by `settle`."""
    demand(values, "share_encoder_decoder_embeddings", True)
    demand(values, "normalize_before", False)
    demand(values, "add_final_layer_norm", False)
    demand(values, "normalize_embedding", False)
    vocab_size = first_of(values, "vocab_size", default=58101)
    demand(values, "decoder_vocab_size", vocab_size)
    sizes = {name: first_of(values, f"encoder_{name}", f"num_{name}", default=usual) for name, usual in SIDES.items()}
    for name, usual in SIDES.items():
        if (size := first_of(values, f"decoder_{name}", default=usual)) != sizes[name]:
            refuse(values, f"decoder_{name}", size, (sizes[name],))
    biases = (*BIASES, "head") if first_of(values, "add_bias_logits", default=True) else BIASES
    return ModelConfig(
        structure="encoder_decoder",
        vocab_size=vocab_size,
        max_seq_len=first_of(values, "max_position_embeddings", default=1024),
        d_model=first_of(values, "d_model", "hidden_size", default=1024),
        n_layers=first_of(values, "decoder_layers", default=12),
        n_encoder_layers=first_of(values, "encoder_layers", "num_hidden_layers", default=12),
        n_heads=sizes["attention_heads"],
        d_ff=sizes["ffn_dim"],
        position="sinusoidal",
        sinusoid_layout="half",
        norm="layernorm",
        norm_eps=NORM_EPS,
        block="post",
        final_norm=False,
        ffn="plain",
        activation=activation(values, "activation_function", "gelu"),
        biases=biases,
        scale_embeddings=first_of(values, "scale_embedding", default=False),
        tie_embeddings=first_of(values, "tie_word_embeddings", default=True),
        decoder_start_id=first_of(values, "decoder_start_token_id", "pad_token_id", default=vocab_size - 1),
    )


def write_config(cfg: ModelConfig) -> dict:
    """The config.json of the Marian model that is closest to `cfg`."""
    return {
        "vocab_size": cfg.vocab_size,
        "max_position_embeddings": cfg.max_seq_len,
        "d_model": cfg.d_model,
        "encoder_layers": cfg.n_encoder_layers,
        "decoder_layers": cfg.n_layers,
        "encoder_attention_heads": cfg.n_heads,
        "decoder_attention_heads": cfg.n_heads,
        "encoder_ffn_dim": cfg.d_ff,
        "decoder_ffn_dim": cfg.d_ff,
        "activation_function": ACTIVATION_THERE[cfg.activation],
        "scale_embedding": cfg.scale_embeddings,
        "add_bias_logits": "head" in cfg.biases,
        "tie_word_embeddings": cfg.tie_embeddings,
        "is_encoder_decoder": True,
        "decoder_start_token_id": cfg.decoder_start_id,
        "pad_token_id": cfg.decoder_start_id,
        "forced_eos_token_id": None,
    }


def rows(cfg: ModelConfig) -> Iterable[Row]:
    """Every tensor of the file; sines and cosines are computed, not stored."""
    yield Row(SHARED, ("tok_embed.weight",))
    for stack, n_layers in (("encoder", cfg.n_encoder_layers), ("decoder", cfg.n_layers)):
        for i in range(n_layers):
            yield from _layer_rows(f"model.{stack}.layers.{i}", f"{stack}.layers.{i}", stack == "decoder")
    if "head" in cfg.biases:
        yield Row(LOGITS_BIAS, ("lm_head.bias",), shaped((1, cfg.vocab_size), (cfg.vocab_size,)))
    yield from head_rows(cfg)
    if not cfg.tie_embeddings:
        yield from (Row(name, ("tok_embed.weight",)) for name in COPIES)  # version 5 reads a table for each stack


def _layer_rows(there: str, here: str, reads_memory: bool) -> Iterable[Row]:
    attentions = {"self_attn": ("attn", "attn_norm")}
    if reads_memory:
        attentions["encoder_attn"] = ("cross_attn", "cross_norm")
    for name, (attn, norm) in attentions.items():
        for ours, theirs in {"q_proj": "q_proj", "k_proj": "k_proj", "v_proj": "v_proj", "o_proj": "out_proj"}.items():
            yield from linear(f"{there}.{name}.{theirs}", f"{here}.{attn}.{ours}", True)
        yield from linear(f"{there}.{name}_layer_norm", f"{here}.{norm}", True)
    yield from linear(f"{there}.fc1", f"{here}.ffn.up_proj", True)
    yield from linear(f"{there}.fc2", f"{here}.ffn.down_proj", True)
    yield from linear(f"{there}.final_layer_norm", f"{here}.ffn_norm", True)


def settle(tensors: Mapping[str, Tensor], cfg: ModelConfig, values: Mapping) -> Settled:
    """One token table under one name, and a bias on the logits where the file has one."""
    cfg = cfg.replace(biases=(*BIASES, "head") if LOGITS_BIAS in tensors else BIASES)
    tensors, cfg = settle_head(SHARED)(one_table(tensors, SHARED, COPIES), cfg, values)
    return with_copies(tensors, cfg, SHARED, COPIES), cfg


MARIAN = Layout(
    model_type="marian",
    architecture=lambda cfg: "MarianMTModel",
    prefix="",
    ignored=r"model\.(encoder|decoder)\.embed_positions\.weight",
    read_config=read_config,
    write_config=write_config,
    rows=rows,
    accepts=lambda cfg: cfg.structure == "encoder_decoder" and cfg.position == "sinusoidal" and cfg.moe is None,
    settle=settle,
    classes=("MarianMTModel",),
)
