"""What is particular to each structure of a model is in its drawing: two stacks, images, heads, latents, experts."""

import re

import pytest

import models
from models.config import CHOICES
from models.sizes import stacks_of
from playground.views.diagram import diagram
from playground.views.diagram_experts import experts
from playground.views.diagram_stack import BOTH, LEFT, MIDDLE, RIGHT, describe, stack
from tests.playground.diagrams import (
    BERT,
    CLIP,
    DEEPSEEK,
    DESIGNS,
    GPT2,
    LLAMA,
    PLAIN,
    T5,
    boxes,
    first_attention,
    joins,
    left,
    texts,
    top,
    tree,
    words,
)
from tests.playground.diagrams import experts as mixture

SWITCH = models.preset("switch-base-8")


def mixture_picture(cfg) -> str:
    return experts(stacks_of(cfg)[-1], PLAIN, "en")


def test_encoder_and_decoder_face_each_other():
    drawing = stack(T5, PLAIN, "en")
    encoder, decoder = boxes(drawing, "attn")
    assert left(encoder) < BOTH / 2 < left(decoder)
    assert len(boxes(drawing, "tok_embed")) == 1  # one table for both
    assert "bidirectional" in texts(encoder)
    assert "causal" in texts(decoder)


def test_what_was_read_goes_to_cross_attention():
    drawing = stack(T5, PLAIN, "en")
    (memory,), (cross,) = boxes(drawing, "memory"), boxes(drawing, "cross_attn")
    paths = [path.get("d") for path in tree(drawing).iter("path") if path.get("class") == "flow"]
    (path,) = [d for d in paths if d.startswith(f"M{LEFT.right:g} ") and f"L{MIDDLE:g} " in d]
    points = [tuple(map(float, point.split())) for point in re.split("[ML]", path) if point]
    assert top(memory) < points[0][1] < top(memory) + 42
    height = float(cross.find("rect").get("height"))
    assert points[-1] == (RIGHT.far, top(cross) + height / 2)


@pytest.mark.parametrize("block", ["pre", "post", "sandwich", "deepnorm"])
def test_a_decoder_layer_adds_three_times_and_an_encoder_layer_twice(block):
    drawing = stack(T5.replace(block=block), PLAIN, "en")
    places = [re.search(r"translate\((\S+)", join.get("transform"))[1] for join in joins(drawing)]
    added = [float(x) > BOTH / 2 for x in places]
    factors = 2 if block == "deepnorm" else 1  # × α, and +
    assert (added.count(False), added.count(True)) == (2 * factors, 3 * factors)


def test_an_encoder_decoder_shows_three_masks():
    assert words(first_attention(T5))[-6:] == [
        "encoder", "bidirectional", "decoder", "causal", "across", "everything read"
    ]  # fmt: skip


def test_towers_meet_in_the_comparison():
    drawing = stack(CLIP, PLAIN, "en")
    (text,), (image,), (comparison,) = (
        boxes(drawing, key) for key in ("text_projection", "vision_projection", "logit_scale")
    )
    assert top(text) == top(image) < top(comparison)
    assert left(text) < BOTH / 2 < left(image)
    assert "× a trained temperature" in texts(comparison)
    html = diagram(CLIP, CLIP, CLIP, "CLIP", "en")
    assert html.count('<svg class="attention"') == html.count('<svg class="feedforward"') == 2


def test_images_are_patches_after_a_class_token():
    drawing = stack(models.preset("vit-b16-224"), PLAIN, "en")
    assert {"14 × 14 patches of 16²", "768 → 768 + b", "(B, 197, 768)", "Scores of 1 000 classes"} <= set(
        words(drawing)
    )
    assert len(boxes(drawing, "class_token")) == 1
    assert "reads the first token" in texts(boxes(drawing, "classifier")[0])
    assert boxes(drawing, "tok_embed") == boxes(drawing, "lm_head") == []


