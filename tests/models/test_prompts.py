"""What a model reads so that it fills in blanks, answers or continues, and that generation then does just that."""

import pytest
import torch

import models
from models.errors import InputError
from models.objectives import marked_ids, marks_of
from models.objectives.blank_infilling import Blanks, fill_in
from models.prompts import prompt_for
from models.reading import Blank
from models.tokenizers.byte_level import bytes_tokenizer
from models.tokenizers.extended import with_special_tokens

GLM_MARKS = ("[MASK]", "[gMASK]", "<|startofpiece|>", "<|endofpiece|>")
SIZES = {"d_model": 16, "n_layers": 2, "n_heads": 2, "n_kv_heads": 2, "d_head": 8, "d_ff": 24}


@pytest.fixture(scope="module")
def glm():
    tokenizer = with_special_tokens(bytes_tokenizer(), GLM_MARKS)
    config = models.preset("glm-mini").replace(vocab_size=tokenizer.vocab_size, n_positions=40, max_seq_len=40, **SIZES)
    return models.build(config, seed=4), tokenizer


def test_marks_come_after_the_ids_that_were_there():
    tokenizer = with_special_tokens(bytes_tokenizer(), ["<extra_id_0>", "<extra_id_1>"])
    assert tokenizer.vocab_size == 259
    assert marks_of(tokenizer).sentinels == (257, 258)
    assert tokenizer.encode("<extra_id_0>") == [*b"<extra_id_0>"]
    assert tokenizer.eos_id == 256


def test_marks_that_are_spelled_out_are_read_as_marks():
    tokenizer = with_special_tokens(bytes_tokenizer(), GLM_MARKS)
    assert marked_ids("a [MASK] b", tokenizer) == [*b"a", 257, *b" b"]
    assert marked_ids("[gMASK][MASK]", tokenizer) == [258, 257]
    assert marked_ids("a [mask]", tokenizer) == [*b"a [mask]"]


def test_each_structure_reads_a_prompt_of_its_own(glm):
    model, tokenizer = glm
    text = prompt_for(models.preset("gpt2-mini"), tokenizer, "ab")
    assert (text.ids, text.stop_ids, text.blank) == ((97, 98), (256,), None)
    assert prompt_for(models.preset("gpt2-mini"), tokenizer, "").ids == (256,)
    assert prompt_for(models.preset("t5-mini"), tokenizer, "ab").ids == (97, 98, 256)
    blank = prompt_for(model.config, tokenizer, "a [MASK]b")
    assert (blank.ids, blank.stop_ids, blank.blank) == ((97, 257, 98), (260, 256), Blank(1, 259))
    to_end = prompt_for(model.config, tokenizer, "ab")
    assert (to_end.ids, to_end.blank) == ((97, 98, 258), Blank(2, 259))


def test_an_answer_ends_with_the_sentinel_after_the_last_blank():
    """As a target of span corruption does; without it a model goes on to blanks that the text does not have."""
    tokenizer = with_special_tokens(bytes_tokenizer(), [f"<extra_id_{number}>" for number in range(3)])
    t5 = models.preset("t5-mini")
    two = prompt_for(t5, tokenizer, "a <extra_id_0> b <extra_id_1>")
    assert (two.ids, two.stop_ids) == ((97, 257, *b" b", 258, 256), (256, 259))
    assert prompt_for(t5, tokenizer, "<extra_id_2>").stop_ids == (256,)  # there is none after it


def test_a_blank_is_filled_in_as_training_has_it(glm):
    """Token by token what the whole example of blank infilling says at the places of the answer."""
    model, tokenizer = glm
    written = torch.tensor([*b"abcdefgh"])
    prompt = prompt_for(model.config, tokenizer, "ab[MASK]fgh")
    steps = list(
        models.generate(model, prompt.ids, models.Sampling(temperature=0), 6, blank=prompt.blank, keep_logits=True)
    )
    answer = [step.token_id for step in steps]
    ids = torch.cat((written[:2], torch.tensor(answer[:-1]), written[5:]))
    example = fill_in(ids, Blanks(((2, 7),), (0,)), marks_of(tokenizer))
    assert tuple(example.inputs[: example.prefix_length].tolist()) == prompt.ids
    with torch.inference_mode():
        logits = model(
            example.inputs[None],
            position_ids=example.position_ids[None],
            prefix_lengths=torch.tensor([example.prefix_length]),
        ).logits[0, example.prefix_length :]
    torch.testing.assert_close(torch.stack([step.logits for step in steps]), logits, rtol=1e-4, atol=1e-5)


def test_a_blank_is_refused_where_there_is_none(glm):
    model, _ = glm
    with pytest.raises(InputError, match="blank"):
        next(models.generate(model, [1, 2], blank=Blank(2, 259)))
    gpt = models.build(models.preset("gpt2-mini").replace(vocab_size=300, **SIZES))
    with pytest.raises(InputError, match="blank"):
        next(models.generate(gpt, [1, 2], blank=Blank(0, 259)))
    with pytest.raises(InputError, match="41"):
        next(models.generate(model, [1] * 40, blank=Blank(0, 259)))
