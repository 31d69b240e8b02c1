"""Hugging Face folders of the decoder families, loaded here, compute what `transformers` computes."""

import copy
from contextlib import contextmanager

import pytest
import torch

import models
from tests.parity.agreement import TOLERANCE, agree_when_cached, agree_when_padded, difference, ids
from tests.parity.conftest import randomise
from tests.parity.decoders import CASES, SPARSE, label, padded
from tests.rows import each_row


@pytest.fixture(scope="module", params=CASES, ids=map(label, CASES))
def name(request):
    return request.param


@pytest.fixture(scope="module")
def pair(name, folder_of):
    """The same weights in `transformers` (explicit attention) and here."""
    cls, config = CASES[name]
    config = copy.deepcopy(config)
    config._attn_implementation = "eager"
    theirs = randomise(cls(config))
    return theirs, models.load(folder_of(theirs)).model


@contextmanager
def routers(model):
    """Collects what the routers of a `transformers` model return: one (logits, weights, expert ids) a sparse layer."""
    seen: list[tuple] = []
    gates = [layer.mlp.gate for layer in model.model.layers if hasattr(getattr(layer, "mlp", None), "gate")]
    hooks = [gate.register_forward_hook(lambda module, inputs, output: seen.append(output)) for gate in gates]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


@torch.no_grad()
def test_logits_and_attention(name, pair):
    """Past the trained length too, where there is no table of positions that ends."""
    theirs, ours = pair
    tokens = ids(2, 60 if "gpt1" in name else 80)
    with models.capture("*.attn.probs") as trace:
        ours(tokens)
    reference = theirs(tokens, output_attentions=True)
    assert difference(ours(tokens).logits, reference.logits) < TOLERANCE
    assert len(trace) == len(reference.attentions)
    for i, probs in enumerate(reference.attentions):
        assert difference(trace[f"layers.{i}.attn.probs"], probs) < TOLERANCE


@torch.no_grad()
@each_row("side", ["left", "right"])
def test_padded_batch(pair, side):
    theirs, ours = pair
    tokens, mask = padded(side)
    inputs = {"attention_mask": mask}
    if side == "left" and "Bloom" not in type(theirs).__name__:  # which takes no positions, and counts tokens itself
        inputs["position_ids"] = (mask.cumsum(-1) - 1).clamp(min=0)
    agree_when_padded(theirs, ours, tokens, inputs)


def test_cached_equals_uncached_and_theirs(pair):
    agree_when_cached(*pair)


@torch.no_grad()
def test_greedy_tokens(pair):
    """What is generated here is, after each of its tokens, what `transformers` finds likeliest too."""
    theirs, ours = pair
    prompt = ids(1, 9, seed=3)
    steps = models.generate(ours, prompt, models.Sampling(temperature=0), max_new_tokens=24)
    generated = torch.tensor([[step.token_id for step in steps]])
    assert generated.shape == (1, 24)
    logits = theirs(torch.cat((prompt, generated), dim=1)).logits
    assert torch.equal(logits[:, 8:-1].argmax(-1), generated)


@torch.no_grad()
@pytest.mark.parametrize("case", SPARSE, ids=map(label, SPARSE))
def test_router_choices(case, folder_of):
    """The same experts for every token of every sparse layer, and the same weights."""
    cls, config = CASES[case]
    theirs = randomise(cls(copy.deepcopy(config)))
    for module in theirs.modules():
        if hasattr(module, "e_score_correction_bias"):
            module.e_score_correction_bias.copy_(torch.linspace(-0.4, 0.4, 8).roll(3))
    ours = models.load(folder_of(theirs)).model
    tokens = ids(2, 40)
    with models.capture("*.ffn.expert_ids", "*.ffn.expert_weights") as trace, routers(theirs) as seen:
        mine = ours(tokens).logits
        reference = theirs(tokens).logits
    assert difference(mine, reference) < TOLERANCE
    sparse = [index for index in range(ours.config.n_layers) if ours.config.layer(index).sparse]
    assert len(seen) == len(sparse) == len(trace) // 2
    assert sparse or "dense, mscale" in case
    for index, (_, weights, experts) in zip(sparse, seen, strict=True):
        chosen, order = trace[f"layers.{index}.ffn.expert_ids"].flatten(0, 1).sort(dim=-1)
        counted = trace[f"layers.{index}.ffn.expert_weights"].flatten(0, 1).gather(1, order)
        experts, order = experts.sort(dim=-1)
        assert torch.equal(chosen, experts)
        assert difference(counted, weights.gather(1, order)) < TOLERANCE


@torch.no_grad()
@pytest.mark.parametrize("case", [name for name in SPARSE if "deepseek" not in name], ids=label)
def test_auxiliary_loss(case, folder_of):
    """Where the class has one: over all layers together, padding left out."""
    cls, config = CASES[case]
    theirs = randomise(cls(copy.deepcopy(config)))
    ours = models.load(folder_of(theirs)).model
    tokens, mask = padded("right")
    for inputs in ({}, {"attention_mask": mask}):
        reference = theirs(tokens, **inputs, output_router_logits=True).aux_loss
        assert reference > 1
        assert abs(ours(tokens, **inputs).aux_loss - reference) < TOLERANCE
