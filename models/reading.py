"""How a model reads on, one token after another: each structure has a reader with the same three members.

`first_logits()` are those after the prompt, `next_logits(token_id)` those after one more token, each (V,); call both in
inference mode. `written` are the ids that count as text so far, `n_read` how many places of the context they take.
"""

from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.encoder_decoder import EncoderDecoder
from models.errors import InputError
from models.parts.content_attention import LSHAttention
from models.recorded import Replay
from models.transformer import Transformer


@dataclass(frozen=True)
class Blank:
    """The blank of a prompt that is filled in: its place there, and the id that opens what is written for it.

    What is written shares the blank's place in the text and counts 1, 2, … in a block of its own, the opening id first
    (GLM, Du et al. 2022, arXiv:2103.10360, section 2.1).
    """

    place: int
    opening_id: int


def reader_of(
    model: nn.Module, prompt: Tensor, max_new_tokens: int, blank: Blank | None = None
) -> "Continuing | Answering | Rereading":
    """The reader for `model`, with room for prompt (1, T) and `max_new_tokens`; `InputError` if it does not write, or has
    too few positions for the prompt, or no way to fill in a blank."""
    cfg = model.config
    if cfg.head != "lm":
        raise InputError("model_does_not_write", structure=cfg.structure, head=cfg.head)
    n_read = prompt.shape[1] + (blank is not None)
    if model.limit is not None and n_read > model.limit:
        raise InputError("prompt_too_long", n_tokens=n_read, max_seq_len=model.limit)
    if blank is not None:
        if cfg.structure != "prefix_decoder" or cfg.position not in TWO_DIMENSIONAL:
            raise InputError("argument_without_effect", field="blank")
        if not 0 <= blank.place < prompt.shape[1]:
            raise InputError("out_of_range", field="blank", value=blank.place, low=0, high=prompt.shape[1] - 1)
        return Continuing(model, prompt, max_new_tokens, blank)
    if cfg.structure == "encoder_decoder":
        return Answering(model, prompt, max_new_tokens)
    if cfg.sparse is not None and cfg.sparse.like_transformers:
        return Rereading(model, prompt, max_new_tokens)
    return Continuing(model, prompt, max_new_tokens)


TWO_DIMENSIONAL = ("learned_2d", "rotary_2d")


class Continuing:
    """A decoder: the prompt and what follows are one text, read with a KV cache; or what follows fills in a blank of it.

    It replays the model's recorded pass where it may. The plain pass runs where somebody looks inside, and where what a
    token sees depends on its place (windows shorter than the text).
    """

    def __init__(self, model: Transformer, prompt: Tensor, max_new_tokens: int, blank: Blank | None = None):
        self.written, self.n_read = prompt[0].cpu(), prompt.shape[1] + (blank is not None)
        self._model, self._prompt, self._blank, self._device = model, prompt, blank, prompt.device
        self._cache = model.new_cache(capacity=_capacity(model, self.n_read + max_new_tokens))
        self._is_prefix = model.config.structure == "prefix_decoder"
        self._replay = Replay(model, self._cache)
        self._will_replay = max_new_tokens > 1 and self._replay.serves(self.n_read)

    def first_logits(self) -> Tensor:
        prefix = torch.tensor([self._prompt.shape[1]], device=self._device) if self._is_prefix else None
        with self._replay.weights_laid_out() if self._will_replay else nullcontext():
            logits = self._model(self._prompt, prefix_lengths=prefix, cache=self._cache, only_last=True).logits[0, -1]
        return logits if self._blank is None else self.next_logits(self._blank.opening_id)

    def next_logits(self, token_id: int) -> Tensor:
        token = torch.tensor([[token_id]], device=self._device)
        place = self._cache.length
        positions = self._positions(place)
        if not self._replay.serves(place):
            return self._model(token, position_ids=positions, cache=self._cache, only_last=True).logits[0, -1]
        return self._replay.next_logits(token, positions)[0, -1]

    def _positions(self, place: int) -> Tensor:
        """(1, 1), or (1, 2, 1) where positions have two dimensions. After a prefix, what is written then fills its blank,
        or else its last place, as a block of its own that counts from 1 (GLM, arXiv:2103.10360, section 2.3)."""
        if self._model.config.position not in TWO_DIMENSIONAL:
            return torch.tensor([[place]], device=self._device)
        in_text, in_block = place, 0
        if self._is_prefix:
            n_prefix = self._prompt.shape[1]
            in_text = n_prefix - 1 if self._blank is None else self._blank.place
            in_block = place - n_prefix + 1
        return torch.tensor([[[in_text], [in_block]]], device=self._device)


class Answering:
    """An encoder-decoder: the prompt is what the encoder reads, once; the text begins with `decoder_start_id`.

    Replays as `Continuing` does, after a first pass, which leaves what the encoder has read in the cache.
    """

    def __init__(self, model: EncoderDecoder, prompt: Tensor, max_new_tokens: int):
        self._start = model.config.decoder_start_id
        self.written, self.n_read = torch.tensor([self._start]), 1
        self._model, self._prompt = model, prompt
        self._cache = model.new_cache(capacity=_capacity(model, 1 + max_new_tokens))
        self._memory: Tensor | None = None
        self._replay = Replay(model, self._cache)

    def first_logits(self) -> Tensor:
        self._memory = self._model.encode(self._prompt)
        return self.next_logits(self._start)

    def next_logits(self, token_id: int) -> Tensor:
        token = torch.tensor([[token_id]], device=self._prompt.device)
        place = self._cache.length
        if place == 0 or not self._replay.serves(place):
            out = self._model(decoder_input_ids=token, memory=self._memory, cache=self._cache, only_last=True)
            return out.logits[0, -1]
        return self._replay.next_logits(token, torch.tensor([[place]], device=token.device))[0, -1]


class Rereading:
    """A decoder whose hashing is that of `transformers`, where a new token shifts the chunks of the old ones: no cache
    would stay true, so each token reads the whole text again. As long as all tokens meet, a cache serves here too."""

    def __init__(self, model: Transformer, prompt: Tensor, max_new_tokens: int):
        self.written, self.n_read = prompt[0].cpu(), prompt.shape[1]
        self._model, self._text = model, prompt
        hashing = [layer.attn for layer in model.layers if isinstance(layer.attn, LSHAttention)]
        self._settled = min((attn.settled_up_to for attn in hashing), default=0)
        self._cache = model.new_cache(capacity=min(self._settled, self.n_read + max_new_tokens))

    def first_logits(self) -> Tensor:
        return self._read(self._text)

    def next_logits(self, token_id: int) -> Tensor:
        token = torch.tensor([[token_id]], device=self._text.device)
        self._text = torch.cat((self._text, token), dim=1)  # (1, T + 1)
        return self._read(token)

    def _read(self, newest: Tensor) -> Tensor:
        if self._text.shape[1] <= self._settled:
            return self._model(newest, cache=self._cache, only_last=True).logits[0, -1]
        return self._model(self._text, only_last=True).logits[0, -1]


def _capacity(model: Transformer | EncoderDecoder, n_tokens: int) -> int:
    """Room for `n_tokens`, as far as the model has positions."""
    return n_tokens if model.limit is None else min(model.limit, n_tokens)
