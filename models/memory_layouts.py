"""How a weight lies in memory while a text is written, and what multiplies by it.

Writing a token multiplies a single row by every weight, so that the time is that of reading them. How near a product comes
to the memory's speed depends on the processor, on the type of the numbers and on the shape. Therefore the layouts are
timed, on the weights themselves, and the fastest is taken. Rows, as a weight is kept, need no second copy of it: another
layout has to save a tenth.

Rows of bf16 have two products: oneDNN's, which `F.linear` takes where oneDNN knows bf16, and PyTorch's own, which it takes
where oneDNN is set aside, and which reads a large weight twice as fast.
"""

import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from functools import cache
from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models import large_pages, onednn

WORTH_LAYING_OUT = 16_384  # weights; a smaller matrix takes no time in any layout
SAMPLE_BYTES = 32_000_000  # of one shape, to be timed: more than a processor keeps at hand of it
SAVING = 0.9  # of the time that rows take; what is slower is not worth a second copy
ROUNDS = 10
WORTH_SPLITTING = 250_000  # weights; below, threads cost more than they save


class Layout(NamedTuple):
    """A way of keeping a weight (d_out, d_in): `multiply(x, lay(weight), bias)` is `F.linear(x, weight, bias)`.

    is_copy: whether `lay` makes a second copy. without_onednn: whether a recording of `multiply` is to be
    replayed with oneDNN set aside.
    """

    lay: Callable[[Tensor], Tensor]
    multiply: Callable[[Tensor, Tensor, Tensor | None], Tensor]
    can_take: Callable[[Tensor], bool]
    is_copy: bool = True
    without_onednn: bool = False


