"""Generation takes its shortcuts where it may (recorded passes, caches), and none of them changes a number."""

import pytest
import torch

import models
from models import recorded
from models.config import LatentAttention, MixtureOfExperts, ModelConfig, RopeScaling, SparsePattern
from models.recorded import Replay, replayable_length
from tests.models.random_configs import VOCABULARY, tokens, wide

SIZES = {"vocab_size": VOCABULARY, "max_seq_len": 24, "d_model": 16, "n_layers": 2, "n_heads": 4, "d_ff": 20}
EXPERTS = {"n_experts": 6, "n_experts_per_token": 2, "d_expert": 7}
PAIR = {**SIZES, "structure": "encoder_decoder", "n_encoder_layers": 1}
MLA = LatentAttention(kv_lora_rank=10, qk_nope_head_dim=6, qk_rope_head_dim=4, v_head_dim=5)
NTK = RopeScaling(kind="dynamic", factor=4.0, original_max_seq_len=8)
FOUR_DEEP = {"n_layers": 4, "n_encoder_layers": 2}
WRITERS = {
    "rotary": ModelConfig(**SIZES),
    "dynamic rotary": ModelConfig(**SIZES, rope_scaling=NTK),
    "alibi, grouped": ModelConfig(**SIZES, position="alibi", attention="gqa", n_kv_heads=2),
    "relative": ModelConfig(**SIZES, position="relative", relative_buckets=8, relative_max_distance=10),
    "latent": ModelConfig(**SIZES, attention="mla", mla=MLA, mtp_depth=1),
    "experts": ModelConfig(**SIZES, moe=MixtureOfExperts(**EXPERTS, n_shared_experts=1, first_dense=1)),
    "experts in groups": ModelConfig(**SIZES, moe=MixtureOfExperts(**EXPERTS, n_groups=3, n_groups_per_token=2)),
    "low-rank experts": ModelConfig(**SIZES, moe=MixtureOfExperts(**EXPERTS, expert="lora", lora_rank=3)),
    "reversible": ModelConfig(**SIZES, block="reversible"),
    "prefix, two dimensions": ModelConfig(**SIZES, structure="prefix_decoder", position="rotary_2d", block="deepnorm"),
    "two dimensions": ModelConfig(**SIZES, position="learned_2d"),
    "encoder-decoder": ModelConfig(**PAIR, position="sinusoidal"),
    "relative encoder-decoder": ModelConfig(**PAIR, position="relative", attention="gqa", n_kv_heads=2),
    "sparse encoder-decoder": ModelConfig(
        **{**PAIR, **FOUR_DEEP},
        position="relative",
        moe=MixtureOfExperts(**EXPERTS | {"n_experts_per_token": 1}, every=2, router="switch"),
    ),
}


def write(model, prompt: torch.Tensor, n_new: int) -> list[models.Step]:
    """Drawn tokens, which vary where the best one would soon repeat itself."""
    return list(models.generate(model, prompt, models.Sampling(temperature=1.5, seed=1), n_new, keep_logits=True))


@pytest.fixture
def replays(monkeypatch) -> list[int]:
    """The lengths at which a recorded pass is replayed, as they happen."""
    seen, original = [], Replay.next_logits

    def counted(self, token, positions):
        seen.append(self._cache.length)
        return original(self, token, positions)

    monkeypatch.setattr(Replay, "next_logits", counted)
    return seen


@pytest.mark.parametrize("cfg", WRITERS.values(), ids=WRITERS)
def test_every_structure_is_replayed_and_says_what_the_plain_pass_says(cfg, replays):
    """While somebody looks on, the plain pass runs; the numbers are those of the replay."""
    model, prompt = wide(cfg), tokens(1, 6)
    replayed = write(model, prompt, 12)
    assert len(replays) == 11
    with models.capture("logits"):
        plain = write(model, prompt, 12)
    assert len(replays) == 11
    assert [step.token_id for step in replayed] == [step.token_id for step in plain]
    assert len({step.token_id for step in plain}) > 4
    for one, other in zip(replayed, plain, strict=True):
        torch.testing.assert_close(one.logits, other.logits, rtol=1e-4, atol=1e-4)


