"""Figure (c): inside the dense feed-forward layer: wider, bent by an activation, in the gated form multiplied, and back."""

import math

from models.config import ModelConfig
from playground.views import counts
from playground.views.diagram_words import Words, count_of
from playground.views.numbers import exact
from playground.views.svg import Drawing, Marks

WIDTH = 400
COLUMN, LEFT, RIGHT = 180, 6, 214
CENTRE = WIDTH / 2

# The curves that are drawn; the same formulas as in models/parts/feedforward.py, for one number.
CURVES = {
    "relu": lambda x: max(x, 0.0),
    "gelu": lambda x: x * (1 + math.erf(x / math.sqrt(2))) / 2,
    "gelu_tanh": lambda x: x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2,
    "gelu_quick": lambda x: x / (1 + math.exp(-1.702 * x)),
    "silu": lambda x: x / (1 + math.exp(-x)),
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
}


def feedforward(cfg: ModelConfig, marks: Marks, lang: str) -> str:
    """The SVG of one dense feed-forward layer."""
    on, words = Drawing(WIDTH, marks), Words(cfg, lang)
    bottom = (_gated if cfg.ffn == "gated" else _plain)(on, words)
    bias = " + b" if "ffn" in cfg.biases else ""
    size = f"{exact(cfg.d_ff)} → {exact(cfg.d_model)}{bias}"
    count = count_of(counts.narrowing(cfg, cfg.d_ff))
    on.box("down_proj", "ffn", (110, bottom, 180, 47), words.say("down"), (size,), *count)
    on.line((CENTRE, bottom + 47), (CENTRE, bottom + 67))
    description = words.say(f"alt_inside_{cfg.ffn}", activation=words.activation(), d_model=cfg.d_model, d_ff=cfg.d_ff)
    return on.svg(bottom + 71, "feedforward", description)


def _gated(on: Drawing, words: Words) -> float:
    """Two widening maps; the activated gate multiplies the other. Returns where the map back begins."""
    cfg = words.cfg
    on.text(CENTRE + 10, 14, f"(B, T, {exact(cfg.d_model)})", "dims")
    gate, up = LEFT + COLUMN / 2, RIGHT + COLUMN / 2
    on.line((CENTRE, 0), (CENTRE, 22), (gate, 22), (gate, 38))
    on.line((CENTRE, 22), (up, 22), (up, 38))
    on.dot(CENTRE, 22)
    _widening(on, words, "gate_proj", (LEFT, 38, COLUMN, 47), words.say("gate"))
    _widening(on, words, "up_proj", (RIGHT, 38, COLUMN, 47), words.say("up"))
    on.line((gate, 85), (gate, 99))
    draw_activation(on, words, (LEFT, 99, COLUMN, 52))
    on.line((gate, 151), (gate, 171), (CENTRE - 9, 171))
    on.line((up, 85), (up, 171), (CENTRE + 9, 171))
    on.join(CENTRE, 171, "×", kind="ffn")
    on.text(CENTRE + 16, 194, f"(B, T, {exact(cfg.d_ff)})", "dims")
    on.line((CENTRE, 180), (CENTRE, 207))
    return 207


def _plain(on: Drawing, words: Words) -> float:
    """One widening map and the activation. Returns where the map back begins."""
    cfg, left = words.cfg, 110
    on.text(CENTRE + 10, 11, f"(B, T, {exact(cfg.d_model)})", "dims")
    on.line((CENTRE, 0), (CENTRE, 24))
    _widening(on, words, "up_proj", (left, 24, COLUMN, 47), words.say("up"))
    on.line((CENTRE, 71), (CENTRE, 101))
    on.text(CENTRE + 10, 90, f"(B, T, {exact(cfg.d_ff)})", "dims")
    draw_activation(on, words, (left, 101, COLUMN, 52))
    if "gate_proj" in on.marks.removed:
        on.box("gate_proj", "ffn", (306, 24, 88, 44), words.say("no_gate"), ghost=True)
    on.line((CENTRE, 153), (CENTRE, 171))
    return 171


def _widening(on: Drawing, words: Words, key: str, at: tuple[float, float, float, float], title: str) -> None:
    cfg = words.cfg
    bias = " + b" if "ffn" in cfg.biases else ""
    size = f"{exact(cfg.d_model)} → {exact(cfg.d_ff)}{bias}"
    on.box(key, "ffn", at, title, (size,), *count_of(counts.widening(cfg, cfg.d_ff)))


def draw_activation(on: Drawing, words: Words, at: tuple[float, float, float, float]) -> None:
    """The activation with its curve from -3 to 3, to scale."""
    x, y, width, height = at
    on.box("activation", "ffn", at, words.activation(), ())
    curve = CURVES[words.cfg.activation]
    middle, zero, unit = x + width - 40, y + height - 14, 10
    points = [(middle + v * unit, zero - curve(v) * unit) for v in (step / 8 for step in range(-24, 25))]
    path = "M" + "L".join(f"{px:.1f} {py:.1f}" for px, py in points)
    axes = f"M{middle - 32:g} {zero:g}h64M{middle:g} {zero + 6:g}V{y + 6:g}"
    on.raw(f'<g class="curve kind-ffn"><path class="axis" d="{axes}"/><path d="{path}"/></g>')