class Products(Protocol):
    """What stands in for `F.linear` in a pass: the product, or None where it has nothing better to offer."""

    def product(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor | None: ...


_IN_FORCE: ContextVar[Products | None] = ContextVar("products", default=None)


@contextmanager
def in_force(products: Products) -> Iterator[None]:
    """Within it, `project` asks `products` first."""
    token = _IN_FORCE.set(products)
    try:
        yield
    finally:
        _IN_FORCE.reset(token)


def products_in_force() -> Products | None:
    return _IN_FORCE.get()


class Noting:
    """Notes which parameters a single row is multiplied by, in the order of the pass; computes nothing."""

    def __init__(self):
        self.weights: list[nn.Parameter] = []

    def product(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> None:
        if isinstance(weight, nn.Parameter) and x.numel() == weight.shape[1] and not self._knows(weight):
            self.weights.append(weight)

    def _knows(self, weight: Tensor) -> bool:
        return any(weight is known for known in self.weights)


class LaidOut:
    """Weights in the layouts in which a row is multiplied by them fastest; `tensors` are what is read instead of them."""

    def __init__(self, weights: Sequence[nn.Parameter]):
        self._layouts = {id(weight): layout for weight in weights if (layout := _fastest_for(weight, weights))}
        self.tensors = [self._layouts[id(weight)].lay(weight) for weight in weights if id(weight) in self._layouts]
        self._laid = dict(zip(self._layouts, self.tensors, strict=True))

    def with_tensors(self, tensors: Sequence[Tensor]) -> "LaidOut":
        """The same with other tensors for its own, as a recording gives them."""
        other = object.__new__(LaidOut)
        other._layouts, other.tensors = self._layouts, tensors
        other._laid = dict(zip(self._layouts, tensors, strict=True))
        return other

    def of_twins(self, twins: Mapping[int, nn.Parameter]) -> "LaidOut":
        """The same for a copy of the model, whose parameters `twins` gives by the ids of these."""
        other = object.__new__(LaidOut)
        other._layouts = {id(twins[weight]): layout for weight, layout in self._layouts.items()}
        return other.with_tensors(self.tensors)

    def in_recording(self) -> AbstractContextManager:
        """What a recording of these products is to be replayed within."""
        is_aside = any(layout.without_onednn for layout in self._layouts.values())
        return onednn.set_aside() if is_aside else nullcontext()

    def product(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor | None:
        if layout := self._layouts.get(id(weight)):
            return layout.multiply(x, self._laid[id(weight)], bias)
        return _times_several(x, weight, bias)


def _fastest_for(weight: nn.Parameter, weights: Sequence[nn.Parameter]) -> Layout | None:
    """The layout to read `weight` in, or None for rows; timed on those of `weights` that have its shape."""
    if weight.device.type != "cpu" or weight.numel() < WORTH_LAYING_OUT:
        return None
    kind = (tuple(weight.shape), weight.dtype, torch.get_num_threads())
    if kind not in _FASTEST:
        alike = [other for other in weights if other.shape == weight.shape and other.dtype == weight.dtype]
        fastest = _fastest(_sample(alike))
        if onednn.is_set_aside():  # by another thread: what was timed as rows may have been either product
            return None if fastest == "rows" else LAYOUTS[fastest]
        _FASTEST[kind] = fastest
    return None if _FASTEST[kind] == "rows" else LAYOUTS[_FASTEST[kind]]


_FASTEST: dict[tuple, str] = {}


def _sample(weights: Sequence[Tensor]) -> list[Tensor]:
    """As many rows of as many weights as make up `SAMPLE_BYTES`."""
    row = weights[0].shape[1] * weights[0].element_size()
    n_rows = min(weights[0].shape[0], SAMPLE_BYTES // row + 1)
    n_weights = SAMPLE_BYTES // (n_rows * row) + 1
    return [weight.detach()[:n_rows] for weight in weights[:n_weights]]


def _fastest(weights: Sequence[Tensor]) -> str:
    """The name of the layout in which a row is multiplied by all `weights` (n, d_in) soonest, or "rows"."""
    x = torch.ones(1, 1, weights[0].shape[1], dtype=weights[0].dtype)
    laid = {name: list(map(layout.lay, weights)) for name, layout in LAYOUTS.items() if layout.can_take(weights[0])}
    clock = time.thread_time if torch.get_num_threads() == 1 else time.perf_counter  # others compute here, too
    seconds = dict.fromkeys(laid, float("inf"))
    for _ in range(ROUNDS):  # in turns, so that what else the machine does falls on all
        for name, tensors in laid.items():
            begun = clock()
            for tensor in tensors:
                LAYOUTS[name].multiply(x, tensor, None)
            seconds[name] = min(seconds[name], clock() - begun)
    best = min(seconds, key=seconds.get)
    in_place = min((name for name in laid if not LAYOUTS[name].is_copy), key=seconds.get)
    return best if seconds[best] < SAVING * seconds[in_place] else in_place


def times_rows(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`F.linear`, also where it is slow.

    A product with a single row is bound by reading the weights, and the processor's library does it in one thread
    when numbers are fp32. As a batch of products with slices of the weight, each thread reads its own.
    """
    n_threads = torch.get_num_threads()
    d_out, d_in = weight.shape
    if (
        n_threads == 1
        or x.numel() != d_in
        or weight.numel() < WORTH_SPLITTING
        or x.dtype != torch.float32
        or x.device.type != "cpu"
        or torch.is_grad_enabled()
        or torch.is_autocast_enabled("cpu")
    ):
        return F.linear(x, weight, bias)
    n_rows = d_out // n_threads * n_threads
    slices = weight[:n_rows].view(n_threads, -1, d_in).transpose(1, 2)  # (threads, d_in, d_out / threads)
    out = torch.bmm(x.reshape(1, 1, d_in).expand(n_threads, 1, d_in), slices).flatten()  # (d_out,)
    if n_rows < d_out:
        out = torch.cat((out, torch.mv(weight[n_rows:], x.reshape(d_in))))
    if bias is not None:
        out = out + bias
    return out.view(*x.shape[:-1], d_out)


def _times_rows_without_onednn(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    if (several := _times_several(x, weight, bias)) is not None:
        return several
    with onednn.set_aside():
        return F.linear(x, weight, bias)


def _columns(weight: Tensor) -> Tensor:
    """The weight transposed, (d_in, d_out)."""
    columns = large_pages.empty((weight.shape[1], weight.shape[0]), weight.dtype)
    return columns.copy_(weight.detach().t())


def _times_columns(x: Tensor, columns: Tensor, bias: Tensor | None) -> Tensor:
    d_in, d_out = columns.shape
    n_threads = torch.get_num_threads()
    if (several := _times_several(x, columns.t(), bias)) is not None:
        return several
    if n_threads == 1 or x.numel() != d_in or d_out % n_threads:
        return F.linear(x, columns.t(), bias)
    # The processor's library multiplies a single row in one thread; of a batch, each takes its share.
    shares = columns.view(d_in, n_threads, -1).transpose(0, 1)  # (threads, d_in, d_out / threads)
    out = torch.bmm(x.reshape(1, 1, d_in).expand(n_threads, 1, d_in), shares).view(*x.shape[:-1], d_out)
    return out if bias is None else out + bias


def _blocks(weight: Tensor) -> Tensor:
    """The weight in the blocks that oneDNN's products go through, chosen by it for this processor."""
    blocks = torch.ops.mkldnn._reorder_linear_weight(weight.detach())
    large_pages.move(torch.ops.mkldnn.data_ptr(blocks), torch.ops.mkldnn._nbytes(blocks))
    return blocks


def _has_blocks(weight: Tensor) -> bool:
    """Whether oneDNN multiplies such numbers here."""
    if weight.device.type != "cpu" or not torch.backends.mkldnn.is_available() or not onednn.is_enabled():
        return False
    is_half = weight.dtype == torch.bfloat16
    return weight.dtype == torch.float32 or (is_half and torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _times_several(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor | None:
    """Several rows at once, those of a prompt, times a weight in any layout: oneDNN takes less time than `F.linear`."""
    return _times_blocks(x, weight, bias) if x.numel() != weight.shape[1] and _has_blocks(weight) else None


def _times_blocks(x: Tensor, blocks: Tensor, bias: Tensor | None) -> Tensor:
    return _scripted()(x, blocks, bias)


@cache
def _scripted() -> torch.jit.ScriptFunction:
    """oneDNN's product as a recording takes it, which has no word for a list that may hold numbers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.CompilationUnit(BLOCK_PRODUCT).times_blocks


BLOCK_PRODUCT = """
def times_blocks(x: Tensor, blocks: Tensor, bias: Optional[Tensor]) -> Tensor:
    none: List[Optional[Union[int, float, complex]]] = []
    return torch.ops.mkldnn._linear_pointwise(x, blocks, bias, "none", none, None)
"""


def _is_small_float(weight: Tensor) -> bool:
    return weight.dtype in (torch.float32, torch.bfloat16)


def _has_two_products(weight: Tensor) -> bool:
    return weight.dtype == torch.bfloat16 and _has_blocks(weight)


LAYOUTS: dict[str, Layout] = {
    "rows": Layout(lambda weight: weight, times_rows, lambda weight: True, is_copy=False),
    "rows without oneDNN": Layout(
        torch.Tensor.detach, _times_rows_without_onednn, _has_two_products, is_copy=False, without_onednn=True
    ),
    "columns": Layout(_columns, _times_columns, _is_small_float),
    "blocks": Layout(_blocks, _times_blocks, _has_blocks),
}
