"""Figure (c): inside the feed-forward layer: wider, bent by an activation, in the gated form multiplied, and back."""

import math

from models.config import ModelConfig
from playground.i18n import say
from playground.views import counts
from playground.views.numbers import exact, short
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
}


def feedforward(cfg: ModelConfig, marks: Marks, lang: str) -> str:
    """The SVG of one feed-forward layer."""

    def words(key: str, **params) -> str:
        return say(lang, f"diagram.{key}", **params)

    on = Drawing(WIDTH, marks)
    draw = _gated if cfg.ffn == "gated" else _plain
    bottom = draw(on, cfg, marks, words)
    count = counts.down_proj(cfg)
    bias = " + b" if "ffn" in cfg.biases else ""
    at = (110, bottom, 180, 44)
    size = f"{exact(cfg.d_ff)} → {exact(cfg.d_model)}{bias}"
    on.box("down_proj", "ffn", at, words("down"), (size,), short(count), exact(count))
    on.line((CENTRE, bottom + 44), (CENTRE, bottom + 64))
    activation = words(f"activation_{cfg.activation}")
    sizes = {"d_model": exact(cfg.d_model), "d_ff": exact(cfg.d_ff)}
    description = words(f"alt_inside_{cfg.ffn}", activation=activation, **sizes)
    return on.svg(bottom + 68, "feedforward", description)


def _gated(on: Drawing, cfg: ModelConfig, marks: Marks, words) -> float:
    """Two widening maps; the activated gate multiplies the other. Returns where the map back begins."""
    on.text(CENTRE + 10, 14, f"(B, T, {exact(cfg.d_model)})", "dims")
    gate, up = LEFT + COLUMN / 2, RIGHT + COLUMN / 2
    on.line((CENTRE, 0), (CENTRE, 22), (gate, 22), (gate, 38))
    on.line((CENTRE, 22), (up, 22), (up, 38))
    on.dot(CENTRE, 22)
    _widening(on, cfg, "gate_proj", (LEFT, 38, COLUMN, 44), words("gate"))
    _widening(on, cfg, "up_proj", (RIGHT, 38, COLUMN, 44), words("up"))
    on.line((gate, 82), (gate, 96))
    _activation(on, cfg, (LEFT, 96, COLUMN, 52), words)
    on.line((gate, 148), (gate, 168), (CENTRE - 9, 168))
    on.line((up, 82), (up, 168), (CENTRE + 9, 168))
    on.join(CENTRE, 168, "×", kind="ffn")
    on.text(CENTRE + 16, 191, f"(B, T, {exact(cfg.d_ff)})", "dims")
    on.line((CENTRE, 177), (CENTRE, 204))
    return 204


def _plain(on: Drawing, cfg: ModelConfig, marks: Marks, words) -> float:
    """One widening map and the activation. Returns where the map back begins."""
    left = 110
    on.text(CENTRE + 10, 11, f"(B, T, {exact(cfg.d_model)})", "dims")
    on.line((CENTRE, 0), (CENTRE, 24))
    _widening(on, cfg, "up_proj", (left, 24, COLUMN, 44), words("up"))
    on.line((CENTRE, 68), (CENTRE, 98))
    on.text(CENTRE + 10, 87, f"(B, T, {exact(cfg.d_ff)})", "dims")
    _activation(on, cfg, (left, 98, COLUMN, 52), words)
    if "gate_proj" in marks.removed:
        on.box("gate_proj", "ffn", (306, 24, 88, 44), words("no_gate"), ghost=True)
    on.line((CENTRE, 150), (CENTRE, 168))
    return 168


def _widening(on: Drawing, cfg: ModelConfig, key: str, at: tuple[float, float, float, float], title: str) -> None:
    count = counts.up_proj(cfg)
    bias = " + b" if "ffn" in cfg.biases else ""
    size = f"{exact(cfg.d_model)} → {exact(cfg.d_ff)}{bias}"
    on.box(key, "ffn", at, title, (size,), short(count), exact(count))


def _activation(on: Drawing, cfg: ModelConfig, at: tuple[float, float, float, float], words) -> None:
    """The activation with its curve from -3 to 3, to scale."""
    x, y, width, height = at
    on.box("activation", "ffn", at, words(f"activation_{cfg.activation}"), ())
    curve = CURVES[cfg.activation]
    middle, zero, unit = x + width - 40, y + height - 14, 10
    points = [(middle + v * unit, zero - curve(v) * unit) for v in (step / 8 for step in range(-24, 25))]
    path = "M" + "L".join(f"{px:.1f} {py:.1f}" for px, py in points)
    axes = f"M{middle - 32:g} {zero:g}h64M{middle:g} {zero + 6:g}V{y + 6:g}"
    on.raw(f'<g class="curve kind-ffn"><path class="axis" d="{axes}"/><path d="{path}"/></g>')
