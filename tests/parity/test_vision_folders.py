"""A Hugging Face folder of ViT or CLIP, loaded here, computes what `transformers` computes."""

import copy
import json

import pytest
import torch
from safetensors.torch import load_file, save_file

import models
from models.errors import InputError
from tests.parity.agreement import TOLERANCE, VOCABULARY, difference, ids
from tests.parity.conftest import randomise, transformers
from tests.parity.test_folders import rewrite

SIZES = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 76}
IMAGE = {"image_size": 24, "patch_size": 8}
END = VOCABULARY - 1


def vit(kind="ForImageClassification", **changes):
    return getattr(transformers, f"ViT{kind}"), transformers.ViTConfig(**{**SIZES, **IMAGE, **changes})


def clip(end_id=END, projection_dim=26, text=None, vision=None):
    sizes = {**SIZES, "projection_dim": projection_dim}
    of_text = {"vocab_size": VOCABULARY, "max_position_embeddings": 20, "bos_token_id": 1, "eos_token_id": end_id}
    config = transformers.CLIPConfig(
        text_config={**sizes, **of_text, **(text or {})},
        vision_config={**sizes, **IMAGE, "hidden_size": 36, **(vision or {})},
        projection_dim=projection_dim,
    )
    return transformers.CLIPModel, config


VITS = {
    "classifier": vit(num_labels=7),
    "classifier, odd heads, one channel, no query biases, other eps": vit(
        hidden_size=35, num_attention_heads=5, num_channels=1, qkv_bias=False, layer_norm_eps=1e-3, num_labels=3
    ),
    "bare, tanh gelu, small patches": vit("Model", hidden_act="gelu_new", patch_size=4),
}
CLIPS = {
    "read at the end": clip(),
    "read at the highest id": clip(end_id=2),
    "odd heads, other functions and depths": clip(
        text={"hidden_size": 35, "num_attention_heads": 5, "hidden_act": "gelu", "layer_norm_eps": 1e-3},
        vision={"num_hidden_layers": 3, "num_attention_heads": 3, "hidden_act": "gelu_new", "patch_size": 12},
    ),
}


def load_pair(case, folder_of):
    """The same weights in `transformers` (explicit attention) and here, with the folder between them."""
    cls, config = copy.deepcopy(case)
    config._attn_implementation = "eager"
    theirs = randomise(cls(config))
    folder = folder_of(theirs)
    return theirs, models.load(folder).model, folder


def named(cases):
    return pytest.mark.parametrize(
        "case", cases.values(), ids=[name.replace(" ", "-").replace(",", "") for name in cases]
    )


def images(config, n: int = 3) -> torch.Tensor:
    shape = (n, config.num_channels, config.image_size, config.image_size)
    return torch.randn(shape, generator=torch.Generator().manual_seed(5))


def check_vit(ours, theirs, pixels) -> None:
    mine, reference = ours(pixel_values=pixels), theirs(pixels)
    if ours.config.head == "classification":
        assert difference(mine.logits, reference.logits) < TOLERANCE
    else:
        assert difference(mine.hidden, reference.last_hidden_state) < TOLERANCE
        if ours.config.pooler:
            assert difference(mine.pooled, reference.pooler_output) < TOLERANCE


@named(VITS)
@torch.no_grad()
def test_vit(case, folder_of):
    theirs, ours, _ = load_pair(case, folder_of)
    pixels = images(case[1])
    check_vit(ours, theirs, pixels)
    with models.capture("*.attn.probs") as trace:
        ours(pixel_values=pixels)
    maps = theirs(pixels, output_attentions=True).attentions
    assert len(maps) == len(trace)
    for i, probs in enumerate(maps):
        assert difference(trace[f"layers.{i}.attn.probs"], probs) < TOLERANCE


@named(VITS)
@torch.no_grad()
def test_export_of_vit(case, folder_of, tmp_path):
    theirs, ours, _ = load_pair(case, folder_of)
    models.export_hf(ours, None, tmp_path)
    back = type(theirs).from_pretrained(tmp_path).eval()
    check_vit(ours, back, images(case[1]))
    assert transformers.AutoConfig.from_pretrained(tmp_path).architectures == [type(theirs).__name__]
    assert models.load(tmp_path).config == ours.config


@pytest.mark.parametrize("name", ["classifier", "bare, tanh gelu, small patches"])
@torch.no_grad()
def test_names_of_the_class_in_memory(name, folder_of):
    """`state_dict` of version 5 of `transformers` does not spell names as its files do."""
    theirs, ours, folder = load_pair(VITS[name], folder_of)
    in_files = load_file(folder / "model.safetensors")
    in_memory = {name: tensor.contiguous() for name, tensor in theirs.state_dict().items()}
    assert set(in_files) != set(in_memory)
    save_file(in_memory, folder / "model.safetensors", metadata={"format": "pt"})
    again = models.load(folder)
    assert again.config == ours.config
    check_vit(again.model, theirs, images(VITS[name][1]))


