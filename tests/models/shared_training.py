"""What each of several processes of `test_processes` runs: two small trainings, whose losses the first one prints."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import torch

import models
from models.training.processes import Processes
from models.training.trainer import Trainer
from tests.models.little_training import CONFIG, RECIPE, story_data

STEPS, SAVED_AFTER = 5, 3
MOE = replace(models.preset("deepseek-v3-mini").moe, d_expert=16, aux_loss_coef=0.0, bias_update_rate=0.05)
CONFIGS = {"dense": CONFIG, "experts": CONFIG.replace(moe=MOE, n_layers=3, mtp_depth=1)}


class InFp32(Processes):
    """In bf16 the order of the sums would show in the losses."""

    bf16 = False


def trainer_of(name: str, processes: Processes) -> Trainer:
    recipe = replace(RECIPE, tokens=STEPS * RECIPE.batch_tokens, evaluations=1)
    return Trainer(recipe, models.build(CONFIGS[name], seed=1), story_data(), processes)


def main(folder: Path) -> None:
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


if __name__ == "__main__":
    main(Path(sys.argv[1]))
