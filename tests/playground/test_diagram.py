"""The architecture diagram draws what the configuration says, and nothing else."""

import re
import xml.etree.ElementTree as ElementTree

import pytest

import models
from models.config import CHOICES
from models.sizes import stacks_of
from playground.i18n import LANGUAGES, catalogue
from playground.views.design_marks import BOX_FIELDS, differing, marks
from playground.views.diagram import diagram
from playground.views.diagram_content import attention
from playground.views.diagram_feedforward import CURVES, feedforward
from playground.views.diagram_stack import describe, stack
from playground.views.svg import Marks, width_of
from tests.playground.diagrams import EVERY, GPT2, LLAMA, PLAIN, boxes, first_attention, joins, left, top, tree, words
from tests.rows import each_row


@each_row("lang", LANGUAGES)
@each_row("name", EVERY)
def test_every_design_is_a_well_formed_figure(name, lang):
    cfg = EVERY[name]
    html = diagram(cfg, GPT2, cfg, "GPT-2", lang)
    drawing = ElementTree.fromstring(html)
    pictures = [svg.get("class") for svg in drawing.iter("svg")]
    assert pictures[0] == "stack"
    assert "attention" in pictures
    assert {"feedforward", "experts"} & set(pictures)
    assert all(svg.get("role") == "img" and len(svg.get("aria-label")) > 30 for svg in drawing.iter("svg"))
    ids = [element.get("id") for element in drawing.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    assert "None" not in html
    assert "{" not in html


@each_row("name", EVERY)
def test_words_that_are_too_long_are_drawn_narrower(name):
    """No line of a box is set wider than the box, by the widths that the drawing itself counts with."""
    for svg in ElementTree.fromstring(diagram(EVERY[name], GPT2, GPT2, "GPT-2", "en")).iter("svg"):
        for group in svg.iter("g"):
            if "box" not in group.get("class", "").split():
                continue
            box = group.find("rect")
            end = float(box.get("x")) + float(box.get("width"))
            for text in group.iter("text"):
                style, x = text.get("class"), float(text.get("x"))
                if style in ("part", "detail"):
                    wide = float(text.get("textLength") or width_of(text.text, style))
                    assert x + wide <= end, text.text


def test_heads_and_groups_are_counted():
    assert "64 query heads, 8 kv heads: 8 share one" in words(first_attention(LLAMA))
    assert "12 query heads, each with its own" in words(first_attention(GPT2))
    multi_query = LLAMA.replace(attention="mqa", n_kv_heads=1)
    assert "64 query heads share 1 kv head" in words(first_attention(multi_query))


@pytest.mark.parametrize(("n_heads", "n_kv_heads"), [(12, 12), (12, 4), (6, 2), (25, 25)])
def test_all_heads_are_drawn_where_they_fit(n_heads, n_kv_heads):
    kind = "mha" if n_heads == n_kv_heads else "gqa"
    cfg = GPT2.replace(d_model=n_heads * 64, n_heads=n_heads, n_kv_heads=n_kv_heads, attention=kind, d_head=64)
    heads = boxes(first_attention(cfg), "heads")[0]
    kinds = [rect.get("class").split()[1:] for rect in heads.iter("rect")]
    assert (kinds.count([]), kinds.count(["key"]), kinds.count(["value"])) == (n_heads, n_kv_heads, n_kv_heads)
    assert max(float(rect.get("x")) + float(rect.get("width")) for rect in heads.iter("rect")) < 394
    assert "…" not in words(first_attention(cfg))


def test_more_heads_than_fit_are_said_to_go_on():
    assert words(first_attention(LLAMA)).count("…") == 2  # more queries, more groups
    assert words(first_attention(LLAMA.replace(attention="mqa", n_kv_heads=1))).count("…") == 1


def test_pre_norm_stands_beside_the_stream_before_the_part():
    drawing = stack(GPT2, PLAIN, "en")
    norms, attn = boxes(drawing, "norms"), boxes(drawing, "attn")[0]
    assert len(norms) == 2
    assert top(norms[0]) < top(attn)
    assert left(norms[0]) == left(attn)


def test_post_norm_stands_on_the_stream_after_the_addition():
    drawing = stack(GPT2.replace(block="post"), PLAIN, "en")
    joined = [float(re.search(r"translate\(\S+ (\S+)\)", join.get("transform"))[1]) for join in joins(drawing)][1:]
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
    assert len(joins(drawing)) == 1


def test_positions_enter_where_they_do():
    learned, rotary = GPT2, GPT2.replace(position="rotary")
    alibi, none = GPT2.replace(position="alibi"), GPT2.replace(position="none")
    assert [len(boxes(stack(cfg, PLAIN, "en"), "position")) for cfg in (learned, rotary, alibi, none)] == [1, 0, 0, 0]
    assert [len(boxes(first_attention(cfg), "rotary")) for cfg in (learned, rotary, alibi)] == [0, 1, 0]
    assert [len(boxes(first_attention(cfg), "alibi")) for cfg in (learned, rotary, alibi)] == [0, 0, 1]


def test_tied_embeddings_are_one_dashed_line():
    def ties(cfg):
        return [path for path in tree(stack(cfg, PLAIN, "en")).iter("path") if path.get("class") == "tie"]

    assert len(ties(GPT2)) == 1
    assert ties(GPT2.replace(tie_embeddings=False)) == []


def test_gated_feed_forward_has_a_gate_and_a_product():
    gated = feedforward(LLAMA, PLAIN, "en")
    assert len(boxes(gated, "gate_proj")) == 1
    assert "×" not in "".join(words(gated))  # the product is a sign, not a letter
    assert len(joins(gated)) == 1
    assert boxes(feedforward(GPT2, PLAIN, "en"), "gate_proj") == []


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


@each_row("lang", LANGUAGES)
@each_row("block", CHOICES["block"])
@each_row("position", [kind for kind in CHOICES["position"] if kind != "axial"])
def test_every_combination_can_be_described(lang, position, block):
    cfg = LLAMA.replace(position=position, block=block)
    text = describe(cfg, lang)
    assert catalogue()[f"diagram.alt_position_{position}"][lang] in text
    assert text.endswith("." if lang == "en" else "。")


def test_layers_are_called_equal_only_where_they_are():
    mixed = GPT2.replace(mask_pattern=("sliding", "causal"), window=64)
    assert "12 equal layers" in describe(GPT2, "en")
    assert "12 layers, not all alike" in describe(mixed, "en")
    assert "not all alike" in describe(models.preset("deepseek-v3"), "en")
    assert "a single layer" in describe(GPT2.replace(n_layers=1), "en")
    assert words(first_attention(mixed))[-5:] == ["sliding", "window 64", "6 of 12 layers", "causal", "6 of 12 layers"]


def test_layers_with_another_attention_have_a_picture_of_their_own():
    reformer = models.preset("reformer-enwik8")
    (stack_sizes,) = stacks_of(reformer)
    hashing = attention([stack_sizes], "lsh", PLAIN, "en")
    assert (len(boxes(hashing, "qk_proj")), len(boxes(hashing, "hashing")), len(boxes(hashing, "k_proj"))) == (1, 1, 0)
    assert "3 of 12 layers" in words(hashing)
    assert "9 of 12 layers" in words(first_attention(reformer))
    assert "Attention by hashing, 3 of 12 layers" in diagram(reformer, reformer, reformer, "Reformer", "en")
