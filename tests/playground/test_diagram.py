"""The architecture diagram draws what the configuration says, and nothing else."""

import re
import xml.etree.ElementTree as ElementTree

import pytest

import models
from models.config import CHOICES
from playground.i18n import LANGUAGES, catalogue
from playground.views import counts
from playground.views.design_marks import BOX_FIELDS, differing, marks
from playground.views.diagram import diagram
from playground.views.diagram_attention import attention
from playground.views.diagram_feedforward import CURVES, feedforward
from playground.views.diagram_stack import describe, stack
from playground.views.mask_picture import mask_picture
from playground.views.numbers import NARROW, THIN
from playground.views.svg import Marks

PLAIN = Marks()
GPT2, LLAMA = models.preset("gpt2"), models.preset("llama2-70b")


def tree(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def words(svg: str) -> list[str]:
    return [re.sub(rf"[{NARROW}{THIN}]", " ", "".join(text.itertext())) for text in tree(svg).iter("text")]


def boxes(svg: str, key: str) -> list[ElementTree.Element]:
    return [group for group in tree(svg).iter("g") if group.get("data-box") == key]


def top(group: ElementTree.Element) -> float:
    return float(group.find("rect").get("y"))


def left(group: ElementTree.Element) -> float:
    return float(group.find("rect").get("x"))


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("name", models.presets())
def test_every_preset_is_a_well_formed_figure(name, lang):
    html = diagram(models.preset(name), GPT2, GPT2, "GPT-2", lang)
    drawing = ElementTree.fromstring(html)
    pictures = list(drawing.iter("svg"))
    assert [svg.get("class") for svg in pictures] == ["stack", "attention", "feedforward"]
    assert all(svg.get("role") == "img" and len(svg.get("aria-label")) > 40 for svg in pictures)
    assert "None" not in html
    assert "{" not in html


@pytest.mark.parametrize("name", models.presets())
def test_the_boxes_add_up_to_the_account(name):
    assert counts.total(models.preset(name)) == models.account(models.preset(name)).params


@pytest.mark.parametrize(
    "changes",
    [
        {"block": "sandwich", "embed_norm": True},
        {"block": "parallel", "final_norm": False, "tie_embeddings": False},
        {"norm": "rmsnorm", "biases": ("q", "head"), "qk_norm": True},
        {"ffn": "gated", "position": "alibi", "attention": "mqa", "n_kv_heads": 1},
    ],
)
def test_the_boxes_add_up_for_other_designs(changes):
    cfg = GPT2.replace(**changes)
    assert counts.total(cfg) == models.account(cfg).params


def test_heads_and_groups_are_counted():
    assert "64 query heads, 8 kv heads: 8 share one" in words(attention(LLAMA, PLAIN, "en"))
    assert "12 query heads, each with its own" in words(attention(GPT2, PLAIN, "en"))
    multi_query = LLAMA.replace(attention="mqa", n_kv_heads=1)
    assert "64 query heads share 1 kv head" in words(attention(multi_query, PLAIN, "en"))


@pytest.mark.parametrize(("n_heads", "n_kv_heads"), [(12, 12), (12, 4), (6, 2), (13, 13)])
def test_all_heads_are_drawn_where_they_fit(n_heads, n_kv_heads):
    kind = "mha" if n_heads == n_kv_heads else "gqa"
    cfg = GPT2.replace(d_model=n_heads * 64, n_heads=n_heads, n_kv_heads=n_kv_heads, attention=kind, d_head=64)
    heads = boxes(attention(cfg, PLAIN, "en"), "heads")[0]
    kinds = [rect.get("class").split()[1:] for rect in heads.iter("rect")]
    assert (kinds.count([]), kinds.count(["key"]), kinds.count(["value"])) == (n_heads, n_kv_heads, n_kv_heads)
    assert "…" not in words(attention(cfg, PLAIN, "en"))


def test_more_heads_than_fit_are_said_to_go_on():
    assert words(attention(LLAMA, PLAIN, "en")).count("…") == 2  # more queries, more groups
    assert words(attention(LLAMA.replace(attention="mqa", n_kv_heads=1), PLAIN, "en")).count("…") == 1


def test_pre_norm_stands_beside_the_stream_before_the_part():
    drawing = stack(GPT2, PLAIN, "en")
    norms, attn = boxes(drawing, "norms"), boxes(drawing, "attn")[0]
    assert len(norms) == 2
    assert top(norms[0]) < top(attn)
    assert left(norms[0]) == left(attn)


def test_post_norm_stands_on_the_stream_after_the_addition():
    drawing = stack(GPT2.replace(block="post"), PLAIN, "en")
    joins = [group for group in tree(drawing).iter("g") if "join" in group.get("class")]
    joined = [float(re.search(r"translate\(\S+ (\S+)\)", join.get("transform"))[1]) for join in joins][1:]
    norms, attn = boxes(drawing, "norms"), boxes(drawing, "attn")[0]
    assert len(norms) == 2
    assert top(attn) < joined[0] < top(norms[0]) < joined[1] < top(norms[1])
    assert left(norms[0]) < 66 < left(attn)  # the stream runs through the norm, and past attention


def test_sandwich_has_a_norm_on_both_sides():
    drawing = stack(GPT2.replace(block="sandwich"), PLAIN, "en")
    norms, attn = boxes(drawing, "norms"), boxes(drawing, "attn")[0]
    assert len(norms) == 4
    assert top(norms[0]) < top(attn) < top(norms[1])


def test_parallel_parts_share_one_norm_and_one_addition():
    drawing = stack(LLAMA.replace(block="parallel"), PLAIN, "en")
    assert len(boxes(drawing, "norms")) == 1
    assert top(boxes(drawing, "attn")[0]) == top(boxes(drawing, "ffn")[0])
    assert len([group for group in tree(drawing).iter("g") if "join" in group.get("class")]) == 1


def test_positions_enter_where_they_do():
    learned, rotary = GPT2, GPT2.replace(position="rotary")
    alibi, none = GPT2.replace(position="alibi"), GPT2.replace(position="none")
    assert [len(boxes(stack(cfg, PLAIN, "en"), "position")) for cfg in (learned, rotary, alibi, none)] == [1, 0, 0, 0]
    assert [len(boxes(attention(cfg, PLAIN, "en"), "rotary")) for cfg in (learned, rotary, alibi)] == [0, 1, 0]
    assert [len(boxes(attention(cfg, PLAIN, "en"), "alibi")) for cfg in (learned, rotary, alibi)] == [0, 0, 1]


def test_tied_embeddings_are_one_dashed_line():
    def ties(cfg):
        return [path for path in tree(stack(cfg, PLAIN, "en")).iter("path") if path.get("class") == "tie"]

    assert len(ties(GPT2)) == 1
    assert ties(GPT2.replace(tie_embeddings=False)) == []


def test_gated_feed_forward_has_a_gate_and_a_product():
    gated = feedforward(LLAMA, PLAIN, "en")
    assert len(boxes(gated, "gate_proj")) == 1
    assert "×" not in "".join(words(gated))  # the product is a sign, not a letter
    assert len([group for group in tree(gated).iter("g") if "join" in group.get("class")]) == 1
    assert boxes(feedforward(GPT2, PLAIN, "en"), "gate_proj") == []


def test_masks_are_drawn_as_they_are():
    def seen(mask, window):
        return mask_picture(mask, window, 0, 0, 80).count('class="seen"')

    assert seen("causal", None) == 36
    assert seen("sliding", 2) == 15
    assert seen("sliding", 4096) == seen("sliding", 3) == 21
    mixed = models.preset("gpt3-175b")
    assert "1 of every 2 layers" in words(attention(mixed, PLAIN, "en"))


def test_activation_curves_are_the_models_activations():
    torch = pytest.importorskip("torch")
    from models.parts.feedforward import ACTIVATIONS

    assert set(CURVES) == set(ACTIVATIONS) == set(CHOICES["activation"])
    for name, curve in CURVES.items():
        for x in (-3.0, -0.7, 0.0, 0.4, 2.5):
            assert curve(x) == pytest.approx(ACTIVATIONS[name](torch.tensor(x, dtype=torch.float64)).item(), abs=1e-6)


def test_what_differs_is_marked_by_outline_and_diamond():
    cfg = GPT2.replace(norm="rmsnorm", biases=())
    marked = marks(cfg, GPT2, GPT2)
    assert {"norms", "final_norm", "attn", "ffn", "q_proj", "up_proj"} <= marked.differs
    drawing = stack(cfg, marked, "en")
    for box in boxes(drawing, "norms"):
        assert "differs" in box.get("class")
        assert box.find("rect[@class='outline']") is not None
        assert box.find("path[@class='diamond']") is not None
    assert "differs" not in boxes(drawing, "tok_embed")[0].get("class")


def test_nothing_is_marked_on_the_preset_itself():
    assert marks(GPT2, GPT2, GPT2) == Marks()
    assert "Outlined" not in diagram(GPT2, GPT2, GPT2, "GPT-2", "en")


def test_parts_that_were_taken_away_leave_a_ghost():
    cfg = GPT2.replace(position="none", final_norm=False)
    drawing = stack(cfg, marks(cfg, GPT2, cfg), "en")
    ghosts = [box.get("data-box") for box in tree(drawing).iter("g") if "ghost" in box.get("class")]
    assert ghosts == ["position", "final_norm"]


def test_only_what_changed_just_now_moves():
    cfg = GPT2.replace(norm="rmsnorm", biases=())
    later = cfg.replace(d_ff=1024)
    assert marks(later, GPT2, cfg).changed == {"ffn", "up_proj", "gate_proj", "down_proj"}


def test_every_field_is_drawn_somewhere():
    drawn = frozenset().union(*BOX_FIELDS.values())
    fields = set(GPT2.__dataclass_fields__) - {"biases"} | {f"bias_{name}" for name in CHOICES["biases"]}
    assert fields == drawn


def test_biases_differ_one_by_one():
    assert differing(GPT2, GPT2.replace(biases=("q", "k", "v", "o", "norm"))) == {"bias_ffn"}


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("position", CHOICES["position"])
@pytest.mark.parametrize("block", CHOICES["block"])
def test_every_combination_can_be_described(lang, position, block):
    cfg = LLAMA.replace(position=position, block=block, rotary_dim=None)
    text = describe(cfg, lang)
    assert catalogue()[f"diagram.alt_position_{position}"][lang] in text
    assert text.endswith("." if lang == "en" else "。")


def test_layers_are_called_equal_only_where_they_are():
    mixed = GPT2.replace(mask_pattern=("sliding", "causal"), window=64)
    assert "12 equal layers" in describe(GPT2, "en")
    assert "12 layers, alike but for their masks" in describe(mixed, "en")
    assert "a single layer" in describe(GPT2.replace(n_layers=1), "en")
    assert "window 64 in" in words(attention(mixed, PLAIN, "en"))  # the next line: 1 of every 2 layers
