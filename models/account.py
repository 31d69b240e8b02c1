"""What a model costs before it exists: parameters, KV cache, FLOPs and memory by formula; and counted from a module.

Every figure is computed by a `Formula`, which also says how. Nothing here imports torch or allocates weights, so that
hundreds of billions of parameters cost as little to ask about as one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Integral

from models.config import ModelConfig
from models.costs import cached_entries, forward_flops, naive_token_flops, token_flops, tokens_kept
from models.errors import InputError
from models.formula import Formula, named, total
from models.parameters import PartWeights, parts_of

BYTES = {"fp32": 4, "bf16": 2, "int8": 1}
MAX_BATCH = 1_000_000
MAX_RANKS = 1_000_000
STACKS = ("encoder", "decoder", "text", "vision")
NO_CACHE = Formula(0, "0", "0")


@dataclass(frozen=True)
class Part:
    """The parameters of one kind of part, `count` in the whole model, of which a token meets `active`.

    `key` begins with the stack's name where there are several ("decoder.attn"). `copies` is how many of the part there
    are (`n_layers`, or 1), `kind` names its colour. `formula` is written in symbols, `worked` with the values put in and
    the result.
    """

    key: str
    kind: str
    count: int
    active: int
    copies: int
    formula: str
    worked: str

    @property
    def stack(self) -> str:
        """The stack that the part belongs to: "encoder", "decoder", "text" or "vision"; empty where there is but one."""
        stack, _, _ = self.key.rpartition(".")
        return stack

    @property
    def name(self) -> str:
        """The key without the stack: one of `PARTS`."""
        return self.key.rpartition(".")[2]


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
    ranks: int
    parts: tuple[Part, ...]
    figures: dict[str, Figure]

    @property
    def params(self) -> int:
        """Parameters of the whole model."""
        return self.figures["params"].value

    @property
    def active_params(self) -> int:
        """Parameters that one token uses: all but those of the experts that it is not sent to."""
        return self.figures["active_params"].value

    @property
    def kv_bytes_per_token(self) -> int:
        """Bytes that one decoded token of one sequence takes in the cache, all layers together; 0 without a cache."""
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


def account(
    cfg: ModelConfig, context: int | None = None, batch: int = 1, dtype: str = "bf16", ranks: int = 1
) -> Account:
    """The figures of `cfg` for `batch` sequences of `context` tokens (default: its `max_seq_len`), cached in `dtype`.

    `costs` says what a FLOP is and which are counted. An encoder-decoder reads `context` tokens and writes as many; its
    `kv_bytes_per_token` is that of a written token, `kv_bytes_per_token_read` that of a read one, whose keys and values
    cross-attention keeps. An encoder caches nothing. An image always has all its patches.

    `memory_…` is that of the weights alone. `memory_training` is what mixed-precision Adam holds of each parameter: weight
    and gradient in 16 bits, and in 32 bits a master weight, momentum and variance (Rajbhandari et al. 2019, ZeRO,
    arXiv:1910.02054, section 3.1); its stages 1 to 3 share the optimiser's part, gradients too, weights too among
    `ranks` devices. Activations are left out.
    Raises `InputError` for a context beyond `max_seq_len`, a batch or ranks below 1, or an unknown `dtype`.
    """
    context = cfg.max_seq_len if context is None or cfg.image is not None else context
    _check_count("context", context, cfg.max_seq_len)
    _check_count("batch", batch, MAX_BATCH)
    _check_count("ranks", ranks, MAX_RANKS)
    if dtype not in BYTES:
        raise InputError("not_a_choice", field="dtype", value=dtype, allowed=", ".join(BYTES))
    counted = parts_of(cfg)
    formulas = [
        *_parameters(counted),
        *_cache(cfg, named("context", context), named("batch", batch), named("bytes", BYTES[dtype])),
        *_flops(cfg, counted, named("context", context), named("batch", batch)),
        *_memory(named("params", sum(part.count.value for part in counted)), named("ranks", ranks)),
    ]
    figures = {
        key: Figure(key, formula.value, unit, formula.symbols, formula.equation) for key, unit, formula in formulas
    }
    return Account(cfg, context, batch, dtype, ranks, tuple(map(_part, counted)), figures)


def measure(model) -> dict[str, int]:
    """Parameters of each part, counted from a built module (also on the meta device), under the keys of `Part`."""
    counts: dict[str, int] = {}
    for name, parameter in model.named_parameters():
        key = _part_of(name)
        counts[key] = counts.get(key, 0) + parameter.numel()
    return counts


def _part_of(parameter_name: str) -> str:
    place, *inside = parameter_name.split(".")
    if place in STACKS:
        return f"{place}.{_part_of('.'.join(inside))}"
    if parameter_name.endswith("class_token"):
        return "class_token"
    if place != "layers":
        return place
    _, sublayer, *modules = inside  # the layer's index, its sub-layer, modules within it, the parameter
    if sublayer.endswith("norm") or any(module.endswith("norm") for module in modules):
        return "norms"
    if sublayer != "ffn":
        return sublayer
    return modules[0] if modules[0] in ("router", "experts", "shared") else "ffn"


Formulas = Iterator[tuple[str, str, Formula]]
"""Key, unit and formula of some figures."""


def _parameters(counted: list[PartWeights]) -> Formulas:
    counts = [(part, named(part.key, part.count.value)) for part in counted if part.count.value]
    yield "params", "params", total(count for _, count in counts)
    used = (count if part.active.value == count.value else part.active for part, count in counts)
    yield "active_params", "params", total(used)


def _cache(cfg: ModelConfig, context: Formula, batch: Formula, entry: Formula) -> Formulas:
    """`entry` is the size in bytes of one number."""
    n_layers = named("n_layers", cfg.n_layers)
    entries = cached_entries(cfg)
    if entries is None:
        yield "kv_bytes_per_token", "bytes", NO_CACHE
        yield "kv_bytes", "bytes", NO_CACHE
        return
    per_token = entries * entry
    yield "kv_bytes_per_token", "bytes", n_layers * per_token
    written = batch * per_token * tokens_kept(cfg, context)
    if cfg.structure != "encoder_decoder":
        yield "kv_bytes", "bytes", written
        return
    yield "kv_bytes_per_token_read", "bytes", n_layers * per_token
    yield "kv_bytes", "bytes", written + batch * per_token * n_layers * context


def _flops(cfg: ModelConfig, counted: list[PartWeights], context: Formula, batch: Formula) -> Formulas:
    yield "flops_per_token", "flops", token_flops(cfg, counted, context)
    if cfg.mla is not None:
        yield "flops_per_token_naive", "flops", naive_token_flops(cfg, counted, context)
    yield "flops_forward", "flops", batch * forward_flops(cfg, counted, context)


def _memory(params: Formula, ranks: Formula) -> Formulas:
    for dtype, n_bytes in BYTES.items():
        yield f"memory_{dtype}", "bytes", params * named("bytes", n_bytes)
    yield "memory_training", "bytes", 16 * params
    yield "memory_training_zero1", "bytes", 4 * params + (12 * params).shared_by(ranks)
    yield "memory_training_zero2", "bytes", 2 * params + (14 * params).shared_by(ranks)
    yield "memory_training_zero3", "bytes", (16 * params).shared_by(ranks)


def _part(part: PartWeights) -> Part:
    count = part.count
    return Part(part.key, part.kind, count.value, part.active.value, part.copies, count.symbols, count.equation)


def _check_count(field: str, value: object, highest: int) -> None:
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise InputError("not_an_integer", field=field, value=value)
    if not 1 <= value <= highest:
        raise InputError("out_of_range", field=field, value=value, low=1, high=highest)
