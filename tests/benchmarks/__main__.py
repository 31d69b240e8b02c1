"""All benchmarks, one table: `python -m tests.benchmarks [NAME …] [--threads N] [--json FILE]`."""

import argparse
import json
from pathlib import Path

import torch

from tests.benchmarks import (
    bench_account,
    bench_attention,
    bench_families,
    bench_generate,
    bench_tokenizers,
    bench_training,
)

BENCHMARKS = {
    "account": bench_account.run,
    "attention": bench_attention.run,
    "families": bench_families.run,
    "generate": bench_generate.run,
    "tokenizers": bench_tokenizers.run,
    "training": bench_training.run,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of: {', '.join(BENCHMARKS)} (default: all)")
    parser.add_argument("--threads", type=int, default=1, help="threads for torch, on both sides (default: 1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there too, numbers as numbers")
    chosen = parser.parse_args()
    if unknown := set(chosen.names) - set(BENCHMARKS):
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}; there are: {', '.join(BENCHMARKS)}")
    torch.set_num_threads(chosen.threads)
    rows = []
    for name in chosen.names or BENCHMARKS:
        for label, value, *numbers in BENCHMARKS[name]():
            print(f"{label:<55} {value}", flush=True)
            rows.append({"benchmark": name, "threads": chosen.threads, "label": label, "value": value})
            for found in numbers:
                rows[-1] |= found
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
