"""Looking inside: every documented tap is there, shows the truth, and nobody sees another's numbers."""

import threading
from dataclasses import replace

import pytest
import torch

import models
from models.errors import InputError
from tests.models.random_configs import label, tokens, valid_configs, wide
from tests.rows import each_row

CONFIGS = valid_configs(12, seed=3)


def scaled_down(cfg: models.ModelConfig) -> models.ModelConfig:
    """The architecture at a size for tests: every choice kept, and heads in the same kind of groups."""
    n_kv_heads = {"gqa": 2, "mqa": 1}.get(cfg.attention, 4)
    sizes = {"d_model": 16, "n_layers": 4, "d_ff": 12, "n_heads": 4, "n_kv_heads": n_kv_heads, "d_head": None}
    sizes |= {"vocab_size": min(cfg.vocab_size, 37), "max_seq_len": 24}
    if cfg.has_rotary and not cfg.mla:
        sizes["rotary_dim"] = 4 if cfg.position == "rotary_2d" or cfg.rotary_dim == cfg.d_head else 2
    if cfg.window:
        sizes["window"] = 4
    if cfg.n_encoder_layers:
        sizes["n_encoder_layers"] = 4
    if cfg.n_positions:
        sizes["n_positions"] = 24 + cfg.position_offset
    if cfg.axial_shape:
        sizes |= {"axial_shape": (4, 6), "axial_dims": (6, 10)}
    if cfg.image:
        sizes |= {"image": replace(cfg.image, image_size=12, patch_size=4), "max_seq_len": 10, "n_positions": 10}
    if cfg.mla:
        sizes["rotary_dim"] = None
        ranks = {"kv_lora_rank": 10, "qk_nope_head_dim": 6, "qk_rope_head_dim": 4, "v_head_dim": 5}
        sizes["mla"] = replace(cfg.mla, **ranks, q_lora_rank=cfg.mla.q_lora_rank and 9)
    if cfg.moe:
        groups = {"n_groups": 2, "n_groups_per_token": 1} if cfg.moe.n_groups else {}
        chosen = min(cfg.moe.n_experts_per_token, 2)
        few = {"n_experts": 4, "n_experts_per_token": chosen, "d_expert": 7, "first_dense": min(cfg.moe.first_dense, 1)}
        sizes["moe"] = replace(cfg.moe, **few, **groups)
    if cfg.sparse:
        blocks = {name: 4 for name in ("block_size", "hash_block_size") if getattr(cfg.sparse, name)}
        sizes["sparse"] = replace(cfg.sparse, **blocks, n_buckets=cfg.sparse.n_buckets and 4)
    if cfg.vision_tower:
        sizes |= {"vision_tower": scaled_down(cfg.vision_tower), "d_projection": 8}
    return cfg.replace(**sizes)


def run(model, cfg: models.ModelConfig, n_new: int, cache=None):
    """One pass over a batch of two, whatever the model reads."""
    if cfg.structure == "encoder_decoder":
        return model(tokens(2, 5), decoder_input_ids=tokens(2, n_new), cache=cache)
    if cfg.image is not None:
        return model(pixel_values=torch.rand(2, 3, 12, 12))
    if cfg.structure == "two_towers":
        return model(tokens(2, n_new), pixel_values=torch.rand(2, 3, 12, 12))
    return model(tokens(2, n_new), cache=cache)


def lengths(cfg: models.ModelConfig, pattern: str, batch: int, n_new: int, n_all: int) -> dict[str, int]:
    """What each letter of the shape legend stands for in one pass, at the taps of `pattern`."""
    doubled = cfg.block == "reversible" and ("resid" in pattern or pattern == "final_norm")
    sizes = {"B": batch, "T": n_new, "S": n_all, "D": 2 * cfg.d_model if doubled else cfg.d_model, "H": cfg.n_heads}
    values = cfg.mla is not None and pattern.endswith(("attn.v", "attn.head_out"))
    sizes |= {"K": cfg.n_kv_heads, "d_head": cfg.mla.v_head_dim if values else cfg.d_head, "V": cfg.vocab_size}
    if cfg.moe is not None:
        sizes |= {"E": cfg.moe.n_experts, "n_experts_per_token": cfg.moe.n_experts_per_token}
    return sizes


def documented(cfg: models.ModelConfig, index: int, layer: models.LayerConfig, crossing: bool) -> set[str]:
    """The patterns of TAP_SPECS that layer `index` answers to."""
    found = {name for name in models.TAP_SPECS if name.startswith("layers.") and ".ffn." not in name}
    found -= {name for name in found if ("cross" in name and not crossing) or ".global_" in name}
    found.add("layers.{i}.ffn.out")
    if layer.sparse:
        taps = ("router_in", "router_logits", "router_probs", "expert_ids", "expert_weights")
        found |= {f"layers.{{i}}.ffn.{tap}" for tap in taps}
        if cfg.moe.n_shared_experts:
            found.add("layers.{i}.ffn.shared.out")
    return found


