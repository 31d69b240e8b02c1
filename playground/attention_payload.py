"""Attention as the page's script reads it: two bytes a weight, or one where there are many, deflated, in base64.

A probability p travels as round(n·(2/π)·asin √p), a scale that is fine at both ends: 0 and 1 are exact. With n = 65,535 the
error is at most 0.0012 percentage points, with n = 255 at most 0.31, each in the middle. Masks travel as bits, each that
occurs once; the lengths ‖v·W_O‖ in 65,535ths of the greatest of their group.
"""

import base64
import zlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from models.inspection.attention import AttentionGroup
    from models.inspection.head_labels import HeadLabels

COARSE, FINEST = 255, 65535  # steps from 0 to 1
FINE_UP_TO = 200_000  # weights that no mask hides: so many make 540 kB of two bytes each, however little they compress
LEVEL = 1  # of zlib, which with run lengths alone is as small for attention as with a dictionary, and ten times as fast


def steps_for(groups: "list[AttentionGroup]") -> int:
    """In how many steps the weights of one pass travel."""
    return FINEST if sum(int(one.visible.sum()) for one in groups) <= FINE_UP_TO else COARSE


def group(found: "AttentionGroup", labels: "HeadLabels", steps: int = COARSE) -> dict:
    """One group: its sizes, `weights` (L, H, T, S), `masks` with the number of each head's in `mask_of`, `norms`, labels."""
    n_layers, n_heads, n_queries, n_keys = found.probs.shape
    masks, mask_of = _masks(found.visible.numpy())
    return {
        "name": found.name,
        "queries": found.queries,
        "keys": found.keys,
        "layers": n_layers,
        "heads": n_heads,
        "kv_heads": found.n_kv_heads,
        "height": n_queries,
        "width": n_keys,
        "steps": steps,
        "weights": packed(quantised(found.probs.numpy(), steps)),
        "masks": packed(masks),
        "mask_of": mask_of,
        "norms": None if found.value_norms is None else _norms(found.value_norms.numpy()),
        "labels": labels.names,
        "scores": {name: _rounded(score.numpy()) for name, score in labels.scores.items()},
    }


def quantised(probs: np.ndarray, steps: int = COARSE) -> np.ndarray:
    """Probabilities in so many steps on the scale of arcsines, a byte each or two."""
    scaled = np.arcsin(np.sqrt(probs.clip(0.0, 1.0))) * np.float32(2.0 * steps / np.pi)
    return np.rint(scaled).astype(np.uint8 if steps == COARSE else "<u2")


def restored(packed_steps: np.ndarray, steps: int = COARSE) -> np.ndarray:
    """The probabilities that steps stand for, as the script reads them."""
    return np.sin(packed_steps * (np.pi / (2 * steps))) ** 2


def packed(values: np.ndarray) -> str:
    """Deflated, in base64."""
    deflate = zlib.compressobj(LEVEL, zlib.DEFLATED, zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, zlib.Z_RLE)
    return base64.b64encode(deflate.compress(np.ascontiguousarray(values).tobytes()) + deflate.flush()).decode()


def _masks(visible: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """The distinct masks, as bits, and the number of each head's, layer by layer."""
    n_layers, n_heads = visible.shape[:2]
    bits = np.packbits(visible.reshape(n_layers * n_heads, -1), axis=1)
    numbers: dict[bytes, int] = {}
    mask_of = [numbers.setdefault(row.tobytes(), len(numbers)) for row in bits]
    return np.frombuffer(b"".join(numbers), dtype=np.uint8), mask_of


def _norms(norms: np.ndarray) -> dict:
    """Lengths (L, H, S); `most` is what FINEST stands for."""
    most = float(norms.max()) or 1.0
    return {"most": most, "steps": packed(np.rint(norms / most * FINEST).astype("<u2"))}


def _rounded(score: np.ndarray) -> list[list[float | None]]:
    return [[None if np.isnan(one) else round(float(one), 3) for one in layer] for layer in score]
