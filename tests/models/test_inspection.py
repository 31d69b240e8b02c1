"""Attention as it is inspected: the same pass, true rows, masks, contributions, names of heads, rollout."""

import numpy as np
import pytest
import torch

import models
from models.errors import InputError
from models.inspection.attention import AttentionGroup, attention_of
from models.inspection.head_labels import label_heads
from models.inspection.inputs import Sequence, inputs_of
from models.inspection.pictures import PICTURES, picture
from models.inspection.rollout import rollout
from models.tokenizers import bytes_tokenizer
from models.tokenizers.catalogue import load_named
from tests.synthetic_heads import one_back

TEXT = "Tom and his dog went to the park. Tom and his dog were happy."
SMALL = {"n_layers": 2, "d_model": 48, "d_ff": 64, "vocab_size": 300, "max_seq_len": 96}
HEADS = {"n_heads": 4, "n_kv_heads": 4, "d_head": 12}
MLA = models.LatentAttention(q_lora_rank=24, kv_lora_rank=16, qk_nope_head_dim=8, qk_rope_head_dim=4, v_head_dim=8)
CASES = {
    "decoder": models.preset("gpt2").replace(**SMALL, **HEADS),
    "grouped": models.preset("llama-mini").replace(**SMALL, n_heads=6, n_kv_heads=2, d_head=8),
    "alibi": models.preset("bloom-560m").replace(**SMALL, **HEADS),
    "latent": models.preset("deepseek-v3-mini").replace(**SMALL, n_heads=4, n_kv_heads=4, d_head=12, mla=MLA),
    "sliding": models.preset("gpt2").replace(**SMALL, **HEADS, mask_pattern=("causal", "sliding"), window=8),
    "encoder": models.preset("bert-mini").replace(**{**SMALL, "vocab_size": 4096}, **HEADS),
    "longformer": models.preset("longformer-base-4096").replace(**{**SMALL, "vocab_size": 4096}, **HEADS),
    "lsh": models.preset("reformer-enwik8").replace(**SMALL, **HEADS, axial_dims=(16, 32), axial_shape=(8, 12)),
    "prefix": models.preset("glm-mini").replace(**SMALL, **HEADS),
    "encoder_decoder": models.preset("t5-mini").replace(**SMALL, n_encoder_layers=2, **HEADS),
    "image": models.preset("vit-b16-224").replace(
        **{**SMALL, "vocab_size": 0, "max_seq_len": 17},
        **HEADS,
        image=models.ImageInput(image_size=32, patch_size=8),
    ),
}


def tokenizer_of(config):
    if config.image is not None:
        return None
    return load_named("wordpiece-4k") if config.head in ("mlm", "mlm_nsp") else bytes_tokenizer()


