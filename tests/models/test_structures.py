"""The structures beside the decoder: who sees whom, what the heads answer, and that batches and caches change nothing."""

import pytest
import torch

import models
from models.errors import InputError
from tests.models.random_configs import VOCABULARY, tokens, wide

SIZES = {"vocab_size": VOCABULARY, "max_seq_len": 24, "d_model": 16, "n_layers": 2, "n_heads": 4, "d_ff": 20}
ALL = ("q", "k", "v", "o", "ffn", "norm")
POST = {"norm": "layernorm", "block": "post", "ffn": "plain", "activation": "gelu", "biases": ALL}
BERT = models.ModelConfig(
    **SIZES, **POST, structure="encoder", position="learned", n_segments=2, embed_norm=True, final_norm=False,
    head="mlm_nsp", pooler=True, tie_embeddings=True,
)  # fmt: skip
T5 = models.ModelConfig(
    **SIZES, structure="encoder_decoder", n_encoder_layers=3, position="relative", ffn="plain", activation="relu",
    scale_scores=False, scale_logits=True, tie_embeddings=True,
)  # fmt: skip
TRANSFORMER = models.ModelConfig(
    **SIZES, **POST, structure="encoder_decoder", position="sinusoidal", final_norm=False, scale_embeddings=True,
    tie_embeddings=True,
)  # fmt: skip
GLM = models.ModelConfig(
    **SIZES, structure="prefix_decoder", position="rotary_2d", block="deepnorm", norm="layernorm", ffn="plain",
    activation="gelu_tanh", biases=ALL, tie_embeddings=True,
)  # fmt: skip
VIT = models.ModelConfig(
    **{**SIZES, "vocab_size": 0, "max_seq_len": 10}, structure="encoder", position="learned", norm="layernorm",
    ffn="plain", activation="gelu", biases=ALL, head="classification", n_classes=5,
    image=models.ImageInput(image_size=12, patch_size=4),
)  # fmt: skip
CLIP = models.ModelConfig(
    **SIZES, structure="two_towers", position="learned", norm="layernorm", ffn="plain", activation="gelu_quick",
    biases=ALL, head="none", d_projection=8,
    vision_tower=VIT.replace(head="none", n_classes=None, embed_norm=True),
)  # fmt: skip
CLASSIFIER = models.ModelConfig(**SIZES, head="classification", n_classes=3)
EQUAL = {"rtol": 1e-5, "atol": 1e-5}


def padded(n_batch: int, length: int, n_padding: int, left: bool) -> torch.Tensor:
    """A mask whose last row has padding on one side."""
    mask = torch.ones(n_batch, length, dtype=torch.long)
    mask[-1, :n_padding] = 0
    return mask if left else mask.flip(1)


class TestEncoder:
    @torch.no_grad()
    def test_every_token_sees_every_token(self):
        model, ids = wide(BERT), tokens(1, 9)
        before = model(ids).logits
        for changed in (0, 4, 8):
            other = ids.clone()
            other[0, changed] = (other[0, changed] + 1) % VOCABULARY
            assert (model(other).logits != before).any(dim=-1).all()

    @torch.no_grad()
    def test_heads_of_bert(self):
        out = wide(BERT)(tokens(3, 9), token_type_ids=torch.tensor([[0] * 5 + [1] * 4]).expand(3, -1))
        assert out.logits.shape == (3, 9, VOCABULARY)
        assert out.nsp_logits.shape == (3, 2)
        assert out.pooled.shape == (3, 16)
        assert out.pooled.abs().max() <= 1

    @torch.no_grad()
    def test_segments_matter_and_default_to_the_first(self):
        model, ids = wide(BERT), tokens(2, 9)
        zeros, ones = torch.zeros_like(ids), torch.ones_like(ids)
        torch.testing.assert_close(model(ids).logits, model(ids, token_type_ids=zeros).logits)
        assert not torch.allclose(model(ids).logits, model(ids, token_type_ids=ones).logits, atol=1e-2)

    @pytest.mark.parametrize("left", [True, False])
    @torch.no_grad()
    def test_padding_is_not_seen(self, left):
        model, ids, mask = wide(BERT), tokens(2, 9), padded(2, 9, 3, left)
        other = torch.where(mask.bool(), ids, (ids + 1) % VOCABULARY)
        a, b = model(ids, mask).logits, model(other, mask).logits
        torch.testing.assert_close(a[mask.bool()], b[mask.bool()], **EQUAL)
        if not left:
            torch.testing.assert_close(a[1, :6], model(ids[1:, :6]).logits[0], **EQUAL)

    def test_segment_that_does_not_exist(self):
        with pytest.raises(InputError, match="2"):
            models.build(BERT)(tokens(1, 4), token_type_ids=torch.full((1, 4), 2))