def test_each_token_goes_to_its_own_experts():
    """A recording does not remember which experts its first token went to."""
    model = wide(WRITERS["experts"])
    with models.capture("layers.1.ffn.expert_ids"):
        write(model, tokens(1, 6), 2)
    chosen = []
    for start in range(6):
        steps = write(model, tokens(1, 3, seed=start), 8)
        text = torch.cat([tokens(1, 3, seed=start), torch.tensor([[step.token_id for step in steps]])], dim=1)
        with torch.no_grad(), models.capture("layers.1.ffn.expert_ids") as trace:
            logits = model(text).logits[0, 2:-1]
        chosen += trace["layers.1.ffn.expert_ids"][0, 3:].flatten().tolist()
        torch.testing.assert_close(torch.stack([step.logits for step in steps]), logits, rtol=1e-4, atol=1e-4)
    assert set(chosen) == set(range(6))


def test_a_changed_buffer_is_recorded_anew():
    """The bias on the choice of experts is no parameter, and moves in training."""
    moe = MixtureOfExperts(**EXPERTS, router="sigmoid", bias_update_rate=0.1)
    model, prompt = wide(ModelConfig(**SIZES, moe=moe)), tokens(1, 6)
    before = write(model, prompt, 8)
    for layer in model.layers:
        layer.ffn.router.selection_bias += torch.tensor([0.0, 0.0, 0.0, 0.0, 3.0, 3.0])
    after = write(model, prompt, 8)
    with models.capture("logits"):
        plain = write(model, prompt, 8)
    assert not torch.allclose(before[1].logits, after[1].logits, atol=1e-3)
    torch.testing.assert_close(after[-1].logits, plain[-1].logits, rtol=1e-4, atol=1e-4)


def test_a_window_is_replayed_until_the_text_outgrows_it(replays):
    cfg = ModelConfig(**SIZES, mask_pattern=("sliding", "causal"), window=9)
    write(wide(cfg), tokens(1, 4), 12)
    assert replays == [4, 5, 6, 7, 8]


def test_a_large_model_is_recorded_for_its_second_text(replays, monkeypatch):
    """Its first text need not wait for that, and is the same."""
    monkeypatch.setattr(recorded, "LARGE", 1000)
    model = wide(WRITERS["rotary"])
    first = write(model, tokens(1, 4), 6)
    assert not replays
    second = write(model, tokens(1, 4), 6)
    assert len(replays) == 5
    assert [step.token_id for step in first] == [step.token_id for step in second]


def test_what_is_never_replayed():
    """A model with hooks would lose them, and classes are no next token."""
    model = wide(WRITERS["rotary"])
    assert replayable_length(model) > 24
    model.layers[0].register_forward_hook(lambda *_: None)
    assert replayable_length(model) == 0
    assert replayable_length(wide(ModelConfig(**SIZES, head="classification", n_classes=3))) == 0


@pytest.mark.parametrize(("n_hashes", "cached"), [(1, 8), (2, 4)])
def test_hashing_by_the_whole_order_reads_on_with_a_cache_while_all_meet(n_hashes, cached, monkeypatch):
    """Two chunks of one round, or one chunk of several: so far no old token is shifted. Then the text is read anew."""
    sparse = SparsePattern(block_size=4, n_hashes=n_hashes, n_buckets=6, like_transformers=True)
    model, prompt = wide(ModelConfig(**SIZES, mask_pattern=("lsh",), sparse=sparse)), tokens(1, 3)
    read, original = [], type(model).read

    def counted(self, ids, *args, **options):
        read.append(ids.shape[1])
        return original(self, ids, *args, **options)

    monkeypatch.setattr(type(model), "read", counted)
    steps = write(model, prompt, 12)
    assert read == [3, *[1] * (cached - 3), *range(cached + 1, 15)]
    text = torch.cat([prompt, torch.tensor([[step.token_id for step in steps]])], dim=1)
    for n_read, step in enumerate(steps, start=3):
        with torch.no_grad():
            torch.testing.assert_close(step.logits, model(text[:, :n_read]).logits[0, -1], rtol=1e-4, atol=1e-4)