def test_bert_has_segments_and_its_heads():
    released, trained = stack(BERT, PLAIN, "en"), stack(DESIGNS["next sentence"], PLAIN, "en")
    assert [len(boxes(released, key)) for key in ("segment_embed", "pooler", "mlm_head", "nsp_head")] == [1, 1, 0, 0]
    assert [len(boxes(trained, key)) for key in ("segment_embed", "pooler", "mlm_head", "nsp_head")] == [1, 1, 1, 1]
    assert left(boxes(trained, "mlm_head")[0]) < left(boxes(trained, "pooler")[0])
    assert top(boxes(trained, "pooler")[0]) < top(boxes(trained, "nsp_head")[0])


def test_a_causal_classifier_reads_the_last_token():
    causal = GPT2.replace(head="classification", n_classes=3, tie_embeddings=False)
    assert "reads the last token" in words(stack(causal, PLAIN, "en"))
    assert "reads the pooled vector" in words(stack(DESIGNS["pooled classes"], PLAIN, "en"))


def test_further_tokens_have_a_module():
    drawing = stack(DESIGNS["further tokens"], PLAIN, "en")
    said = [line for box in boxes(drawing, "mtp") for line in texts(box)]
    assert {"Multi-token prediction × 2", "2 × 768 → 768", "A layer of its own"} <= set(said)
    sparse = [line for box in boxes(stack(DESIGNS["further sparse"], PLAIN, "en"), "mtp") for line in texts(box)]
    assert "A layer of its own, with experts" in sparse
    assert boxes(stack(GPT2, PLAIN, "en"), "mtp") == []


def test_latent_attention_shows_its_latents_and_the_shared_key():
    drawing = first_attention(DEEPSEEK)
    assert texts(boxes(drawing, "q_down_proj")[0])[1] == "→ 1 536"
    assert texts(boxes(drawing, "q_up_proj")[0])[1:3] == ["→ 128 × 192", "= 128 + 64"]
    assert texts(boxes(drawing, "kv_down_proj")[0])[1] == "→ 64 + 512"
    assert texts(boxes(drawing, "kv_up_proj")[0])[1:3] == ["→ 128 × 256", "= 128 + 128"]
    assert texts(boxes(drawing, "k_rope")[0]) == ["Key, 64", "one for all", "cached"]
    assert "cached" in texts(boxes(drawing, "kv_norm")[0])
    assert "YaRN: slow frequencies ÷ 40" in texts(boxes(drawing, "rotary")[0])
    assert boxes(drawing, "q_proj") == boxes(drawing, "k_proj") == []
    lite = first_attention(models.preset("deepseek-v2-lite"))
    assert [len(boxes(lite, key)) for key in ("q_proj", "q_down_proj", "q_norm", "kv_norm")] == [1, 0, 0, 1]


def test_longformer_has_maps_for_global_tokens():
    (box,) = boxes(first_attention(models.preset("longformer-base-4096")), "global_projs")
    assert "3 × (768 → 12 × 64 + b)" in texts(box)


def test_a_relative_bias_tells_its_table_and_scores_their_scale():
    drawing = first_attention(T5)
    assert "32 × 8, all layers" in texts(boxes(drawing, "relative")[0])
    assert "Scores q·k, not scaled" in words(drawing)


def test_which_layers_are_sparse():
    def said(cfg):
        return {line for box in boxes(stack(cfg, PLAIN, "en"), "ffn") for line in texts(box)}

    assert {"8 of 256 a token", "+ 1 shared", "3 dense, then 58 sparse"} <= said(DEEPSEEK)
    assert {"1 of 8 a token", "1 in 2: 6 of 12"} <= said(SWITCH)
    assert {"2 of 8 a token", "in every layer"} <= said(models.preset("mixtral-8x7b"))
    html = diagram(DEEPSEEK, DEEPSEEK, DEEPSEEK, "DeepSeek-V3", "en")
    assert "Layers of experts (3 dense, then 58 sparse)" in html
    assert html.count('<svg class="feedforward"') == html.count('<svg class="experts"') == 1


