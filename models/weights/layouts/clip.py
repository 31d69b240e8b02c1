"""CLIP (Radford et al. 2021), as `CLIPModel` stores it: a text tower and an image tower."""

from collections.abc import Iterable, Mapping

from models.config import ImageInput, ModelConfig
from models.weights.layouts.layout import ACTIVATION_THERE, Layout, activation, first_of, linear
from models.weights.layouts.vit import patch_rows, square
from models.weights.tensors import Row

BIASES = ("q", "k", "v", "o", "ffn", "norm")
HIGHEST = 2
"""As eos_token_id it means, in old configs, that a text is read at its highest id."""


def read_config(values: Mapping) -> ModelConfig:
    """config.json to `ModelConfig`, which is the text tower's, with the image tower in it."""
    text, vision = _part(values, "text_config"), _part(values, "vision_config")
    end_id = first_of(text, "eos_token_id", default=49407)
    return ModelConfig(
        structure="two_towers",
        vocab_size=first_of(text, "vocab_size", default=49408),
        max_seq_len=first_of(text, "max_position_embeddings", default=77),
        **_tower(text, d_model=512, n_heads=8, d_ff=2048),
        d_projection=first_of(values, "projection_dim", default=512),
        text_end_id=None if end_id == HIGHEST else end_id,
        vision_tower=_vision_tower(vision),
    )


def _part(values: Mapping, name: str) -> Mapping:
    """The settings of one tower; those under the older name count, where it is there."""
    part = first_of(values, f"{name}_dict", name, default={})
    return {"model_type": values.get("model_type"), **part}


def _vision_tower(vision: Mapping) -> ModelConfig:
    image = ImageInput(
        image_size=square(vision, "image_size", 224),
        patch_size=square(vision, "patch_size", 32),
        n_channels=first_of(vision, "num_channels", default=3),
        bias=False,
    )
    return ModelConfig(
        structure="encoder",
        vocab_size=0,
        max_seq_len=image.n_patches + 1,
        **_tower(vision, d_model=768, n_heads=12, d_ff=3072),
        embed_norm=True,
        image=image,
    )


def _tower(part: Mapping, d_model: int, n_heads: int, d_ff: int) -> dict:
    """What both towers spell alike; the arguments are the defaults of the class."""
    return {
        "d_model": first_of(part, "hidden_size", default=d_model),
        "n_layers": first_of(part, "num_hidden_layers", default=12),
        "n_heads": first_of(part, "num_attention_heads", default=n_heads),
        "d_ff": first_of(part, "intermediate_size", default=d_ff),
        "position": "learned",
        "norm": "layernorm",
        "norm_eps": first_of(part, "layer_norm_eps", default=1e-5),
        "ffn": "plain",
        "activation": activation(part, "hidden_act", "quick_gelu"),
        "biases": BIASES,
        "head": "none",
    }


def write_config(cfg: ModelConfig) -> dict:
    """The config.json of the CLIP that is closest to `cfg`."""
    vision = cfg.vision_tower
    return {
        "projection_dim": cfg.d_projection,
        "text_config": {
            **_write_tower(cfg),
            "vocab_size": cfg.vocab_size,
            "max_position_embeddings": cfg.max_seq_len,
            "projection_dim": cfg.d_projection,
            "bos_token_id": None,
            "eos_token_id": HIGHEST if cfg.text_end_id is None else cfg.text_end_id,
            "pad_token_id": None,
        },
        "vision_config": {
            **_write_tower(vision),
            "image_size": vision.image.image_size,
            "patch_size": vision.image.patch_size,
            "num_channels": vision.image.n_channels,
            "projection_dim": cfg.d_projection,
        },
    }


def _write_tower(tower: ModelConfig) -> dict:
    return {
        "hidden_size": tower.d_model,
        "num_hidden_layers": tower.n_layers,
        "num_attention_heads": tower.n_heads,
        "intermediate_size": tower.d_ff,
        "layer_norm_eps": tower.norm_eps,
        "hidden_act": ACTIVATION_THERE[tower.activation],
    }


def rows(cfg: ModelConfig) -> Iterable[Row]:
    """Every tensor of the file. "pre_layrnorm" is how it is spelt there."""
    vision = cfg.vision_tower
    embeddings = "text_model.embeddings"
    yield Row(f"{embeddings}.token_embedding.weight", ("text.tok_embed.weight",))
    yield Row(f"{embeddings}.position_embedding.weight", ("text.position.weight",))
    yield from _layer_rows("text_model", "text", cfg.n_layers)
    yield from linear("text_model.final_layer_norm", "text.final_norm", True)
    embeddings = "vision_model.embeddings"
    yield Row(f"{embeddings}.class_embedding", ("vision.patch_embed.class_token",))
    yield from patch_rows(f"{embeddings}.patch_embedding", vision, "vision.patch_embed")
    yield Row(f"{embeddings}.position_embedding.weight", ("vision.position.weight",))
    yield from linear("vision_model.pre_layrnorm", "vision.embed_norm", True)
    yield from _layer_rows("vision_model", "vision", vision.n_layers)
    yield from linear("vision_model.post_layernorm", "vision.final_norm", True)
    yield Row("text_projection.weight", ("text_projection.weight",))
    yield Row("visual_projection.weight", ("vision_projection.weight",))
    yield Row("logit_scale", ("logit_scale",))


def _layer_rows(there: str, here: str, n_layers: int) -> Iterable[Row]:
    names = {
        "self_attn.q_proj": "attn.q_proj",
        "self_attn.k_proj": "attn.k_proj",
        "self_attn.v_proj": "attn.v_proj",
        "self_attn.out_proj": "attn.o_proj",
        "layer_norm1": "attn_norm",
        "layer_norm2": "ffn_norm",
        "mlp.fc1": "ffn.up_proj",
        "mlp.fc2": "ffn.down_proj",
    }
    for i in range(n_layers):
        for theirs, ours in names.items():
            yield from linear(f"{there}.encoder.layers.{i}.{theirs}", f"{here}.layers.{i}.{ours}", True)


CLIP = Layout(
    model_type="clip",
    architecture=lambda cfg: "CLIPModel",
    prefix="",
    ignored=r"(text|vision)_model\.embeddings\.position_ids",
    read_config=read_config,
    write_config=write_config,
    rows=rows,
    accepts=lambda cfg: cfg.structure == "two_towers" and cfg.moe is None,
    classes=("CLIPModel",),
)
