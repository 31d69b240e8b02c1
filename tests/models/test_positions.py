"""Each kind of position does what its paper says, seen from outside through the taps of a running model."""

import math

import pytest
import torch

import models
from models.config import ModelConfig, RopeScaling
from models.errors import InputError
from models.weights import named_tensors
from tests.models.random_configs import VOCABULARY, tokens, wide


def config(**changes) -> ModelConfig:
    sizes = {"vocab_size": VOCABULARY, "max_seq_len": 64, "d_model": 24, "n_layers": 2, "n_heads": 4, "d_ff": 20}
    return ModelConfig(**{**sizes, **changes})


@torch.no_grad()
def seen(model, ids, *names, **inputs) -> list[torch.Tensor]:
    with models.capture(*names) as trace:
        model(ids, **inputs)
    return [trace[name] for name in names]


class TestRotary:
    @pytest.mark.parametrize("layout", ["half", "interleaved"])
    @pytest.mark.parametrize("rotary_dim", [6, 4, 2])
    def test_scores_depend_on_the_distance_alone(self, layout, rotary_dim):
        model = wide(config(rope_layout=layout, rotary_dim=rotary_dim))
        place = torch.arange(12)[None]
        a, b = (seen(model, tokens(1, 12), "layers.0.attn.scores", position_ids=place + shift)[0] for shift in (0, 37))
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)
        stretched = seen(model, tokens(1, 12), "layers.0.attn.scores", position_ids=place * 2)[0]
        assert (a - stretched)[a.isfinite()].abs().max() > 0.1

    @pytest.mark.parametrize("layout", ["half", "interleaved"])
    def test_far_positions_survive_bfloat16(self, layout):
        """Angles are worked out in float32: bfloat16 itself has no number between 5000 and 5024."""
        model = wide(config(rope_layout=layout, max_seq_len=8192))
        where = {"position_ids": torch.arange(5000, 5012)[None]}
        (exact,) = seen(model, tokens(1, 12), "layers.0.attn.q", **where)
        (rounded,) = seen(model.to(torch.bfloat16), tokens(1, 12), "layers.0.attn.q", **where)
        assert 0 < (rounded.float() - exact).norm() / exact.norm() < 4 * 2**-8

    @pytest.mark.parametrize("layout", ["half", "interleaved"])
    def test_pairs_turn_by_position_times_frequency(self, layout):
        """Complex multiplication by exp(i·p·theta^(-2j/d)), the paper's equation 13, on the pairs of the layout."""
        model = wide(config(rope_layout=layout, rotary_dim=4, rope_theta=50.0))
        place = torch.tensor([[0, 1, 2, 9, 33]])
        ids = tokens(1, 1).expand(1, 5)
        q = seen(model, ids, "layers.0.attn.q", position_ids=place)[0][0]  # (H, T, d_head)
        still = q[:, :1]
        first, second = ([0, 1], [2, 3]) if layout == "half" else ([0, 2], [1, 3])
        frequency = torch.tensor([1.0, 50.0**-0.5])
        turn = torch.polar(torch.ones(5, 2), place[0, :, None] * frequency)  # (T, rotary_dim/2)
        expected = torch.complex(still[..., first], still[..., second]) * turn
        torch.testing.assert_close(torch.complex(q[..., first], q[..., second]), expected, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(q[..., 4:], still[..., 4:].expand(4, 5, 2), rtol=1e-5, atol=1e-5)

    @pytest.mark.parametrize("rotary_dim", [6, 4])
    @torch.no_grad()
    def test_layouts_are_permutations_of_each_other(self, rotary_dim):
        """Reordering the rows of q and k turns one layout into the other; nothing else changes."""
        half = wide(config(rope_layout="half", rotary_dim=rotary_dim))
        interleaved = wide(config(rope_layout="interleaved", rotary_dim=rotary_dim))
        order = torch.arange(rotary_dim).view(2, -1).T.flatten()  # 0, d/2, 1, d/2 + 1, …
        order = torch.cat([order, torch.arange(rotary_dim, 6)])
        for i in range(2):
            for name in ("q_proj", "k_proj"):
                rows = named_tensors(half)[f"layers.{i}.attn.{name}.weight"].view(4, 6, 24)  # (H, d_head, D)
                named_tensors(interleaved)[f"layers.{i}.attn.{name}.weight"].copy_(rows[:, order].reshape(24, 24))
        ids = tokens(2, 20)
        torch.testing.assert_close(interleaved(ids).logits, half(ids).logits, rtol=1e-4, atol=1e-4)

    @torch.no_grad()
    def test_linear_scaling_is_fractional_positions(self):
        """Divided frequencies read place 4p as the unscaled model reads p."""
        plain = wide(config())
        scaled = wide(config(rope_scaling=RopeScaling(kind="linear", factor=4.0, original_max_seq_len=16)))
        place = torch.arange(15)[None]
        a, b = plain(tokens(1, 15), position_ids=place).logits, scaled(tokens(1, 15), position_ids=place * 4).logits
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)

    def test_llama3_scaling_keeps_fast_waves_and_stretches_slow_ones(self):
        scaling = RopeScaling(kind="llama3", factor=8.0, original_max_seq_len=64)
        plain, scaled = (models.build(config(d_head=64, rope_scaling=s, n_layers=1)) for s in (None, scaling))
        ids, place = tokens(1, 1).expand(1, 2), torch.tensor([[0, 1]])

        def angles(model):
            q = seen(model, ids, "layers.0.attn.q", position_ids=place)[0][0, 0]  # (T, d_head)
            pairs = torch.complex(q[:, :32], q[:, 32:])
            return (pairs[1] / pairs[0]).angle()

        before, after = angles(plain), angles(scaled)
        wavelength = 2 * math.pi * 10_000 ** (torch.arange(32) / 32)
        fast, slow = wavelength < 64 / 4, wavelength > 64 / 1
        torch.testing.assert_close(after[fast], before[fast], rtol=1e-3, atol=1e-5)
        torch.testing.assert_close(after[slow], before[slow] / 8, rtol=1e-2, atol=1e-5)
        between = ~fast & ~slow
        assert between.sum() > 2
        assert (after[between] < before[between]).all()
        assert (after[between] > before[between] / 8).all()


