"""Two processes on the CPU, against two devices of one process."""

import json
import os
import pathlib
import socket
import subprocess
import sys

import jax
import numpy as np

from .processes import run

ROOT = pathlib.Path(__file__).parents[2]


def run_processes(count: int, *arguments: str) -> None:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    flags = os.environ.get("XLA_FLAGS", "").split()
    flags = [flag for flag in flags if not flag.startswith("--xla_force_host_platform_device_count")]
    flags.append("--xla_force_host_platform_device_count=1")
    environment = os.environ | {"XLA_FLAGS": " ".join(flags)}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.train.processes", str(port), str(number), str(count), *arguments], cwd=ROOT,
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for number in range(count)
    ]
    try:
        for process in processes:
            output, _ = process.communicate(timeout=240)
            assert process.returncode == 0, output
    finally:
        for process in processes:
            process.kill()


def figures(out: pathlib.Path) -> list[dict]:
    lines = (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    clock = ("images_per_second", "data_wait")
    return [{k: v for k, v in json.loads(line).items() if k not in clock} for line in lines]


def test_two_processes_compute_what_one_does_and_one_continues(tmp_path):
    """The first epoch runs in two processes with sharded parameters, the second in one with copies."""
    mesh, one, two = jax.make_mesh((2,), ("data",)), tmp_path / "one", tmp_path / "two"
    two.mkdir()
    run(one, mesh, "params", 2)
    run_processes(2, str(two), "params", "1")
    expected = figures(one)
    assert len(figures(two)) == len(expected) // 2  # a line for each step, from one process only
    run(two, mesh, None, 2)
    for found, wanted in zip(figures(two), expected, strict=True):
        assert found.keys() == wanted.keys()
        np.testing.assert_allclose(list(found.values()), list(wanted.values()), rtol=1e-4)
    with np.load(one / "arrays2.npz") as wanted, np.load(two / "arrays2.npz") as found:
        for name in wanted:
            np.testing.assert_allclose(found[name], wanted[name], rtol=1e-3, atol=1e-5, err_msg=name)
