"""The session and its address: there and back, and what strangers may write."""

from dataclasses import replace
from urllib.parse import parse_qsl

import pytest

import models
from models.config import LONGEST_PATTERN, MixtureOfExperts, RopeScaling, SparsePattern
from models.errors import InputError
from playground import design_strings, shell
from playground.design_strings import MAX_DESIGN
from playground.session import DEFAULTS, FIELDS, LIMITS, MAX_PROMPT, TABS, Session, design_string, parse_design
from tests.rows import each_row


def there_and_back(session: Session) -> Session:
    return Session.from_query(dict(parse_qsl(session.to_query(), keep_blank_values=True)))


def test_defaults_are_left_out_but_for_the_language():
    assert Session().to_query() == "lang=en"
    assert Session(lang="zh").to_query() == "lang=zh"
    assert Session(seed=8).to_query() == "lang=en&seed=8"


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"tab": "build", "lang": "zh", "design": "gpt2~n_layers=6"},
        {"prompt": "", "temperature": 0.0, "top_p": 1.0},
        {"prompt": "a&b=c#d?e%20f+g\n“引号” 🦙 ${x} {{y}} <b>"},
        {"model": "gpt2~norm=rmsnorm~biases=q,k,v", "context": 2048, "seed": 2**31 - 1},
        {"temperature": 0.05, "top_k": 0, "min_p": 0.5, "repetition_penalty": 1.3, "max_new_tokens": 1},
    ],
)
def test_address_reproduces_the_session(changes):
    session = Session(**changes)
    assert there_and_back(session) == session


def test_every_field_has_a_text():
    texts = Session(context=None, temperature=1.0).texts()
    assert tuple(texts) == FIELDS
    assert texts["context"] == ""
    assert texts["temperature"] == "1"


def test_unknown_parameters_are_ignored():
    assert Session.from_query({"__theme": "dark", "seed": "9"}) == Session(seed=9)


@each_row("name", [name for name in LIMITS if name != "context"])
@each_row("text", ["", "much", "nan", "inf", "1e999", "0x10", "--1", "9" * 5000])
def test_bad_numbers_fall_back(name, text):
    session = Session.from_query({name: text})
    low, high = LIMITS[name]
    assert low <= getattr(session, name) <= high
    assert [problem.field for problem in session.problems] == [name]


@each_row(("name", "limits"), LIMITS.items())
def test_numbers_out_of_range_move_to_the_nearest(name, limits):
    low, high = limits
    for text, used in ((str(low - 1), low), (str(high + 1), high)):
        session = Session.from_query({name: text})
        assert getattr(session, name) == used
        assert session.problems[0].code == "moved"
        assert session.problems[0].used == used


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tab", "admin"),
        ("lang", "<script>"),
        ("model", ""),
        ("model", "no-such-model"),
        ("design", "gpt2~"),
        ("design", "gpt2~colour=red"),
        ("design", "gpt2~n_layers=many"),
        ("design", "gpt2~rope_scaling=llama3"),
        ("design", "gpt2~n_heads=0"),
        ("design", "gpt2" + "~n_layers=6" * 1000),
    ],
)
def test_what_cannot_be_read_falls_back_and_is_reported(name, text):
    session = Session.from_query({name: text})
    assert getattr(session, name) == DEFAULTS[name]
    assert [problem.field for problem in session.problems] == [name]
    assert session.problems[0].used == DEFAULTS[name]


def test_long_prompts_are_cut():
    session = Session.from_query({"prompt": "x" * (MAX_PROMPT + 1)})
    assert len(session.prompt) == MAX_PROMPT
    assert session.problems[0].code == "cut"


def test_design_without_changes_is_its_preset():
    design = parse_design("llama-mini")
    assert (design.base, design.config) == ("llama-mini", models.preset("llama-mini"))
    assert design_string("llama-mini", design.config) == "llama-mini"


@pytest.mark.parametrize(
    ("base", "changes"),
    [
        ("gpt2", {"norm": "rmsnorm", "biases": ("q", "k", "v"), "n_layers": 6}),
        ("gpt2", {"biases": (), "tie_embeddings": False}),
        ("gpt2", {"position": "rotary", "rope_theta": 500000.0, "rope_layout": "interleaved"}),
        ("llama-mini", {"position": "learned"}),
        ("llama-mini", {"mask_pattern": ("causal", "sliding"), "window": 128}),
        ("llama-mini", {"attention": "mqa", "n_kv_heads": 1}),
        ("llama-mini", {"norm_eps": 1e-06}),
        ("gpt2", {"attention": "gqa", "n_heads": 24, "n_kv_heads": 12, "d_head": 32}),
    ],
)
def test_designs_go_there_and_back(base, changes):
    config = models.preset(base).replace(**changes)
    text = design_string(base, config)
    assert parse_design(text).config == config
    assert there_and_back(Session(design=text)).design == text


