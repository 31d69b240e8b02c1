"""Two stacks: an encoder that reads a text both ways, and a decoder that writes another, looking back at the first."""

import torch
from torch import Tensor, nn

from models.cache import KVCache
from models.config import ModelConfig
from models.context import Context
from models.errors import InputError
from models.heads import heads
from models.output import ModelOutput
from models.parts.masks import Visibility
from models.stack import Stack, check_ids, losses_of, places, table, tokens_of
from models.taps import Tap, name_taps


class EncoderDecoder(nn.Module):
    """The transformer of 2017 (Vaswani et al., section 3.1), of T5 and of Switch; both stacks share the token table."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config
        self.tok_embed = table(config.vocab_size, config.d_model)
        self.encoder = Stack(config, [config.encoder_layer(index) for index in range(config.n_encoder_layers)])
        self.decoder = Stack(config, [config.layer(index) for index in range(config.n_layers)], cross=True)
        for name, head in heads(config).items():
            self.add_module(name, head)
        self.logits = Tap("logits")
        name_taps(self)

    @property
    def weight(self) -> Tensor:
        """The token table, whose type and device are the model's."""
        return self.tok_embed.weight

    @property
    def limit(self) -> int | None:
        """How many positions either stack has; None where any number is one."""
        return self.decoder.limit

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        decoder_attention_mask: Tensor | None = None,
        memory: Tensor | None = None,
        cache: KVCache | None = None,
        only_last: bool = False,
        logits_at: Tensor | None = None,
    ) -> ModelOutput:
        """input_ids (B, S) are read and decoder_input_ids (B, T) continued: logits (B, T, V), or (B, 1, V) with
        `only_last`, or (N, V), those of the N places that the boolean `logits_at` (B, T) names.

        `memory` (B, S, D), what the encoder gave before, stands in for input_ids; attention_mask (B, S) is the encoder's,
        with 1 = token and 0 = padding; decoder_attention_mask (B, T) the decoder's, cached tokens included. Raises
        `InputError` where ids or shapes do not fit.
        """
        reading = Context()
        if memory is None:
            memory = self.encode(input_ids, attention_mask, reading)
        n_past = cache.length if cache is not None else 0
        check_ids("decoder_input_ids", decoder_input_ids, self.config.vocab_size)
        n_batch, n_new = decoder_input_ids.shape
        if n_batch != memory.shape[0]:
            raise InputError(
                "batch_shape", field="decoder_input_ids", value=(n_batch, n_new), expected=memory.shape[:1]
            )
        self.decoder.check_places(n_batch, n_new, n_past, decoder_attention_mask, None)
        if cache is not None:
            cache.check(self.config.n_layers, n_batch)
        writing = Context(
            views=self.decoder.views(n_past, n_new, decoder_attention_mask, self.weight),
            cache=cache,
            is_token=tokens_of(decoder_attention_mask, n_new),
            memory=memory,
            memory_view=_seen(attention_mask),
        )
        hidden = self.read(decoder_input_ids, places(n_past, n_new, self.weight.device), writing, only_last)
        if cache is not None:
            cache.advance(n_new)
        logits = self.next_logits(hidden if logits_at is None else hidden[logits_at])
        losses = losses_of(self.config, reading, writing)
        return ModelOutput(logits=logits, cache=cache, hidden=hidden, memory=memory, **losses)

    def encode(self, input_ids: Tensor, attention_mask: Tensor | None = None, ctx: Context | None = None) -> Tensor:
        """What the encoder makes of input_ids (B, S): the memory, (B, S, D); the routings of its layers go to `ctx`."""
        check_ids("input_ids", input_ids, self.config.vocab_size)
        n_batch, n_read = input_ids.shape
        self.encoder.check_places(n_batch, n_read, 0, attention_mask, None)
        ctx = Context() if ctx is None else ctx
        ctx.views = self.encoder.views(0, n_read, attention_mask, self.weight)
        ctx.is_token = tokens_of(attention_mask, n_read)
        return self._run(self.encoder, input_ids, places(0, n_read, self.weight.device), ctx)

    def read(self, decoder_input_ids: Tensor, position_ids: Tensor, ctx: Context, only_last: bool = False) -> Tensor:
        """Token ids through the whole decoder, on what `forward` has checked and derived: (B, T, D)."""
        return self._run(self.decoder, decoder_input_ids, position_ids, ctx, only_last)

    def next_logits(self, hidden: Tensor) -> Tensor:
        """The head's scores, (B, T, V), for what the decoder gives, (B, T, D)."""
        return self.logits(self.lm_head(hidden, self.tok_embed.weight))

    def new_cache(self, batch: int = 1, capacity: int | None = None) -> KVCache:
        """An empty cache for `batch` sequences of up to `capacity` decoded tokens (default: the model's context)."""
        capacity = self.config.max_seq_len if capacity is None else capacity
        return KVCache.for_model(self.config, batch, capacity, self.weight.dtype, self.weight.device)

    def _run(self, stack: Stack, ids: Tensor, position_ids: Tensor, ctx: Context, only_last: bool = False) -> Tensor:
        x = self.tok_embed(ids)
        if self.config.scale_embeddings:
            x = x * self.config.d_model**0.5
        ctx.angles = stack.position.angles(position_ids, x.dtype)
        return stack.run_layers(stack.position.embed(x, position_ids), ctx, only_last)


def _seen(attention_mask: Tensor | None) -> Visibility:
    """The encoder's tokens as the decoder sees them: all but padding."""
    if attention_mask is None:
        return Visibility()
    if attention_mask.dim() != 2:
        raise InputError(
            "batch_shape",
            field="attention_mask",
            value=tuple(attention_mask.shape),
            expected="(B, S) of an encoder-decoder",
        )
    return Visibility(attention_mask.to(torch.bool)[:, None, None, :])  # (B, 1, 1, S)
