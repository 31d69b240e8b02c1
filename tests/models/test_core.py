"""What every configuration owes: it builds, runs, and means the same however it is run.

The properties are checked on random configurations, because a part that works alone may fail beside another.
"""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields

import pytest
import torch

import models
from models.attend import attend
from models.config import GROUPS, ModelConfig
from models.errors import MESSAGES, InputError
from models.parts.masks import Visibility
from models.taps import Tap
from models.weights import assign, named_tensors
from tests.models.random_configs import label, random_values, tokens, valid_configs, wide, wide_to_read
from tests.rows import each_row

CONFIGS = valid_configs(48)
ROTARY = ModelConfig(
    vocab_size=37, max_seq_len=24, d_model=16, n_layers=2, n_heads=4, n_kv_heads=2, attention="gqa", d_ff=20
)
CAUSAL = [cfg for cfg in CONFIGS if cfg.mask_pattern == ("causal",)]
each_config = pytest.mark.parametrize("cfg", CONFIGS, ids=label)  # where running it costs something
every_config = each_row("cfg", CONFIGS, ids=label)
EQUAL = {"rtol": 2e-5, "atol": 2e-5}


def stretches_with_length(cfg: ModelConfig) -> bool:
    """Dynamic NTK turns by frequencies that depend on how long the text is when it is read."""
    return cfg.rope_scaling is not None and cfg.rope_scaling.kind == "dynamic"


def counts_places(cfg: ModelConfig) -> bool:
    """These patterns go by the place in the sequence, padding included."""
    return not {"global", "random", "block_local"}.isdisjoint(cfg.mask_pattern)


def test_random_configs_reach_every_choice():
    """The properties below are only as good as the variety they are tested on."""
    for field in ("position", "rope_layout", "norm", "block", "attention", "ffn", "activation"):
        assert {getattr(cfg, field) for cfg in CONFIGS} - {None} == set(models.CHOICES[field]), field
    assert {name for cfg in CONFIGS for name in cfg.biases} == set(models.CHOICES["biases"])
    assert {cfg.rope_scaling.kind for cfg in CONFIGS if cfg.rope_scaling} == set(models.CHOICES["rope_scaling"])


def test_any_values_either_build_or_are_refused_in_a_full_sentence():
    rng, built, refusals = random.Random(7), [], []
    for _ in range(1500):
        try:
            built.append(ModelConfig(**random_values(rng)))
        except InputError as error:
            refusals.append(error)
    assert len(built) > 150
    known = {field.name for group in (ModelConfig, *GROUPS.values()) for field in fields(group)}
    for cfg in built[::10]:
        assert models.build(cfg)(tokens(2, 9)).logits.isfinite().all()
    assert len({error.code for error in refusals}) >= 8
    for error in refusals:
        assert error.code in MESSAGES
        assert "{" not in str(error)
        assert error.params["field"].split(".")[0] in known


@every_config
def test_shapes_and_eval_mode(cfg):
    model = models.build(cfg)
    assert not model.training
    assert model(tokens(3, 11)).logits.shape == (3, 11, cfg.vocab_size)
    assert model(tokens(3, 11), only_last=True).logits.shape == (3, 1, cfg.vocab_size)
    assert model(tokens(1, cfg.max_seq_len)).logits.isfinite().all()


@each_config
@torch.no_grad()
def test_looking_does_not_change_what_is_seen(cfg):
    """The explicit attention of a captured pass equals the fused one, with and without padding and cache."""
    model, ids = wide_to_read(cfg), tokens(2, 13)
    mask = torch.ones(2, 13, dtype=torch.long)
    mask[1, :4] = 0
    for attention_mask in (None, mask):
        fused = model(ids, attention_mask).logits
        with models.capture("layers.*.attn.probs") as trace:
            explicit = model(ids, attention_mask).logits
        assert len(trace) == cfg.n_layers
        torch.testing.assert_close(explicit, fused, **EQUAL)
    fused_cache, explicit_cache = model.new_cache(2), model.new_cache(2)
    for part in ids.split([5, 1, 3, 4], dim=1):
        fused = model(part, cache=fused_cache).logits
        with models.capture("*.attn.scores"):
            explicit = model(part, cache=explicit_cache).logits
        torch.testing.assert_close(explicit, fused, **EQUAL)