@each_row("base", models.presets())
def test_any_preset_can_be_described_from_any_other(base):
    """Also RoPE scaling, and fields that are None on one side."""
    config = models.preset(base)
    assert parse_design(design_string("gpt2", config)).config == config


def test_a_design_written_by_hand_may_leave_out_what_follows():
    config = parse_design("gpt2~n_heads=16").config
    assert (config.n_heads, config.n_kv_heads, config.d_head) == (16, 16, 48)


def test_a_pattern_of_masks_has_a_longest_length():
    assert len(parse_design("gpt2~mask_pattern=" + ",".join(["causal"] * 128)).config.mask_pattern) == 128
    with pytest.raises(InputError) as refused:
        parse_design("gpt2~mask_pattern=" + ",".join(["causal"] * 129))
    assert (refused.value.code, refused.value.params["field"]) == ("mask_pattern_too_long", "mask_pattern")


def test_every_design_that_is_written_can_be_read():
    """Every field changed, the longest pattern, the longest numbers."""
    long = 1.2345678901234567
    scaling = RopeScaling(
        **{"kind": "yarn", "factor": long, "original_max_seq_len": 99_999_999, "low_freq_factor": long},
        **{"high_freq_factor": 2.345678901234567, "beta_fast": 99.45678901234567, "beta_slow": long, "mscale": long},
        **{"mscale_all_dim": long, "attention_factor": long},
    )
    experts = MixtureOfExperts(
        **{"n_experts": 99_990, "n_experts_per_token": 9_999, "d_expert": 9_999_999, "n_shared_experts": 9_999},
        **{"first_dense": 999, "every": 9, "offset": 7, "router": "softmax_topk", "normalise_weights": False},
        **{
            "weight_scale": long,
            "n_groups": 9_999,
            "n_groups_per_token": 9_998,
            "group_score": "top2",
            "jitter": 0.123456789,
        },
        **{"aux_loss_coef": long, "z_loss_coef": long, "expert": "lora", "lora_rank": 99_999, "lora_alpha": long},
    )
    numbers = ("dilation", "n_global", "block_size", "n_blocks_before", "n_random", "hash_block_size", "n_clusters")
    sparse = SparsePattern(**dict.fromkeys(numbers, 999_999), seed=2**62, n_hashes=63, n_buckets=999_998)
    config = models.ModelConfig(
        **{"vocab_size": 9_999_999, "max_seq_len": 99_999_999, "d_model": 999_983, "n_layers": 9_999, "n_heads": 9_998},
        **{"attention": "gqa", "n_kv_heads": 4_999, "d_head": 99_998, "rotary_dim": 99_996, "d_ff": 9_999_999},
        **{"mask_pattern": ("dilated", "block_local") * (LONGEST_PATTERN // 2), "window": 99_999_999, "qk_norm": True},
        **{"rope_theta": 123456789.12345678, "rope_layout": "interleaved", "rope_scaling": scaling, "norm": "rmsnorm"},
        **{"norm_eps": 1.2345678901234567e-05, "block": "deepnorm", "residual_alpha": long, "final_norm": False},
        **{
            "activation": "gelu_quick",
            "ffn": "gated",
            "biases": ("q", "k", "v", "o", "ffn", "head"),
            "embed_norm": True,
        },
        **{
            "tie_embeddings": False,
            "scale_scores": False,
            "scale_embeddings": True,
            "scale_logits": True,
            "mtp_depth": 16,
        },
        **{"n_segments": 999, "moe": experts, "sparse": sparse},
    )
    text = design_string("gpt2", config)
    assert parse_design(text).config == config
    assert len(text) < MAX_DESIGN


def test_a_design_too_long_to_be_read_is_not_written(monkeypatch):
    monkeypatch.setattr(design_strings, "MAX_DESIGN", 20)
    with pytest.raises(InputError) as refused:
        design_string("gpt2", models.preset("llama2-7b"))
    assert refused.value.code == "design_too_long"


@each_row("base", ["gpt2", "deepseek-v3", "clip-vit-b32", "reformer-enwik8", "switch-base-8", "vit-b16-224"])
@each_row("name", models.presets())
def test_groups_go_there_and_back(base, name):
    config = models.preset(name)
    assert parse_design(design_string(base, config)).config == config


@pytest.mark.parametrize(
    ("base", "changes", "text"),
    [
        ("deepseek-v3", {"moe": None}, "deepseek-v3~moe="),
        ("mixtral-8x7b", {"moe.n_experts": 16}, "mixtral-8x7b~moe.n_experts=16"),
        ("switch-base-8", {"moe.every": 3, "moe.offset": 2}, "switch-base-8~moe.every=3"),
        ("switch-base-8", {"moe.every": 3, "moe.offset": 1}, "switch-base-8~moe.every=3~moe.offset=1"),
        ("switch-base-8", {"moe.capacity": None}, "switch-base-8~moe.capacity="),
        ("gpt2", {"position": "rotary"}, "gpt2~position=rotary"),
    ],
)
def test_a_group_says_only_what_it_changes(base, changes, text):
    start = models.preset(base)
    inside = {name.removeprefix("moe."): value for name, value in changes.items() if name.startswith("moe.")}
    config = start.replace(**({"moe": replace(start.moe, **inside)} if inside else changes))
    assert design_string(base, config) == text
    assert parse_design(text).config == config


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("gpt2~moe=yes", "not_a_group"),
        ("gpt2~moe.n_experts=8", "missing_field"),
        ("gpt2~moe.wings=2", "unknown_field"),
        ("gpt2~d_model.wings=2", "unknown_field"),
        ("gpt2~vision_tower.vision_tower.d_model=2", "unknown_field"),
        ("gpt2~axial_shape=a,b", "not_an_integer"),
        ("deepseek-v3~mla=", "mla_goes_together"),
    ],
)
def test_impossible_groups_say_why(text, code):
    with pytest.raises(InputError) as refused:
        parse_design(text)
    assert refused.value.code == code


