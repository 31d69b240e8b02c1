"""Controls of Build's form are there where they say something, and only there."""

import pytest

import models
from playground.design_applies import applies
from playground.design_form import config_of, values_of

ROUTING = ("moe.normalise_weights", "moe.weight_scale", "moe.jitter")


@pytest.mark.parametrize(
    ("experts", "router", "there"),
    [
        ("none", "softmax_topk", ()),
        ("routed", "softmax_topk", ROUTING),
        ("lora", "sigmoid", ROUTING),
        ("routed", "topk_softmax", ROUTING[1:]),
        ("routed", "noisy_topk", ROUTING[1:]),
        ("lora", "dense", ROUTING[1:]),
        ("routed", "switch", ROUTING[2:]),
        ("merged", "softmax_topk", ROUTING[1:]),
        ("slots", "softmax_topk", ()),
    ],
)
def test_settings_of_routing_are_there_where_a_router_reads_them(experts, router, there):
    values = values_of(models.preset("bert-mini"))
    shown = applies({**values, "experts": experts, "moe.router": router})
    assert tuple(name for name in ROUTING if shown[name]) == there


@pytest.mark.parametrize("experts", ["routed", "merged", "slots", "lora"])
def test_a_hidden_setting_says_nothing(experts):
    """What a control held before it was hidden is in nobody's way."""
    odd = {"moe.normalise_weights": False, "moe.weight_scale": 2.0, "moe.jitter": 0.1, "moe.group_score": "top2"}
    for router in ("switch", "dense", "topk_softmax"):
        values = values_of(models.preset("bert-mini"))
        config_of({**values, **odd, "experts": experts, "moe.router": router})


def test_an_image_has_no_embeddings_to_scale():
    values = values_of(models.preset("vit-b16-224"))
    assert not applies(values)["scale_embeddings"]
    assert applies({**values, "reads": "text"})["scale_embeddings"]
    assert not config_of({**values, "scale_embeddings": True}).scale_embeddings