@pytest.mark.parametrize("cfg", [T5, TRANSFORMER], ids=["t5", "transformer"])
class TestEncoderDecoder:
    @torch.no_grad()
    def test_decoder_is_causal_and_reads_the_whole_memory(self, cfg):
        model, ids, written = wide(cfg), tokens(1, 9), tokens(1, 7, seed=3)
        before = model(ids, decoder_input_ids=written).logits
        other = written.clone()
        other[0, 4] = (other[0, 4] + 1) % VOCABULARY
        after = model(ids, decoder_input_ids=other).logits
        assert torch.equal(before[:, :4], after[:, :4])
        assert (before[:, 4:] != after[:, 4:]).any(-1).all()
        read = ids.clone()
        read[0, 8] = (read[0, 8] + 1) % VOCABULARY
        assert (model(read, decoder_input_ids=written).logits != before).any(-1).all()

    @torch.no_grad()
    def test_cached_equals_uncached(self, cfg):
        model, ids, written = wide(cfg), tokens(2, 9), tokens(2, 12, seed=3)
        whole = model(ids, decoder_input_ids=written)
        for sizes in ([12], [1] * 12, [5, 1, 4, 2]):
            cache = model.new_cache(2, capacity=12)
            parts = [
                model(decoder_input_ids=part, memory=whole.memory, cache=cache).logits
                for part in written.split(sizes, dim=1)
            ]
            torch.testing.assert_close(torch.cat(parts, dim=1), whole.logits, **EQUAL)

    @pytest.mark.parametrize("left", [True, False])
    @torch.no_grad()
    def test_padding_of_what_is_read_is_not_seen(self, cfg, left):
        model, ids, written, mask = wide(cfg), tokens(2, 9), tokens(2, 5, seed=3), padded(2, 9, 3, left)
        other = torch.where(mask.bool(), ids, (ids + 1) % VOCABULARY)
        a = model(ids, mask, decoder_input_ids=written).logits
        torch.testing.assert_close(a, model(other, mask, decoder_input_ids=written).logits, **EQUAL)
        torch.testing.assert_close(a[0], model(ids[:1], decoder_input_ids=written[:1]).logits[0], **EQUAL)

    @torch.no_grad()
    def test_generates_what_reading_anew_gives(self, cfg):
        model, ids = wide(cfg), tokens(1, 9)
        steps = list(models.generate(model, ids, models.Sampling(temperature=0), 8, keep_logits=True))
        text = torch.tensor([[cfg.decoder_start_id, *(step.token_id for step in steps)]])
        logits = model(ids, decoder_input_ids=text).logits[0, :-1]
        torch.testing.assert_close(torch.stack([step.logits for step in steps]), logits, rtol=1e-4, atol=1e-4)

    @torch.no_grad()
    def test_taps_of_both_stacks(self, cfg):
        with models.capture("*.probs") as trace:
            wide(cfg)(tokens(2, 9), decoder_input_ids=tokens(2, 5))
        assert trace["encoder.layers.0.attn.probs"].shape == (2, 4, 9, 9)
        assert trace["decoder.layers.1.attn.probs"].shape == (2, 4, 5, 5)
        across = trace["decoder.layers.1.cross_attn.probs"]
        assert across.shape == (2, 4, 5, 9)
        torch.testing.assert_close(across.sum(-1), torch.ones(2, 4, 5), **EQUAL)

    def test_a_missing_text_is_named(self, cfg):
        with pytest.raises(InputError, match="decoder_input_ids"):
            models.build(cfg)(tokens(1, 4))


