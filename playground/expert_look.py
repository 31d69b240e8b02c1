"""A text through a mixture: what a request of the page or of the API asks for, checked, and the pass that it leads to."""

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

import torch

from models.errors import InputError
from models.inspection.inputs import Inputs, inputs_of
from models.inspection.routing import Rerouting, RoutedLayer, look, sparse_layers
from models.objectives.marks import marks_of
from models.objectives.span_corruption import span_corruption
from models.tokenizers import Tokenizer
from playground.design_strings import as_text
from playground.expert_models import ExpertModel, find, hold
from playground.session import LIMITS, TEXTS
from playground.turns import turn
from playground.views.numbers import exact

MOST_TOKENS = 256  # read at once
MOST_SCORES = 1_000_000  # router scores of all layers: what one answer carries
KEPT = 8  # passes, for questions that follow one


@dataclass(frozen=True)
class Asked:
    """One request. `bias` is by expert, of the sparse layer number `layer` in the order of the pass."""

    model: str
    text: str
    target: str = ""
    chosen: int | None = None
    capacity: int | None = None
    noise: float = 0.0
    seed: int = 0
    layer: int = 0
    bias: tuple[tuple[int, float], ...] = ()

    @property
    def is_changed(self) -> bool:
        return bool(self.chosen or self.capacity or self.noise or self.bias)


@dataclass(frozen=True)
class Pass:
    """What was read, and what each sparse layer did. `corrupted`: an encoder-decoder's text was made into its exercise."""

    found: ExpertModel
    tokenizer: Tokenizer | None
    inputs: Inputs
    layers: list[RoutedLayer]
    corrupted: bool = False

    def sequence_of(self, layer: RoutedLayer) -> str:
        """The name of the sequence in `inputs` whose tokens a layer routes."""
        named = {"encoder": "source", "vision": "image"}.get(layer.stack, "text")
        return "image" if "image" in self.inputs.sequences and len(self.inputs.sequences) == 1 else named


_passes: OrderedDict[Asked, Pass] = OrderedDict()
_lock = Lock()


def asked_of(request: dict) -> Asked:
    """The request as it was checked; raises `InputError`."""
    text = as_text("text", request.get("text"))[: TEXTS["exp_text"]]
    target = as_text("target", request.get("target") or "")[: TEXTS["exp_target"]]
    found = find(request.get("model"))
    moe = found.config.moe
    chosen = _whole("n_experts_per_token", request.get("chosen"), 1, moe.n_experts)
    capacity = _whole("capacity", request.get("capacity"), 1, MOST_TOKENS)
    noise = _number("noise", request.get("noise") or 0.0, 0.0, 4.0)
    seed = _whole("seed", request.get("seed"), *LIMITS["exp_seed"]) or 0
    layer = _whole("layer", request.get("layer"), 0, 10_000) or 0
    chosen = None if chosen == moe.n_experts_per_token else chosen
    return Asked(
        found.design, text, target, chosen, capacity, noise, seed, layer, _bias(request.get("bias"), moe.n_experts)
    )


def _whole(field: str, value: object, low: int, high: int) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise InputError("not_an_integer", field=field, value=value)
    if not low <= value <= high:
        raise InputError("out_of_range", field=field, value=value, low=low, high=exact(high))
    return value


def _number(field: str, value: object, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError("not_a_number", field=field, value=value)
    if not low <= value <= high:
        raise InputError("out_of_range", field=field, value=value, low=exact(low), high=exact(high))
    return float(value)


def _bias(value: object, n_experts: int) -> tuple[tuple[int, float], ...]:
    """{"3": 0.25} as ((3, 0.25),)."""
    if value is None:
        return ()
    if not isinstance(value, dict):
        raise InputError("not_a_group", field="bias", value=value)
    found = []
    for expert, added in value.items():
        if not str(expert).isdecimal() or int(expert) >= n_experts:
            raise InputError("out_of_range", field="bias", value=expert, low=0, high=n_experts - 1)
        found.append((int(expert), _number("bias", added, -100.0, 100.0)))
    return tuple(sorted(found))


def passed(asked: Asked) -> Pass:
    """The pass of a request; the last few are kept."""
    with _lock:
        if asked in _passes:
            _passes.move_to_end(asked)
            return _passes[asked]
    made = _run(asked)
    with _lock:
        _passes[asked] = made
        while len(_passes) > KEPT:
            _passes.popitem(last=False)
    return made


def _run(asked: Asked) -> Pass:
    found = find(asked.model)
    loaded = hold(found)
    inputs, corrupted = _read(found, loaded.tokenizer, asked)
    n_layers = found.config.n_layers + (found.config.n_encoder_layers or 0)
    longest = max(map(len, inputs.sequences.values()))
    if (scores := n_layers * longest * found.config.moe.n_experts) > MOST_SCORES:
        raise InputError("experts_too_many", scores=exact(scores), limit=exact(MOST_SCORES))
    with turn():
        layers = look(loaded.model, inputs.arguments, _again(asked, loaded.model) if asked.is_changed else None)
    return Pass(found, loaded.tokenizer, inputs, layers, corrupted)


def _again(asked: Asked, model: torch.nn.Module) -> Rerouting:
    names = list(sparse_layers(model))
    bias = {}
    if asked.bias and asked.layer < len(names):
        vector = torch.zeros(model.config.moe.n_experts)
        for expert, added in asked.bias:
            vector[expert] = added
        bias = {names[asked.layer]: vector}
    return Rerouting(chosen=asked.chosen, capacity=asked.capacity, noise=asked.noise, seed=asked.seed, bias=bias)


def _read(found: ExpertModel, tokenizer: Tokenizer | None, asked: Asked) -> tuple[Inputs, bool]:
    """The arguments of the pass. An encoder-decoder that is given no target fills in spans of the text, as in its training,
    where its vocabulary has sentinels; else its decoder reads the text as well."""
    config = found.config
    reads_text = config.image is None
    if reads_text and not asked.text.strip():
        raise InputError("token_text_empty")
    if config.structure == "encoder_decoder" and not asked.target:
        marks = marks_of(tokenizer)
        if marks.sentinels and marks.pad is not None:
            ids = tokenizer.encode(asked.text)[: min(MOST_TOKENS, config.max_seq_len) - 32]
            made = span_corruption(torch.tensor(ids), marks, torch.Generator().manual_seed(0))
            source = made.inputs if marks.end is None else made.inputs[:-1]
            text = _spelled(source.tolist(), tokenizer, set(marks.sentinels))
            written = tuple(made.decoder_inputs[1:].tolist())
            return inputs_of(config, tokenizer, text, written, MOST_TOKENS), True
        return inputs_of(config, tokenizer, asked.text, asked.text, MOST_TOKENS), False
    return inputs_of(config, tokenizer, asked.text, asked.target, MOST_TOKENS), False


def _spelled(ids: list[int], tokenizer: Tokenizer, sentinels: set[int]) -> str:
    """The text of ids with its sentinels spelled out, so that reading it gives them again."""
    pieces, run = [], []
    for token_id in ids:
        if token_id in sentinels:
            pieces += [tokenizer.decode(run), tokenizer.token(token_id)]
            run = []
        else:
            run.append(token_id)
    return "".join([*pieces, tokenizer.decode(run)])
