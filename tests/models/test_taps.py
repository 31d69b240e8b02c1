"""Looking inside: every documented tap is there, shows the truth, and nobody sees another's numbers."""

import threading

import pytest
import torch

import models
from models.errors import InputError
from tests.models.random_configs import label, tokens, valid_configs, wide

CONFIGS = valid_configs(12, seed=3)


def scaled_down(cfg: models.ModelConfig) -> models.ModelConfig:
    """The architecture at a size for tests: every choice kept, and heads in the same kind of groups."""
    n_kv_heads = {"mha": 4, "gqa": 2, "mqa": 1}[cfg.attention]
    sizes = {"vocab_size": 37, "max_seq_len": 24, "d_model": 16, "n_layers": 3, "d_ff": 12, "n_heads": 4}
    partial = {"rotary_dim": 2} if cfg.position == "rotary" and cfg.rotary_dim < cfg.d_head else {}
    window = {"window": 4} if cfg.window else {}
    return cfg.replace(**sizes, **window, n_kv_heads=n_kv_heads, d_head=4, **{"rotary_dim": None, **partial})


def lengths(cfg: models.ModelConfig, batch: int, n_new: int, n_all: int) -> dict[str, int]:
    """What each letter of the shape legend stands for in one pass."""
    sizes = {"B": batch, "T": n_new, "S": n_all, "D": cfg.d_model, "H": cfg.n_heads, "K": cfg.n_kv_heads}
    return sizes | {"V": cfg.vocab_size, "d_head": cfg.d_head}


@pytest.mark.parametrize("name", models.presets())
@torch.no_grad()
def test_every_preset_has_every_tap_as_documented(name):
    cfg = scaled_down(models.preset(name))
    model, cache = models.build(cfg), None
    cache = model.new_cache(batch=2)
    for n_new, n_all in ((7, 7), (3, 10)):
        with models.capture("*") as trace:
            model(tokens(2, n_new), cache=cache)
        size = lengths(cfg, 2, n_new, n_all)
        expected = {}
        for pattern, spec in models.TAP_SPECS.items():
            for i in range(cfg.n_layers if "{i}" in pattern else 1):
                expected[pattern.format(i=i)] = tuple(size[letter] for letter in spec.dims)
        assert {tap: tuple(value.shape) for tap, value in trace.items()} == expected


def test_specs_explain_themselves():
    for spec in models.TAP_SPECS.values():
        assert spec.meaning.endswith(".")
        assert len(spec.meaning) > 15


