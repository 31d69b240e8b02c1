"""Tokens per second of `models.generate` against `transformers`' generate: same weights, same threads, one process.

Both continue the same prompt greedily with a KV cache, batch 1. Rounds alternate between the two, so that whatever else
the machine does falls on both; the ratio of a round is computed within it and the median of the rounds is reported. The
floor is the time to read every weight once from memory, at the bandwidth measured here with the same threads.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
import transformers

import models

PROMPT_TOKENS = 16


def run(rounds: int = 7) -> list[tuple[str, str]]:
    """Rows of (label, value) for the benchmark table."""
    threads, bandwidth = torch.get_num_threads(), memory_bandwidth()
    rows = [("threads", str(threads)), ("memory bandwidth", f"{bandwidth / 1e9:.1f} GB/s")]
    rows += compare("llama-mini", rounds, new_tokens=96, bandwidth=bandwidth)
    # As many tokens as `models.generate` writes unless told otherwise: of a few, the prompt is a large part of the time.
    rows += compare("gpt2", rounds=max(3, rounds // 2), new_tokens=64, bandwidth=bandwidth)
    return rows


def compare(name: str, rounds: int, new_tokens: int, bandwidth: float) -> list[tuple[str, str]]:
    """The rows of one model: fp32 on both sides, then bf16 weights on ours."""
    ours = models.load(name).model if name in models.zoo() else models.build(models.preset(name))
    theirs = _transformers_twin(ours)
    prompt = torch.randint(0, ours.config.vocab_size, (1, PROMPT_TOKENS), generator=torch.Generator().manual_seed(0))
    rows = _duel(
        f"{name}, fp32", _ours(ours, prompt, new_tokens), _theirs(theirs, prompt, new_tokens), rounds, new_tokens
    )
    rows += [(f"{name}, fp32: floor", _floor(ours, bandwidth))]
    half = ours.to(torch.bfloat16)
    rows += _duel(
        f"{name}, ours bf16, theirs fp32", _ours(half, prompt, new_tokens), _theirs(theirs, prompt, new_tokens), rounds,
        new_tokens,
    )  # fmt: skip
    return rows + [(f"{name}, bf16: floor", _floor(half, bandwidth))]


def memory_bandwidth() -> float:
    """Bytes per second that a sum over 400 MB reads, the best of five."""
    block = torch.ones(100_000_000)
    return block.nbytes / min(_seconds(block.sum) for _ in range(5))


def _duel(
    label: str, ours: Callable[[], object], theirs: Callable[[], object], rounds: int, new_tokens: int
) -> list[tuple[str, str]]:
    ours(), ours(), theirs()  # of a large model, the second text is the first that is read from laid out weights
    pairs = [(_seconds(ours), _seconds(theirs)) for _ in range(rounds)]
    own, other = (median(column) for column in zip(*pairs, strict=True))
    ratio = median(theirs / ours for ours, theirs in pairs)
    return [
        (f"{label}: models.generate", f"{new_tokens / own:.0f} tokens/s"),
        (f"{label}: transformers", f"{new_tokens / other:.0f} tokens/s"),
        (f"{label}: ratio", f"{ratio:.2f}"),
    ]


def _ours(model: models.Transformer, prompt: torch.Tensor, new_tokens: int) -> Callable[[], object]:
    greedy = models.Sampling(temperature=0)
    return lambda: [step.token_id for step in models.generate(model, prompt, greedy, new_tokens)]


def _theirs(model, prompt: torch.Tensor, new_tokens: int) -> Callable[[], object]:
    return lambda: model.generate(
        prompt, max_new_tokens=new_tokens, min_new_tokens=new_tokens, do_sample=False, pad_token_id=0
    )


def _transformers_twin(model: models.Transformer):
    with tempfile.TemporaryDirectory() as folder:
        models.export_hf(model, None, Path(folder))
        return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def _floor(model: models.Transformer, bandwidth: float) -> str:
    """Milliseconds and tokens per second if reading the weights were all there is; the position table is not read."""
    read = sum(p.nbytes for name, p in model.named_parameters() if name != "position.weight")
    return f"{read / 1e6:.1f} MB a token, {read / bandwidth * 1e3:.2f} ms, {bandwidth / read:.0f} tokens/s"


def _seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start