@pytest.fixture(scope="module", params=CASES)
def looked(request):
    """A model of each kind with strong weights, its inputs, and its groups."""
    config = CASES[request.param]
    model = models.build(config, seed=1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:
                parameter.mul_(4.0)
    inputs = inputs_of(config, tokenizer_of(config), TEXT, "They were happy.")
    return model, inputs, attention_of(model, inputs)


def test_rows_sum_to_one_and_what_is_masked_is_zero(looked):
    _, inputs, groups = looked
    for group in groups:
        n_layers, _, n_queries, n_keys = group.probs.shape
        assert n_layers == 2
        assert (n_queries, n_keys) == (len(inputs.sequences[group.queries]), len(inputs.sequences[group.keys]))
        sums = group.probs.sum(dim=-1)
        assert torch.allclose(sums, group.visible.any(dim=-1).float(), atol=1e-5)
        assert group.probs[~group.visible].eq(0.0).all()


@torch.no_grad()
def test_the_pass_that_is_looked_at_gives_what_the_fused_one_gives(looked):
    model, inputs, _ = looked
    fused = model(**inputs.arguments).hidden
    with models.capture("*.probs", "*.scores", "*.v"):
        watched = model(**inputs.arguments).hidden
    assert (fused - watched).abs().max() < 1e-5 * max(1.0, float(fused.abs().max()))


def test_groups_are_named_after_their_stacks():
    config = CASES["encoder_decoder"]
    groups = attention_of(models.build(config), inputs_of(config, bytes_tokenizer(), TEXT, "They"))
    assert {group.name: (group.queries, group.keys) for group in groups} == {
        "encoder": ("source", "source"),
        "decoder": ("text", "text"),
        "cross": ("text", "source"),
    }
    assert not next(group for group in groups if group.name == "decoder").visible[..., 0, 1].any()


@torch.no_grad()
@pytest.mark.parametrize("name", ["decoder", "grouped", "latent"])
def test_contributions_are_lengths_of_what_keys_add(name):
    config = CASES[name]
    model = models.build(config, seed=1)
    inputs = inputs_of(config, bytes_tokenizer(), TEXT)
    (group,) = attention_of(model, inputs)
    with models.capture("layers.1.attn.v") as trace:
        model(**inputs.arguments)
    v = trace["layers.1.attn.v"][0]  # (K, S, d_value)
    weight = model.layers[1].attn.o_proj.weight  # (D, H·d_value)
    for head in (0, config.n_heads - 1):
        mine = v[head * v.shape[0] // config.n_heads]
        columns = weight[:, head * mine.shape[-1] : (head + 1) * mine.shape[-1]]
        assert torch.allclose(group.value_norms[1, head], (mine @ columns.T).norm(dim=-1), rtol=1e-3, atol=1e-5)


def test_a_head_that_looks_one_back_is_called_so():
    loaded = one_back()
    inputs = inputs_of(loaded.config, loaded.tokenizer, "abcdefghij")
    (group,) = attention_of(loaded.model, inputs)
    assert torch.allclose(group.probs[0, 0, 1:, :-1], torch.eye(9), atol=1e-6)
    labels = label_heads(group, inputs.sequences)
    assert labels.names == [[["previous"], ["even"]]]
    assert labels.scores["previous"][0, 0] == pytest.approx(1.0)
    assert labels.scores["even"][0, 1] == pytest.approx(1.0)


def group_of(probs: torch.Tensor, visible: torch.Tensor | None = None) -> AttentionGroup:
    """One head with these rows."""
    seen = torch.ones_like(probs, dtype=torch.bool) if visible is None else visible
    return AttentionGroup("self", "text", "text", probs[None, None], seen[None, None], None, 1)


def sequence(ids: str, kinds: str = "") -> dict[str, Sequence]:
    numbers = tuple(map(ord, ids))
    return {"text": Sequence(tuple(ids), tuple(ids), numbers, kinds or "t" * len(ids), (0,) * len(ids))}


def looking_at(*places: int) -> torch.Tensor:
    return torch.nn.functional.one_hot(torch.tensor(places), len(places)).float()


@pytest.mark.parametrize(
    ("ids", "kinds", "places", "name"),
    [
        ("abcdef", "", [0, 0, 1, 2, 3, 4], "previous"),
        ("abcdef", "", [1, 2, 3, 4, 5, 5], "next"),
        ("abcdef", "", [0, 0, 0, 0, 0, 0], "first"),
        ("abcdef", "", [0, 1, 2, 3, 4, 5], "self"),
        ("xabcab", "", [1, 4, 5, 0, 1, 2], "same"),
        ("xabcabc", "", [0, 0, 0, 0, 2, 3, 4], "induction"),
        ("abc.ef", "tttdtt", [3, 3, 3, 1, 3, 3], "separators"),
    ],
)
def test_each_name_is_given_for_what_it_says(ids, kinds, places, name):
    names = label_heads(group_of(looking_at(*places)), sequence(ids, kinds)).names[0][0]
    assert names[0] == name


def test_half_a_look_is_not_enough_for_a_name():
    probs = torch.full((12, 12), 0.6 / 11)
    probs[:] = torch.softmax(torch.randn(12, 12, generator=torch.Generator().manual_seed(0)) * 2, dim=-1)
    assert label_heads(group_of(probs), sequence("abcdefghijkl")).names == [[[]]]


def test_a_text_too_short_has_no_names():
    labels = label_heads(group_of(looking_at(0, 0, 1)), sequence("abc"))
    assert labels.names == [[[]]]
    assert labels.scores["previous"].isnan().all()


def test_separators_need_twice_an_even_share():
    """In a text of full stops a head cannot help looking at them."""
    assert label_heads(group_of(torch.full((6, 6), 1 / 6)), sequence("a....b", "tddddt")).names == [[["even"]]]


def test_rollout_multiplies_layers_from_the_first_up():
    probs = torch.rand(3, 2, 5, 5, generator=torch.Generator().manual_seed(0)).softmax(dim=-1)
    mixed = [0.5 * layer.mean(dim=0) + 0.5 * torch.eye(5) for layer in probs]
    rolled = rollout(probs)
    assert torch.allclose(rolled[2], mixed[2] @ mixed[1] @ mixed[0], atol=1e-6)
    assert torch.allclose(rolled.sum(dim=-1), torch.ones(3, 5), atol=1e-5)


def test_step_by_step_is_one_pass_over_the_whole():
    """What a token looks at while a text is written is its row of a pass over all of it."""
    config = CASES["grouped"]
    model = models.build(config, seed=1)
    ids = bytes_tokenizer().encode("abcdefgh")
    inputs = inputs_of(config, bytes_tokenizer(), tuple(ids[:3]), tuple(ids[3:]))
    assert inputs.written_from == 3
    (group,) = attention_of(model, inputs)
    cache = model.new_cache()
    with torch.no_grad():
        model(torch.tensor([ids[:3]]), cache=cache)
        for place in range(3, 8):
            with models.capture("layers.*.attn.probs") as trace:
                model(torch.tensor([[ids[place]]]), cache=cache)
            for layer in range(2):
                row = trace[f"layers.{layer}.attn.probs"][0, :, 0]  # (H, place + 1)
                assert torch.allclose(group.probs[layer, :, place, : place + 1], row, atol=1e-6)


class TestInputs:
    def test_a_pair_has_two_segments(self):
        config = CASES["encoder"]
        inputs = inputs_of(config, load_named("wordpiece-4k"), "The king was happy.", "He had a child.")
        read = inputs.sequences["text"]
        assert read.tokens[0] == "[CLS]"
        assert [read.tokens[place] for place in (read.segments.index(1) - 1, -1)] == ["[SEP]", "[SEP]"]
        assert inputs.arguments["token_type_ids"][0].tolist() == list(read.segments)
        assert read.kinds[0] == "s"
        assert "d" in read.kinds

    def test_a_long_text_is_read_in_windows(self):
        config, tokenizer = CASES["decoder"], bytes_tokenizer()
        text = "abcdefghij" * 30
        parts = [inputs_of(config, tokenizer, text, most=64, part=part) for part in range(6)]
        assert {inputs.parts for inputs in parts} == {5}
        assert parts[5].part == 4
        assert len(parts[0].sequences["text"]) == 64
        assert "".join(t for inputs in parts[:5] for t in inputs.sequences["text"].texts) == text

    @pytest.mark.parametrize("name", ["encoder", "encoder_decoder"])
    def test_an_empty_text_still_ends_or_is_refused(self, name):
        config = CASES[name]
        tokenizer = tokenizer_of(config)
        if name == "encoder":
            with pytest.raises(InputError) as refused:
                inputs_of(config, tokenizer, "")
            assert refused.value.code == "attention_no_token"
        else:
            assert len(inputs_of(config, tokenizer, "").sequences["source"]) == 1

    def test_a_decoder_reads_an_empty_text_as_its_end_of_text(self):
        inputs = inputs_of(CASES["decoder"], bytes_tokenizer(), "")
        assert inputs.sequences["text"].kinds == "s"

    @pytest.mark.parametrize("text", ["😀👩‍💻", "同样一句话", "a", "\n"])
    def test_any_character_is_read(self, text):
        inputs = inputs_of(CASES["decoder"], bytes_tokenizer(), text)
        assert len(inputs.sequences["text"]) == len(text.encode())

    def test_a_picture_is_patches(self):
        config = CASES["image"]
        inputs = inputs_of(config, None, "")
        assert inputs.sequences["image"].tokens[:3] == ("[CLS]", "1.1", "1.2")
        assert len(inputs.sequences["image"]) == 17

    def test_pictures_differ_and_unknown_ones_are_named(self):
        drawn = [picture(name, 32) for name in PICTURES]
        assert all(one.shape == (3, 32, 32) and one.min() >= -1 and one.max() <= 1 for one in drawn)
        assert not np.allclose(drawn[0], drawn[1])
        with pytest.raises(InputError, match="scene"):
            picture("cat", 32)
