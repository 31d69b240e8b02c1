"""`python -m models.forerunners`: make one of the shipped forerunners again; see `--help`."""

import argparse
import json
import os
import platform
import sys
from functools import partial
from pathlib import Path

import torch

from models.errors import InputError
from models.forerunners.card import interest_card, translator_card
from models.forerunners.dates import make_data
from models.forerunners.files import SHIPPED, load, save, save_interest
from models.forerunners.interest_training import train_all
from models.forerunners.recipe import RECIPES
from models.forerunners.target_attention import ACTIVATION_UNIT
from models.forerunners.training import scores, train
from models.forerunners.translating import Translator

ROOT = Path(__file__).resolve().parents[2]
INTEREST = "interest"


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m models.forerunners",
        description="Train an attention model from before transformers, on one processor thread, in a few minutes: a "
        "recurrent translator of days and times (bahdanau, luong), or target attention over the words of stories "
        "(interest). Writes weights, words, scores and card.",
    )
    parser.add_argument("name", choices=[*RECIPES, INTEREST], help="what to make")
    parser.add_argument(
        "--corpus",
        type=Path,
        default=ROOT.parent / "shared" / "corpora",
        metavar="DIR",
        help="folder of the stories, which only interest needs (default: ../shared/corpora beside the repository)",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="where to write (default: assets/forerunners/NAME)")
    return parser


def main(argv: list[str] | None = None) -> int:
    options = arguments().parse_args(argv)
    torch.set_num_threads(1)
    out = options.out or SHIPPED / options.name
    make = _interest if options.name == INTEREST else _translator
    try:
        make(options.name, options.corpus, out)
    except (InputError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _translator(name: str, corpus: Path, out: Path) -> None:
    say = partial(print, flush=True)
    recipe, before = RECIPES[name], _seconds()
    data = make_data(recipe)
    say(f"{len(data.training)} phrases, {len(data.held_out)} held out")
    model, history = train(recipe, data, say)
    seconds = _seconds() - before
    save(Translator(model, data.source, data.target), out)
    translator = load(out)  # what is measured are the weights as they are in the file
    say("without attention:")
    without, _ = train(recipe, data, say, attention=False)
    found = scores(translator, Translator(without, data.source, data.target), data)
    say(json.dumps(found))
    about = {"scores": found, "loss": history, "pairs": len(data.training), "seconds": seconds, "machine": _machine()}
    _write(out, about, translator_card(name, recipe, translator, about, list(data.held_out)))


def _interest(name: str, corpus: Path, out: Path) -> None:
    before = _seconds()
    made, areas, counts = train_all(corpus, partial(print, flush=True))
    save_interest(made[ACTIVATION_UNIT], out)
    about = {"auc": areas, "examples": counts, "seconds": _seconds() - before, "machine": _machine()}
    _write(out, about, interest_card(made[ACTIVATION_UNIT], about))


def _write(out: Path, about: dict, card: str) -> None:
    (out / "scores.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    (out / "CARD.md").write_text(card, encoding="utf-8")


def _seconds() -> float:
    """Processor time of this program, which other work on the machine does not lengthen."""
    return sum(os.times()[:2])


def _machine() -> str:
    """The processor, as far as the system tells."""
    names = [line for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    name = names[0].partition(":")[2].strip() if names else platform.processor() or platform.machine()
    return f"{name}, 1 thread"


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8").splitlines() if Path(path).exists() else []


if __name__ == "__main__":
    sys.exit(main())
