"""One device, several devices and several processes compute the same, through the command."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file

from funcvision import cli

TINY = str(pathlib.Path(__file__).with_name("tiny_recipe.py"))
DIGITS = ("digits", "batch-size=128", "epochs=2", "lr-warmup-epochs=1", "workers=0", "model-ema=true")


def environment(devices: int) -> dict[str, str]:
    """The variables of a process with so many virtual devices."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("JAX_NUMPY_", "XLA_FLAGS"))}
    flags = [flag for flag in os.environ.get("XLA_FLAGS", "").split() if "device_count" not in flag]
    return kept | {"XLA_FLAGS": " ".join([*flags, f"--xla_force_host_platform_device_count={devices}"])}


def start(*arguments: object, devices: int = 1, processes: int = 1) -> list[subprocess.Popen]:
    """Starts the command in each of the processes."""
    command = [sys.executable, "-m", "funcvision", "train", *map(str, arguments)]
    several: list[list[str]] = [[]]
    if processes > 1:
        with socket.socket() as probe:
            probe.bind(("localhost", 0))
            port = probe.getsockname()[1]
        shared = ["--coordinator", f"localhost:{port}", "--num-processes", str(processes), "--process-id"]
        several = [[*shared, str(number)] for number in range(processes)]
    return [
        subprocess.Popen([*command, *one], env=environment(devices), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                         text=True)
        for one in several
    ]


def finish(running: list[subprocess.Popen]) -> None:
    """Waits until all processes have ended with status 0."""
    try:
        for process in running:
            printed = process.communicate(timeout=900)[0]
            assert process.returncode == 0, printed
    finally:
        for process in running:
            process.kill()


def curves(out: pathlib.Path) -> dict[str, np.ndarray]:
    """The figures of all steps and evaluations, by name."""
    lines = (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return {name: np.array([row[name] for row in rows if name in row])
            for name in ("step", "loss", "gradient_norm", "accuracy", "val_loss", "val_accuracy")}


def largest_differences(one: pathlib.Path, other: pathlib.Path) -> dict[str, float]:
    """The largest difference of each figure, and of the weights, at the end."""
    first, second = curves(one), curves(other)
    found = {name: float(np.abs(first[name] - second[name]).max()) for name in first}
    weights, others = (load_file(out / "model.safetensors") for out in (one, other))
    return found | {"weights": max(float(np.abs(weights[name] - others[name]).max()) for name in weights)}


@pytest.mark.parametrize("options", [(), ("shard=params",)])
def test_two_devices_draw_the_curves_of_one(options, tmp_path, monkeypatch):
    arguments = ("train", TINY, *options, "epochs=3", "--out")
    assert cli.main([*arguments, str(tmp_path / "two")]) == 0
    monkeypatch.setattr(jax, "devices", lambda: jax.local_devices()[:1])
    assert cli.main([*arguments, str(tmp_path / "one")]) == 0
    found = largest_differences(tmp_path / "one", tmp_path / "two")
    assert found["step"] == 0
    assert found["loss"] < 1e-5, found
    assert found["val_loss"] < 1e-5, found
    assert found["weights"] < 1e-5, found


def test_explicit_axes_in_the_context_change_no_bit(tmp_path):
    mesh = jax.make_mesh((2,), ("data",), axis_types=(jax.sharding.AxisType.Explicit,))
    assert cli.main(["train", TINY, "--out", str(tmp_path / "plain")]) == 0
    with jax.set_mesh(mesh):
        assert cli.main(["train", TINY, "--out", str(tmp_path / "explicit")]) == 0
        assert cli.main(["evaluate", str(tmp_path / "explicit"), "--recipe", TINY]) == 0
    plain, explicit = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("plain", "explicit"))
    assert plain == explicit


FORMS = {"eight devices": {"devices": 8}, "two processes": {"processes": 2}}


@pytest.mark.slow
@pytest.mark.parametrize("shard", ["none", "params"])
@pytest.mark.parametrize("form", FORMS)
def test_a_smooth_network_draws_the_same_curves(form, shard, tmp_path, one_device):
    finish(start(TINY, "epochs=6", "--out", tmp_path, "--shard", shard, **FORMS[form]))
    found = largest_differences(one_device, tmp_path)
    print(form, shard, {key: float(f"{value:.2g}") for key, value in found.items()})
    assert found["step"] == 0
    assert max(found["loss"], found["val_loss"], found["weights"]) < 2e-5, found


@pytest.fixture(scope="module")
def one_device(tmp_path_factory):
    out = tmp_path_factory.mktemp("devices") / "one"
    finish(start(TINY, "epochs=6", "--out", out))
    return out


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_convolutions_draw_the_same_curves(form, tmp_path):
    """In float32, a ReLU falls on the other side of its kink after some steps, and the curves differ from there on."""
    finish(start(*DIGITS, "--out", tmp_path / "one"))
    finish(start(*DIGITS, "--out", tmp_path / "other", "--shard=params", **FORMS[form]))
    first, second = curves(tmp_path / "one"), curves(tmp_path / "other")
    differences = np.abs(first["loss"] - second["loss"])
    print(form, differences)
    assert (first["step"] == second["step"]).all()
    assert differences[:5].max() < 1e-5
    assert differences.max() < 0.05
    assert np.abs(first["val_accuracy"] - second["val_accuracy"]).max() < 0.02


@pytest.mark.slow
def test_a_run_continues_on_another_number_of_devices_and_processes(tmp_path):
    """It is stopped by SIGTERM in two processes, then on eight devices with split parameters, and ends on one."""
    options = (TINY, "epochs=40")
    whole, out = tmp_path / "whole", tmp_path / "out"
    finish(start(*options, "--out", whole))
    stopped = []
    for form in ({"processes": 2}, {"devices": 8}, {"devices": 1}):
        running = start(*options, "--out", out, "--shard=params", **form)
        if form != {"devices": 1}:
            before = stopped[-1] if stopped else 0
            while last_step(out) <= before + 5 and running[0].poll() is None:
                time.sleep(0.01)
            running[0].send_signal(signal.SIGTERM)
        finish(running)
        stopped.append(last_step(out))
    assert 0 < stopped[0] < stopped[1] < stopped[2] == 200
    found = largest_differences(whole, out)
    print(stopped, found)
    assert found["step"] == 0
    assert max(found["loss"], found["val_loss"]) < 1e-4, found


def last_step(out: pathlib.Path) -> int:
    log = out / "metrics.jsonl"
    lines = log.read_text(encoding="utf-8").splitlines(keepends=True) if log.exists() else []
    return max((json.loads(line)["step"] for line in lines if line.endswith("\n")), default=0)