def expected_shapes(cfg: models.ModelConfig, n_new: int, n_all: int) -> dict[str, tuple[int, ...]]:
    """Every tap of one pass of `run` and its shape, from the configuration and TAP_SPECS alone."""

    def of_stack(prefix: str, layers: list[models.LayerConfig], new: int, whole: int, cross: int = 0) -> None:
        patterns = [("embed", 0), ("final_norm", 0)]
        for i, layer in enumerate(layers):
            patterns += [(pattern, i) for pattern in documented(cfg, i, layer, bool(cross))]
        for pattern, i in patterns:
            kept = whole
            if cross and "cross_attn" in pattern:
                kept = cross
            elif pattern != "embed" and layers[i].mask == "sliding" and new < whole:
                kept = min(whole, layers[i].window - 1 + new)
            size = lengths(cfg, pattern, 2, new, kept)
            found[prefix + pattern.format(i=i)] = tuple(size[letter] for letter in models.TAP_SPECS[pattern].dims)

    found: dict[str, tuple[int, ...]] = {}
    own = [cfg.layer(i) for i in range(cfg.n_layers)]
    if cfg.structure == "encoder_decoder":
        of_stack("encoder.", [cfg.encoder_layer(i) for i in range(cfg.n_encoder_layers)], 5, 5)
        of_stack("decoder.", own, n_new, n_all, cross=5)
    elif cfg.structure == "two_towers":
        of_stack("text.", own, n_new, n_all)
        vision = {f"vision.{name}": shape for name, shape in expected_shapes(cfg.vision_tower, 10, 10).items()}
        found |= vision
    else:
        of_stack("", own, n_new, n_all)
    if cfg.head == "classification":
        found["logits"] = (2, cfg.n_classes)
    elif cfg.head != "none":
        found["logits"] = (2, n_new, cfg.vocab_size)
    return found


# Presets that differ in their sizes alone are one design here.
FORMS = {scaled_down(models.preset(name)): name for name in reversed(models.presets())}


@pytest.mark.parametrize("cfg", FORMS, ids=FORMS.values())
@torch.no_grad()
def test_every_preset_has_every_tap_as_documented(cfg):
    model = models.build(cfg)
    passes, cache = [(7, 7)], None
    if cfg.image is not None:
        passes = [(10, 10)]
    elif cfg.head == "lm":
        passes, cache = [(7, 7), (3, 10)], model.new_cache(batch=2)
    for n_new, n_all in passes:
        with models.capture("*") as trace:
            run(model, cfg, n_new, cache)
        assert {tap: tuple(value.shape) for tap, value in trace.items()} == expected_shapes(cfg, n_new, n_all)


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
    @each_row("pattern", [name for name in models.TAP_SPECS if "cross" not in name])
    @torch.no_grad()
    def test_every_tap_can_be_changed(self, pattern):
        """A change at any tap reaches the output (one at the scores and the probabilities too: no fused shortcut)."""
        experts = {"n_experts": 4, "d_expert": 7}
        routed = models.MixtureOfExperts(**experts, n_experts_per_token=2, n_shared_experts=1, normalise_weights=False)
        slots = models.MixtureOfExperts(
            **experts, n_experts_per_token=4, router="dense", mixing="slots", slots_per_expert=2
        )
        sizes = {"vocab_size": 37, "max_seq_len": 24, "d_model": 16, "n_layers": 2, "n_heads": 4, "d_ff": 12}
        sizes |= {"attention": "gqa", "n_kv_heads": 2}
        if pattern.endswith(("dispatch", "combine")):
            cfg = models.ModelConfig(**sizes, structure="encoder", head="mlm", moe=slots)
        elif ".global_" in pattern:
            seeing = {"mask_pattern": ("longformer",), "window": 4, "sparse": models.SparsePattern(n_global=2)}
            sizes |= {"attention": "mha", "n_kv_heads": 4}
            cfg = models.ModelConfig(**sizes, **seeing, structure="encoder", head="mlm")
        else:
            sparse = any(word in pattern for word in ("router", "expert", "shared"))
            cfg = models.ModelConfig(**sizes, moe=routed if sparse else None)
        model, ids, name = wide(cfg), tokens(1, 9), pattern.format(i=0)

        def change(value: torch.Tensor) -> torch.Tensor:
            scales = torch.linspace(0.2, 1.7, value.shape[-1])
            return value * scales if value.is_floating_point() else (value + 1) % cfg.moe.n_experts

        before = model(ids).logits
        with models.patch({name: change}):
            changed = model(ids).logits
        if pattern.endswith("router_probs"):  # the choice is made; the probabilities are there to be seen
            assert torch.equal(before, changed)
            return
        assert not torch.allclose(before, changed, atol=1e-3)
        assert torch.equal(model(ids).logits, before)

    @pytest.mark.parametrize("cfg", CONFIGS, ids=label)
    @torch.no_grad()
    def test_patching_with_the_same_value_changes_nothing(self, cfg):
        model, ids = wide(cfg), tokens(1, 9)
        with models.capture("*") as every:
            model(ids)
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
