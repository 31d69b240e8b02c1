"""At padding, too, a pass gives what `transformers` gives: what is read there is seldom used, but it is said."""

import pytest
import torch

import models
from tests.parity.agreement import TOLERANCE, VOCABULARY, difference, ids
from tests.parity.conftest import randomise, transformers

SIZES = {"vocab_size": VOCABULARY, "hidden_size": 48, "num_attention_heads": 4, "num_hidden_layers": 2}
CASES = {
    "llama": (transformers.LlamaForCausalLM, transformers.LlamaConfig(**SIZES, intermediate_size=76)),
    "mistral": (
        transformers.MistralForCausalLM,
        transformers.MistralConfig(**SIZES, intermediate_size=76, num_key_value_heads=2, sliding_window=5),
    ),
    "bert": (transformers.BertForMaskedLM, transformers.BertConfig(**SIZES, intermediate_size=76)),
    "bloom": (
        transformers.BloomForCausalLM,
        transformers.BloomConfig(vocab_size=VOCABULARY, hidden_size=48, n_head=4, n_layer=2),
    ),
}


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("name", CASES)
@torch.no_grad()
def test_every_place_agrees(name, side, folder_of):
    """Left padding sees nothing in a decoder; what a fused pass gives there is what is read here: nothing."""
    cls, config = CASES[name]
    theirs = randomise(cls(config))
    ours = models.load(folder_of(theirs)).model
    tokens, mask = ids(3, 20), torch.ones(3, 20, dtype=torch.long)
    for row, n_padding in ((1, 4), (2, 11)):
        mask[row, slice(0, n_padding) if side == "left" else slice(20 - n_padding, None)] = 0
    reference = theirs(tokens, attention_mask=mask).logits
    with models.capture("*.attn.probs"):
        explicit = ours(tokens, mask).logits
    compared = mask.bool()
    if side == "right" or theirs.config._attn_implementation == "sdpa":  # the explicit pass there spreads evenly
        compared = torch.ones_like(compared)
    for mine in (ours(tokens, mask).logits, explicit):
        assert difference(mine[compared], reference[compared]) < TOLERANCE
