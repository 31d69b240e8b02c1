"""What this machine holds and reads: bounded by parameters and by the memory that a run takes."""

import pytest

import models
from models.errors import InputError
from playground import limits
from playground.session import LIMITS, parse_design


@pytest.mark.parametrize(
    "change",
    ["n_heads=500~d_head=200", "d_ff=1000000", "d_model=300000~vocab_size=257~d_ff=1", "n_heads=4000~d_head=1"],
)
def test_few_parameters_that_need_much_memory_are_refused(change):
    heads = "attention=mha~n_heads=1~n_kv_heads=~d_head=1"
    base = f"llama-mini~n_layers=1~d_model=16~d_ff=16~position=alibi~max_seq_len=5000~{heads}"
    config = parse_design(f"{base}~{change}").config
    assert models.account(config).params < limits.MAX_PARAMS
    with pytest.raises(InputError) as refused:
        limits.check_size(config)
    assert refused.value.code == "model_too_wide"


def test_the_tokens_read_are_bounded_by_the_machine():
    preset = models.preset
    assert limits.readable(preset("llama-mini")) == preset("llama-mini").max_seq_len
    long = preset("llama-mini").replace(max_seq_len=1_000_000)
    assert limits.readable(long) == limits.MAX_READ
    biased = preset("gpt2").replace(position="alibi", max_seq_len=1_000_000)
    limits.check_size(biased)
    assert limits.SHORTEST_READ <= limits.readable(biased) < limits.MAX_READ
    assert limits.working_bytes(biased, limits.readable(biased)) <= limits.MAX_WORKING_BYTES


def test_what_is_read_leaves_room_for_the_longest_text():
    assert 2 * LIMITS["max_new_tokens"][1] <= limits.SHORTEST_READ