class TestPrefixDecoder:
    @torch.no_grad()
    def test_the_prefix_sees_itself_and_the_rest_is_causal(self):
        model, ids = wide(GLM), tokens(2, 10)
        with models.capture("layers.0.attn.probs") as trace:
            model(ids, prefix_lengths=torch.tensor([6, 3]))
        for row, n_prefix in enumerate((6, 3)):
            seen = torch.ones(10, 10, dtype=torch.bool).tril()
            seen[:n_prefix, :n_prefix] = True
            assert torch.equal((trace["layers.0.attn.probs"][row] > 0).all(0), seen)

    @torch.no_grad()
    def test_generates_what_reading_anew_gives(self):
        model, ids = wide(GLM), tokens(1, 7)
        steps = list(models.generate(model, ids, models.Sampling(temperature=0), 6, keep_logits=True))
        text = torch.cat([ids, torch.tensor([[step.token_id for step in steps]])], dim=1)
        places = torch.stack([torch.tensor([*range(7), *[6] * 6]), torch.tensor([0] * 7 + [*range(1, 7)])])[None]
        logits = model(text, position_ids=places, prefix_lengths=torch.tensor([7])).logits[0, 6:-1]
        torch.testing.assert_close(torch.stack([step.logits for step in steps]), logits, rtol=1e-4, atol=1e-4)


class TestImages:
    @torch.no_grad()
    def test_patches_are_read_row_by_row(self):
        """The patch of the second row and first column is place 1 + 3: only its embedding follows a change there."""
        model, image = wide(VIT), torch.rand(2, 3, 12, 12)
        before = model.patch_embed(image)
        image[0, 1, 4, 0] += 1
        changed = (model.patch_embed(image) != before).any(-1)
        assert changed.nonzero().tolist() == [[0, 4]]
        assert model(pixel_values=image).logits.shape == (2, 5)

    @pytest.mark.parametrize("shape", [(1, 3, 12, 11), (3, 12, 12), (1, 1, 12, 12)])
    def test_wrong_images_are_named(self, shape):
        with pytest.raises(InputError, match="pixel_values"):
            models.build(VIT)(pixel_values=torch.zeros(shape))

    @torch.no_grad()
    def test_two_towers_compare_every_pair(self):
        model, texts, images = wide(CLIP), tokens(3, 9), torch.rand(2, 3, 12, 12)
        out = model(texts, pixel_values=images)
        assert out.logits_per_image.shape == (2, 3)
        torch.testing.assert_close(out.text_embeds.norm(dim=-1), torch.ones(3), **EQUAL)
        expected = model.logit_scale.exp() * out.image_embeds @ out.text_embeds.T
        torch.testing.assert_close(out.logits_per_image, expected)
        assert model(texts).logits_per_image is None

    @torch.no_grad()
    def test_a_text_is_read_at_its_end(self):
        """At the highest id, or at the first of the one that ends texts: nothing after it counts."""
        text = torch.tensor([[3, 5, VOCABULARY - 1, 4, 9, 5, 2]])
        for end_id, n_read in ((None, 3), (5, 2)):
            model = wide(CLIP.replace(text_end_id=end_id))
            whole = model(text).text_embeds
            torch.testing.assert_close(whole, model(text[:, :n_read]).text_embeds, **EQUAL)
            assert not torch.allclose(whole, model(text[:, : n_read - 1]).text_embeds, atol=1e-3)

    @pytest.mark.parametrize("changes", [{"text_end_id": VOCABULARY}, {"text_end_id": -1}])
    def test_an_end_that_no_text_can_have(self, changes):
        with pytest.raises(InputError, match="text_end_id"):
            CLIP.replace(**changes)

    @torch.no_grad()
    def test_two_towers_survive_saving(self, tmp_path):
        """Among their weights is a number without dimensions."""
        model = wide(CLIP)
        models.save(model, None, tmp_path, dtype="fp32")
        loaded = models.load(tmp_path)
        assert loaded.config == CLIP
        image, text = torch.rand(2, 3, 12, 12), tokens(3, 9)
        torch.testing.assert_close(
            loaded.model(text, pixel_values=image).logits_per_image, model(text, pixel_values=image).logits_per_image
        )


