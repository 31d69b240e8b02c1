"""A whole training from the command line: prepare, train with checkpoints, write the model's folder."""

import json
import platform
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

import models
from models.objectives import marks_of
from models.training.beginning import first_weights, learning_parts
from models.training.card import write_card
from models.training.data import AnyData, prepare
from models.training.evaluate import total
from models.training.evaluate_translations import evaluate_translations
from models.training.processes import Processes
from models.training.recipe import Recipe
from models.training.routing import measure_routing
from models.training.terminal import how_far
from models.training.trainer import Trainer
from models.training.translations import TranslationData
from models.weights.files import read_tensors
from models.weights.loading import load_with_heads
from models.weights.saving import save_parts

SAVE_EVERY = 180.0  # seconds
SAY_EVERY = 15.0  # seconds between two lines on how far it is
SHOW_EVERY = 0.5  # the same where a line takes the place of the one before
Say = Callable[[str], None]


@dataclass
class StopRequest:
    """Set by Ctrl-C or SIGTERM; the training ends after the step it is in."""

    asked: bool = False

    def catch_signals(self) -> None:
        for kind in (signal.SIGINT, signal.SIGTERM):
            signal.signal(kind, self._ask)

    def _ask(self, *_: object) -> None:
        self.asked = True


def train(
    recipe: Recipe,
    corpus: Path,
    work: Path,
    out: Path,
    stop: StopRequest,
    say: Say = print,
    processes: Processes | None = None,
    show: Say | None = None,
) -> bool:
    """Train `recipe`, going on from its checkpoint under `work` where there is one, and write `out`.

    Of several `processes`, all call this, and the first one speaks and writes; `show` takes how far it is, where that line
    may be replaced by the next, else `say` is told now and then. Returns False where `stop` ended it early:
    the state is kept, and the same call goes on. A call for a finished training only writes the folder again. Raises
    InputError as `prepare` and `Trainer.resume` do.
    """
    processes = processes or Processes()
    if not processes.is_first:
        say = show = _nothing
    say(f"{recipe.name}: reading the corpora")
    with processes.after_first():
        data = prepare(recipe, corpus, work)
    say(f"{recipe.name}: {data.stream.n_tokens:,} tokens of text, vocabulary of {data.tokenizer.vocab_size:,}")
    trainer = Trainer(recipe, first_weights(recipe, data), data, processes)
    state = work / recipe.name / "checkpoint.safetensors"
    if state.is_file():
        trainer.resume(state)
        say(f"{recipe.name}: going on after step {trainer.step:,} of {recipe.steps:,}")
    if not _steps(trainer, state, stop, say, show):
        say(f"{recipe.name}: stopped after step {trainer.step:,}; the same command goes on from there")
        return False
    write_model(trainer, data, out)
    say(f"{recipe.name}: finished, written to {out}")
    return True


def _steps(trainer: Trainer, state: Path, stop: StopRequest, say: Say, show: Say | None) -> bool:
    """Make the remaining steps; whether all were made."""
    tell, pause = (say, SAY_EVERY) if show is None else (show, SHOW_EVERY)
    began, first = time.monotonic(), trainer.tokens
    saved = said = began
    for progress in trainer:
        now = time.monotonic()
        if progress.row and progress.row.val_loss is not None:
            say(f"{trainer.recipe.name}: validation loss {progress.row.val_loss:.4f} after {progress.tokens:,} tokens")
        if now - said > pause:
            tell(how_far(trainer.recipe, progress, (progress.tokens - first) / (now - began)))
            said = now
        due, stopping = trainer.processes.any(now - saved > SAVE_EVERY, stop.asked)
        if due or stopping or trainer.finished:
            trainer.save(state)
            saved = now
        if stopping:
            return trainer.finished
    return True


def write_model(trainer: Trainer, data: AnyData, out: Path) -> None:
    """Write weights (bf16), config, tokenizer, history.json and CARD.md; scores are of the file's weights."""
    model = trainer.on_processor()
    if not trainer.processes.is_first:
        return
    written = _written(trainer.recipe, model, data, out)
    scores = data.scores(trainer.recipe, written.model)
    read = data.stream.tokens_by_file(trainer.tokens)
    history = {
        "recipe": trainer.recipe.to_dict(),
        "processor": describe_processor(trainer.processes),
        "params": sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad),
        "tokens": trainer.tokens,
        "budgets": [{"from_step": first, "tokens": tokens} for first, tokens in trainer.budgets],
        "texts": {
            share.file: {"tokens": file.n_tokens, "tokens_read": count}
            for share, file, count in zip(data.shares, data.stream.files, read, strict=True)
        },
        "seconds": round(trainer.seconds, 1),
        "validation": {"all": total(scores).to_dict()} | {file: score.to_dict() for file, score in scores.items()},
        **_further(trainer.recipe, data, written),
        "curve": [asdict(row) for row in trainer.history],
    }
    (out / "history.json").write_text(json.dumps(history, indent=1) + "\n", encoding="utf-8")
    write_card(trainer.recipe, data.shares, history, written, out)


def _written(recipe: Recipe, model: models.Transformer, data: AnyData, out: Path) -> models.Loaded:
    """The model as its files have it, which this writes; of one whose encoder a package brings, those of its heads."""
    if recipe.encoder is None:
        models.save(model, data.tokenizer, out)
        return models.load(out)
    save_parts(model, learning_parts(recipe), out)
    return load_with_heads(recipe.encoder, read_tensors(out))


def _further(recipe: Recipe, data: AnyData, written: models.Loaded) -> dict:
    """What is measured beside the loss, where the objective or the architecture has more to say."""
    found: dict = {}
    if isinstance(data, TranslationData):
        found["translations"] = evaluate_translations(written, data)
    if written.config.moe is not None:
        examples = [example for several in data.held_out_examples(recipe).values() for example in several]
        layers = measure_routing(written.model, examples, marks_of(data.tokenizer).pad)
        found["routing"] = {name: layer.to_dict() for name, layer in layers.items()}
    return found


def _nothing(text: str) -> None:
    """What the processes beside the first one say."""


def describe_processor(processes: Processes | None = None) -> str:
    """What computes, in how many threads or processes, and the precision in words."""
    processes = processes or Processes()
    several = f"{processes.n_processes} processes, " if processes.n_processes > 1 else ""
    precision = "bf16 autocast" if processes.bf16 else "fp32"
    if processes.device.type == "cuda":
        return f"{torch.cuda.get_device_name(processes.device)}, {several}{precision}"
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
        name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), name)
    threads = torch.get_num_threads()
    return f"{name}, {several}{threads} thread{'s' if threads > 1 else ''}, {precision}"
