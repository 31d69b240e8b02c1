"""Prompt ids → a stream of steps, one for each new token."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.errors import InputError
from models.reading import Blank, reader_of
from models.sampling import choose, shape
from models.sampling_settings import Sampling


@dataclass(frozen=True, slots=True)
class Step:
    """One generated token.

    `probability` is the token's chance after the sampling stages, `raw_probability` the model's own (temperature 1,
    nothing excluded). `logits` (V,), raw, are there when asked for. `finish` tells why generation ends here: "stop" (an
    id of `stop_ids` was chosen), "length" (`max_new_tokens` reached), "context" (no position is left), or None.
    """

    token_id: int
    probability: float
    raw_probability: float
    finish: str | None = None
    logits: Tensor | None = None


def generate(
    model: nn.Module,
    input_ids: Sequence[int] | Tensor,
    sampling: Sampling | None = None,
    max_new_tokens: int = 64,
    stop_ids: Collection[int] = (),
    keep_logits: bool = False,
    blank: Blank | None = None,
) -> Iterator[Step]:
    """Continue a prompt, one `Step` a token, with a KV cache; the same `sampling.seed` gives the same tokens.

    An encoder-decoder reads the prompt with its encoder and writes an answer; its steps begin at `decoder_start_id`. A
    prefix decoder with two-dimensional positions fills in the `blank` of the prompt, where one is named. Where
    positions are a table, prompt and text end with it; any others go on beyond `max_seq_len`, whatever the model has
    learnt of that. The cache is made for all `max_new_tokens` at once.

    input_ids: a sequence of ids, or a tensor (1, T). Raises `InputError` for a model that does not write, an empty
    prompt, one longer than its positions reach, and ids outside its vocabulary, when the first step is asked for.
    """
    sampling = sampling or Sampling()
    prompt = _checked_prompt(input_ids, model)
    if isinstance(max_new_tokens, bool) or not isinstance(max_new_tokens, int):
        raise InputError("not_an_integer", field="max_new_tokens", value=max_new_tokens)
    if max_new_tokens < 1:
        raise InputError("out_of_range", field="max_new_tokens", value=max_new_tokens, low=1, high="∞")
    reader = reader_of(model, prompt, max_new_tokens, blank)
    generator = torch.Generator().manual_seed(sampling.seed)
    seen = torch.zeros(model.config.vocab_size, dtype=torch.bool)
    seen[reader.written] = True

    newest = None
    for n_done in range(1, max_new_tokens + 1):
        # Inference mode is entered for one token at a time: kept open across the yield it would leak into the caller.
        with torch.inference_mode():
            logits = reader.first_logits() if newest is None else reader.next_logits(newest)  # (V,)
            logits = logits.float().cpu()
            step = _step(logits, sampling, seen, generator)
        finish = _finish(step[0], stop_ids, n_done, max_new_tokens, reader.n_read, model.limit)
        yield Step(*step, finish=finish, logits=logits if keep_logits else None)
        if finish:
            return
        newest = step[0]
        seen[newest] = True


def _step(logits: Tensor, sampling: Sampling, seen: Tensor, generator: torch.Generator) -> tuple[int, float, float]:
    """(token id, its probability after the stages, its raw probability)."""
    if sampling.temperature == 0 and sampling.repetition_penalty == 1.0:
        token_id, probability = int(logits.argmax()), 1.0
    else:
        token_id, probability = choose(shape(logits, sampling, seen.nonzero()[:, 0]), generator)
    raw_probability = float((logits[token_id] - logits.logsumexp(dim=-1)).exp())
    return token_id, probability, raw_probability


def _finish(
    token_id: int, stop_ids: Collection[int], n_done: int, max_new_tokens: int, n_read: int, limit: int | None
) -> str | None:
    if token_id in stop_ids:
        return "stop"
    if n_done == max_new_tokens:
        return "length"
    # To go on, the newest token has to be read, and takes a place of its own.
    if limit is not None and n_read + n_done > limit:
        return "context"
    return None


def _checked_prompt(input_ids: Sequence[int] | Tensor, model: nn.Module) -> Tensor:
    """The prompt as (1, T) on the model's device."""
    prompt = torch.as_tensor(input_ids, device=model.weight.device)
    if prompt.numel() == 0:
        raise InputError("prompt_empty")
    if prompt.dim() not in (1, 2) or prompt.numel() != prompt.shape[-1] or prompt.is_floating_point():
        raise InputError("batch_shape", field="input_ids", value=tuple(prompt.shape), expected="whole numbers, (1, T)")
    return prompt.long().reshape(1, -1)
