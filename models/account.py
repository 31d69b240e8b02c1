"""What a model costs before it exists: parameters, KV cache, FLOPs and memory by formula; and counted from a module.

Every figure is computed by a `Formula`, which also says how. Nothing here imports torch or allocates weights, so that
hundreds of billions of parameters cost as little to ask about as one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Integral

from models.config import ModelConfig
from models.errors import InputError
from models.formula import Formula, named, smaller, total
from models.parameters import PARTS, Weights, sizes_of, weights_of

BYTES = {"fp32": 4, "bf16": 2, "int8": 1}
MAX_BATCH = 1_000_000


@dataclass(frozen=True)
class Part:
    """The parameters of one kind of part, `count` in the whole model.

    `copies` is how many of the part there are (`n_layers`, or 1), `kind` names its colour. `formula` is written in
    symbols, `worked` with the values put in and the result.
    """

    key: str
    kind: str
    count: int
    copies: int
    formula: str
    worked: str


@dataclass(frozen=True)
class Figure:
    """One number about the model, with the formula that gives it; `unit` is "params", "bytes" or "flops"."""

    key: str
    value: int
    unit: str
    formula: str
    worked: str


@dataclass(frozen=True)
class Account:
    """All figures of one configuration; the counts of its `parts` add up to `params`."""

    cfg: ModelConfig
    context: int
    batch: int
    dtype: str
    parts: tuple[Part, ...]
    figures: dict[str, Figure]

    @property
    def params(self) -> int:
        """Parameters of the whole model."""
        return self.figures["params"].value

    @property
    def active_params(self) -> int:
        """Parameters that one token uses; in a dense model, all of them."""
        return self.figures["active_params"].value

    @property
    def kv_bytes_per_token(self) -> int:
        """Bytes that one token of one sequence takes in the cache, all layers together."""
        return self.figures["kv_bytes_per_token"].value

    @property
    def kv_bytes(self) -> int:
        """Bytes of the cache of `batch` sequences of `context` tokens."""
        return self.figures["kv_bytes"].value

    @property
    def flops_per_token(self) -> int:
        """FLOPs of the decoding step of one sequence that reads `context` tokens, its own included."""
        return self.figures["flops_per_token"].value

    @property
    def flops_forward(self) -> int:
        """FLOPs of one pass over `batch` sequences of `context` tokens."""
        return self.figures["flops_forward"].value

    @property
    def memory(self) -> dict[str, int]:
        """Bytes of the weights alone, in each number format."""
        return {dtype: self.figures[f"memory_{dtype}"].value for dtype in BYTES}


def account(cfg: ModelConfig, context: int | None = None, batch: int = 1, dtype: str = "bf16") -> Account:
    """The figures of `cfg` for `batch` sequences of `context` tokens (default: its `max_seq_len`), cached in `dtype`.

    A FLOP is one multiplication or one addition within a matrix product; norms, softmax and activations are left out.
    `flops_forward` counts context × context attention scores in every layer: a mask hides scores, it does not save an
    eager pass from computing them. For decoding, a layer with a sliding window keeps and reads its last `window` tokens
    only. Memory is that of the weights alone, without cache, activations, gradients or optimiser states.
    Raises `InputError` for a context beyond `max_seq_len`, a batch below 1, or an unknown `dtype`.
    """
    context = cfg.max_seq_len if context is None else context
    _check_count("context", context, cfg.max_seq_len)
    _check_count("batch", batch, MAX_BATCH)
    if dtype not in BYTES:
        raise InputError("not_a_choice", field="dtype", value=dtype, allowed=", ".join(BYTES))
    weights = weights_of(cfg)
    parts = tuple(_part(key, part) for key, part in weights.items())
    formulas = _formulas(cfg, weights, named("context", context), named("batch", batch), named("bytes", BYTES[dtype]))
    figures = {key: _figure(key, unit, formula) for key, unit, formula in formulas}
    return Account(cfg, context, batch, dtype, parts, figures)


def measure(model) -> dict[str, int]:
    """Parameters of each part, counted from a built module (also on the meta device), under the keys of `PARTS`."""
    counts: dict[str, int] = {}
    for name, parameter in model.named_parameters():
        key = _part_of(name)
        counts[key] = counts.get(key, 0) + parameter.numel()
    return counts


def _part_of(parameter_name: str) -> str:
    place, *inside = parameter_name.split(".")
    if place != "layers":
        return place
    _, *modules, _ = inside  # the layer's index, the modules, "weight" or "bias"
    return "norms" if modules[-1].endswith("norm") else modules[0]


def _formulas(
    cfg: ModelConfig, weights: dict[str, Weights], context: Formula, batch: Formula, entry: Formula
) -> Iterator[tuple[str, str, Formula]]:
    """Key, unit and formula of every figure; `entry` is the size in bytes of one number in the cache."""
    s = sizes_of(cfg)
    counts = {key: part.count.value for key, part in weights.items()}
    params = total(named(key, count) for key, count in counts.items() if count)
    yield "params", "params", params
    yield "active_params", "params", params

    kept = _tokens_kept(cfg, s.n_layers, context)
    keys_and_values = 2 * s.n_kv_heads * s.d_head * entry
    yield "kv_bytes_per_token", "bytes", s.n_layers * keys_and_values
    yield "kv_bytes", "bytes", batch * keys_and_values * kept

    entries = [part.multiplied for part in weights.values()]
    multiplied = total(entry for entry in entries if entry is not None)
    # Two products a score: q·k, and the score times v; each is a multiplication and an addition.
    per_score = 4 * s.n_heads * s.d_head
    yield "flops_per_token", "flops", 2 * multiplied + per_score * kept
    scores = per_score * s.n_layers * context.squared()
    yield "flops_forward", "flops", batch * (2 * context * multiplied + scores)

    for dtype, n_bytes in BYTES.items():
        yield f"memory_{dtype}", "bytes", named("params", params.value) * named("bytes", n_bytes)


def _tokens_kept(cfg: ModelConfig, n_layers: Formula, context: Formula) -> Formula:
    """Tokens whose keys the last one reads, summed over the layers."""
    rounds, rest = divmod(cfg.n_layers, len(cfg.mask_pattern))
    n_sliding = rounds * cfg.mask_pattern.count("sliding") + cfg.mask_pattern[:rest].count("sliding")
    if n_sliding == 0:
        return n_layers * context
    in_window = smaller(context, named("window", cfg.window))
    if n_sliding == cfg.n_layers:
        return n_layers * in_window
    return named("n_causal", cfg.n_layers - n_sliding) * context + named("n_sliding", n_sliding) * in_window


def _part(key: str, weights: Weights) -> Part:
    kind, _ = PARTS[key]
    copies = 1 if weights.per_layer is None else weights.per_layer.value
    count = weights.count
    return Part(key, kind, count.value, copies, count.symbols, count.equation)


def _figure(key: str, unit: str, formula: Formula) -> Figure:
    return Figure(key, formula.value, unit, formula.symbols, formula.equation)


def _check_count(field: str, value: object, highest: int) -> None:
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise InputError("not_an_integer", field=field, value=value)
    if not 1 <= value <= highest:
        raise InputError("out_of_range", field=field, value=value, low=1, high=highest)