def test_the_router_says_how_it_chooses():
    assert {"7 168 → 256 scores", "sigmoid, then the best", "from 4 of 8 groups", "weights sum to 2.5"} <= set(
        texts(boxes(mixture_picture(DEEPSEEK), "router")[0])
    )
    assert {"softmax, the single best", "capacity 64"} <= set(texts(boxes(mixture_picture(SWITCH), "router")[0]))


@pytest.mark.parametrize("name", ["deepseek-v3", "switch-base-8", "mixtral-8x7b", "qwen3-235b-a22b", "switch-c-2048"])
def test_a_cell_for_each_expert_and_as_many_chosen(name):
    cfg = models.preset(name)
    (picture,) = [group for group in boxes(mixture_picture(cfg), "experts") if group.find("text") is None]
    cell = min(float(rect.get("height")) for rect in picture.iter("rect")) if cfg.moe.n_experts < 16 else None
    runs = [
        re.findall(r"h([\d.]+)v([\d.]+)", path.get("d")) for path in picture.iter("path") if path.get("class") == "seen"
    ]
    height = float(runs[0][0][1])
    assert round(sum(float(width) for run in runs for width, _ in run) / height) == cfg.moe.n_experts_per_token
    area = sum(float(rect.get("width")) * float(rect.get("height")) for rect in picture.iter("rect"))
    assert round(area / height**2) == cfg.moe.n_experts
    assert cell is None or cell == height


def test_groups_that_are_closed_to_a_token_are_faint_and_empty():
    (picture,) = [group for group in boxes(mixture_picture(DEEPSEEK), "experts") if group.find("text") is None]
    closed = [row for row in picture.iter("g") if row.get("class") == "closed"]
    assert len(closed) == 8 - 4
    assert {row.find("path[@class='seen']").get("d") for row in closed} == {""}


def test_mixtures_of_other_kinds():
    slots, merged = mixture_picture(DESIGNS["slots"]), mixture_picture(DESIGNS["merged"])
    assert {"4 experts × 3", "each a mean of all tokens", "Each token takes from all slots"} <= set(words(slots))
    assert {"reads the mean token", "all 20, their weights averaged", "The one merged expert"} <= set(words(merged))
    low_rank = mixture_picture(DESIGNS["low rank"])
    assert len(boxes(low_rank, "base")) == len(boxes(low_rank, "shared")) == 1
    assert "rank 4, of every map" in words(low_rank)


@pytest.mark.parametrize("router", CHOICES["router"])
def test_every_router_has_words(router):
    all_of_them = router == "dense"
    cfg = LLAMA.replace(moe=mixture(4, 4 if all_of_them else 1, router=router))
    assert len(texts(boxes(mixture_picture(cfg), "router")[0])) >= 3


def test_deepnorm_enlarges_the_stream():
    drawing = stack(models.preset("glm-130b"), PLAIN, "en")
    assert words(drawing).count("α = 11.83") == 2
    assert len(boxes(drawing, "norms")) == 2


def test_a_reversible_layer_has_two_streams():
    drawing = stack(models.preset("reformer-enwik8"), PLAIN, "en")
    added = [float(re.search(r"translate\((\S+)", join.get("transform"))[1]) for join in joins(drawing)][-2:]
    assert added == [66, 90]  # attention adds to the first, feed-forward to the second
    bridges = [path for path in tree(drawing).iter("path") if "a6 6" in path.get("d") and path.get("class") == "flow"]
    assert len(bridges) == 2  # there and back across the second stream


def test_stacks_are_described_one_by_one():
    for lang, names in (("en", ("The encoder: ", "The decoder, ")), ("zh", ("编码器：", "解码器"))):
        assert all(name in describe(T5, lang) for name in names)
    assert "cosine" in describe(CLIP, "en")
    assert "cross-attention" in describe(T5, "en")
    assert "cross-attention" not in describe(GPT2, "en")
