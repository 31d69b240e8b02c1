"""What a model says at masked places, against the same passes done by hand; and what enters its first layer."""

import pytest
import torch
import torch.nn.functional as F

import models
from models.embedding_parts import embedding_parts
from models.mask_filling import joint, log_probabilities, looks
from models.objectives.words import words
from models.tokenizers import bytes_tokenizer
from models.tokenizers.catalogue import load_named

MASK = 4
SMALL = {"vocab_size": 60, "d_model": 24, "n_layers": 2, "n_heads": 2, "n_kv_heads": 2, "d_head": 12, "d_ff": 40}
IDS = torch.tensor([2, 10, 11, 12, 13, 3, 20, 21, 3])
SEGMENTS = torch.tensor([0, 0, 0, 0, 0, 0, 1, 1, 1])


def small(**changes) -> models.transformer.Transformer:
    """A small BERT whose weights are wide enough for one token to matter to another."""
    model = models.build(models.preset("bert-mini").replace(**{**SMALL, **changes}), seed=5)
    generator = torch.Generator().manual_seed(6)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(float(parameter.dim() == 1), 0.3, generator=generator)
    return model.eval()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"n_segments": 0},
        {"embed_norm": False},
        {"scale_embeddings": True, "position": "sinusoidal", "n_positions": None},
        {"position": "rotary", "n_positions": None, "rotary_dim": 12, "rope_theta": 1e4, "rope_layout": "half"},
    ],
    ids=str,
)
def test_the_sum_of_the_parts_is_what_the_model_embeds(changes):
    model = small(**changes)
    segments = SEGMENTS if model.config.n_segments else None
    parts = embedding_parts(model, IDS, segments)
    with models.capture("embed") as trace:
        model(IDS[None], token_type_ids=None if segments is None else segments[None])
    assert torch.allclose(parts.normed, trace["embed"][0], atol=1e-6)
    present = [part for part in (parts.token, parts.segment, parts.position) if part is not None]
    assert torch.allclose(sum(present), parts.total, atol=1e-6)
    assert (parts.segment is None) == (model.config.n_segments == 0)
    assert (parts.position is None) == (model.config.position == "rotary")


def answers(model, ids: list[int], place: int) -> torch.Tensor:
    out = model(torch.tensor([ids]), token_type_ids=SEGMENTS[None])
    return out.logits[0, place].softmax(-1)


@torch.no_grad()
def test_a_pair_is_predicted_alone_and_in_both_orders():
    model, first, second = small(), 2, 6
    found = joint(model, IDS, SEGMENTS, (first, second), MASK, 4)
    both = IDS.tolist()
    both[first] = both[second] = MASK
    p, q = answers(model, both, first), answers(model, both, second)
    assert found.first[:4] == p.topk(4).indices.tolist()
    assert int(IDS[first]) in found.first
    assert int(IDS[second]) in found.second
    for a, one in enumerate(found.first):
        for b, other in enumerate(found.second):
            after_first = answers(model, [*both[:first], one, *both[first + 1 :]], second)[other]
            after_second = answers(model, [*both[:second], other, *both[second + 1 :]], first)[one]
            assert found.alone[a, b] == pytest.approx(float(p[one] * q[other]), rel=1e-4)
            assert found.forward[a, b] == pytest.approx(float(p[one] * after_first), rel=1e-4)
            assert found.backward[a, b] == pytest.approx(float(q[other] * after_second), rel=1e-4)
    assert not torch.allclose(found.forward, found.alone, rtol=0.02)
    assert not torch.allclose(found.forward, found.backward, rtol=0.02)


@torch.no_grad()
def test_each_place_is_looked_at_seen_masked_and_replaced():
    model, places, drawn = small(), [1, 3, 7], [30, 44, 51]
    found = looks(model, IDS, SEGMENTS, places, MASK, drawn)
    for look, place, random in zip(found, places, drawn, strict=True):
        rows = []
        for token_id in (int(IDS[place]), MASK, random):
            ids = [*IDS[:place].tolist(), token_id, *IDS[place + 1 :].tolist()]
            rows.append(model(torch.tensor([ids]), token_type_ids=SEGMENTS[None]))
        for row, log_probs in zip(rows, look.log_probs, strict=True):
            assert torch.allclose(row.logits[0, place].log_softmax(-1), log_probs, atol=1e-5)
        assert look.cosines.shape == (2, model.config.n_layers + 1)
        for index in range(2):
            alike = F.cosine_similarity(rows[0].hidden[0], rows[1 + index].hidden[0], dim=-1)
            assert float(look.cosines[index, -1]) == pytest.approx(float(alike[place]), abs=1e-5)
            others = torch.cat((alike[:place], alike[place + 1 :])).mean()
            assert float(look.others[index]) == pytest.approx(float(others), abs=1e-5)


def test_more_places_than_are_read_at_once_are_looked_at_with_one_pass_over_the_seen_text():
    model, places = small(max_seq_len=64), list(range(1, 41))
    ids = torch.randint(5, 60, (42,), generator=torch.Generator().manual_seed(2))
    segments, rows = torch.zeros(42, dtype=torch.long), []
    hook = model.register_forward_hook(lambda module, inputs, output: rows.append(len(output.hidden)))
    many = looks(model, ids, segments, places, MASK, [7] * 40)
    hook.remove()
    assert sum(rows) == 1 + 2 * len(places)
    (alone,) = looks(model, ids, segments, [33], MASK, [7])
    assert torch.allclose(many[32].log_probs, alone.log_probs, atol=1e-4)
    assert torch.allclose(many[32].cosines, alone.cosines, atol=1e-5)


def test_many_rows_are_read_in_pieces():
    model = small(n_segments=0)
    rows = torch.randint(5, 60, (40, 6), generator=torch.Generator().manual_seed(1))
    found = log_probabilities(model, rows, torch.zeros(6, dtype=torch.long), [index % 6 for index in range(40)])
    with torch.no_grad():
        alone = model(rows[37:38]).logits[0, 37 % 6].log_softmax(-1)
    assert torch.allclose(found[37], alone, atol=1e-5)


def test_pieces_of_a_word_belong_together():
    tokenizer = load_named("wordpiece-4k")
    ids = [2, *tokenizer.encode("unhappiness, 中国"), 3]
    spelled = [[tokenizer.token(ids[place]) for place in word] for word in words(tokenizer, ids)]
    assert spelled[0] == ["[CLS]"]
    assert "".join(spelled[1]).replace("##", "") == "unhappiness"
    assert spelled[2:] == [[","], ["中"], ["国"], ["[SEP]"]]


def test_without_wordpiece_a_word_ends_before_a_space():
    tokenizer = bytes_tokenizer()
    ids = tokenizer.encode("ab cd")
    assert words(tokenizer, ids) == [[0, 1], [2, 3, 4]]
