"""All benchmarks, one table: `python -m tests.benchmarks [NAME …] [--threads N]`."""

import argparse

import torch

from tests.benchmarks import bench_account, bench_generate

BENCHMARKS = {"account": bench_account.run, "generate": bench_generate.run}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of: {', '.join(BENCHMARKS)} (default: all)")
    parser.add_argument("--threads", type=int, default=1, help="threads for torch, on both sides (default: 1)")
    chosen = parser.parse_args()
    if unknown := set(chosen.names) - set(BENCHMARKS):
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}; there are: {', '.join(BENCHMARKS)}")
    torch.set_num_threads(chosen.threads)
    for name in chosen.names or BENCHMARKS:
        for label, value in BENCHMARKS[name]():
            print(f"{label:<55} {value}", flush=True)


if __name__ == "__main__":
    main()
