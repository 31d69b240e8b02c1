"""T5 (Raffel et al. 2019), T5 v1.1 and Flan-T5, and Switch (Fedus et al. 2021), as `transformers` stores them."""

from collections.abc import Iterable, Mapping

from torch import Tensor, equal

from models.config import MixtureOfExperts, ModelConfig
from models.errors import InputError
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
from models.weights.tensors import Row

SHARED = "shared.weight"
COPIES = ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight")
"""Other names of the token table, in old files."""

SIZES = {"d_model": 512, "num_layers": 6, "num_decoder_layers": None, "num_heads": 8}
SIZES_OF_SWITCH = {"d_model": 768, "num_layers": 12, "num_decoder_layers": 12, "num_heads": 12}
"""What absent fields mean; without a number of its own, T5's decoder has as many layers as its encoder."""


def read_config(values: Mapping) -> ModelConfig:
    """config.json to `ModelConfig`. In v1.0 embedding and head are one matrix, and the head reads 1/√d_model of the
    decoder's output; in v1.1 neither."""
    there = first_of(values, "feed_forward_proj", default="relu")
    tied = first_of(values, "tie_word_embeddings", default=True)
    return ModelConfig(
        **_fields(values),
        ffn="gated" if there.startswith("gated-") else "plain",
        activation=_activation(values, there),
        tie_embeddings=tied,
        scale_logits=first_of(values, "scale_decoder_outputs", default=tied),
    )


def _activation(values: Mapping, there: str) -> str:
    if there == "gated-gelu":
        return "gelu_tanh"  # the one spelling that means another function than its name says
    return activation({**values, "feed_forward_proj": there.removeprefix("gated-")}, "feed_forward_proj", "relu")


def _fields(values: Mapping, usual: Mapping = SIZES) -> dict:
    """What T5 and Switch spell alike."""
    n_layers = first_of(values, "num_layers", "num_hidden_layers", default=usual["num_layers"])
    return {
        "structure": "encoder_decoder",
        "vocab_size": first_of(values, "vocab_size", default=32128),
        "max_seq_len": first_of(values, "n_positions", default=512),
        "d_model": first_of(values, "d_model", "hidden_size", default=usual["d_model"]),
        "n_layers": first_of(values, "num_decoder_layers", default=usual["num_decoder_layers"] or n_layers),
        "n_encoder_layers": n_layers,
        "n_heads": first_of(values, "num_heads", "num_attention_heads", default=usual["num_heads"]),
        "d_head": first_of(values, "d_kv", "head_dim", default=64),
        "d_ff": first_of(values, "d_ff", default=2048),
        "position": "relative",
        "relative_buckets": first_of(values, "relative_attention_num_buckets", default=32),
        "relative_max_distance": first_of(values, "relative_attention_max_distance", default=128),
        "scale_scores": False,
        "norm": "rmsnorm",
        "norm_eps": first_of(values, "layer_norm_epsilon", default=1e-6),
        "decoder_start_id": first_of(values, "decoder_start_token_id", "pad_token_id", default=0),
    }


def read_switch_config(values: Mapping) -> ModelConfig:
    """As `read_config`, with experts in every second layer or so of both stacks; a tied head reads 1/√d_model."""
    demand(values, "router_bias", False)
    demand(values, "router_dtype", "float32")
    demand(values, "is_gated_act", False)
    fields = _fields(values, SIZES_OF_SWITCH)
    steps = {
        f"num_sparse_{stack}_layers": _sparse_step(values, stack, n_layers)
        for stack, n_layers in (("encoder", fields["n_encoder_layers"]), ("decoder", fields["n_layers"]))
    }
    step, of_decoder = steps.values()
    if step == 0 or step != of_decoder:
        name = "num_sparse_encoder_layers" if step == 0 else "num_sparse_decoder_layers"
        refuse(values, name, values.get(name), ("the same share of both stacks",))
    tied = first_of(values, "tie_word_embeddings", default=True)
    moe = MixtureOfExperts(
        n_experts=first_of(values, "num_experts", default=8),
        n_experts_per_token=1,
        d_expert=fields["d_ff"],
        every=step,
        offset=1 if step > 1 else 0,
        router="switch",
        normalise_weights=False,
        capacity=first_of(values, "expert_capacity", default=64),
        jitter=first_of(values, "router_jitter_noise", default=0.01),
        aux_loss_coef=first_of(values, "router_aux_loss_coef", default=0.001),
        z_loss_coef=first_of(values, "router_z_loss_coef", default=0.001),
    )
    return ModelConfig(
        **fields,
        ffn="plain",
        activation=activation(values, "dense_act_fn", "relu"),
        tie_embeddings=tied,
        scale_logits=tied,
        moe=moe,
    )


