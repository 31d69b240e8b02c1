"""BERT (Devlin et al. 2018), as `BertForPreTraining`, `BertForMaskedLM`, `BertModel` and their like store it.

Longformer and BigBird have grown from its code, and share most names; what they share is here.
"""

from collections.abc import Iterable, Mapping

from torch import Tensor

from models.config import ModelConfig
from models.weights.layouts.layout import (
    ACTIVATION_THERE,
    Layout,
    Settle,
    Settled,
    activation,
    demand,
    first_of,
    linear,
    settle_head,
)
from models.weights.tensors import Row

BIASES = ("q", "k", "v", "o", "ffn", "norm")
VOCABULARY_HEADS = ("mlm", "mlm_nsp")
ARCHITECTURES = {
    "mlm_nsp": "BertForPreTraining",
    "mlm": "BertForMaskedLM",
    "classification": "BertForSequenceClassification",
    "none": "BertModel",
}
CLASSES = (
    *("ForPreTraining", "ForMaskedLM", "LMHeadModel", "ForNextSentencePrediction"),
    *("ForSequenceClassification", "ForMultipleChoice", "BertModel"),
)
SCORES = "cls.predictions"
NEXT_SENTENCE = "cls.seq_relationship"
OF_HEADS = ("cls.", "lm_head.", "classifier.")
"""What the names of heads begin with; all others belong to the encoder."""


def read_config(values: Mapping) -> ModelConfig:
    """config.json to `ModelConfig`; the heads are those of its class, until `settle_heads` sees which ones there are."""
    demand(values, "position_embedding_type", "absolute")
    head = head_of_class(values, ARCHITECTURES, "mlm_nsp")
    return ModelConfig(
        **encoder_fields(values),
        max_seq_len=first_of(values, "max_position_embeddings", default=512),
        activation=activation(values, "hidden_act", "gelu"),
        biases=BIASES,
        head=head,
        n_classes=n_labels(values) if head == "classification" else None,
        pooler=head != "mlm",
        tie_embeddings=head in VOCABULARY_HEADS and first_of(values, "tie_word_embeddings", default=True),
    )


def encoder_fields(values: Mapping) -> dict:
    """What BERT and its kin spell alike."""
    demand(values, "is_decoder", False)
    demand(values, "add_cross_attention", False)
    return {
        "structure": "encoder",
        "vocab_size": first_of(values, "vocab_size", default=30522),
        "d_model": first_of(values, "hidden_size", default=768),
        "n_layers": first_of(values, "num_hidden_layers", default=12),
        "n_heads": first_of(values, "num_attention_heads", default=12),
        "d_ff": first_of(values, "intermediate_size", default=3072),
        "position": "learned",
        "n_segments": first_of(values, "type_vocab_size", default=2),
        "norm": "layernorm",
        "norm_eps": first_of(values, "layer_norm_eps", default=1e-12),
        "block": "post",
        "final_norm": False,
        "embed_norm": True,
        "ffn": "plain",
    }


def head_of_class(values: Mapping, architectures: Mapping[str, str], usual: str) -> str:
    """Our name of the head that the classes of a config.json have."""
    classes = values.get("architectures") or ()
    return next((head for head, name in architectures.items() if name in classes), usual)


def n_labels(values: Mapping) -> int:
    """How many classes a classifier tells apart; two, where config.json does not say."""
    return first_of(values, "num_labels", default=len(values.get("id2label") or ("", "")))


def write_labels(cfg: ModelConfig) -> dict:
    """The names that the classes get, from which `transformers` counts them."""
    if cfg.n_classes is None:
        return {}
    labels = [f"LABEL_{i}" for i in range(cfg.n_classes)]
    return {
        "id2label": {str(i): label for i, label in enumerate(labels)},
        "label2id": {label: i for i, label in enumerate(labels)},
    }


def write_config(cfg: ModelConfig) -> dict:
    """The config.json of the BERT that is closest to `cfg`."""
    return {
        "vocab_size": cfg.vocab_size,
        "max_position_embeddings": cfg.max_seq_len,
        "hidden_size": cfg.d_model,
        "num_hidden_layers": cfg.n_layers,
        "num_attention_heads": cfg.n_heads,
        "intermediate_size": cfg.d_ff,
        "type_vocab_size": max(cfg.n_segments, 1),
        "layer_norm_eps": cfg.norm_eps,
        "hidden_act": ACTIVATION_THERE[cfg.activation],
        "tie_word_embeddings": cfg.tie_embeddings,
        **write_labels(cfg),
    }


def encoder_rows(cfg: ModelConfig, root: str) -> Iterable[Row]:
    """Embeddings and layers, whose names begin with `root` ("bert.")."""
    embeddings = {"word": "tok_embed", "position": "position", "token_type": "segment_embed"}
    for there, here in embeddings.items():
        yield Row(f"{root}embeddings.{there}_embeddings.weight", (f"{here}.weight",))
    yield from linear(f"{root}embeddings.LayerNorm", "embed_norm", True)
    for i in range(cfg.n_layers):
        there, here = f"{root}encoder.layer.{i}", f"layers.{i}"
        for name in ("query", "key", "value"):
            short = name[0]
            yield from linear(f"{there}.attention.self.{name}", f"{here}.attn.{short}_proj", short in cfg.biases)
        yield from linear(f"{there}.attention.output.dense", f"{here}.attn.o_proj", True)
        yield from linear(f"{there}.attention.output.LayerNorm", f"{here}.attn_norm", True)
        yield from linear(f"{there}.intermediate.dense", f"{here}.ffn.up_proj", True)
        yield from linear(f"{there}.output.dense", f"{here}.ffn.down_proj", True)
        yield from linear(f"{there}.output.LayerNorm", f"{here}.ffn_norm", True)


