"""How a weight comes about: the parts of every score of a pass add up to what the pass itself computed."""

import pytest
import torch

import models
from models.config import LatentAttention, ModelConfig, RopeScaling, SparsePattern
from models.inspection.weights import LayerAttention, layer_attention, taps, weight_of
from tests.models.random_configs import VOCABULARY, label, tokens, valid_configs, wide
from tests.models.small_structures import SMALL, STRUCTURES

SIZES = {"vocab_size": VOCABULARY, "max_seq_len": 24, "d_model": 24, "n_layers": 2, "n_heads": 4, "d_ff": 20}
LATENT = LatentAttention(kv_lora_rank=9, q_lora_rank=7, qk_nope_head_dim=6, qk_rope_head_dim=4, v_head_dim=5)
ENCODER = {"structure": "encoder", "head": "mlm", "position": "learned"}
CONFIGS = {
    "rotary": ModelConfig(**SIZES, attention="gqa", n_kv_heads=2),
    "interleaved": ModelConfig(**SIZES, attention="mqa", rope_layout="interleaved", rotary_dim=4, qk_norm=True),
    "yarn": ModelConfig(
        **SIZES, rope_scaling=RopeScaling(kind="yarn", factor=4.0, original_max_seq_len=8, attention_factor=1.3)
    ),
    "dynamic": ModelConfig(**SIZES, rope_scaling=RopeScaling(kind="dynamic", factor=4.0, original_max_seq_len=8)),
    "two dimensions": ModelConfig(**SIZES | {"d_model": 32}, position="rotary_2d", structure="prefix_decoder"),
    "latent": ModelConfig(**SIZES, attention="mla", mla=LATENT, rope_layout="interleaved"),
    "alibi": ModelConfig(**SIZES, position="alibi"),
    "relative": ModelConfig(**SIZES, position="relative", scale_scores=False),
    "sliding": ModelConfig(**SIZES, mask_pattern=("sliding",), window=3),
    "longformer": ModelConfig(
        **SIZES, **ENCODER, mask_pattern=("longformer",), window=4, sparse=SparsePattern(n_global=2)
    ),
    "counted blocks": ModelConfig(
        **SIZES,
        **ENCODER,
        mask_pattern=("bigbird",),
        sparse=SparsePattern(block_size=2, n_random=1, like_transformers=True),
    ),
    "hashes": ModelConfig(
        **SIZES,
        mask_pattern=("lsh",),
        sparse=SparsePattern(block_size=4, n_hashes=2, n_buckets=4, like_transformers=True),
    ),
    "clusters": STRUCTURES["clusters"],
}


@torch.no_grad()
def inspected(cfg: ModelConfig, path: str = "layers.1.attn") -> LayerAttention:
    model = wide(cfg)
    arguments = {"input_ids": tokens(1, 17)}
    if cfg.structure == "encoder_decoder":
        arguments["decoder_input_ids"] = tokens(1, 11, seed=5)
    with models.capture(*taps(path)) as trace:
        model(**arguments)
    return layer_attention(model, trace, path)


def assert_weights_are_those_of_the_pass(layer: LayerAttention) -> None:
    n_heads, n_queries, n_keys = layer.probs.shape
    for head in range(n_heads):
        for query in range(n_queries):
            weight = weight_of(layer, head, query, key=(query * 5 + head) % n_keys)
            torch.testing.assert_close(weight.weights, layer.probs[head, query].double(), rtol=1e-5, atol=1e-6)
            assert weight.weight == pytest.approx(weight.tapped, abs=1e-5)
            assert float(weight.components.sum()) == pytest.approx(weight.product, abs=1e-9)
            assert weight.allowed == (weight.row[(query * 5 + head) % n_keys] > float("-inf"))


@pytest.mark.parametrize("cfg", CONFIGS.values(), ids=[name.replace(" ", "-") for name in CONFIGS])
def test_every_kind_of_score_is_the_sum_of_its_parts(cfg):
    assert_weights_are_those_of_the_pass(inspected(cfg))


@pytest.mark.parametrize("cfg", valid_configs(12, seed=3), ids=label)
def test_so_are_those_of_random_configurations(cfg):
    assert_weights_are_those_of_the_pass(inspected(cfg, "layers.0.attn"))


@pytest.mark.parametrize("path", ["encoder.layers.1.attn", "decoder.layers.1.attn", "decoder.layers.1.cross_attn"])
@pytest.mark.parametrize("name", ["encoder_decoder", "grouped_encoder_decoder"])
def test_so_are_those_between_two_texts(name, path):
    layer = inspected(STRUCTURES[name], path)
    assert layer.probs.shape[1:] == {"e": (17, 17), "d": (11, 11)}[path[0]] if "cross" not in path else (11, 17)
    assert_weights_are_those_of_the_pass(layer)


@torch.no_grad()
def test_so_are_those_of_images():
    model = wide(STRUCTURES["image"])
    with models.capture(*taps("layers.2.attn")) as trace:
        model(pixel_values=torch.rand(1, 3, 12, 12))
    assert_weights_are_those_of_the_pass(layer_attention(model, trace, "layers.2.attn"))