def _sparse_step(values: Mapping, stack: str, n_layers: int) -> int:
    """Of every how many layers one is sparse, as `SwitchTransformersConfig` derives it: the second of each."""
    n_sparse = first_of(values, f"num_sparse_{stack}_layers", default=3)
    return n_layers // n_sparse if n_sparse else n_layers


def write_config(cfg: ModelConfig) -> dict:
    """The config.json of the T5 that is closest to `cfg`."""
    act = ACTIVATION_THERE[cfg.activation]
    gated = "gated-gelu" if cfg.activation == "gelu_tanh" else f"gated-{act}"
    if cfg.ffn == "gated" and act == "gelu":
        gated = "gated-gelu_python"
    return {
        **_common(cfg),
        "feed_forward_proj": gated if cfg.ffn == "gated" else act,
        "scale_decoder_outputs": cfg.scale_logits,
    }


def _common(cfg: ModelConfig) -> dict:
    return {
        "vocab_size": cfg.vocab_size,
        "n_positions": cfg.max_seq_len,
        "d_model": cfg.d_model,
        "d_kv": cfg.d_head,
        "d_ff": cfg.d_ff,
        "num_layers": cfg.n_encoder_layers,
        "num_decoder_layers": cfg.n_layers,
        "num_heads": cfg.n_heads,
        "relative_attention_num_buckets": cfg.relative_buckets,
        "relative_attention_max_distance": cfg.relative_max_distance,
        "layer_norm_epsilon": cfg.norm_eps,
        "tie_word_embeddings": cfg.tie_embeddings,
        "is_encoder_decoder": True,
        "decoder_start_token_id": cfg.decoder_start_id,
        "pad_token_id": cfg.decoder_start_id,
    }


def write_switch_config(cfg: ModelConfig) -> dict:
    """The config.json of the Switch that is closest to `cfg`; raises `InputError` for gated experts, which it has not."""
    if cfg.ffn == "gated":
        raise InputError("not_a_choice", field="ffn", value=cfg.ffn, allowed="plain")
    moe = cfg.moe
    return {
        **_common(cfg),
        "dense_act_fn": ACTIVATION_THERE[cfg.activation],
        "num_experts": moe.n_experts,
        "num_sparse_encoder_layers": cfg.n_encoder_layers // moe.every,
        "num_sparse_decoder_layers": cfg.n_layers // moe.every,
        "expert_capacity": moe.capacity,
        "router_jitter_noise": moe.jitter,
        "router_aux_loss_coef": moe.aux_loss_coef,
        "router_z_loss_coef": moe.z_loss_coef,
    }


def rows(cfg: ModelConfig) -> Iterable[Row]:
    """Every tensor of the file. The first layer holds the table of relative positions of its whole stack."""
    yield Row(SHARED, ("tok_embed.weight",))
    for stack, n_layers in (("encoder", cfg.n_encoder_layers), ("decoder", cfg.n_layers)):
        table = f"{stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
        yield Row(table, (f"{stack}.position.weight",))
        for i in range(n_layers):
            yield from _layer_rows(cfg, stack, i)
        yield from linear(f"{stack}.final_layer_norm", f"{stack}.final_norm", False)
    yield from head_rows(cfg)


def switch_rows(cfg: ModelConfig) -> Iterable[Row]:
    """The same; where the head is untied, `transformers` 5 reads a table for each stack."""
    yield from rows(cfg)
    if not cfg.tie_embeddings:
        yield from (Row(name, ("tok_embed.weight",)) for name in COPIES)


def _layer_rows(cfg: ModelConfig, stack: str, i: int) -> Iterable[Row]:
    there, here = f"{stack}.block.{i}.layer", f"{stack}.layers.{i}"
    yield from _attention_rows(f"{there}.0.SelfAttention", f"{here}.attn")
    yield from linear(f"{there}.0.layer_norm", f"{here}.attn_norm", False)
    last = 1
    if stack == "decoder":
        last = 2
        yield from _attention_rows(f"{there}.1.EncDecAttention", f"{here}.cross_attn")
        yield from linear(f"{there}.1.layer_norm", f"{here}.cross_norm", False)
    yield from linear(f"{there}.{last}.layer_norm", f"{here}.ffn_norm", False)
    yield from _feed_forward_rows(cfg, f"{there}.{last}", f"{here}.ffn", cfg.moe is not None and cfg.moe.is_sparse(i))