@pytest.mark.parametrize("pooled", [True, False])
@torch.no_grad()
def test_vit_without_a_classifier(pooled, folder_of):
    """What config.json says of the class does not count, what the file holds does."""
    theirs = randomise(transformers.ViTModel(VITS["classifier"][1], add_pooling_layer=pooled))
    folder = folder_of(theirs)
    rewrite(folder, architectures=["ViTForImageClassification"])
    ours = models.load(folder)
    assert (ours.config.head, ours.config.pooler) == ("none", pooled)
    check_vit(ours.model, theirs, images(VITS["classifier"][1]))


def test_images_that_are_no_squares_are_refused(folder_of):
    _, _, folder = load_pair(VITS["classifier"], folder_of)
    rewrite(folder, image_size=[24, 32])
    with pytest.raises(InputError, match="image_size"):
        models.load(folder)
    rewrite(folder, image_size=[24, 24])
    assert models.load(folder).config.image.image_size == 24


def texts(end_id: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Five texts of several lengths, whose ends are followed by higher and lower ids, and the mask of their padding."""
    tokens = ids(5, 17, seed=4).clamp(min=3, max=END - 2)
    mask = torch.ones_like(tokens)
    for row, end in enumerate((16, 9, 4, 12, 0)):
        tokens[row, end] = end_id
        tokens[row, end + 1 :: 2] = END - 1 if end_id != END else end_id
        mask[row, end + 1 :] = 0
    return tokens, mask


def check_clip(ours, theirs, end_id: int) -> None:
    pixels = images(theirs.config.vision_config)
    for tokens, mask in ((texts(end_id)[0], None), texts(end_id)):
        mine = ours(tokens, mask, pixel_values=pixels)
        reference = theirs(input_ids=tokens, attention_mask=mask, pixel_values=pixels)
        for name in ("text_embeds", "image_embeds", "logits_per_image"):
            assert difference(getattr(mine, name), getattr(reference, name)) < TOLERANCE


@named(CLIPS)
@torch.no_grad()
def test_clip(case, folder_of):
    theirs, ours, _ = load_pair(case, folder_of)
    check_clip(ours, theirs, END)
    tokens, mask = texts(END)
    pixels = images(case[1].vision_config)
    with models.capture("*.attn.probs") as trace:
        ours(tokens, mask, pixel_values=pixels)
    of_text = theirs.text_model(input_ids=tokens, attention_mask=mask, output_attentions=True).attentions
    of_vision = theirs.vision_model(pixel_values=pixels, output_attentions=True).attentions
    is_token = mask.bool()
    for i, probs in enumerate(of_text):
        mine = trace[f"text.layers.{i}.attn.probs"]
        assert difference(mine.transpose(1, 2)[is_token], probs.transpose(1, 2)[is_token]) < TOLERANCE
    for i, probs in enumerate(of_vision):
        assert difference(trace[f"vision.layers.{i}.attn.probs"], probs) < TOLERANCE
    assert len(trace) == len(of_text) + len(of_vision)


@torch.no_grad()
def test_where_a_text_is_read(folder_of):
    """At the first end-of-text token; in old configs, which say 2, at the highest id, wherever 2 is."""
    for end_id, seen in ((100, 100), (2, END)):
        theirs, ours, _ = load_pair(clip(end_id=end_id), folder_of)
        assert ours.config.text_end_id == (None if end_id == 2 else end_id)
        check_clip(ours, theirs, seen)


@named(CLIPS)
@torch.no_grad()
def test_export_of_clip(case, folder_of, tmp_path):
    _, ours, _ = load_pair(case, folder_of)
    models.export_hf(ours, None, tmp_path)
    back = transformers.AutoModel.from_pretrained(tmp_path).eval()
    assert type(back) is transformers.CLIPModel
    check_clip(ours, back, END)
    assert models.load(tmp_path).config == ours.config


@torch.no_grad()
def test_old_files_of_clip(folder_of):
    """They hold numbers of positions, and their config each tower twice, of which the first name counts."""
    theirs, ours, folder = load_pair(CLIPS["read at the end"], folder_of)

    def age(tensors):
        counts = {"text_model": torch.arange(20)[None], "vision_model": torch.arange(10)[None]}
        return tensors | {f"{tower}.embeddings.position_ids": count for tower, count in counts.items()}

    values = json.loads((folder / "config.json").read_text())
    towers = {f"{name}_dict": values[name] for name in ("text_config", "vision_config")}
    rewrite(folder, age, **towers, text_config={**values["text_config"], "hidden_act": "relu"})
    again = models.load(folder)
    assert again.config == ours.config
    check_clip(again.model, transformers.CLIPModel.from_pretrained(folder).eval(), END)
    check_clip(again.model, theirs, END)