def slopes_of_the_paper(n_heads: int) -> list[float]:
    """The authors' rule (Press et al. 2021, footnote 8): for other than powers of two, fill up from twice as many."""
    power = 1 << (n_heads.bit_length() - 1)
    start = 2 ** (-8 / power)
    slopes = [start ** (i + 1) for i in range(power)]
    return slopes if power == n_heads else slopes + slopes_of_the_paper(2 * power)[0::2][: n_heads - power]


class TestALiBi:
    @pytest.mark.parametrize("n_heads", [1, 2, 3, 4, 6, 8, 12, 15, 16, 20])
    def test_bias_is_slope_times_distance(self, n_heads):
        model = wide(config(position="alibi", d_model=n_heads * 3, n_heads=n_heads, n_layers=1))
        names = [f"layers.0.attn.{name}" for name in ("q", "k", "scores")]
        q, k, scores = seen(model, tokens(2, 15), *names)
        place = torch.arange(15)
        slopes = torch.tensor(slopes_of_the_paper(n_heads))[:, None, None]
        expected = q @ k.mT / math.sqrt(3) - slopes * (place[:, None] - place[None, :])
        visible = place[:, None] >= place[None, :]
        torch.testing.assert_close(scores[..., visible], expected[..., visible], rtol=1e-5, atol=1e-4)

    def test_known_slopes(self):
        assert slopes_of_the_paper(8) == [2.0**-i for i in range(1, 9)]

    @torch.no_grad()
    def test_no_position_beyond_the_bias(self):
        """The embedding carries no position, and longer texts than trained on are read."""
        model = wide(config(position="alibi"))
        ids = tokens(1, 90)
        torch.testing.assert_close(seen(model, ids, "embed")[0], model.tok_embed(ids))
        assert model(ids).logits.isfinite().all()


class TestAddedPositions:
    @torch.no_grad()
    def test_sinusoids(self):
        """PE(p, 2i) = sin(p / 10000^(2i/D)), PE(p, 2i + 1) = cos of the same (Vaswani et al. 2017, section 3.5)."""
        model, ids, place = wide(config(position="sinusoidal")), tokens(1, 9), torch.arange(9)[None] * 7
        added = seen(model, ids, "embed", position_ids=place)[0] - model.tok_embed(ids)
        for t in range(9):
            for i in range(12):
                angle = place[0, t].item() / 10_000 ** (2 * i / 24)
                assert added[0, t, 2 * i].item() == pytest.approx(math.sin(angle), abs=1e-5)
                assert added[0, t, 2 * i + 1].item() == pytest.approx(math.cos(angle), abs=1e-5)

    @torch.no_grad()
    def test_learned(self):
        model, ids, place = wide(config(position="learned")), tokens(2, 5), torch.tensor([[3, 0, 0, 63, 8]])
        added = seen(model, ids, "embed", position_ids=place)[0] - model.tok_embed(ids)
        torch.testing.assert_close(added, model.position.weight[place[0]].expand(2, 5, 24), rtol=1e-4, atol=1e-5)
        with pytest.raises(InputError, match="65"):
            model(ids, position_ids=place + 1)

    @torch.no_grad()
    def test_none_knows_no_order(self):
        """Without positions, a single layer's last token sees the same, however those before it are ordered."""
        model, ids = wide(config(position="none", n_layers=1)), tokens(1, 12)
        shuffled = torch.cat([ids[:, :11].flip(1), ids[:, 11:]], dim=1)
        torch.testing.assert_close(model(ids).logits[:, -1], model(shuffled).logits[:, -1], rtol=1e-4, atol=1e-4)