@every_config
@torch.no_grad()
def test_batch_equals_single(cfg):
    model, ids = wide_to_read(cfg), tokens(3, 10)
    together = model(ids).logits
    for row in range(3):
        torch.testing.assert_close(model(ids[row : row + 1]).logits[0], together[row], **EQUAL)


@each_config
@torch.no_grad()
def test_cached_equals_uncached(cfg):
    length = cfg.rope_scaling.original_max_seq_len if stretches_with_length(cfg) else 17
    model, ids = wide_to_read(cfg), tokens(2, length)
    whole = model(ids).logits
    for sizes in ([length], [1] * length, [3, 1, 1, 2, length - 7]):
        cache = model.new_cache(batch=2, capacity=length)
        pieces = [model(part, cache=cache).logits for part in ids.split(sizes, dim=1)]
        torch.testing.assert_close(torch.cat(pieces, dim=1), whole, **EQUAL)
        assert cache.length == length


@every_config
@torch.no_grad()
def test_rewound_cache_reads_on_differently(cfg):
    """Forgetting the tail of a text and reading another gives what that other text gives."""
    model, ids, other = wide_to_read(cfg), tokens(1, 12), tokens(1, 12, seed=5)
    cache = model.new_cache()
    model(ids, cache=cache)
    kept = 7
    if any(cfg.layer(i).mask == "sliding" for i in range(cfg.n_layers)):
        with pytest.raises(InputError, match="go back to 0"):
            cache.rewind(kept)
        kept = 0
    cache.rewind(kept)
    mixed = torch.cat([ids[:, :kept], other[:, kept:]], dim=1)
    torch.testing.assert_close(model(other[:, kept:], cache=cache).logits, model(mixed).logits[:, kept:], **EQUAL)


@every_config
@torch.no_grad()
def test_no_token_sees_the_future(cfg):
    model, ids = wide_to_read(cfg), tokens(1, 14)
    changed = ids.clone()
    changed[0, 9:] = (changed[0, 9:] + 1) % cfg.vocab_size
    before, after = model(ids).logits, model(changed).logits
    if cfg.moe is None:
        assert torch.equal(before[0, :9], after[0, :9])
    else:  # experts multiply their tokens in groups, and with other groups sums are rounded differently
        torch.testing.assert_close(before[0, :9], after[0, :9], **EQUAL)
    assert not torch.allclose(before[0, 9:], after[0, 9:], atol=1e-3)


@each_config
@torch.no_grad()
def test_padding_is_not_seen(cfg):
    """Whatever stands at padded places, the tokens' logits stay; on the right they equal those without padding."""
    length = cfg.rope_scaling.original_max_seq_len if stretches_with_length(cfg) else 12
    model, ids = wide_to_read(cfg), tokens(2, length)
    for padded in (slice(0, 5), slice(length - 4, length)):
        mask = torch.ones(2, length, dtype=torch.long)
        mask[1, padded] = 0
        other = ids.clone()
        other[1, padded] = (other[1, padded] + 3) % cfg.vocab_size
        is_token = mask.bool()
        a, b = model(ids, mask).logits, model(other, mask).logits
        torch.testing.assert_close(a[is_token], b[is_token], **EQUAL)
        assert a.isfinite().all()
    torch.testing.assert_close(a[1, : length - 4], model(ids[1:, : length - 4]).logits[0], **EQUAL)
    torch.testing.assert_close(a[0], model(ids[:1]).logits[0], **EQUAL)