def _attention_rows(there: str, here: str) -> Iterable[Row]:
    for name in ("q", "k", "v", "o"):
        yield from linear(f"{there}.{name}", f"{here}.{name}_proj", False)


def _feed_forward_rows(cfg: ModelConfig, there: str, here: str, sparse: bool) -> Iterable[Row]:
    inner = "DenseReluDense" if cfg.moe is None else "mlp"
    if not sparse:
        ups = {"wi_0": "gate_proj", "wi_1": "up_proj"} if cfg.ffn == "gated" else {"wi": "up_proj"}
        for name, ours in {**ups, "wo": "down_proj"}.items():
            yield from linear(f"{there}.{inner}.{name}", f"{here}.{ours}", False)
        return
    yield Row(f"{there}.mlp.router.classifier.weight", (f"{here}.router.weight",))
    for e in range(cfg.moe.n_experts):
        for name, ours in {"wi": "up_proj", "wo": "down_proj"}.items():
            yield from linear(f"{there}.mlp.experts.expert_{e}.{name}", f"{here}.experts.{e}.{ours}", False)


def one_table(tensors: Mapping[str, Tensor], shared: str, copies: tuple[str, ...]) -> dict[str, Tensor]:
    """The tensors with one token table, called `shared`, in place of the equal `copies` that the stacks read.

    Raises `InputError` where the stacks read different tables.
    """
    found = {name: tensors[name] for name in copies if name in tensors}
    if not found:
        return dict(tensors)
    table, *others = found.values()
    if not all(other.shape == table.shape and equal(other, table) for other in others):
        raise InputError("weights_two_tables", names=", ".join(found))
    return {**{name: tensor for name, tensor in tensors.items() if name not in copies}, shared: table}


def with_copies(
    tensors: dict[str, Tensor], cfg: ModelConfig, shared: str, copies: tuple[str, ...]
) -> dict[str, Tensor]:
    """The tensors of a model as its rows name them: an untied one has the table thrice."""
    if cfg.tie_embeddings or shared not in tensors:
        return tensors
    return {**tensors, **dict.fromkeys(copies, tensors[shared])}


def settle(tensors: Mapping[str, Tensor], cfg: ModelConfig, values: Mapping) -> Settled:
    """One token table under one name, and a head of its own only where the file has another matrix for it."""
    return settle_head(SHARED)(one_table(tensors, SHARED, COPIES), cfg.replace(tie_embeddings=True), values)


def settle_switch(tensors: Mapping[str, Tensor], cfg: ModelConfig, values: Mapping) -> Settled:
    """The same where config.json is believed about the head."""
    tensors, cfg = settle_head(SHARED)(one_table(tensors, SHARED, COPIES), cfg, values)
    return with_copies(tensors, cfg, SHARED, COPIES), cfg


def _reads_and_writes(cfg: ModelConfig) -> bool:
    return cfg.structure == "encoder_decoder" and cfg.position == "relative"


T5 = Layout(
    model_type="t5",
    architecture=lambda cfg: "T5ForConditionalGeneration",
    prefix="",
    ignored=r"decoder\.block\.0\.layer\.1\.EncDecAttention\.relative_attention_bias\.weight",  # was never used
    read_config=read_config,
    write_config=write_config,
    rows=rows,
    accepts=lambda cfg: _reads_and_writes(cfg) and cfg.moe is None,
    settle=settle,
    classes=("T5ForConditionalGeneration", "T5WithLMHeadModel", "T5Model"),
    free_heads=True,
)
SWITCH = Layout(
    model_type="switch_transformers",
    architecture=lambda cfg: "SwitchTransformersForConditionalGeneration",
    prefix="",
    ignored=T5.ignored,
    read_config=read_switch_config,
    write_config=write_switch_config,
    rows=switch_rows,
    accepts=lambda cfg: _reads_and_writes(cfg) and cfg.moe is not None,
    settle=settle_switch,
    classes=("ForConditionalGeneration",),
    free_heads=True,
)
