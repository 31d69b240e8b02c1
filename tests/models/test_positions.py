"""Each kind of position does what its paper says, seen from outside through the taps of a running model."""

import math

import pytest
import torch

import models
from models.config import ModelConfig, RopeScaling
from models.errors import InputError
from models.parts.no_position import NoPosition
from models.parts.positions import POSITIONS, build_position
from models.parts.rotary import Rotary2d, attention_factor, scale_frequencies, softmax_factor
from models.weights import named_tensors
from tests.models.random_configs import VOCABULARY, tokens, wide
from tests.rows import each_row


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

    def test_yarn_keeps_fast_waves_and_stretches_slow_ones(self):
        """Pairs that turn 32 times and more within the original context stay, those below one turn are stretched."""
        scaling = RopeScaling(kind="yarn", factor=8.0, original_max_seq_len=4096)
        before, after = scale_frequencies(64, 10_000.0, None), scale_frequencies(64, 10_000.0, scaling)
        turns = 4096 * before / (2 * math.pi)
        torch.testing.assert_close(after[turns > 40], before[turns > 40])
        torch.testing.assert_close(after[turns < 0.7], before[turns < 0.7] / 8)
        between = (turns < 25) & (turns > 2)
        assert between.sum() > 5
        assert (after[between] < before[between]).all()
        assert (after[between] > before[between] / 8).all()

    def test_yarn_factors(self):
        """YaRN: 0.1·ln(factor) + 1; DeepSeek's two parts of it; and what both do to the softmax of latent attention."""

        def yarn(**changes) -> RopeScaling:
            return RopeScaling(kind="yarn", factor=40.0, original_max_seq_len=4096, **changes)

        assert attention_factor(yarn()) == pytest.approx(0.1 * math.log(40) + 1)
        assert attention_factor(yarn(mscale=0.707, mscale_all_dim=0.707)) == 1.0
        expected = (0.1 * 2 * math.log(40) + 1) / (0.1 * 0.5 * math.log(40) + 1)
        assert attention_factor(yarn(mscale=2.0, mscale_all_dim=0.5)) == pytest.approx(expected)
        assert attention_factor(yarn(attention_factor=1.25, mscale=2.0, mscale_all_dim=0.5)) == 1.25
        assert softmax_factor(yarn(mscale_all_dim=1.0)) == pytest.approx((0.1 * math.log(40) + 1) ** 2)
        assert softmax_factor(yarn()) == softmax_factor(None) == 1.0
        assert attention_factor(RopeScaling(kind="linear", factor=40.0, original_max_seq_len=4096)) == 1.0

    @torch.no_grad()
    def test_attention_factor_multiplies_what_turns(self):
        scaling = RopeScaling(kind="yarn", factor=4.0, original_max_seq_len=16, attention_factor=1.5)
        plain, scaled = wide(config(rotary_dim=4)), wide(config(rotary_dim=4, rope_scaling=scaling))
        place = torch.zeros(1, 3, dtype=torch.long)
        before, after = (
            seen(model, tokens(1, 3), "layers.0.attn.q", position_ids=place)[0] for model in (plain, scaled)
        )
        torch.testing.assert_close(after[..., :4], 1.5 * before[..., :4])
        torch.testing.assert_close(after[..., 4:], before[..., 4:])

    @torch.no_grad()
    def test_dynamic_scaling_follows_the_length_of_the_text(self):
        """Up to the original length nothing changes; beyond it the base is raised as if by linear interpolation."""
        scaling = RopeScaling(kind="dynamic", factor=2.0, original_max_seq_len=16)
        plain, scaled = wide(config()), wide(config(rope_scaling=scaling))
        short, long = tokens(1, 16), tokens(1, 40)
        torch.testing.assert_close(scaled(short).logits, plain(short).logits)
        raised = 10_000.0 * (2.0 * 40 / 16 - 1) ** (6 / 4)
        torch.testing.assert_close(
            scaled(long).logits, wide(config(rope_theta=raised)).forward(long).logits, rtol=1e-4, atol=1e-4
        )

    @each_row("kind", models.CHOICES["rope_scaling"])
    @each_row("theta", [1.0, 1.5, 1e12])
    @each_row("rotary_dim", [2, 6])
    def test_every_allowed_number_gives_finite_angles(self, kind, theta, rotary_dim):
        for factor, original in ((1.0, 1), (1e6, 1), (1.0, 100_000_000), (1e6, 100_000_000)):
            scaling = RopeScaling(kind=kind, factor=factor, original_max_seq_len=original)
            part = build_position(config(rope_scaling=scaling, rope_theta=theta, rotary_dim=rotary_dim))
            for angles in part.angles(torch.tensor([[0, 1, 63]]), torch.float32):
                assert angles.isfinite().all()


