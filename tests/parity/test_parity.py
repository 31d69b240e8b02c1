"""A Hugging Face folder of GPT-2 or LLaMA, loaded here, computes what `transformers` computes."""

import copy

import pytest
import torch

import models
from tests.parity.agreement import TOLERANCE, VOCABULARY, agree_when_cached, agree_when_padded, difference, ids
from tests.parity.conftest import randomise, transformers
from tests.rows import each_row


def gpt2(**changes):
    sizes = {"vocab_size": VOCABULARY, "n_positions": 64, "n_embd": 48, "n_layer": 2, "n_head": 4}
    return transformers.GPT2LMHeadModel, transformers.GPT2Config(**{**sizes, **changes})


def llama(**changes):
    sizes = {
        "vocab_size": VOCABULARY,
        "max_position_embeddings": 64,
        "hidden_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "intermediate_size": 112,
        "pad_token_id": None,
        "bos_token_id": None,
        "eos_token_id": None,
    }
    return transformers.LlamaForCausalLM, transformers.LlamaConfig(**{**sizes, **changes})


def llama3_scaling(**changes):
    values = {"rope_type": "llama3", "rope_theta": 500_000.0, "factor": 8.0, "low_freq_factor": 1.0}
    values |= {"high_freq_factor": 4.0, "original_max_position_embeddings": 32}
    return {"max_position_embeddings": 256, "rope_parameters": {**values, **changes}}


CASES = {
    "gpt2": gpt2(),
    "gpt2 untied": gpt2(tie_word_embeddings=False),
    "gpt2 odd heads, own d_ff, exact gelu": gpt2(n_embd=35, n_head=5, n_inner=77, activation_function="gelu"),
    "gpt2 one head, relu, other eps": gpt2(n_head=1, activation_function="relu", layer_norm_epsilon=1e-3),
    "gpt2 silu": gpt2(activation_function="silu"),
    "gpt2 quick gelu": gpt2(activation_function="quick_gelu"),
    "llama": llama(),
    "llama gqa": llama(num_key_value_heads=2),
    "llama gqa 3 groups of 2, heads of 10": llama(hidden_size=60, num_attention_heads=6, num_key_value_heads=3),
    "llama mqa": llama(num_key_value_heads=1),
    "llama wide heads": llama(head_dim=22, num_key_value_heads=2),
    "llama narrow heads": llama(head_dim=6),
    "llama tied": llama(tie_word_embeddings=True),
    "llama biases": llama(attention_bias=True, mlp_bias=True, num_key_value_heads=2),
    "llama attention biases": llama(attention_bias=True),
    "llama mlp biases": llama(mlp_bias=True),
    "llama theta, eps, gelu": llama(
        rope_parameters={"rope_type": "default", "rope_theta": 1e6}, rms_norm_eps=1e-3, hidden_act="gelu"
    ),
    "llama linear scaling": llama(rope_parameters={"rope_type": "linear", "rope_theta": 1e4, "factor": 2.5}),
    "llama3 scaling": llama(**llama3_scaling(), num_key_value_heads=2),
    "llama3 scaling, other ramp": llama(**llama3_scaling(low_freq_factor=0.5, high_freq_factor=2.0, factor=32.0)),
}


@pytest.fixture(scope="module", params=CASES, ids=[name.replace(" ", "-").replace(",", "") for name in CASES])
def pair(request, folder_of):
    """The same weights in `transformers` (explicit attention) and here."""
    cls, config = CASES[request.param]
    config = copy.deepcopy(config)
    config._attn_implementation = "eager"
    theirs = randomise(cls(config))
    return theirs, models.load(folder_of(theirs)).model


@torch.no_grad()
def test_logits(pair):
    theirs, ours = pair
    tokens = ids(2, 50)
    assert difference(ours(tokens).logits, theirs(tokens).logits) < TOLERANCE


@torch.no_grad()
def test_attention_probabilities(pair):
    theirs, ours = pair
    tokens = ids(2, 40)
    with models.capture("*.attn.probs") as trace:
        ours(tokens)
    maps = theirs(tokens, output_attentions=True).attentions
    assert len(trace) == len(maps)
    for i, probs in enumerate(maps):
        assert difference(trace[f"layers.{i}.attn.probs"], probs) < TOLERANCE


