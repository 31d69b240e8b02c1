"""The one transformer: embed → layers → norm → head. Every difference between architectures is a field of its config."""

import torch
from torch import Tensor

from models.cache import KVCache
from models.config import ModelConfig
from models.context import Context
from models.errors import InputError
from models.heads import heads, last_tokens
from models.inputs import PatchEmbedding
from models.mtp import MultiTokenPrediction
from models.output import ModelOutput
from models.stack import Stack, check_ids, losses_of, norm, places, table, tokens_of
from models.taps import Tap, name_taps


class Transformer(Stack):
    """One stack: a decoder, a prefix decoder, an encoder, or an encoder of images. `build` gives one with weights."""

    def __init__(self, config: ModelConfig):
        layers = [config.layer(index) for index in range(config.n_layers + config.mtp_depth)]
        super().__init__(config, layers[: config.n_layers], further=layers[config.n_layers :])
        if config.image is None:
            self.tok_embed = table(config.vocab_size, config.d_model)
        else:
            self.patch_embed = PatchEmbedding(config.image, config.d_model)
        self.segment_embed = table(config.n_segments, config.d_model) if config.n_segments else None
        self.embed_norm = norm(config) if config.embed_norm else None
        for name, head in heads(config).items():
            self.add_module(name, head)
        self.mtp = MultiTokenPrediction(config, self.position) if config.mtp_depth else None
        self.logits = Tap("logits")
        name_taps(self)

    @property
    def weight(self) -> Tensor:
        """The first matrix, whose type and device are the model's."""
        return self.tok_embed.weight if self.config.image is None else self.patch_embed.weight

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        pixel_values: Tensor | None = None,
        global_attention_mask: Tensor | None = None,
        prefix_lengths: Tensor | None = None,
        cache: KVCache | None = None,
        only_last: bool = False,
        logits_at: Tensor | None = None,
    ) -> ModelOutput:
        """input_ids (B, T), or pixel_values (B, C, height, width), give logits (B, T, V), or (B, 1, V) with `only_last`,
        or those of the N places that the boolean `logits_at` (B, T) names, (N, V): a training may need few of them.

        attention_mask: (B, S) with 1 = token and 0 = padding, or (B, 1, T, S), boolean (True = may look) or float (added
        to the scores); S counts the cached tokens too. token_type_ids: (B, T), by default segment 0. position_ids: (B, T),
        by default the places in the sequence; (B, 2, T) for two-dimensional positions, the second row of which counts
        within a block. global_attention_mask: (B, T), 1 where a token sees and is seen by all (Longformer). prefix_lengths:
        (B,), how many first tokens of a prefix decoder see each other. Raises `InputError` where something does not fit, or
        says what this architecture cannot hear; zeros say nothing, and are taken by all.
        """
        cfg = self.config
        n_past = cache.length if cache is not None else 0
        if cfg.image is None:
            check_ids("input_ids", input_ids, cfg.vocab_size)
            n_batch, n_new = input_ids.shape
        else:
            n_batch, n_new = (0 if pixel_values is None else pixel_values.shape[0]), cfg.max_seq_len
        self.check_places(n_batch, n_new, n_past, attention_mask, position_ids)
        self._check_heard("input_ids" if cfg.image else "pixel_values", input_ids if cfg.image else pixel_values, False)
        self._check_heard("token_type_ids", token_type_ids, cfg.n_segments > 0)
        self._check_heard("global_attention_mask", global_attention_mask, "longformer" in cfg.mask_pattern)
        self._check_heard("prefix_lengths", prefix_lengths, cfg.structure == "prefix_decoder")
        self._check_heard("logits_at", logits_at, cfg.head in ("lm", "mlm", "mlm_nsp"))
        if token_type_ids is not None and self.segment_embed is not None:
            check_ids("token_type_ids", token_type_ids, cfg.n_segments)
        if cache is not None:
            cache.check(cfg.n_layers, n_batch)
        if position_ids is None:
            position_ids = places(n_past, n_new, self.weight.device)
        ctx = Context(
            views=self.views(n_past, n_new, attention_mask, self.weight, prefix_lengths),
            cache=cache,
            is_token=tokens_of(attention_mask, n_new),
            is_global=None if global_attention_mask is None else global_attention_mask.to(torch.bool),
        )
        read = pixel_values if cfg.image is not None else input_ids
        hidden = self.read(read, position_ids, ctx, token_type_ids, only_last)
        if cache is not None:
            cache.advance(n_new)
        answers = self._answers(hidden, ctx, input_ids, position_ids, attention_mask, logits_at)
        return ModelOutput(hidden=hidden, cache=cache, **answers)

    def read(
        self,
        read: Tensor,
        position_ids: Tensor,
        ctx: Context,
        token_type_ids: Tensor | None = None,
        only_last: bool = False,
    ) -> Tensor:
        """Token ids, or pixels, through the whole stack, on what `forward` has checked and derived: (B, T, D)."""
        ctx.angles = self.position.angles(position_ids, self.weight.dtype)
        x = self.position.embed(self._embedded(read), position_ids)  # (B, T, D)
        if self.segment_embed is not None:
            segments = torch.zeros_like(read) if token_type_ids is None else token_type_ids
            x = x + self.segment_embed(segments)
        if self.embed_norm is not None:
            x = self.embed_norm(x)
        return self.run_layers(x, ctx, only_last)

    def new_cache(self, batch: int = 1, capacity: int | None = None) -> KVCache:
        """An empty cache for `batch` sequences of up to `capacity` tokens (default: the model's context)."""
        capacity = self.config.max_seq_len if capacity is None else capacity
        return KVCache.for_model(self.config, batch, capacity, self.weight.dtype, self.weight.device)

    def next_logits(self, hidden: Tensor) -> Tensor:
        """The head's scores, (B, T, V), for what the stack gives, (B, T, D)."""
        return self.logits(self.lm_head(hidden, self.tok_embed.weight))

    def _embedded(self, read: Tensor) -> Tensor:
        if self.config.image is not None:
            return self.patch_embed(read)
        x = self.tok_embed(read)
        return x * self.config.d_model**0.5 if self.config.scale_embeddings else x

    def _check_heard(self, field: str, value: Tensor | None, is_heard: bool) -> None:
        """Raises `InputError` where an argument says something that this architecture has no part for."""
        if is_heard or value is None or value.device.type == "meta" or not bool(value.any()):
            return
        raise InputError("argument_without_effect", field=field)

    def _answers(
        self,
        hidden: Tensor,
        ctx: Context,
        input_ids: Tensor | None,
        position_ids: Tensor,
        attention_mask: Tensor | None,
        logits_at: Tensor | None,
    ) -> dict:
        """What the heads of this architecture say, under the names of `ModelOutput`."""
        cfg = self.config
        answers: dict = losses_of(cfg, ctx)
        read = hidden if logits_at is None else hidden[logits_at]  # (N, D)
        if cfg.pooler:
            answers["pooled"] = self.pooler(hidden)
        if cfg.head == "lm":
            answers["logits"] = self.next_logits(read)
        if cfg.head in ("mlm", "mlm_nsp"):
            answers["logits"] = self.logits(self.mlm_head(read, self.tok_embed.weight))
        if cfg.head == "mlm_nsp":
            answers["nsp_logits"] = self.nsp_head(answers["pooled"])
        if cfg.head == "classification":
            if not cfg.pooler:
                answers["pooled"] = last_tokens(hidden, ctx.is_token) if cfg.is_causal else hidden[:, 0]
            answers["logits"] = self.logits(self.classifier(answers["pooled"]))
        if self.mtp is not None and ctx.cache is None:
            answers["mtp_logits"], routings = self.mtp(self, input_ids, hidden, position_ids, attention_mask)
            answers["routings"] = (*answers.get("routings", ()), *routings)
        return answers
