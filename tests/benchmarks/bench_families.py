"""Every family against `transformers` on the same weights, at about 10M parameters and batch 1.

Forward reads 128 tokens (an encoder-decoder as many on each side; a tower its image); decode continues 16 tokens greedily
by 64, with a KV cache. Rounds alternate between the two, so that whatever else the machine does falls on both; the ratio
of a round is computed within it, and the median of the rounds is reported. With one thread, time is the process's own,
which other processes lengthen less than the clock's.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from statistics import median

import torch
import transformers
from torch import nn

import models
from tests.benchmarks.twins import TWINS, twin

FORWARD_TOKENS, PROMPT_TOKENS, NEW_TOKENS = 128, 16, 64
FORWARD_ROUNDS, DECODE_ROUNDS = 15, 5
Action = Callable[[], object]


@dataclass(frozen=True)
class Duel:
    """Seconds of both sides, medians, and the median of theirs / ours, round by round."""

    ours: float
    theirs: float
    ratio: float


def run() -> Iterator[tuple[str, str, dict]]:
    """Rows of (label, value, numbers), family by family."""
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    for family in TWINS:
        theirs = twin(family)
        ours = same_weights(theirs)
        millions = sum(parameter.numel() for parameter in ours.parameters()) / 1e6
        name = f"{family}, {millions:.1f}M"
        found = duel(*forwards(ours, theirs), FORWARD_ROUNDS)
        yield _row(f"{name}: forward", f"{1e3 * found.ours:.1f} ms, transformers {1e3 * found.theirs:.1f} ms", found)
        if theirs.can_generate():
            found = duel(*decodes(ours, theirs), DECODE_ROUNDS)
            speeds = NEW_TOKENS / found.ours, NEW_TOKENS / found.theirs
            yield _row(f"{name}: decode", "{:.0f} tokens/s, transformers {:.0f}".format(*speeds), found)


def same_weights(theirs: transformers.PreTrainedModel) -> nn.Module:
    """Our model of a folder that theirs was saved in."""
    with tempfile.TemporaryDirectory() as folder:
        theirs.save_pretrained(folder)
        return models.load(folder).model


def forwards(ours: nn.Module, theirs: transformers.PreTrainedModel) -> tuple[Action, Action]:
    """One pass each, over the same inputs."""
    cfg, inputs = ours.config, {}
    image = cfg.image or (cfg.vision_tower and cfg.vision_tower.image)
    if image is not None:
        inputs["pixel_values"] = torch.randn(1, image.n_channels, image.image_size, image.image_size)
    if cfg.vocab_size:
        inputs["input_ids"] = _tokens(cfg.vocab_size, FORWARD_TOKENS)
    if cfg.structure == "encoder_decoder":
        inputs["decoder_input_ids"] = _tokens(cfg.vocab_size, FORWARD_TOKENS)
    # What `transformers` returns beside the logits when asked nothing is a cache, which it then has to fill.
    options = {"use_cache": False} if theirs.can_generate() else {}
    return _inferring(lambda: ours(**inputs)), _inferring(lambda: theirs(**inputs, **options))


def decodes(ours: nn.Module, theirs: transformers.PreTrainedModel) -> tuple[Action, Action]:
    """The same prompt continued by both."""
    prompt, greedy = _tokens(ours.config.vocab_size, PROMPT_TOKENS), models.Sampling(temperature=0)
    options = {
        "max_new_tokens": NEW_TOKENS,
        "do_sample": False,
        "num_beams": 1,
        "attention_mask": torch.ones_like(prompt),
    }

    def write_ours() -> list[int]:
        return [step.token_id for step in models.generate(ours, prompt, greedy, NEW_TOKENS)]

    def write_theirs() -> list[int]:
        with redirect_stdout(StringIO()):  # Reformer prints a line for each argument that it does not know
            return theirs.generate(prompt, **options)[0, -NEW_TOKENS:].tolist()

    assert len(write_theirs()) == len(write_ours()) == NEW_TOKENS
    return write_ours, write_theirs


def duel(ours: Action, theirs: Action, rounds: int) -> Duel:
    """Both in turn, `rounds` times after one that warms up."""
    ours(), theirs()
    pairs = [(_seconds(ours), _seconds(theirs)) for _ in range(rounds)]
    own, other = (median(column) for column in zip(*pairs, strict=True))
    return Duel(own, other, median(b / a for a, b in pairs))


def _row(label: str, value: str, found: Duel) -> tuple[str, str, dict]:
    numbers = {"ours_s": found.ours, "transformers_s": found.theirs, "ratio": found.ratio}
    return label, f"{value}: {found.ratio:.2f} times", numbers


def _inferring(action: Action) -> Action:
    def infer() -> object:
        with torch.inference_mode():
            return action()

    return infer


def _seconds(action: Action) -> float:
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    start = clock()
    action()
    return clock() - start


def _tokens(vocab_size: int, length: int) -> torch.Tensor:
    # The first ids are marks: padding, beginning, end.
    return torch.randint(3, vocab_size, (1, length), generator=torch.Generator().manual_seed(0))
