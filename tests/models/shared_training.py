"""What `test_processes` starts: two processes that run two small trainings, whose losses the first one prints."""

import json
import multiprocessing
import os
import sys
from dataclasses import replace
from multiprocessing.connection import wait
from pathlib import Path

import torch

import models
from models.training.processes import Processes
from models.training.trainer import Trainer
from tests.models.little_training import CONFIG, RECIPE, story_data

N_PROCESSES = 2
STEPS, SAVED_AFTER = 5, 3
MOE = replace(models.preset("deepseek-v3-mini").moe, d_expert=16, aux_loss_coef=0.0, bias_update_rate=0.05)
CONFIGS = {"dense": CONFIG, "experts": CONFIG.replace(moe=MOE, n_layers=3, mtp_depth=1)}


class InFp32(Processes):
    """In bf16 the order of the sums would show in the losses."""

    bf16 = False


def trainer_of(name: str, processes: Processes) -> Trainer:
    recipe = replace(RECIPE, tokens=STEPS * RECIPE.batch_tokens, evaluations=1)
    return Trainer(recipe, models.build(CONFIGS[name], seed=1), story_data(), processes)


def train(folder: Path, rank: int) -> None:
    """What one process does; the variables are torchrun's, which also sets the others."""
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank)}
    torch.set_num_threads(1)
    processes = InFp32.of_torchrun()
    found = {}
    for name in CONFIGS:
        trainer = trainer_of(name, processes)
        losses = []
        for progress in trainer:
            losses.append(progress.loss)
            if progress.step == SAVED_AFTER:
                trainer.save(folder / f"{name}.safetensors")
        slices = [parameter.to_local().numel() for parameter in trainer.model.parameters()]
        weights = trainer.on_processor().state_dict()
        found[name] = {
            "losses": losses,
            "validation": trainer.history[-1].val_loss,
            "held": sum(slices),
            "weights": sum(float(weight.double().square().sum()) for weight in weights.values()),
        }
    if processes.is_first:
        print(json.dumps(found))
    processes.close()


def main(folder: Path) -> int:
    """The exit code: 0 if all processes ended well."""
    # What takes seconds to import is imported once, before there are two.
    import torch._dynamo
    import torch.distributed.fsdp  # noqa: F401

    forking = multiprocessing.get_context("fork")
    processes = [forking.Process(target=train, args=(folder, rank)) for rank in range(N_PROCESSES)]
    for process in processes:
        process.start()
    while running := [process for process in processes if process.is_alive()]:
        wait([process.sentinel for process in running])
        if any(process.exitcode for process in processes):  # the others would wait for the one that failed
            for process in running:
                process.kill()
    return max(abs(process.exitcode) for process in processes)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
