"""`python -m models.tokenizers`: learn a tokenizer, or all that the repository ships; see `--help`."""

import argparse
import sys
import time
from pathlib import Path

from models.errors import InputError
from models.tokenizers.byte_level import bytes_tokenizer
from models.tokenizers.card import Measured, measure, write_card
from models.tokenizers.catalogue import ROOT, SHIPPED, SIZES
from models.tokenizers.files import load
from models.tokenizers.sample import Sample, read_sample
from models.tokenizers.train import ALGORITHMS, MAX_VOCAB_SIZE, MIN_VOCAB_SIZE, train_into

INTERRUPTED = 130  # what shells report of a program that Ctrl-C ended


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m models.tokenizers",
        description="Learn tokenizers from texts, with one processor thread or a few.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="train")
    learning = commands.add_parser(
        "train",
        help="learn one tokenizer, or all that the repository ships",
        description="Learn a tokenizer from texts and write it as a folder. The same texts give the same files. "
        "“all” makes every shipped tokenizer again, each algorithm with 4,096, 8,192 and 16,384 ids, and their card: "
        "about ten minutes.",
    )
    learning.add_argument("algorithm", choices=[*ALGORITHMS, "all"], help="what to learn; “all” takes no --size")
    learning.add_argument(
        "--size",
        type=int,
        metavar="N",
        help=f"number of ids, special ones among them, from {MIN_VOCAB_SIZE:,} to {MAX_VOCAB_SIZE:,} (default: 4096)",
    )
    learning.add_argument(
        "--corpus",
        type=Path,
        default=ROOT.parent / "shared" / "corpora",
        metavar="DIR",
        help="folder of the texts; one with other .txt files than the shipped tokenizers' is read whole, documents "
        "separated by lines <|endoftext|> (default: ../shared/corpora beside the repository)",
    )
    learning.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="where to write (default: assets/tokenizers/ALGORITHM-SIZE; with “all”, the folder of these folders)",
    )
    return parser


def main(argv: list[str] | None = None) -> int:
    parser = arguments()
    options = parser.parse_args(argv)
    if options.algorithm == "all" and options.size is not None:
        parser.error("all: every size is learnt; leave out --size")
    try:
        sample = read_sample(options.corpus)
        if options.algorithm == "all":
            _learn_all(options.out or SHIPPED, sample)
        else:
            size = options.size or 4_096
            label = next((label for label, n_ids in SIZES.items() if n_ids == size), size)
            folder = options.out or SHIPPED / f"{options.algorithm}-{label}"
            print(_learn(folder, options.algorithm, size, sample).line(), flush=True)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def _learn(folder: Path, algorithm: str, size: int, sample: Sample) -> Measured:
    start = time.perf_counter()
    reserve = common_characters() if sample.is_shipped else ""
    train_into(folder, algorithm, sample.learnt, size, reserve=reserve)
    return measure(load(folder), folder, time.perf_counter() - start, sample.measured)


def _learn_all(out: Path, sample: Sample) -> None:
    rows = []
    for algorithm in ALGORITHMS:
        for label, size in SIZES.items():
            rows.append(_learn(out / f"{algorithm}-{label}", algorithm, size, sample))
            print(rows[-1].line(), flush=True)
    bytes_tokenizer().save(out / "bytes")
    rows.append(measure(load(out / "bytes"), out / "bytes", 0.0, sample.measured))
    print(rows[-1].line(), flush=True)
    if sample.is_shipped:
        write_card(out / "CARD.md", sample, rows)


def common_characters() -> str:
    """Characters to fill a vocabulary of characters with: ASCII, GB 2312, and what GBK has besides, in their order."""
    ascii_ = [chr(code) for code in range(32, 127)]
    two_bytes = [bytes((lead, trail)) for lead in range(0x81, 0xFF) for trail in range(0x40, 0xFF) if trail != 0x7F]
    decoded = [pair.decode(charset, errors="ignore") for charset in ("gb2312", "gbk") for pair in two_bytes]
    return "".join(dict.fromkeys([*ascii_, *filter(None, decoded)]))


if __name__ == "__main__":
    sys.exit(main())
