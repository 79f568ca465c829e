"""Fifty kills of `funcvision train` at random moments. In the default tests, `test_loop.py` kills `fit` three times."""

import json
import multiprocessing
import pathlib
import random
import time
from multiprocessing.process import BaseProcess

import pytest

TINY = pathlib.Path(__file__).with_name("tiny_recipe.py")
KILLS = 50
CONTEXT = multiprocessing.get_context("forkserver")  # a new process need not import jax again
CONTEXT.set_forkserver_preload(["tests.train.killed_run"])
LATEST = 2.0
"""Seconds after the first step within which a run is killed. A run takes several times as long."""


def start(out: pathlib.Path) -> BaseProcess:
    from .killed_run import train  # takes seconds, which other tests need not spend

    process = CONTEXT.Process(target=train, args=([str(TINY), "--out", str(out), "epochs=12", "save-every=2"],))
    process.start()
    return process


def results(out: pathlib.Path) -> tuple[bytes, bytes, list[dict]]:
    """What has to be the same: the weights, and the figures that do not depend on the clock."""
    lines = (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    clock = ("images_per_second", "data_wait")
    rows = [{key: value for key, value in json.loads(line).items() if key not in clock} for line in lines]
    return (out / "model.safetensors").read_bytes(), (out / "model_ema.safetensors").read_bytes(), rows


def size(path: pathlib.Path) -> int:
    return path.stat().st_size if path.exists() else 0


def unfinished(out: pathlib.Path) -> list[pathlib.Path]:
    """Checkpoints that are being written."""
    return list((out / "checkpoints").glob("*tmp*"))


def wait_for_a_moment(process: BaseProcess, out: pathlib.Path, chance: random.Random) -> str:
    """Returns at a random moment: before the first step, after it, or while a checkpoint is written."""
    kind = chance.choice(["start", "step", "step", "checkpoint", "checkpoint"])
    if kind == "start":
        time.sleep(chance.uniform(0, 6))
        return kind
    log = out / "metrics.jsonl"
    before, began = size(log), time.monotonic()
    while size(log) <= before and process.is_alive() and time.monotonic() < began + 1800:
        time.sleep(0.01)
    time.sleep(chance.uniform(0, LATEST))
    if kind == "checkpoint":
        while not unfinished(out) and process.is_alive():
            time.sleep(0.0005)
        time.sleep(chance.uniform(0, 0.02))
    return kind


@pytest.mark.slow
def test_fifty_kills_change_no_bit(tmp_path):
    process = start(tmp_path / "whole")
    process.join(1800)
    assert process.exitcode == 0
    expected, chance = results(tmp_path / "whole"), random.Random(time.time_ns())
    kills, inside, rounds = [], 0, 0
    while len(kills) < KILLS:
        rounds += 1
        out, finished = tmp_path / f"run{rounds}", False
        while not finished:
            process = start(out)
            if len(kills) < KILLS:
                kind = wait_for_a_moment(process, out, chance)
                inside += bool(unfinished(out))
                process.kill()
            process.join(1800)
            finished = process.exitcode == 0
            assert finished or process.exitcode == -9
            kills += [kind] * (not finished)
            print(f"{len(kills)} kills in {rounds} runs, {inside} of them while a checkpoint was being written")
        assert results(out) == expected
