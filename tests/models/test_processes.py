"""A training that processes share has the losses of one process, and its state goes on in one."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from models.errors import InputError
from models.training.processes import Processes, device_named
from tests.models.shared_training import CONFIGS, N_PROCESSES, SAVED_AFTER, InFp32, trainer_of

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """What two processes over gloo found, and the folder of their states; the variables are torchrun's."""
    folder = tmp_path_factory.mktemp("shared")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    variables = {"WORLD_SIZE": str(N_PROCESSES), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    command = [sys.executable, "-m", "tests.models.shared_training", str(folder)]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as running:
        try:
            said = running.communicate(timeout=240)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)  # those that it has started, too
            raise
    assert running.returncode == 0, said
    return json.loads(said[0]), folder


@pytest.mark.parametrize("name", CONFIGS)
def test_two_processes_have_the_losses_and_weights_of_one(shared, name):
    found, _ = shared
    alone = trainer_of(name, InFp32())
    losses = [progress.loss for progress in alone]
    assert found[name]["losses"] == pytest.approx(losses, rel=2e-5)
    assert found[name]["validation"] == pytest.approx(alone.history[-1].val_loss, rel=2e-5)
    weights = sum(float(weight.double().square().sum()) for weight in alone.model.state_dict().values())
    assert found[name]["weights"] == pytest.approx(weights, rel=2e-5)
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("name", CONFIGS)
def test_each_process_holds_half_and_its_state_goes_on_in_one(shared, name):
    found, folder = shared
    resumed = trainer_of(name, InFp32())
    n_weights = sum(parameter.numel() for parameter in resumed.model.parameters())
    assert found[name]["held"] == pytest.approx(n_weights / 2, rel=0.02)
    resumed.resume(folder / f"{name}.safetensors")
    assert resumed.step == SAVED_AFTER
    assert [progress.loss for progress in resumed] == pytest.approx(found[name]["losses"][SAVED_AFTER:], rel=2e-5)


def test_rows_that_cannot_be_shared_and_devices_that_are_not_there_are_refused(monkeypatch):
    alone = Processes()
    assert alone.own_rows([1, 2, 3]) == [1, 2, 3]
    assert alone.any(False, True) == [False, True]
    alone.n_processes, alone.rank = 2, 1
    assert alone.own_rows([1, 2, 3, 4]) == [2, 4]
    with pytest.raises(InputError, match="3 rows"):
        alone.own_rows([1, 2, 3])
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert device_named("auto") == "cpu"
    with pytest.raises(InputError, match="cuda"):
        device_named("cuda")
