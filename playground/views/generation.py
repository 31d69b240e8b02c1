"""A generated text as the payload that static/generate_text.js reads: JSON lines in one string that only grows.

Gradio sends only what was added to a string, so a line is paid for once. The kinds of lines: `start` (model, prompt,
words, vocabulary), a `step` for each token, `progress`, `logits` (where they come at the end), `end`; or `refused`
alone. Sentences come in every language. Logits travel as their distances below the highest, over the whole vocabulary:
a live run's as float16, a recording's as one character each (`encode_codes`).
"""

import base64
import json
from collections.abc import Iterable, Sequence

import numpy as np

from playground.views.numbers import exact

# The component's skeleton; static/generate_view.js fills it. Nothing is ever put into it as markup.
TEMPLATE = """
<article class="generate">
  <header><span class="generate-badge" hidden></span> <span class="generate-meta"></span></header>
  <p class="generate-error" role="alert" hidden></p>
  <div class="generate-notes"></div>
  <div class="generate-panes">
    <section class="generate-text">
      <p class="generate-story"><span class="generate-prompt"></span><span class="generate-tokens"></span></p>
      <p class="generate-status"></p>
      <p class="generate-legend" hidden><span class="generate-legend-name"></span>
        <span class="generate-legend-range"><span class="generate-legend-low"></span>
        <span class="generate-legend-scale"></span> <span class="generate-legend-high"></span></span></p>
    </section>
    <section class="generate-next" hidden>
      <h2 class="next-title"></h2>
      <p class="next-sentence"></p>
      <table>
        <caption></caption>
        <thead><tr><th scope="col"></th><th scope="col"></th><th scope="col" class="key-model"></th><th scope="col" class="key-left"></th></tr></thead>
        <tbody></tbody>
        <tfoot><tr hidden><th scope="row" colspan="2"></th><td></td><td></td></tr></tfoot>
      </table>
      <p class="next-remark"></p>
    </section>
  </div>
  <p class="generate-live" aria-live="polite"></p>
</article>
"""  # noqa: E501

LOGITS_BUDGET = 3_000_000  # bytes of a payload that logits may take; the newest tokens keep theirs


def _distances() -> np.ndarray:
    """The distances that most of a recording's logits are rounded to, falling to 0: coarser the less likely a token is,
    at most by 4, since of the unlikely ones only the sum of many is ever seen."""
    rising = [0.0]
    while rising[-1] < 48.0:
        rising.append(rising[-1] + min(2.0 ** (rising[-1] / 4) / 4, 4.0))
    return np.round(rising[::-1], 4)


DISTANCES = _distances()
N_EXACT = 44  # the likeliest tokens, among them all of the usual top-k, keep their logits to 1/1000
FIRST_CODE = 0x5D  # from here on no character needs an escape in JSON


def line(kind: str, **content) -> str:
    """One message of the payload. Escaped so that no text in it can be taken for markup on its way."""
    text = json.dumps({"kind": kind, **content}, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c") + "\n"


def vocabulary(pieces: Iterable[bytes], special: dict[int, str]) -> dict:
    """The tokenizer's part of `start`: each token's bytes as U+0000–U+00FF, and the names of those without text."""
    return {"vocabulary": [piece.decode("latin-1") if piece else None for piece in pieces], "specials": special}


def step(token_id: int, raw: float, probability: float, rank: int, **logits) -> str:
    """One token: `raw` is the model's probability, `probability` the one that it was drawn with."""
    return line("step", id=token_id, raw=_brief(raw), probability=_brief(probability), rank=rank, **logits)


def top(candidates: Sequence[tuple[int, float, float]]) -> dict:
    """Candidates as (id, raw probability, probability after the stages), for a step without its logits."""
    return {"top": [[token_id, _brief(raw), _brief(left)] for token_id, raw, left in candidates]}


def halves(logits: np.ndarray) -> dict:
    """Logits (V,) of one step as float16 distances to the highest."""
    peak = float(logits.max())
    distances = np.maximum(logits - np.float32(peak), -65504.0).astype("<f2")
    return {"peak": _brief(peak), "halves": base64.b64encode(distances.tobytes()).decode("ascii")}


def bytes_per_step(vocab_size: int) -> int:
    """Length of the base64 text of one step's float16 logits."""
    return -(-2 * vocab_size // 3) * 4


def steps_kept(vocab_size: int) -> int:
    """For how many tokens the logits fit into the budget."""
    return max(1, LOGITS_BUDGET // bytes_per_step(vocab_size))


CODED = ("peak", "shift", "codes", "exact")


def encode_codes(logits: np.ndarray) -> dict:
    """Logits (V,) of one step as one character a token: an index into `DISTANCES`, counted from `FIRST_CODE`; the
    `N_EXACT` highest ones exactly, as (id, distance); and `shift`, which the others need to keep their probability as
    a whole."""
    peak = float(logits.max())
    ascending = DISTANCES[::-1]
    distances = np.clip(peak - logits.astype(np.float64), 0.0, ascending[-1])
    middles = (ascending[1:] + ascending[:-1]) / 2
    indices = len(ascending) - 1 - np.searchsorted(middles, distances)
    order = np.argsort(distances, kind="stable")
    best, others = np.sort(order[:N_EXACT]), order[N_EXACT:]
    rounded = np.exp(-DISTANCES[indices[others]]).sum()
    shift = float(np.log(np.exp(-distances[others]).sum() / rounded)) if len(others) else 0.0
    return {
        "peak": round(peak, 3),
        "shift": round(shift, 4),
        "codes": "".join(map(chr, (indices + FIRST_CODE).tolist())),
        "exact": [[int(token_id), round(float(distances[token_id]), 3)] for token_id in best],
    }


def code_scale() -> dict:
    """What the browser needs to read `encode_codes`."""
    return {"first": FIRST_CODE, "distances": DISTANCES.tolist()}


def opening(content: str) -> str:
    """What the page opens with, which is no run of the visitor's: a whole payload, or the address of one."""
    return f"opening:{content}"


def settings_line(words: dict[str, str], model: str, settings: dict) -> str:
    """What stands above a text: "llama-mini · temperature 0.8 · top-k 40 · seed 7", without stages that are off.
    `words` names the settings."""
    off = {"top_k": 0, "top_p": 1.0, "min_p": 0.0, "repetition_penalty": 1.0}
    shown = [f"{words[name]} {exact(value)}" for name, value in settings.items() if off.get(name) != value]
    return " · ".join([model, *shown])


def _brief(number: float) -> float:
    """Seven significant digits: what float32 holds."""
    return float(f"{number:.7g}")
