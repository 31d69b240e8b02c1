"""The scripts of Generate by themselves: the stages of the core, and tokens with their text."""

from pathlib import Path

import numpy as np
import pytest
import torch

from models.sampling import shape
from models.sampling_settings import Sampling
from playground.views import generation as payload

STATIC = Path(payload.__file__).resolve().parents[1] / "static"

STAGES = [
    {},
    {"temperature": 0.5},
    {"temperature": 2.0, "repetition_penalty": 1.7},
    {"temperature": 0.0, "repetition_penalty": 1.3},
    {"temperature": 0.8, "top_k": 40, "top_p": 0.95},
    {"top_k": 3},
    {"top_p": 0.05},
    {"temperature": 1.5, "top_p": 0.5, "min_p": 0.2},
    {"min_p": 1.0},
    {"temperature": 0.7, "top_k": 20, "top_p": 0.9, "min_p": 0.1, "repetition_penalty": 1.2},
]


@pytest.fixture(scope="module")
def logits() -> np.ndarray:
    """Logits with ties and with an excluded token, as the browser gets them: rounded to float16 below the highest."""
    raw = np.random.default_rng(0).normal(1, 3, 600).astype(np.float32)
    raw[100:110] = raw[50]
    distances = (raw - raw.max()).astype(np.float16).astype(np.float32)
    return distances + np.float32(raw.max())


@pytest.fixture(scope="module")
def scripts(chromium):
    """An empty page that knows the functions of the view, without the playground around them."""
    page = chromium.new_page()
    for name in ("token_cells.js", "sampling.js"):
        page.add_script_tag(content=(STATIC / name).read_text(encoding="utf-8"))
    yield page
    page.close()


def test_the_browser_samples_as_the_core_does(scripts, logits):
    sent, seen = payload.halves(logits), [3, 50, 7, 3, int(logits.argmax())]
    for change in STAGES:
        sampling = Sampling(**change)
        settings = {name: getattr(sampling, name) for name in ("temperature", "top_k", "top_p", "min_p")}
        settings["repetition_penalty"] = sampling.repetition_penalty
        wanted = shape(torch.from_numpy(logits), sampling, torch.tensor(sorted(set(seen)))).softmax(dim=-1)
        found = scripts.evaluate(
            """([sent, seen, settings]) =>
                Array.from(Sampling.stages(Sampling.decodeHalves(sent), seen, settings).probabilities)""",
            [sent, seen, settings],
        )
        np.testing.assert_allclose(found, wanted.numpy(), atol=1e-3, err_msg=str(change))
        assert [value > 0 for value in found] == (wanted > 0).tolist(), change


def test_recorded_logits_are_read_as_they_were_written(scripts, logits):
    sent = payload.encode_codes(logits)
    found = scripts.evaluate(
        "([sent, scale]) => Array.from(Sampling.softmax(Sampling.decodeCodes(sent, scale)))",
        [sent, payload.code_scale()],
    )
    wanted = torch.from_numpy(logits).softmax(dim=-1).numpy()
    best = np.argsort(-wanted)[: payload.N_EXACT]
    np.testing.assert_allclose(np.array(found)[best], wanted[best], atol=1e-3)


@pytest.mark.parametrize(
    ("tokens", "closed", "cells"),
    [
        ([b"Once", b" upon"], True, ["text:Once", "text: upon"]),
        ([b"\xe4\xbd", b"\xa0", b"!"], True, ["text:你", "part:", "text:!"]),
        ([b"a", b"\xe4\xbd"], False, ["text:a", "open:…"]),
        ([b"a", b"\xe4\xbd"], True, ["text:a", "bytes:E4 BD"]),
        ([b"\xff", b"a"], True, ["bytes:FF", "text:a"]),
        (["👩".encode(), "\u200d".encode(), "🚀".encode()], True, ["text:👩\u200d🚀", "part:", "part:"]),
        ([b"e", "\u0301".encode(), b""], True, ["text:e\u0301", "part:", "special:"]),
        ([b"\xe0\x80", b"\xed\xa0\x80"], True, ["bytes:E0 80", "bytes:ED A0 80"]),
    ],
)
def test_no_character_is_broken(scripts, tokens, closed, cells):
    found = scripts.evaluate(
        """([tokens, closed]) => TokenCells.cells(tokens.map((token) => Uint8Array.from(token)), closed)
            .map((cell) => cell.kind + ":" + cell.text)""",
        [[list(token) for token in tokens], closed],
    )
    assert found == cells
