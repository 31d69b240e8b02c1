"""`python -m models.training`: train a recipe; see `--help`."""

import argparse
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from models.errors import InputError
from models.installed import HEADS
from models.presets import ZOO
from models.training.processes import Processes, device_named
from models.training.recipe import load_recipe, recipes
from models.training.run import StopRequest, train
from models.training.terminal import Terminal

ROOT = Path(__file__).resolve().parents[2]
INTERRUPTED = 130  # what shells report of a program that Ctrl-C ended


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m models.training",
        description="Train a model from a recipe, on a GPU where there is one. Ctrl-C stops it and keeps its state; the "
        "same command goes on where it stopped. Writes weights, config, tokenizer, loss curve and card. Several "
        "processes, also on several machines, share the work: torchrun --nproc-per-node 2 -m models.training RECIPE",
    )
    known = ", ".join(recipes())
    parser.add_argument("recipe", help=f"a shipped recipe ({known}), or the path of a .toml file")
    parser.add_argument(
        "--corpus",
        type=Path,
        default=ROOT.parent / "shared" / "corpora",
        metavar="DIR",
        help="folder of the texts that the recipe names; a folder with other .txt files is read whole, documents "
        "separated by lines <|endoftext|> (default: ../shared/corpora beside the repository)",
    )
    parser.add_argument(
        "--work",
        type=Path,
        default=ROOT / "runs",
        metavar="DIR",
        help="where tokenised texts and checkpoints are kept (default: runs/ in the repository, ignored by git)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder of the finished model (default: assets/zoo/NAME of the recipe, or assets/heads/NAME of one that trains "
        "heads for an encoder of a package)",
    )
    parser.add_argument(
        "--tokens",
        type=int,
        metavar="N",
        help="another token budget than the recipe's; a training under way goes on with the learning rates of the new "
        "budget, and the card says so",
    )
    parser.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="where to compute (default: a GPU if there is one)",
    )
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="processor threads (default: all cores)")
    return parser


def main(argv: list[str] | None = None) -> int:
    options = arguments().parse_args(argv)
    if options.threads > 0:
        torch.set_num_threads(options.threads)
    stop = StopRequest()
    stop.catch_signals()
    try:
        recipe = load_recipe(options.recipe)
        if options.tokens is not None:
            recipe = replace(recipe, tokens=options.tokens)
        out = options.out or (ZOO if recipe.encoder is None else HEADS) / recipe.name
        processes = Processes.of_torchrun(device_named(options.device))
        say, show = partial(print, flush=True), None
        if sys.stdout.isatty():
            terminal = Terminal(sys.stdout)
            say, show = terminal.say, terminal.show
        finished = train(recipe, options.corpus, options.work, out, stop, say, processes, show)
        processes.close()
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0 if finished else INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
