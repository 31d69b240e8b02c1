"""A stack of layers and the norm after it: what encoder and decoder have in common."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.config import LayerConfig, ModelConfig
from models.context import Context
from models.errors import InputError
from models.parts.attention import cross_attention
from models.parts.attentions import ATTENTIONS
from models.parts.balancing import router_losses
from models.parts.blocks import build_block
from models.parts.masks import Visibility, visibility
from models.parts.mixtures import feed_forward
from models.parts.norms import NORMS
from models.parts.positions import NoPosition, build_position
from models.taps import Tap


class Stack(nn.Module):
    """Positions, layers and final norm, as `cfg` and the `layers` resolved from it say; `cross` adds attention to a
    memory in each layer. `further` layers, which others build, see through the masks of this stack after its own."""

    def __init__(
        self, cfg: ModelConfig, layers: Sequence[LayerConfig], cross: bool = False, further: Sequence[LayerConfig] = ()
    ):
        super().__init__()
        self.config = cfg
        self.patterns = [*layers, *further][: len(cfg.mask_pattern)]  # the layers after these repeat their masks
        self.position = build_position(cfg, causal=layers[0].causal)
        self.layers = nn.ModuleList(build_layer(cfg, layer, self.position, cross) for layer in layers)
        self.final_norm = norm(cfg, 2 if cfg.block == "reversible" else 1) if cfg.final_norm else None
        self.embed, self.normed = Tap("embed"), Tap("final_norm")

    @property
    def limit(self) -> int | None:
        """How many positions there are; None where any number is one."""
        return self.position.limit

    def run_layers(self, x: Tensor, ctx: Context, only_last: bool = False) -> Tensor:
        """x (B, T, D), embedded, through all layers and the final norm; (B, 1, D) with `only_last`."""
        x = self.embed(x)
        if self.config.block == "reversible":
            x = torch.cat((x, x), dim=-1)  # (B, T, 2D)
        for layer in self.layers:
            x = layer(x, ctx)
        if only_last:
            x = x[:, -1:]
        if self.final_norm is not None:
            x = self.final_norm(x)
        return self.normed(x)

    def views(
        self,
        n_past: int,
        n_new: int,
        attention_mask: Tensor | None,
        like: Tensor,
        prefix_lengths: Tensor | None = None,
    ) -> list[Visibility]:
        """What queries may see, one entry for each of the mask pattern, shared by the layers that repeat it.

        `like` gives device and type of the scores' bias.
        """
        n_total = n_past + n_new
        bias = self.position.bias(range(n_past, n_total), range(n_total), like.device)
        if bias is not None:
            bias = bias.to(like.dtype)
        sparse = self.config.sparse
        return [
            visibility(layer, sparse, n_past, n_new, attention_mask, bias, like.device, prefix_lengths)
            for layer in self.patterns
        ]

    def check_places(
        self, n_batch: int, n_new: int, n_past: int, attention_mask: Tensor | None, position_ids: Tensor | None
    ) -> None:
        """Raises `InputError` where a mask's or the positions' shape does not fit, or a position does not exist."""
        n_total = n_past + n_new
        if attention_mask is not None:
            self._check_mask(n_batch, n_new, n_total, attention_mask)
        if position_ids is not None:
            shape = tuple(position_ids.shape)
            flat = shape if len(shape) == 2 else (shape[0], *shape[2:])
            if flat not in ((n_batch, n_new), (1, n_new)) or (len(shape) == 3 and shape[1] != 2):
                raise InputError("batch_shape", field="position_ids", value=shape, expected=(n_batch, n_new))
        if self.limit is not None:
            lowest, highest = (0, n_total - 1) if position_ids is None else map(int, position_ids.aminmax())
            if highest >= self.limit:
                raise InputError("input_too_long", n_tokens=highest + 1, max_seq_len=self.limit)
            if lowest < 0:
                raise InputError("out_of_range", field="position_ids", value=lowest, low=0, high=self.limit - 1)

    def _check_mask(self, n_batch: int, n_new: int, n_total: int, attention_mask: Tensor) -> None:
        shape = tuple(attention_mask.shape)
        wide = len(shape) == 4 and shape[0] in (1, n_batch) and shape[1] in (1, self.config.n_heads)
        if shape != (n_batch, n_total) and not (wide and shape[2:] == (n_new, n_total)):
            expected = f"{(n_batch, n_total)} or {(n_batch, 1, n_new, n_total)}"
            raise InputError("batch_shape", field="attention_mask", value=shape, expected=expected)
        if len(shape) == 4 and not (attention_mask.dtype == torch.bool or attention_mask.is_floating_point()):
            expected = "four dimensions of true and false, or of numbers with a point to be added"
            raise InputError("batch_shape", field="attention_mask", value=attention_mask.dtype, expected=expected)


def norm(cfg: ModelConfig, widths: int = 1) -> nn.Module:
    """A norm of the kind that `cfg` names, over `widths` · d_model."""
    return NORMS[cfg.norm](widths * cfg.d_model, cfg.norm_eps, bias="norm" in cfg.biases)


def table(n_rows: int, d_model: int) -> nn.Embedding:
    """An embedding table of weights yet to come.

    nn.Embedding() would draw them, which on "meta" makes torch import its compiler: two seconds for nothing.
    """
    return nn.Embedding.from_pretrained(torch.empty(n_rows, d_model), freeze=False)


def build_layer(cfg: ModelConfig, layer: LayerConfig, position: NoPosition, cross: bool = False) -> nn.Module:
    """One layer: attention and feed-forward in the block of `cfg`."""
    attn = ATTENTIONS[layer.attention](cfg, layer, position)
    across = cross_attention(cfg, layer) if cross else None
    return build_block(cfg, attn, feed_forward(cfg, layer), norm=lambda: norm(cfg), cross=across)


def losses_of(cfg: ModelConfig, *passes: Context) -> dict[str, Tensor]:
    """The losses that the routers of these passes, one a stack, ask for, and where tokens went, as in `ModelOutput`.

    Decoding with a cache is no training, and is spared the losses.
    """
    found = [router_losses(ctx.routings, cfg.moe, ctx.is_token) for ctx in passes if ctx.routings and ctx.cache is None]
    if not found:
        return {}
    return {
        "aux_loss": sum(losses.balance for losses in found),
        "aux_loss_by_layer": sum(losses.balance_by_layer for losses in found),
        "z_loss": sum(losses.z for losses in found),
        "routings": tuple(routing for ctx in passes for routing in ctx.routings),
    }


def check_ids(field: str, ids: Tensor | None, vocab_size: int) -> None:
    """Raises `InputError` unless `ids` are whole numbers (B, T), at least one, within the vocabulary."""
    if ids is None:
        raise InputError("missing_field", field=field)
    if ids.dim() != 2 or ids.numel() == 0 or ids.is_floating_point():
        raise InputError("batch_shape", field=field, value=tuple(ids.shape), expected="whole numbers, (B, T), none 0")
    if ids.device.type == "meta":
        return
    for token_id in map(int, ids.aminmax()):
        if not 0 <= token_id < vocab_size:
            raise InputError("token_out_of_range", token_id=token_id, vocab_size=vocab_size)


def tokens_of(attention_mask: Tensor | None, n_new: int) -> Tensor | None:
    """Which of the newest `n_new` places hold a token, (B, T); None where no padding mask (B, S) was given."""
    if attention_mask is None or attention_mask.dim() != 2:
        return None
    return attention_mask[:, -n_new:].to(torch.bool)


def places(n_past: int, n_new: int, device: torch.device) -> Tensor:
    """The places of `n_new` tokens after `n_past` cached ones, (1, T)."""
    return torch.arange(n_past, n_past + n_new, device=device)[None]