class TestClassifier:
    @pytest.mark.parametrize("left", [True, False])
    @torch.no_grad()
    def test_reads_the_last_token_that_is_no_padding(self, left):
        model, ids, mask = wide(CLASSIFIER), tokens(2, 9), padded(2, 9, 3, left)
        out = model(ids, mask)
        last = 8 if left else 5
        torch.testing.assert_close(out.pooled[1], out.hidden[1, last])
        assert out.logits.shape == (2, 3)


@pytest.mark.parametrize("cfg", [BERT, VIT, CLASSIFIER, CLIP])
def test_what_does_not_write_says_so(cfg):
    with pytest.raises(InputError, match="does not write"):
        next(models.generate(models.build(cfg), [1, 2, 3]))


@torch.no_grad()
@pytest.mark.parametrize("cfg", [BERT, GLM, T5, models.ModelConfig(**SIZES)], ids=["bert", "glm", "t5", "decoder"])
def test_logits_can_be_had_at_some_places_alone(cfg):
    model, ids = wide(cfg), tokens(2, 7)
    arguments = {"decoder_input_ids": tokens(2, 7)} if cfg == T5 else {}
    places = torch.zeros(2, 7, dtype=torch.bool)
    places[0, 2] = places[1, 0] = places[1, 6] = True
    whole = model(ids, **arguments).logits
    torch.testing.assert_close(model(ids, **arguments, logits_at=places).logits, whole[places], **EQUAL)


def test_a_classifier_has_no_places_to_choose_from():
    with pytest.raises(InputError, match="logits_at"):
        models.build(CLASSIFIER)(tokens(1, 4), logits_at=torch.ones(1, 4, dtype=torch.bool))


@pytest.mark.parametrize("cfg", [BERT, T5], ids=["bert", "t5"])
def test_gradients_in_bf16_are_those_of_fp32_but_for_rounding(cfg):
    """Under autocast attention goes its own way (`attend`)."""
    arguments = {"decoder_input_ids": tokens(2, 9)} if cfg == T5 else {}
    gradients = []
    for enabled in (False, True):
        model = wide(cfg)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            model(tokens(2, 9), **arguments).logits.float().square().mean().backward()
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]))
    assert torch.nn.functional.cosine_similarity(*gradients, dim=0) > 0.99


def test_each_further_token_is_predicted_from_the_one_before():
    """Depth k sees tokens up to i + k only: changing a later one changes nothing at place i."""
    cfg = models.ModelConfig(**SIZES, mtp_depth=2)
    model, ids = wide(cfg), tokens(2, 10)
    out = model(ids)
    assert [logits.shape for logits in out.mtp_logits] == [(2, 9, VOCABULARY), (2, 8, VOCABULARY)]
    other = ids.clone()
    other[:, 6] = (other[:, 6] + 1) % VOCABULARY
    for depth, (before, after) in enumerate(zip(out.mtp_logits, model(other).mtp_logits, strict=True), start=1):
        assert torch.equal(before[:, : 6 - depth], after[:, : 6 - depth])
        assert (before[:, 6 - depth] != after[:, 6 - depth]).any()


@torch.no_grad()
def test_towers_pass_on_what_their_routers_ask_for():
    moe = models.MixtureOfExperts(n_experts=4, n_experts_per_token=2, d_expert=6)
    cfg = CLIP.replace(moe=moe, vision_tower=CLIP.vision_tower.replace(moe=moe))
    model, ids, pixels = wide(cfg), tokens(2, 7), torch.rand(3, 3, 12, 12)
    text, image, both = model(ids), model(pixel_values=pixels), model(ids, pixel_values=pixels)
    assert [len(out.routings) for out in (text, image, both)] == [2, 2, 4]
    assert [out.logits.shape[1] for out in both.routings] == [7, 7, 10, 10]
    for name in ("aux_loss", "aux_loss_by_layer", "z_loss"):
        alone = [getattr(out, name) for out in (model.text(ids), model.vision(pixel_values=pixels))]
        assert [getattr(text, name), getattr(image, name)] == alone
        torch.testing.assert_close(getattr(both, name), sum(alone))
    assert wide(CLIP)(ids, pixel_values=pixels).aux_loss is None