def masked_rows(cfg: ModelConfig, scores: str, dense: str, norm: str) -> Iterable[Row]:
    """What predicts masked tokens; `dense` and `norm` are the names of the layer before the vocabulary.

    A matrix of its own stands beside a bias of its own, which takes the place of the other one.
    """
    if cfg.head not in VOCABULARY_HEADS:
        return
    yield Row(f"{scores}.bias", ("mlm_head.bias",))
    yield from linear(dense, "mlm_head.dense", True)
    yield from linear(norm, "mlm_head.norm", True)
    if not cfg.tie_embeddings:
        yield Row(f"{scores}.decoder.weight", ("mlm_head.weight",))
        yield Row(f"{scores}.decoder.bias", ("mlm_head.bias",))


def head_rows(cfg: ModelConfig) -> Iterable[Row]:
    """What predicts masked tokens and the next sentence."""
    transform = f"{SCORES}.transform"
    yield from masked_rows(cfg, SCORES, f"{transform}.dense", f"{transform}.LayerNorm")
    if cfg.head == "mlm_nsp":
        yield from linear(NEXT_SENTENCE, "nsp_head", True)


def root_of(cfg: ModelConfig, prefix: str) -> str:
    """What the encoder's names begin with: nothing, in a model that was saved without heads."""
    return "" if cfg.head == "none" else prefix


def rows(cfg: ModelConfig) -> Iterable[Row]:
    """Every tensor of the file."""
    root = root_of(cfg, "bert.")
    yield from encoder_rows(cfg, root)
    if cfg.pooler:
        yield from linear(f"{root}pooler.dense", "pooler", True)
    yield from head_rows(cfg)
    if cfg.head == "classification":
        yield from linear("classifier", "classifier", True)


def settle_heads(prefix: str, scores: str, classifies: bool = False) -> Settle:
    """Makes the configuration have the heads that the file has, and gives old names of norms their new ones.

    prefix: what the encoder's names begin with where there are heads; scores: the module of the head's decoder and bias;
    classifies: whether a pooler and a linear classifier may stand in place of that head.
    """

    def settle(tensors: Mapping[str, Tensor], cfg: ModelConfig, values: Mapping) -> Settled:
        has_heads = any(name.startswith(OF_HEADS) for name in tensors)
        tensors = {_new_name(name, prefix, has_heads): tensor for name, tensor in tensors.items()}
        pooled = any("pooler." in name for name in tensors)
        if f"{scores}.decoder.bias" in tensors:
            tensors[f"{scores}.bias"] = tensors.pop(f"{scores}.decoder.bias")
        if classifies and f"{scores}.bias" not in tensors:  # alone, the next sentence is a class among two
            tensors = {name.replace(NEXT_SENTENCE, "classifier"): tensor for name, tensor in tensors.items()}
        head, n_classes = "none", None
        if f"{scores}.bias" in tensors:
            head = "mlm_nsp" if pooled and f"{NEXT_SENTENCE}.weight" in tensors else "mlm"
        elif classifies and pooled and "classifier.weight" in tensors:
            head, n_classes = "classification", len(tensors["classifier.weight"])
        tied = head in VOCABULARY_HEADS and first_of(values, "tie_word_embeddings", default=True)
        cfg = cfg.replace(head=head, pooler=pooled, n_classes=n_classes, tie_embeddings=tied)
        if head not in VOCABULARY_HEADS:
            return tensors, cfg
        agree = settle_head(f"{prefix}embeddings.word_embeddings.weight", f"{scores}.decoder.weight")
        tensors, cfg = agree(tensors, cfg, values)
        if not cfg.tie_embeddings:
            tensors[f"{scores}.decoder.bias"] = tensors[f"{scores}.bias"]
        return tensors, cfg

    return settle


def _new_name(name: str, prefix: str, has_heads: bool) -> str:
    name = name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")
    if name.startswith(OF_HEADS):
        return name
    bare = name.removeprefix(prefix)
    return prefix + bare if has_heads else bare


def reads_tokens(cfg: ModelConfig, *masks: str) -> bool:
    """Whether `cfg` is an encoder of tokens without experts whose layers all have one mask, one of `masks`."""
    plain = cfg.structure == "encoder" and cfg.image is None and cfg.moe is None
    return plain and len(set(cfg.mask_pattern)) == 1 and cfg.mask_pattern[0] in masks


BERT = Layout(
    model_type="bert",
    architecture=lambda cfg: ARCHITECTURES.get(cfg.head, ""),
    prefix="bert.",
    ignored=r"(bert\.)?embeddings\.position_ids",
    read_config=read_config,
    write_config=write_config,
    rows=rows,
    accepts=lambda cfg: reads_tokens(cfg, "bidirectional"),
    settle=settle_heads("bert.", SCORES, classifies=True),
    classes=CLASSES,
)
