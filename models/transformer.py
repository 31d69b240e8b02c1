"""The one transformer: embed → layers → norm → head. Every difference between architectures is a field of its config."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.cache import KVCache
from models.config import ModelConfig
from models.errors import InputError
from models.heads import LMHead
from models.parts.attention import ATTENTIONS
from models.parts.blocks import BLOCKS
from models.parts.feedforward import FEEDFORWARDS
from models.parts.masks import Visibility, visibility
from models.parts.norms import NORMS
from models.parts.positions import NoPosition, build_position
from models.taps import Tap, name_taps


@dataclass(frozen=True, slots=True)
class ModelOutput:
    """What a pass returns: logits (B, T, V), and the cache it was given."""

    logits: Tensor
    cache: KVCache | None = None


class Transformer(nn.Module):
    """A decoder-only language model as `config` describes it. See `build` for one with initialised weights."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config
        # nn.Embedding() would draw the weights, which on "meta" makes torch import its compiler: two seconds for nothing.
        self.tok_embed = nn.Embedding.from_pretrained(torch.empty(config.vocab_size, config.d_model), freeze=False)
        self.position = build_position(config)
        self.embed_norm = _norm(config) if config.embed_norm else None
        self.layers = nn.ModuleList(_layer(config, self.position) for _ in range(config.n_layers))
        self.final_norm = _norm(config) if config.final_norm else None
        self.lm_head = LMHead(config.d_model, config.vocab_size, config.tie_embeddings, "head" in config.biases)
        self.embed, self.normed, self.logits = Tap("embed"), Tap("final_norm"), Tap("logits")
        name_taps(self)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        cache: KVCache | None = None,
        only_last: bool = False,
    ) -> ModelOutput:
        """input_ids (B, T) give logits (B, T, V), or (B, 1, V) with `only_last`.

        attention_mask: (B, S) with 1 = token and 0 = padding, or (B, 1, T, S), boolean (True = may look) or float (added
        to the scores); S counts the cached tokens too. position_ids: (B, T), by default the places in the sequence.
        Raises `InputError` where ids, positions or shapes do not fit.
        """
        n_past = cache.length if cache is not None else 0
        self._check_ids(input_ids)
        self._check_places(input_ids, attention_mask, position_ids, n_past)
        if cache is not None:
            cache.check(self.config.n_layers, input_ids.shape[0])
        n_new = input_ids.shape[1]
        if position_ids is None:
            position_ids = torch.arange(n_past, n_past + n_new, device=input_ids.device)[None]  # (1, T)
        views = self._visibilities(n_past, n_new, attention_mask, input_ids.device)
        logits = self.run(input_ids, position_ids, views, cache, only_last)
        if cache is not None:
            cache.advance(n_new)
        return ModelOutput(logits, cache)

    def run(
        self,
        input_ids: Tensor,
        position_ids: Tensor,
        views: list[Visibility],
        cache: KVCache | None = None,
        only_last: bool = False,
    ) -> Tensor:
        """The computation of `forward` alone, on what it has checked and derived; gives the logits.

        views: what tokens may see, one entry for each of the mask pattern.
        """
        angles = self.position.angles(position_ids, self.tok_embed.weight.dtype)
        x = self.position.embed(self.tok_embed(input_ids), position_ids)  # (B, T, D)
        if self.embed_norm is not None:
            x = self.embed_norm(x)
        x = self.embed(x)
        for i, layer in enumerate(self.layers):
            x = layer(x, visibility=views[i % len(views)], angles=angles, cache=cache, layer=i)
        if only_last:
            x = x[:, -1:]
        if self.final_norm is not None:
            x = self.final_norm(x)
        return self.logits(self.lm_head(self.normed(x), self.tok_embed.weight))

    def new_cache(self, batch: int = 1, capacity: int | None = None) -> KVCache:
        """An empty cache for `batch` sequences of up to `capacity` tokens (default: the model's context)."""
        cfg, weight = self.config, self.tok_embed.weight
        capacity = cfg.max_seq_len if capacity is None else capacity
        return KVCache(cfg.n_layers, batch, cfg.n_kv_heads, capacity, cfg.d_head, weight.dtype, weight.device)

    def _visibilities(self, n_past: int, n_new: int, attention_mask: Tensor | None, device) -> list[Visibility]:
        """One for each entry of the mask pattern, shared by the layers that repeat it."""
        n_total = n_past + n_new
        bias = self.position.bias(range(n_past, n_total), range(n_total), device)
        if bias is not None:
            bias = bias.to(self.tok_embed.weight.dtype)
        cfg = self.config
        return [
            visibility(cfg.layer(i), n_past, n_new, attention_mask, bias, device) for i in range(len(cfg.mask_pattern))
        ]

    def _check_ids(self, input_ids: Tensor) -> None:
        if input_ids.dim() != 2 or input_ids.numel() == 0 or input_ids.is_floating_point():
            raise InputError(
                "batch_shape", field="input_ids", value=tuple(input_ids.shape), expected="whole numbers, (B, T), none 0"
            )
        if input_ids.device.type == "meta":
            return
        for token_id in map(int, input_ids.aminmax()):
            if not 0 <= token_id < self.config.vocab_size:
                raise InputError("token_out_of_range", token_id=token_id, vocab_size=self.config.vocab_size)

    def _check_places(
        self, input_ids: Tensor, attention_mask: Tensor | None, position_ids: Tensor | None, n_past: int
    ) -> None:
        n_batch, n_new = input_ids.shape
        n_total = n_past + n_new
        if attention_mask is not None:
            shape = tuple(attention_mask.shape)
            wide = len(shape) == 4 and shape[0] in (1, n_batch) and shape[1] in (1, self.config.n_heads)
            if shape != (n_batch, n_total) and not (wide and shape[2:] == (n_new, n_total)):
                expected = f"{(n_batch, n_total)} or {(n_batch, 1, n_new, n_total)}"
                raise InputError("batch_shape", field="attention_mask", value=shape, expected=expected)
            if len(shape) == 4 and not (attention_mask.dtype == torch.bool or attention_mask.is_floating_point()):
                expected = "four dimensions of true and false, or of numbers with a point to be added"
                raise InputError("batch_shape", field="attention_mask", value=attention_mask.dtype, expected=expected)
        if position_ids is not None and tuple(position_ids.shape) not in ((n_batch, n_new), (1, n_new)):
            raise InputError(
                "batch_shape", field="position_ids", value=tuple(position_ids.shape), expected=(n_batch, n_new)
            )
        if self.position.limit is not None:
            n_needed = n_total if position_ids is None else int(position_ids.max()) + 1
            if n_needed > self.position.limit:
                raise InputError("input_too_long", n_tokens=n_needed, max_seq_len=self.position.limit)