@pytest.mark.parametrize("cfg", CONFIGS, ids=label)
@torch.no_grad()
def test_the_residual_stream_adds_up(cfg):
    """What the taps show is what the model computes: in pre-norm layouts each part's output is added to the stream."""
    with models.capture("*") as trace:
        logits = wide(cfg)(tokens(2, 11)).logits
    assert torch.equal(trace["logits"], logits)
    assert torch.equal(trace["layers.0.resid_pre"], trace["embed"])
    for i in range(cfg.n_layers):
        layer = {
            tap: trace[f"layers.{i}.{tap}"] for tap in ("resid_pre", "attn.out", "resid_mid", "ffn.out", "resid_post")
        }
        if cfg.block in ("pre", "parallel"):
            torch.testing.assert_close(layer["resid_mid"], layer["resid_pre"] + layer["attn.out"])
            torch.testing.assert_close(layer["resid_post"], layer["resid_mid"] + layer["ffn.out"])
        if i + 1 < cfg.n_layers:
            assert torch.equal(trace[f"layers.{i + 1}.resid_pre"], layer["resid_post"])
        probs, values = trace[f"layers.{i}.attn.probs"], trace[f"layers.{i}.attn.v"]
        heads = values.repeat_interleave(cfg.n_heads // cfg.n_kv_heads, dim=1)
        torch.testing.assert_close(trace[f"layers.{i}.attn.head_out"], probs @ heads)


class TestCapture:
    model = wide(CONFIGS[0])

    def test_patterns_choose(self):
        with models.capture("layers.0.*", "logits") as trace:
            self.model(tokens(1, 4))
        assert all(tap.startswith("layers.0.") or tap == "logits" for tap in trace)
        assert "layers.0.attn.v" in trace
        assert "embed" not in trace
        assert trace.get("embed") is None

    def test_unknown_name_is_a_sentence(self):
        with models.capture("logits") as trace:
            self.model(tokens(1, 4))
        with pytest.raises(InputError, match="layers.0.attn.probz"):
            trace["layers.0.attn.probz"]

    def test_nothing_is_seen_after_the_end(self):
        with models.capture("*") as trace:
            first = self.model(tokens(1, 4)).logits
        kept = dict(trace)
        self.model(tokens(1, 4, seed=9))
        assert dict(trace) == kept
        assert torch.equal(trace["logits"], first)

    def test_the_last_pass_counts(self):
        with models.capture("logits") as trace:
            self.model(tokens(1, 4))
            last = self.model(tokens(1, 6, seed=2)).logits
        assert torch.equal(trace["logits"], last)

    def test_captured_tensors_carry_no_graph(self):
        with models.capture("*") as trace:
            logits = self.model(tokens(1, 4)).logits
        assert logits.requires_grad
        assert not any(value.requires_grad for value in trace.values())

    def test_nested_captures_each_see_their_own(self):
        with models.capture("embed") as outer:
            with models.capture("logits") as inner:
                self.model(tokens(1, 4))
            self.model(tokens(1, 5))
        assert set(outer) == {"embed"}
        assert set(inner) == {"logits"}
        assert outer["embed"].shape[1] == 5
        assert inner["logits"].shape[1] == 4

    def test_ends_with_an_exception_too(self):
        with pytest.raises(RuntimeError, match="stop"), models.capture("*") as trace:
            raise RuntimeError("stop")
        self.model(tokens(1, 4))
        assert len(trace) == 0

    def test_works_in_generation(self):
        with models.capture("layers.0.attn.probs") as trace:
            steps = list(models.generate(self.model, tokens(1, 5), models.Sampling(temperature=0), max_new_tokens=3))
        assert len(steps) == 3
        assert trace["layers.0.attn.probs"].shape[-2:] == (1, 7)


class TestThreads:
    def test_two_visitors_never_see_each_others_numbers(self):
        """Eight threads run one model on their own texts at the same time: four looking, three not, one patching."""
        cfg = CONFIGS[0].replace(n_layers=3)
        model = wide(cfg)
        texts = [tokens(1, 6 + i, seed=i) for i in range(8)]
        with torch.no_grad(), models.capture("*") as trace:
            alone = []
            for text in texts:
                model(text)
                alone.append(dict(trace))
        barrier, failures = threading.Barrier(8), []

        @torch.no_grad()
        def visit(i: int) -> None:
            try:
                for _ in range(12):
                    barrier.wait(timeout=60)
                    if i == 7:
                        with models.patch({"layers.1.attn.out": torch.zeros_like}):
                            assert not torch.allclose(model(texts[i]).logits, alone[i]["logits"])
                    elif i % 2:
                        torch.testing.assert_close(model(texts[i]).logits, alone[i]["logits"])
                    else:
                        with models.capture("*") as mine:
                            model(texts[i])
                        assert set(mine) == set(alone[i])
                        for tap, value in mine.items():
                            torch.testing.assert_close(value, alone[i][tap])
            except BaseException as error:
                failures.append(error)
                barrier.abort()

        threads = [threading.Thread(target=visit, args=(i,)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures, failures[0]


class TestPatch:
    @pytest.mark.parametrize("pattern", models.TAP_SPECS)
    @torch.no_grad()
    def test_every_tap_can_be_changed(self, pattern):
        """A change at any tap reaches the output (one at the scores and the probabilities too: no fused shortcut)."""
        cfg = models.ModelConfig(
            vocab_size=37, max_seq_len=24, d_model=16, n_layers=2, n_heads=4, n_kv_heads=2, attention="gqa", d_ff=12
        )
        model, ids, name = wide(cfg), tokens(1, 9), pattern.format(i=0)
        before = model(ids).logits
        with models.patch({name: lambda value: value * torch.linspace(0.2, 1.7, value.shape[-1])}):
            changed = model(ids).logits
        assert not torch.allclose(before, changed, atol=1e-3)
        assert torch.equal(model(ids).logits, before)

    @pytest.mark.parametrize("cfg", CONFIGS, ids=label)
    @torch.no_grad()
    def test_patching_with_the_same_value_changes_nothing(self, cfg):
        model, ids = wide(cfg), tokens(1, 9)
        every = [pattern.format(i=i) for pattern in models.TAP_SPECS for i in range(cfg.n_layers)]
        with models.patch({name: lambda value: value for name in every}):
            torch.testing.assert_close(model(ids).logits, model(ids).logits)

    @torch.no_grad()
    def test_silencing_a_head_removes_exactly_its_part(self):
        cfg = CONFIGS[0].replace(n_layers=1)
        model, ids = wide(cfg), tokens(1, 9)

        def silence(heads: torch.Tensor) -> torch.Tensor:
            heads = heads.clone()
            heads[:, -1] = 0
            return heads

        with models.capture("*.attn.head_out", "*.attn.out") as before:
            model(ids)
        with models.patch({"layers.0.attn.head_out": silence}), models.capture("*.attn.out") as after:
            model(ids)
        own = before["layers.0.attn.head_out"][:, -1] @ model.layers[0].attn.o_proj.weight[:, -cfg.d_head :].T
        torch.testing.assert_close(before["layers.0.attn.out"] - own, after["layers.0.attn.out"], rtol=1e-4, atol=1e-5)

    def test_unknown_tap_is_named(self):
        with (
            pytest.raises(InputError, match="layers.9.attn.out"),
            models.patch({"layers.9.attn.out": torch.zeros_like}),
        ):
            wide(CONFIGS[0])(tokens(1, 4))

    def test_captures_see_the_patched_value(self):
        with models.patch({"embed": torch.zeros_like}), models.capture("embed") as trace:
            wide(CONFIGS[0])(tokens(1, 4))
        assert (trace["embed"] == 0).all()
