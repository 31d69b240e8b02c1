"""Looking inside a running model, and reaching in.

A `Tap` marks a point of the computation: `x = self.resid_mid(x + attn_out)` returns its argument untouched unless somebody
in this very context is looking. Observers live in a `ContextVar`, never on the model, so two visitors can run one cached
model at the same time and each sees only their own numbers.

    with capture("*.attn.probs") as trace:
        model(input_ids)
    trace["layers.3.attn.probs"]                                  # (B, H, T, S)

    with patch({"layers.3.attn.head_out": lambda value: value * 0}):
        model(input_ids)
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from fnmatch import fnmatchcase

from torch import Tensor, nn

from models.errors import InputError


@dataclass(frozen=True)
class TapSpec:
    """What a tap shows: its dimensions in the letters of the shape legend, and one sentence."""

    dims: tuple[str, ...]
    meaning: str


_RESIDUAL = ("B", "T", "D")
_HEADS = ("B", "H", "T", "d_head")
_SCORES = ("B", "H", "T", "S")
_CHOSEN = ("B", "T", "n_experts_per_token")

# An encoder-decoder's names begin with "encoder." or "decoder.", those of two towers with "text." or "vision.".
TAP_SPECS: dict[str, TapSpec] = {
    "embed": TapSpec(_RESIDUAL, "What enters the first layer: token embeddings, with positions added where they are."),
    "layers.{i}.resid_pre": TapSpec(_RESIDUAL, "The residual stream as layer i receives it."),
    "layers.{i}.attn.q": TapSpec(_HEADS, "Queries, after the rotation where there is one."),
    "layers.{i}.attn.k": TapSpec(("B", "K", "S", "d_head"), "Keys, after the rotation, those of the cache included."),
    "layers.{i}.attn.v": TapSpec(("B", "K", "S", "d_head"), "Values, those of the cache included."),
    "layers.{i}.attn.scores": TapSpec(_SCORES, "Scaled q·k plus position bias, masked entries at -inf."),
    "layers.{i}.attn.probs": TapSpec(_SCORES, "Attention probabilities; each row sums to one."),
    "layers.{i}.attn.head_out": TapSpec(_HEADS, "Each head's weighted sum of values, before o_proj."),
    "layers.{i}.attn.global_q": TapSpec(_HEADS, "Queries of Longformer's global tokens, for all tokens."),
    "layers.{i}.attn.global_k": TapSpec(("B", "H", "S", "d_head"), "The keys that its global tokens read."),
    "layers.{i}.attn.global_v": TapSpec(("B", "H", "S", "d_head"), "The values that its global tokens read."),
    "layers.{i}.attn.out": TapSpec(_RESIDUAL, "What attention computes, before a norm after it."),
    "layers.{i}.resid_mid": TapSpec(_RESIDUAL, "The residual stream between attention and feed-forward."),
    "layers.{i}.cross_attn.q": TapSpec(_HEADS, "Queries of the decoder to the encoder's memory."),
    "layers.{i}.cross_attn.k": TapSpec(("B", "K", "S", "d_head"), "Keys of the memory's tokens."),
    "layers.{i}.cross_attn.v": TapSpec(("B", "K", "S", "d_head"), "Values of the memory's tokens."),
    "layers.{i}.cross_attn.scores": TapSpec(_SCORES, "Scaled q·k, padding of the memory at -inf."),
    "layers.{i}.cross_attn.probs": TapSpec(_SCORES, "What share of the memory each decoded token reads."),
    "layers.{i}.cross_attn.head_out": TapSpec(_HEADS, "Each head's weighted sum of the memory's values."),
    "layers.{i}.cross_attn.out": TapSpec(_RESIDUAL, "What cross-attention computes, before a norm after it."),
    "layers.{i}.resid_cross": TapSpec(_RESIDUAL, "The residual stream between cross-attention and feed-forward."),
    "layers.{i}.ffn.router_in": TapSpec(_RESIDUAL, "What the router of a mixture reads."),
    "layers.{i}.ffn.router_logits": TapSpec(("B", "T", "E"), "The router's score of each expert."),
    "layers.{i}.ffn.router_probs": TapSpec(("B", "T", "E"), "The scores after softmax or sigmoid, before the choice."),
    "layers.{i}.ffn.expert_ids": TapSpec(_CHOSEN, "The experts that each token goes to, -1 where one was full."),
    "layers.{i}.ffn.expert_weights": TapSpec(_CHOSEN, "How much each of them counts."),
    "layers.{i}.ffn.dispatch": TapSpec(("B", "T", "slots"), "Of which tokens each slot of Soft MoE is mixed."),
    "layers.{i}.ffn.combine": TapSpec(("B", "T", "slots"), "Of which slots each token's result is mixed."),
    "layers.{i}.ffn.shared.out": TapSpec(_RESIDUAL, "What the shared experts compute."),
    "layers.{i}.ffn.out": TapSpec(_RESIDUAL, "What the feed-forward layer computes, before a norm after it."),
    "layers.{i}.resid_post": TapSpec(_RESIDUAL, "The residual stream as layer i leaves it."),
    "final_norm": TapSpec(_RESIDUAL, "The residual stream as the head reads it."),
    "logits": TapSpec(("B", "T", "V"), "One score for each entry of the vocabulary."),
}


class Trace(Mapping[str, Tensor]):
    """What a `capture` saw, by tap name; of several passes, the last one's value."""

    def __init__(self, patterns: tuple[str, ...]):
        self._patterns = patterns
        self._seen: dict[str, Tensor] = {}

    def wants(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self._patterns)

    def visit(self, name: str, value: Tensor) -> Tensor:
        if self.wants(name):
            # Keys and values may be views of a cache that goes on being written.
            self._seen[name] = value.detach().clone() if value._is_view() else value.detach()
        return value

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._seen:
            raise InputError("unknown_tap", name=name, known=", ".join(list(self._seen)[:5]) or "–")
        return self._seen[name]

    def __contains__(self, name: object) -> bool:
        return name in self._seen

    def get(self, name: str, default: Tensor | None = None) -> Tensor | None:
        return self._seen.get(name, default)

    def __iter__(self) -> Iterator[str]:
        return iter(self._seen)

    def __len__(self) -> int:
        return len(self._seen)