@each_row("cfg", [cfg for cfg in CONFIGS if not counts_places(cfg)], ids=label)
@torch.no_grad()
def test_left_padding_only_shifts(cfg):
    """With positions counted from the first token, a text padded on the left computes what it computes alone."""
    model, ids = wide_to_read(cfg), tokens(1, 9)
    padded = torch.cat([tokens(1, 4, seed=8), ids], dim=1)
    mask = torch.tensor([[0] * 4 + [1] * 9])
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    shifted = model(padded, mask, position_ids=positions).logits[:, 4:]
    torch.testing.assert_close(shifted, model(ids).logits, rtol=0, atol=3e-5)


@every_config
def test_every_parameter_gets_a_gradient(cfg):
    model = wide(cfg)
    # A window of one token leaves nothing to choose among; queries and keys then rightly have no gradient.
    idle = cfg.window == 1
    out = model(tokens(4, 16))
    sum(logits.log_softmax(-1)[..., 0].mean() for logits in (out.logits, *out.mtp_logits)).backward()
    # A router whose only choice always counts fully has nothing to learn from.
    certain = cfg.moe is not None and cfg.moe.n_experts_per_token == 1 and cfg.moe.router != "switch"
    for name, parameter in model.named_parameters():
        if name.endswith("noise_weight"):  # noise is for training only, and this model is in eval mode
            continue
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        unsure = not name.endswith("qkv_proj.bias") and not (certain and "router" in name)
        if not idle and unsure:
            assert parameter.grad.abs().sum() > 0, name


@every_config
def test_same_seed_same_weights(cfg):
    a, b, c = models.build(cfg, seed=3), models.build(cfg, seed=3), models.build(cfg, seed=4)
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))
    assert not torch.equal(a.tok_embed.weight, c.tok_embed.weight)


@each_config
def test_on_the_meta_device(cfg):
    model = models.build(cfg, device="meta")
    assert all(parameter.is_meta for parameter in model.parameters())
    assert model(tokens(2, 6).to("meta")).logits.shape == (2, 6, cfg.vocab_size)
    shapes = {name: parameter.shape for name, parameter in wide_to_read(cfg).named_parameters()}
    assert {name: parameter.shape for name, parameter in model.named_parameters()} == shapes


# Among experts, a rounded score may choose another.
@each_row("cfg", [cfg for cfg in CONFIGS if cfg.moe is None], ids=label)
@torch.no_grad()
def test_bfloat16_stays_near(cfg):
    """The same weights rounded to bfloat16: of the logits' length, the error is a few roundings (2⁻⁸ each), not more."""
    model, ids = wide(cfg), tokens(2, cfg.max_seq_len)
    exact = model(ids).logits
    rounded = model.to(torch.bfloat16)(ids).logits
    assert rounded.dtype == torch.bfloat16
    assert 0 < (rounded.float() - exact).norm() / exact.norm() < 10 * 2**-8


class TestAttend:
    """softmax(q·kᵀ/√d)·v from its definition, one query at a time."""

    @pytest.mark.parametrize("n_kv_heads", [1, 2, 3, 6])
    def test_definition_and_grouping(self, n_kv_heads):
        generator = torch.Generator().manual_seed(0)
        q = torch.randn(2, 6, 5, 4, generator=generator)
        k, v = (torch.randn(2, n_kv_heads, 5, 4, generator=generator) for _ in range(2))
        out = attend(q, k, v, Visibility(is_causal=True), 0.5, Tap("scores"), Tap("probs"))
        for head in range(6):
            group = head // (6 // n_kv_heads)
            for i in range(5):
                weights = (k[:, group, : i + 1] @ q[:, head, i, :, None] * 0.5).softmax(dim=1)  # (B, S, 1)
                torch.testing.assert_close(out[:, head, i], (weights * v[:, group, : i + 1]).sum(dim=1), **EQUAL)

    @pytest.mark.parametrize("cfg", [cfg for cfg in CONFIGS if cfg.n_layers > 1][:8], ids=label)
    @torch.no_grad()
    def test_rows_sum_to_one_and_hidden_keys_get_nothing(self, cfg):
        with models.capture("*.attn.probs", "*.attn.scores") as trace:
            wide_to_read(cfg)(tokens(2, 12))
        place = torch.arange(12)
        for i in range(cfg.n_layers):
            layer = cfg.layer(i)
            visible = place[None] <= place[:, None]
            if layer.window is not None:
                visible &= place[None] > place[:, None] - layer.window
            probs = trace[f"layers.{i}.attn.probs"]
            torch.testing.assert_close(probs.sum(-1), torch.ones(2, cfg.n_heads, 12), **EQUAL)
            assert (probs[..., ~visible] == 0).all()
            assert (trace[f"layers.{i}.attn.scores"][..., ~visible] == float("-inf")).all()