def _norm(cfg: ModelConfig) -> nn.Module:
    return NORMS[cfg.norm](cfg.d_model, cfg.norm_eps, bias="norm" in cfg.biases)


def _layer(cfg: ModelConfig, position: NoPosition) -> nn.Module:
    attn = ATTENTIONS[cfg.attention](cfg, position)
    ffn = FEEDFORWARDS[cfg.ffn](cfg.d_model, cfg.d_ff, cfg.activation, bias="ffn" in cfg.biases)
    return BLOCKS[cfg.block](attn, ffn, norm=lambda: _norm(cfg))


def allocate(cfg: ModelConfig, device: str = "cpu") -> Transformer:
    """A model whose weights are memory that nobody has written yet, for a loader to fill; in eval mode."""
    with torch.device("meta"):
        model = Transformer(cfg)
    if device != "meta":
        model.to_empty(device=device)
    return model.eval()


def build(cfg: ModelConfig, seed: int = 0, device: str = "cpu") -> Transformer:
    """A model with random weights, the same for the same seed; in eval mode. On "meta" it has shapes and no memory.

    Matrices are drawn from N(0, 0.02²), those that write to the residual stream from N(0, 0.02² / 2·n_layers)
    (Radford et al. 2019, section 2.3); norms start at one, biases at zero.
    """
    model = allocate(cfg, device)
    if device != "meta":
        _initialise(model, seed)
    return model


@torch.no_grad()
def _initialise(model: Transformer, seed: int) -> None:
    generator = torch.Generator(device=model.tok_embed.weight.device).manual_seed(seed)
    residual_std = 0.02 / (2 * model.config.n_layers) ** 0.5
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            parameter.zero_()
        elif parameter.dim() == 1:
            parameter.fill_(1.0)
        else:
            writes_to_stream = name.endswith(("o_proj.weight", "down_proj.weight"))
            parameter.normal_(0.0, residual_std if writes_to_stream else 0.02, generator=generator)