class _Patches:
    def __init__(self, edits: Mapping[str, Callable[[Tensor], Tensor]]):
        self._edits = edits
        self.applied: set[str] = set()

    def wants(self, name: str) -> bool:
        return name in self._edits

    def visit(self, name: str, value: Tensor) -> Tensor:
        if name not in self._edits:
            return value
        self.applied.add(name)
        edited = self._edits[name](value)
        if edited.shape != value.shape:
            raise InputError(
                "batch_shape", field=name, value=tuple(edited.shape), expected=f"{tuple(value.shape)}, as before"
            )
        return edited


# Patches stand before traces, so that a trace sees the replaced value.
_OBSERVERS: ContextVar[tuple[_Patches | Trace, ...]] = ContextVar("observers", default=())


def observed() -> bool:
    """True while anybody in this context captures or patches."""
    return bool(_OBSERVERS.get())


class Tap:
    """A named point of the computation; `name` is local until `name_taps` has put the module's path before it."""

    __slots__ = ("local_name", "name")

    def __init__(self, local_name: str):
        self.local_name = local_name
        self.name = local_name

    def __call__(self, value: Tensor) -> Tensor:
        for observer in _OBSERVERS.get():
            value = observer.visit(self.name, value)
        return value

    @property
    def watched(self) -> bool:
        """True while an observer of this context wants this tap."""
        observers = _OBSERVERS.get()
        return bool(observers) and any(observer.wants(self.name) for observer in observers)


def name_taps(model: nn.Module) -> None:
    """Give every tap of `model` its full name, the path of its module before the local one."""
    for path, module in model.named_modules():
        for value in vars(module).values():
            if isinstance(value, Tap):
                value.name = f"{path}.{value.local_name}" if path else value.local_name


@contextmanager
def capture(*patterns: str) -> Iterator[Trace]:
    """Collect the tensors whose tap names match any of `patterns` (`*` matches anything, dots included).

    Captured tensors are detached. Do not keep a capture open across a `yield` of a generator: its
    context would leak into the caller's.
    """
    trace = Trace(patterns)
    token = _OBSERVERS.set((*_OBSERVERS.get(), trace))
    try:
        yield trace
    finally:
        _OBSERVERS.reset(token)


@contextmanager
def patch(edits: Mapping[str, Callable[[Tensor], Tensor]]) -> Iterator[None]:
    """Replace the tensor at each named tap by what its function returns (the same shape).

    Captures see the replaced value. Raises `InputError` at the end for a name that no tap answered to.
    """
    patches = _Patches(edits)
    token = _OBSERVERS.set((patches, *_OBSERVERS.get()))
    try:
        yield
    finally:
        _OBSERVERS.reset(token)
    for name in edits:
        if name not in patches.applied:
            raise InputError("unknown_tap", name=name, known=", ".join(list(TAP_SPECS)[:5]))
