"""How long Build waits for its numbers: configuration, account and diff of a 175B model, without weights."""

import statistics
import time

from models.account import account
from models.diff import diff
from models.presets import preset

REPETITIONS = 200
AIM_MS = 50.0


def answer() -> None:
    """What one change on the Build form computes."""
    base = preset("gpt3-175b")
    cfg = base.replace(norm="rmsnorm", biases=(), ffn="gated", activation="silu", position="rotary")
    account(cfg)
    diff(base, cfg)


def run() -> list[tuple[str, str]]:
    """Rows of label and value for the benchmark's table; the median of many answers."""
    answer()  # reads the preset's file
    times = []
    for _ in range(REPETITIONS):
        start = time.perf_counter()
        answer()
        times.append(1000 * (time.perf_counter() - start))
    return [("Build's numbers for 175B", f"{statistics.median(times):.2f} ms (aim: under {AIM_MS:.0f} ms)")]


if __name__ == "__main__":
    for label, value in run():
        print(f"{label}: {value}")