@torch.no_grad()
def test_residual_stream(pair):
    theirs, ours = pair
    tokens = ids(2, 30)
    with models.capture("*.resid_pre", "final_norm") as trace:
        ours(tokens)
    *streams, final = theirs(tokens, output_hidden_states=True).hidden_states
    for i, stream in enumerate(streams):
        assert difference(trace[f"layers.{i}.resid_pre"], stream) < TOLERANCE
    assert difference(trace["final_norm"], final) < TOLERANCE


@torch.no_grad()
@each_row("side", ["left", "right"])
@each_row("numbering", ["by place", "by token"])
def test_padded_batch(pair, side, numbering):
    """Rows of tokens agree, whether positions count places (a bare forward) or tokens (as `generate` counts them)."""
    theirs, ours = pair
    tokens, mask = ids(3, 24), torch.ones(3, 24, dtype=torch.long)
    for row, padding in enumerate((0, 5, 13)):
        if padding:
            mask[row, slice(0, padding) if side == "left" else slice(24 - padding, None)] = 0
    inputs = {"attention_mask": mask}
    if numbering == "by token":
        inputs["position_ids"] = (mask.cumsum(-1) - 1).clamp(min=0)
    agree_when_padded(theirs, ours, tokens, inputs)


def test_cached_equals_uncached_and_theirs(pair):
    agree_when_cached(*pair)


@torch.no_grad()
def test_cached_with_padding_on_the_left(pair):
    """A batch decoded as `generate` decodes it: padded on the left, positions counted by token, one token at a time."""
    theirs, ours = pair
    tokens, mask = ids(2, 16), torch.ones(2, 16, dtype=torch.long)
    mask[1, :6] = 0
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    reference = theirs(tokens, attention_mask=mask, position_ids=positions).logits
    cache = ours.new_cache(batch=2)
    first = ours(tokens[:, :9], mask[:, :9], position_ids=positions[:, :9], cache=cache).logits
    rest = [
        ours(tokens[:, [i]], mask[:, : i + 1], position_ids=positions[:, [i]], cache=cache).logits for i in range(9, 16)
    ]
    is_token = mask.bool()
    assert difference(torch.cat([first, *rest], dim=1)[is_token], reference[is_token]) < TOLERANCE


def test_greedy_tokens(pair):
    theirs, ours = pair
    prompt = ids(1, 9, seed=3)
    greedy = {"do_sample": False, "max_new_tokens": 24, "pad_token_id": 0, "eos_token_id": None}
    expected = theirs.generate(prompt, attention_mask=torch.ones_like(prompt), **greedy)[0, 9:].tolist()
    assert len(expected) == 24
    steps = models.generate(ours, prompt, models.Sampling(temperature=0), max_new_tokens=24)
    assert [step.token_id for step in steps] == expected


@torch.no_grad()
@pytest.mark.parametrize("config", ["llama gqa", "llama3 scaling", "llama linear scaling"])
def test_rotary_far_out(config, folder_of):
    """Positions in the hundreds of thousands, where angles are large: still the same angles."""
    cls, settings = CASES[config]
    theirs = randomise(cls(copy.deepcopy(settings)))
    ours = models.load(folder_of(theirs)).model
    tokens = ids(1, 40)
    positions = torch.arange(40)[None] * 997 + 100_000
    mine, reference = (model(tokens, position_ids=positions).logits for model in (ours, theirs))
    assert difference(mine, reference) < TOLERANCE


@torch.no_grad()
def test_rotary_beyond_the_trained_length(folder_of):
    """Rotary models read on past max_position_embeddings; `transformers` sets no limit there either."""
    cls, settings = CASES["llama"]
    theirs = randomise(cls(copy.deepcopy(settings)))
    ours = models.load(folder_of(theirs)).model
    tokens = ids(1, 150)
    assert difference(ours(tokens).logits, theirs(tokens).logits) < TOLERANCE
