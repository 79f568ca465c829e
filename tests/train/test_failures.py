"""What a run does when the machine or the data fail: one sentence, an exit status, and nothing is lost."""

import itertools
import json
import multiprocessing
import os
import pathlib
import resource
import signal
import subprocess
import time

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file

from funcvision import cli, train
from funcvision.train import run as module
from funcvision.train.data_spec import in_memory as in_memory_data
from funcvision.train.data_spec import open_data

from .test_recipes import folder

TINY = str(pathlib.Path(__file__).with_name("tiny_recipe.py"))


def run(capsys, *arguments) -> tuple[int, str]:
    """Runs the command; returns its exit status and the last line of stderr."""
    status = cli.main(["train", *(str(argument) for argument in arguments)])
    err = capsys.readouterr().err
    assert "Traceback" not in err
    return status, err.splitlines()[-1]


def steps(out: pathlib.Path) -> list[int]:
    with train.Checkpoints(out / "checkpoints") as checkpoints:
        return checkpoints.steps


def result(out: pathlib.Path) -> dict:
    return json.loads((out / "result.json").read_text(encoding="utf-8"))


@pytest.fixture
def before_step(monkeypatch):
    """A function that says what is done before a step of the next run, counted from 1."""
    actions = {}
    make_step = module.make_step

    def make(*arguments, **options):
        step, calls = make_step(*arguments, **options), itertools.count(1)

        def acting(state, batch):
            actions.pop(next(calls), lambda: None)()
            return step(state, batch)

        return acting

    monkeypatch.setattr(module, "make_step", make)
    return actions.__setitem__


@pytest.fixture
def limit_file_size():
    """A function that limits the size of all files that this process writes: they fail as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(size: int | None) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft if size is None else size, hard))

    yield limit
    limit(None)


def test_a_checkpoint_that_cannot_be_written(tmp_path, capsys, before_step, limit_file_size):
    def fill():
        while not (tmp_path / "checkpoints" / "5").exists():  # it is written in the background
            time.sleep(0.01)
        limit_file_size(5_000)

    before_step(6, fill)
    arguments = (TINY, "--out", tmp_path, "save-every=2")
    status, said = run(capsys, *arguments)
    limit_file_size(None)
    folder = tmp_path / "checkpoints"
    assert said == f"funcvision: {folder}: File too large: checkpoint 6 could not be written, checkpoint 5 is complete"
    assert status == 1
    assert steps(tmp_path)[-1] == 5
    assert run(capsys, *arguments)[0] == 0  # now there is room
    assert result(tmp_path)["finished"]


def test_a_log_that_cannot_be_written(tmp_path, capsys, before_step, limit_file_size):
    before_step(4, lambda: limit_file_size(300))
    status, said = run(capsys, TINY, "--out", tmp_path)
    limit_file_size(None)
    assert (status, said) == (1, f"funcvision: {tmp_path}/metrics.jsonl: File too large")


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a file system of a given size")
@pytest.mark.parametrize("size", ["100k", "130k", "160k", "200k"])
def test_a_full_disk(size, tmp_path, capsys):
    """Whatever file fills it, the run continues once there is room."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk], check=True)
    try:
        status, said = run(capsys, TINY, "--out", disk / "run", "save-every=1")
        assert status == 1
        assert said.startswith(f"funcvision: {disk}/run")
        assert "No space left on device" in said
        subprocess.run(["mount", "-o", "remount,size=40m", disk], check=True)
        assert run(capsys, TINY, "--out", disk / "run")[0] == 0
        assert result(disk / "run")["finished"]
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_loss_that_is_not_finite(tmp_path, capsys):
    """The learning rate is much too high in the third epoch. The checkpoint of the second one stays."""
    arguments = (TINY, "--out", tmp_path, "epochs=3", "lr-scheduler=exponentiallr", "lr-gamma=1e30",
                 "lr-per-epoch=true")
    status, said = run(capsys, *arguments)
    assert status == 3
    assert said.startswith(("funcvision: the loss of step 12 is ", "funcvision: the gradient norm of step 12 is "))
    assert steps(tmp_path)[-1] == 10
    assert run(capsys, *arguments, "--on-nan", "skip")[0] == 0
    assert result(tmp_path)["skipped"] == 4
    assert all(np.isfinite(array).all() for array in load_file(tmp_path / "model.safetensors").values())


def test_a_device_without_enough_memory(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(module, "run", lambda *_: jax.numpy.zeros(2**46, "int8"))
    status, said = run(capsys, "digits", "--out", tmp_path)
    assert status == 1
    assert said.startswith("funcvision: the device has too little memory: try a smaller batch-size")


def test_an_image_that_cannot_be_read(tmp_path, capsys):
    spec, out = folder(tmp_path / "photos", 4), tmp_path / "run"
    for part in ("train", "val"):
        (tmp_path / "photos" / part / "dark" / "0.png").write_bytes(b"no image")
    arguments = (TINY, "--data", spec, "--out", out, "batch-size=4", "epochs=1", "lr-warmup-epochs=0",
                 "train-crop-size=8", "val-crop-size=8", "val-resize-size=8")
    for in_memory in ("true", "false"):
        status, said = run(capsys, *arguments, f"in-memory={in_memory}")
        assert status == 1
        assert "dark/0.png" in said
    assert run(capsys, *arguments, "in-memory=false", "--on-unreadable", "skip")[0] == 0
    assert result(out)["unreadable_images"] == 2
    held = in_memory_data(open_data(spec), resize=8, crop=8, skip_unreadable=True)
    assert (held.unreadable, len(held.train)) == (2, 8)
    status, said = run(capsys, *arguments, "in-memory=false", "--on-unreadable", "skip", "worker-kind=processes")
    assert status == 2
    assert "worker-kind=threads" in said


def test_a_worker_that_is_killed(tmp_path, capsys, before_step):
    def kill():
        (worker,) = multiprocessing.active_children()
        os.kill(worker.pid, signal.SIGKILL)  # pyright: ignore[reportArgumentType]

    before_step(1, kill)
    status, said = run(
        capsys, TINY, "--out", tmp_path, "workers=1", "worker-kind=processes"
    )
    assert said.startswith("funcvision: a worker process of the DataLoader was killed by SIGKILL")
    assert status == 1
