"""How far a model reads and writes: as far as it has positions, and as `transformers` does."""

import pytest
import torch

import models
from models.errors import InputError
from tests.parity.agreement import VOCABULARY, ids
from tests.parity.conftest import randomise, transformers

GREEDY = {"do_sample": False, "pad_token_id": 0, "eos_token_id": None}
SIZES = {"vocab_size": VOCABULARY, "hidden_size": 48, "num_attention_heads": 4, "num_hidden_layers": 2}


def written(model, prompt, n_tokens: int) -> list[models.Step]:
    return list(models.generate(model, prompt, models.Sampling(temperature=0), max_new_tokens=n_tokens))


@pytest.mark.parametrize("scaling", [None, {"rope_type": "linear", "factor": 2.0, "rope_theta": 10_000.0}])
def test_angles_know_no_end(scaling, folder_of):
    config = transformers.LlamaConfig(
        **SIZES, intermediate_size=76, max_position_embeddings=16, rope_parameters=scaling
    )
    theirs = randomise(transformers.LlamaForCausalLM(config))
    ours, prompt = models.load(folder_of(theirs)).model, ids(1, 10, seed=3)
    expected = theirs.generate(prompt, max_new_tokens=20, **GREEDY)[0, 10:].tolist()
    steps = written(ours, prompt, 20)
    assert [step.token_id for step in steps] == expected
    assert steps[-1].finish == "length"


@torch.no_grad()
def test_dynamic_scaling_begins_where_training_ended(folder_of):
    """The text goes on where the base begins to rise; keys in a cache keep the angles that they were written with."""
    scaling = {"rope_type": "dynamic", "factor": 4.0, "rope_theta": 10_000.0}
    config = transformers.LlamaConfig(
        **SIZES, intermediate_size=76, max_position_embeddings=16, rope_parameters=scaling
    )
    theirs = randomise(transformers.LlamaForCausalLM(config))
    ours, prompt = models.load(folder_of(theirs)).model, ids(1, 6, seed=3)
    assert ours.config.max_seq_len == ours.config.rope_scaling.original_max_seq_len == 16
    expected = theirs.generate(prompt, max_new_tokens=20, **GREEDY)[0, 6:].tolist()
    steps = written(ours, prompt, 20)
    assert [step.token_id for step in steps] == expected


def test_t5_reads_beyond_its_training(folder_of):
    sizes = {"vocab_size": VOCABULARY, "d_model": 50, "d_kv": 12, "d_ff": 77, "num_layers": 2, "num_heads": 4}
    config = transformers.T5Config(**sizes, n_positions=16, decoder_start_token_id=0)
    theirs = randomise(transformers.T5ForConditionalGeneration(config))
    ours, prompt = models.load(folder_of(theirs)).model, ids(1, 40, seed=3)
    assert ours.config.max_seq_len == 16
    expected = theirs.generate(prompt, max_new_tokens=24, **GREEDY)[0, 1:].tolist()
    assert [step.token_id for step in written(ours, prompt, 24)] == expected


def test_a_table_ends_the_text():
    cfg = models.ModelConfig(
        vocab_size=37, max_seq_len=12, d_model=16, n_layers=1, n_heads=2, d_ff=20, position="learned", n_positions=15
    )
    model = models.build(cfg)
    steps = written(model, [1] * 10, 20)
    assert len(steps) == 15 - 10 + 1  # the last token is written, and need not be read
    assert steps[-1].finish == "context"
    with pytest.raises(InputError, match="16 tokens"):
        written(model, [1] * 16, 1)