class TestSlidingWindow:
    @torch.no_grad()
    def test_a_query_sees_exactly_the_window(self):
        """One layer, window w: token i depends on tokens i - w + 1 … i, and on no other."""
        sizes = {"vocab_size": 37, "max_seq_len": 24, "d_model": 16, "n_layers": 1, "n_heads": 2, "d_ff": 20}
        cfg = ModelConfig(**sizes, mask_pattern=("sliding",), window=4)
        model, ids = wide(cfg), tokens(1, 20)
        before = model(ids).logits
        for changed in (0, 5, 11):
            other = ids.clone()
            other[0, changed] = (other[0, changed] + 1) % 37
            moved = (model(other).logits != before).any(dim=-1)[0].nonzero()[:, 0].tolist()
            assert moved == list(range(changed, changed + 4))

    @torch.no_grad()
    def test_a_window_as_long_as_the_text_is_causal(self):
        cfg = CAUSAL[0]
        limited = cfg.replace(mask_pattern=("sliding",), window=12)
        torch.testing.assert_close(wide(limited)(tokens(1, 12)).logits, wide(cfg)(tokens(1, 12)).logits, **EQUAL)


class TestGeneration:
    """Generating with cache and recorded passes computes what reading the whole text anew at each step computes."""

    @staticmethod
    def steps_match(model, prompt, n_new: int = 8) -> None:
        steps = list(models.generate(model, prompt, models.Sampling(temperature=0), n_new, keep_logits=True))
        text = torch.cat([prompt, torch.tensor([[step.token_id for step in steps]])], dim=1)
        with torch.no_grad():
            logits = model(text).logits[0, prompt.shape[1] - 1 : -1]
        torch.testing.assert_close(torch.stack([step.logits for step in steps]), logits, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(
            torch.tensor([step.raw_probability for step in steps]),
            logits.softmax(-1).max(-1).values,
            rtol=1e-3,
            atol=1e-5,
        )

    @pytest.mark.parametrize("cfg", CONFIGS[::2], ids=label)
    def test_equals_reading_anew(self, cfg):
        model = wide_to_read(cfg)
        self.steps_match(model, tokens(1, 5))
        self.steps_match(model, tokens(1, 1, seed=4), n_new=cfg.max_seq_len - 1)

    def test_follows_changed_weights(self):
        """Neither training steps, newly assigned tensors nor a loaded state leave an old recording in use."""
        model, other = wide(ROTARY), wide(ROTARY, seed=1)
        self.steps_match(model, tokens(1, 5))
        model(tokens(2, 9)).logits.square().mean().backward()
        torch.optim.SGD(model.parameters(), lr=0.5).step()
        self.steps_match(model, tokens(1, 5))
        assign(model, named_tensors(other))
        self.steps_match(model, tokens(1, 5))
        with torch.no_grad():
            model.layers[0].ffn.down_proj.weight.mul_(-1)
        self.steps_match(model, tokens(1, 5))
        model.load_state_dict(wide(ROTARY, seed=2).state_dict())
        self.steps_match(model, tokens(1, 5))

    def test_two_models_at_once(self):
        """Streams that alternate between two models of one size do not mix."""
        a, b = (list(models.generate(wide(ROTARY, seed=seed), tokens(1, 5), max_new_tokens=10)) for seed in (1, 2))
        streams = [models.generate(wide(ROTARY, seed=seed), tokens(1, 5), max_new_tokens=10) for seed in (1, 2)]
        together = list(zip(*streams, strict=True))
        assert [pair[0].token_id for pair in together] == [step.token_id for step in a]
        assert [pair[1].token_id for pair in together] == [step.token_id for step in b]

    @pytest.mark.parametrize("cfg", CONFIGS[5:9], ids=label)  # recorded for all lengths, for some, for none
    def test_two_threads_with_one_model(self, cfg):
        """Each writes what it writes alone, the first time too, when both record the model's pass."""
        shared, barrier = wide(cfg), threading.Barrier(2)

        def write(model, visitor: int) -> list[list[tuple[int, float]]]:
            texts = []
            for seed in range(4):
                if model is shared:
                    barrier.wait(timeout=60)
                sampling = models.Sampling(temperature=0.9, seed=10 * visitor + seed)
                steps = models.generate(model, tokens(1, 3 + visitor, seed=visitor), sampling, max_new_tokens=16)
                texts.append([(step.token_id, step.raw_probability) for step in steps])
            return texts

        alone = [write(wide(cfg), visitor) for visitor in range(2)]
        assert alone[0] != alone[1]
        with ThreadPoolExecutor(2) as visitors:
            together = list(visitors.map(lambda visitor: write(shared, visitor), range(2)))
        assert together == alone


class TestMasks4D:
    """A (B, 1, T, S) mask replaces the causal one, boolean or added to the scores."""

    @torch.no_grad()
    def test_causal_given_explicitly(self):
        for cfg in CAUSAL:
            model, ids = wide_to_read(cfg), tokens(2, 10)
            visible = torch.ones(10, 10, dtype=torch.bool).tril().expand(2, 1, 10, 10)
            added = torch.zeros(2, 1, 10, 10).masked_fill(~visible, float("-inf"))
            torch.testing.assert_close(model(ids, visible).logits, model(ids).logits, **EQUAL)
            torch.testing.assert_close(model(ids, added).logits, model(ids).logits, **EQUAL)

    @torch.no_grad()
    def test_prefix_seen_both_ways(self):
        cfg = next(cfg for cfg in CONFIGS if cfg.mask_pattern == ("causal",))
        model, ids = wide_to_read(cfg), tokens(1, 10)
        visible = torch.ones(10, 10, dtype=torch.bool).tril()
        visible[:, :6] = True
        with models.capture("layers.0.attn.probs") as trace:
            model(ids, visible[None, None])
        assert (trace["layers.0.attn.probs"][0, :, 0, :6] > 0).all()
        assert (trace["layers.0.attn.probs"][0, :, 0, 6:] == 0).all()


class TestRefusals:
    model = models.build(CONFIGS[0])

    @pytest.mark.parametrize("ids", [torch.zeros(3, dtype=torch.long), torch.zeros(2, 0, dtype=torch.long)])
    def test_shape_of_input(self, ids):
        with pytest.raises(InputError, match=r"\(B, T\)"):
            self.model(ids)

    def test_shape_of_mask(self):
        with pytest.raises(InputError, match="attention_mask"):
            self.model(tokens(2, 5), torch.ones(2, 4))

    def test_cache_that_is_full(self):
        with pytest.raises(InputError) as caught:
            self.model(tokens(1, 5), cache=self.model.new_cache(capacity=4))
        assert caught.value.code == "cache_full"

    def test_learned_positions_end(self):
        cfg = next(cfg for cfg in CONFIGS if cfg.position == "learned")
        with pytest.raises(InputError, match="25") as caught:
            models.build(cfg)(tokens(1, cfg.max_seq_len + 1))
        assert caught.value.code == "input_too_long"