class TestRotary2d:
    @pytest.mark.parametrize("layout", ["half", "interleaved"])
    def test_halves_turn_by_their_own_positions(self, layout):
        """Each half is paired within itself, with the frequencies of its width."""
        part = Rotary2d(8, theta=50.0, layout=layout)
        in_text, in_block = torch.tensor([0, 5, 5, 9]), torch.tensor([0, 0, 1, 7])
        x = torch.randn(1, 2, 4, 10, generator=torch.Generator().manual_seed(0))
        turned = part.rotate(x, part.angles(torch.stack((in_text, in_block))[None], torch.float32))
        frequency = torch.tensor([1.0, 50.0**-0.5])
        for first, places in ((0, in_text), (4, in_block)):
            pairs = ([0, 1], [2, 3]) if layout == "half" else ([0, 2], [1, 3])
            real, imaginary = ([first + i for i in pair] for pair in pairs)
            turn = torch.polar(torch.ones(4, 2), places[:, None] * frequency)
            expected = torch.complex(x[..., real], x[..., imaginary]) * turn
            found = torch.complex(turned[..., real], turned[..., imaginary])
            torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
        assert torch.equal(turned[..., 8:], x[..., 8:])

    @torch.no_grad()
    def test_without_a_block_the_second_position_is_zero(self):
        model, ids = wide(config(position="rotary_2d", d_head=8)), tokens(2, 9)
        flat = torch.arange(9)[None]
        both = torch.stack((flat, torch.zeros_like(flat)), dim=1)
        expected = model(ids).logits
        torch.testing.assert_close(model(ids, position_ids=flat).logits, expected)
        torch.testing.assert_close(model(ids, position_ids=both).logits, expected)
        moved = torch.stack((flat, flat), dim=1)
        assert (model(ids, position_ids=moved).logits - expected).abs().max() > 0.1


def slopes_of_the_paper(n_heads: int) -> list[float]:
    """The authors' rule (Press et al. 2021, footnote 8): for other than powers of two, fill up from twice as many."""
    power = 1 << (n_heads.bit_length() - 1)
    start = 2 ** (-8 / power)
    slopes = [start ** (i + 1) for i in range(power)]
    return slopes if power == n_heads else slopes + slopes_of_the_paper(2 * power)[0::2][: n_heads - power]


class TestALiBi:
    @each_row("n_heads", [*range(1, 21), 112])
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

    def test_later_keys_are_as_far_as_earlier_ones(self):
        """What an encoder sees of the future is not rewarded for its distance."""
        bias = build_position(config(position="alibi")).bias(range(6), range(6), torch.device("cpu"))
        assert torch.equal(bias, bias.mT)
        assert (bias <= 0).all()

    @torch.no_grad()
    def test_no_position_beyond_the_bias(self):
        """The embedding carries no position, and longer texts than trained on are read."""
        model = wide(config(position="alibi"))
        ids = tokens(1, 90)
        torch.testing.assert_close(seen(model, ids, "embed")[0], model.tok_embed(ids))
        assert model(ids).logits.isfinite().all()


