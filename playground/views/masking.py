"""A masked text and what a model makes of it, as the payload that static/masking*.js draws.

Dense numbers travel as bytes in base64: vectors as signed bytes below one common scale, attention in 1/65535.
"""

import base64
from collections.abc import Mapping

import numpy as np

FINEST = 65535


def vectors(parts: Mapping[str, np.ndarray | None]) -> dict:
    """Parts (T, D) by name; None is left out. `scale` is the largest absolute value of all, which is 127."""
    present = {name: np.asarray(part, dtype=np.float32) for name, part in parts.items() if part is not None}
    scale = max(float(np.abs(part).max()) for part in present.values()) or 1.0
    return {
        "scale": scale,
        "width": next(iter(present.values())).shape[1],
        "parts": {name: _base64(np.round(127 * part / scale).astype(np.int8)) for name, part in present.items()},
        "norms": {
            name: [round(float(norm), 4) for norm in np.linalg.norm(part, axis=1)] for name, part in present.items()
        },
    }


def attention(rows: np.ndarray) -> dict:
    """Rows of attention (L, H, N, T)."""
    layers, heads, _, width = rows.shape
    return {
        "layers": layers,
        "heads": heads,
        "width": width,
        "rows": _base64(np.round(FINEST * rows).astype("<u2")),
    }


def _base64(values: np.ndarray) -> str:
    return base64.b64encode(values.tobytes()).decode()