def test_a_card_may_be_shown_but_not_held():
    session = Session.from_query({"design": "gpt-4", "model": "gpt-4"})
    assert (session.design, session.model) == ("gpt-4", DEFAULTS["model"])
    assert [problem.field for problem in session.problems] == ["model"]
    assert Session.from_query({"design": "deepseek-r1"}).design == "deepseek-r1"


def test_impossible_designs_say_why():
    with pytest.raises(InputError) as refused:
        parse_design("gpt2~n_heads=7")
    assert refused.value.code == "heads_do_not_divide"


def test_tabs_of_the_address_are_the_tabs_of_the_page():
    assert tuple(tab.id for tab in shell.TABS) == TABS


def test_problems_are_added_without_touching_the_rest():
    session = Session(seed=3)
    changed = session.with_problem(shell.Problem("unusable", "model"), model="gpt2-mini")
    assert replace(changed, problems=(), model=DEFAULTS["model"]) == session


class TestArrival:
    """What the page's scripts hand to the server."""

    def test_too_large_a_model_is_replaced(self):
        session = shell.read_arrival("model=gpt3-175b&seed=3")
        assert (session.model, session.seed) == (DEFAULTS["model"], 3)
        assert session.problems[0].error.code == "model_too_large"

    def test_too_large_a_design_is_shown(self):
        session = shell.read_arrival("design=gpt3-175b&tab=build")
        assert (session.design, session.problems) == ("gpt3-175b", ())

    def test_a_prompt_left_behind_is_reported(self):
        assert [problem.code for problem in shell.read_arrival("long=1").problems] == ["not_carried"]


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("temperature=9", "Temperature is out of range; 2 is the nearest value allowed."),
        ("context=many", "Context is not usable; the whole context is shown instead."),
        ("tab=chess", "Tab is not usable; Generate is shown instead."),
        ("design=nosuch~=", "Design is not usable; LLaMA mini is shown instead."),
        ("lang=de", "Language is not usable; English is shown instead."),
        ("context=1e99", "Context is not usable; the whole context is shown instead."),
        ("context=9999999999", "Context is out of range; 100\u202f000\u202f000 is the nearest value allowed."),
    ],
)
def test_problems_are_told_in_the_readers_words(query, sentence):
    (problem,) = shell.read_arrival(query).problems
    assert shell._sentence("en", problem).startswith(sentence)