class TestRelativeBias:
    @pytest.mark.parametrize("causal", [True, False])
    def test_near_distances_have_a_bucket_each_and_far_ones_share(self, causal):
        part = build_position(config(position="relative"), causal)
        before, after = part.buckets(-torch.arange(0, 200)), part.buckets(torch.arange(0, 200))
        n_near = 16 if causal else 8
        assert before[: n_near + 1].tolist() == list(range(n_near + 1))
        assert (before.diff() >= 0).all()
        assert before[128:].unique().tolist() == [31 if causal else 15]
        assert set(before.tolist()) | set(after.tolist()) == set(range(32)) - (set() if causal else {16})
        if causal:
            assert (after == 0).all()
        else:
            assert torch.equal(after[1:], before[1:] + 16)

    @pytest.mark.parametrize("causal", [True, False])
    def test_bias_is_the_table_at_the_bucket_of_the_distance(self, causal):
        part = build_position(config(position="relative", relative_buckets=8, relative_max_distance=20), causal)
        with torch.no_grad():
            part.weight.normal_(generator=torch.Generator().manual_seed(0))
        for q_pos, k_pos in ((range(9), range(9)), (range(30, 31), range(31)), (range(5, 9), range(9))):
            bias = part.bias(q_pos, k_pos, torch.device("cpu"))
            assert bias.shape == (4, len(q_pos), len(k_pos))
            for i, q in enumerate(q_pos):
                for j, k in enumerate(k_pos):
                    assert torch.equal(bias[:, i, j], part.weight[part.buckets(torch.tensor(k - q))])

    def test_the_table_is_trained(self):
        model = wide(config(position="relative"))
        model(tokens(2, 12)).logits.square().mean().backward()
        reached = model.position.weight.grad.abs().sum(dim=1) > 0
        assert reached[:12].all()
        assert not reached[16:].any()


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
    def test_sines_before_cosines(self):
        """Layout "half" is the paper's table with even dimensions before odd ones."""
        ids = tokens(1, 30)
        paper, halves = (
            seen(model, ids, "embed")[0] - model.tok_embed(ids)
            for model in (wide(config(position="sinusoidal", sinusoid_layout=name)) for name in ("interleaved", "half"))
        )
        torch.testing.assert_close(halves, torch.cat((paper[..., 0::2], paper[..., 1::2]), dim=-1), rtol=0, atol=1e-5)

    @torch.no_grad()
    def test_learned_with_an_offset(self):
        """The first rows belong to no position, as in RoBERTa and OPT."""
        cfg = config(position="learned", n_positions=66, position_offset=2)
        model, ids = wide(cfg), tokens(2, 64)
        added = seen(model, ids, "embed")[0] - model.tok_embed(ids)
        torch.testing.assert_close(added, model.position.weight[2:].expand(2, 64, 24), rtol=1e-4, atol=1e-5)
        with pytest.raises(InputError, match="positions for 64"):
            model(tokens(1, 65))

    @torch.no_grad()
    def test_learned_in_two_dimensions(self):
        model, ids = wide(config(position="learned_2d")), tokens(2, 4)
        place = torch.tensor([[[0, 1, 1, 1], [0, 0, 1, 2]], [[0, 1, 2, 3], [0, 0, 0, 0]]])
        added = seen(model, ids, "embed", position_ids=place)[0] - model.tok_embed(ids)
        expected = model.position.weight[place[:, 0]] + model.position.block_weight[place[:, 1]]
        torch.testing.assert_close(added, expected, rtol=1e-4, atol=1e-5)
        flat = seen(model, ids, "embed")[0] - model.tok_embed(ids)
        torch.testing.assert_close(
            flat[0], model.position.weight[:4] + model.position.block_weight[0], rtol=1e-4, atol=1e-5
        )
        assert model.position.block_weight.shape == model.position.weight.shape == (64, 24)

    @torch.no_grad()
    def test_axial(self):
        """Position p is row ⌊p/C⌋ and column p mod C of R·C places."""
        cfg = config(position="axial", axial_shape=(5, 13), axial_dims=(10, 14))
        model, ids = wide(cfg), tokens(1, 65)
        added = seen(model, ids, "embed")[0] - model.tok_embed(ids)
        for p in range(65):
            expected = torch.cat((model.position.rows[p // 13], model.position.columns[p % 13]))
            torch.testing.assert_close(added[0, p], expected, rtol=1e-4, atol=1e-5)
        with pytest.raises(InputError, match="positions for 65"):
            model(tokens(1, 66))

    @torch.no_grad()
    def test_none_knows_no_order(self):
        """Without positions, a single layer's last token sees the same, however those before it are ordered."""
        model, ids = wide(config(position="none", n_layers=1)), tokens(1, 12)
        shuffled = torch.cat([ids[:, :11].flip(1), ids[:, 11:]], dim=1)
        torch.testing.assert_close(model(ids).logits[:, -1], model(shuffled).logits[:, -1], rtol=1e-4, atol=1e-4)


def test_every_kind_is_built_alone():
    own = {"axial": {"axial_shape": (8, 8), "axial_dims": (8, 16)}, "rotary_2d": {"d_head": 8}}
    for kind in models.CHOICES["position"]:
        cfg = config(position=kind, **own.get(kind, {}))
        part = POSITIONS[kind](cfg)
        assert isinstance(part, NoPosition)
        x = torch.zeros(2, 5, 24)
        assert part.embed(x, torch.arange(5)[None]).shape == x.shape