@pytest.mark.parametrize("name", ["rotary", "interleaved", "yarn", "dynamic", "two dimensions", "latent"])
@torch.no_grad()
def test_turning_back_gives_what_was_there_before_the_rotation(name):
    """A model whose rotation does nothing has the same first layer, but for the rotation."""
    cfg = CONFIGS[name]
    turned = inspected(cfg, "layers.0.attn")
    model, ids = wide(cfg), tokens(1, 17)
    attn = model.layers[0].attn
    attn._rotate = lambda x, angles: x
    with models.capture(*taps("layers.0.attn")) as trace:
        model(ids)
    plain = layer_attention(model, trace, "layers.0.attn")
    torch.testing.assert_close(turned.turning.turned_back(turned.q), plain.q, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(turned.turning.turned_back(turned.k), plain.k, rtol=1e-5, atol=1e-5)
    found = weight_of(turned, head=3, query=12, key=5).product_unturned
    assert found == pytest.approx(float(plain.q[3, 12] @ plain.k[plain.kv_head(3), 5]), abs=1e-4)
    assert found != pytest.approx(weight_of(turned, 3, 12, 5).product, abs=1e-3)


@torch.no_grad()
def test_what_is_written_for_a_blank_turns_with_its_place_in_the_block():
    """It stands at the blank's place in the text and counts from 1 in a block of its own."""
    model, ids = wide(CONFIGS["two dimensions"]), tokens(1, 17)
    in_text = [*range(12), *[7] * 5]
    in_block = [*[0] * 12, *range(1, 6)]
    arguments = {"input_ids": ids, "prefix_lengths": torch.tensor([12])}
    positions = {"written": torch.tensor([[in_text, in_block]]), "nowhere": torch.zeros(1, 2, 17, dtype=torch.long)}
    seen = {}
    for name, position_ids in positions.items():
        with models.capture(*taps("layers.0.attn")) as trace:
            model(**arguments, position_ids=position_ids)
        seen[name] = layer_attention(model, trace, "layers.0.attn", position_ids=position_ids)
    turned, plain = seen["written"], seen["nowhere"]
    torch.testing.assert_close(turned.turning.turned_back(turned.q), plain.q, rtol=1e-5, atol=1e-5)
    q, k = plain.q[1, 15].double(), plain.k[1, 9].double()
    found = turned.turning.products(q, k, torch.tensor([in_text[15] - in_text[9]]), in_block[15] - in_block[9])
    assert float(found) == pytest.approx(float(turned.q[1, 15] @ turned.k[1, 9]), rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("name", ["rotary", "interleaved", "yarn", "latent"])
def test_a_turned_product_depends_on_the_distance_alone(name):
    """What `products` says of a distance is what the pass computed for two tokens that far apart."""
    layer = inspected(CONFIGS[name], "layers.0.attn")
    turns = layer.turning
    q, k = turns.turned_back(layer.q.double()), turns.turned_back(layer.k.double())
    for head, query, key in ((0, 9, 2), (3, 16, 16), (2, 3, 11)):
        kv_head = layer.kv_head(head)
        found = turns.products(q[head, query], k[kv_head, key], torch.tensor([query - key]))
        # The pass has rounded its angles.
        assert float(found) == pytest.approx(float(layer.q[head, query] @ layer.k[kv_head, key]), rel=1e-4, abs=1e-4)


def test_positions_beside_the_product_are_told():
    alibi, relative = inspected(CONFIGS["alibi"]), inspected(CONFIGS["relative"])
    slopes = [1 / 4, 1 / 16, 1 / 64, 1 / 256]
    assert [weight_of(alibi, head, 12, 4).bias for head in range(4)] == [-8 * slope for slope in slopes]
    table = wide(CONFIGS["relative"]).position.weight
    assert weight_of(relative, 2, 12, 4).bias == pytest.approx(
        float(table[8, 2].detach())
    )  # near distances have a bucket each
    assert weight_of(inspected(CONFIGS["rotary"]), 0, 3, 1).bias == 0.0


def test_keys_that_the_softmax_meets_more_than_once_are_counted():
    layer = inspected(CONFIGS["counted blocks"])
    assert layer.counts.unique().tolist() == [1.0, 2.0]
    assert inspected(CONFIGS["rotary"]).counts is None


def test_global_tokens_have_projections_of_their_own():
    layer = inspected(CONFIGS["longformer"])
    of_global = layer.of_global[0]
    assert of_global.tolist() == [True] * 2 + [False] * 15
    assert not torch.equal(layer.vectors(0, 1)[0], layer.q[0, 1])
    assert torch.equal(layer.vectors(0, 2)[0], layer.q[0, 2])
    without = ModelConfig(**SMALL, **ENCODER, mask_pattern=("longformer",), window=4)
    assert inspected(without).of_global is None
