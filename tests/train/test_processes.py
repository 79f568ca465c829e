"""Two processes on the CPU, against two devices of one process."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys

import jax
import numpy as np

from .processes import run

ROOT = pathlib.Path(__file__).parents[2]


def start_processes(module: str, count: int, *arguments: str) -> list[subprocess.Popen]:
    """Starts `python -m tests.train.MODULE PORT NUMBER COUNT ARGUMENTS`, so many times."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    flags = os.environ.get("XLA_FLAGS", "").split()
    flags = [flag for flag in flags if not flag.startswith("--xla_force_host_platform_device_count")]
    flags.append("--xla_force_host_platform_device_count=1")
    environment = os.environ | {"XLA_FLAGS": " ".join(flags)}
    return [
        subprocess.Popen(
            [sys.executable, "-m", f"tests.train.{module}", str(port), str(number), str(count), *arguments], cwd=ROOT,
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for number in range(count)
    ]


def ends(processes: list[subprocess.Popen]) -> list[tuple[int, str]]:
    """The exit status and the output of each process."""
    try:
        outputs = [process.communicate(timeout=240)[0] for process in processes]
        return [(process.returncode, output) for process, output in zip(processes, outputs, strict=True)]
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
    for status, output in ends(start_processes("processes", 2, str(two), "params", "1")):
        assert status == 0, output
    expected = figures(one)
    assert len(figures(two)) == len(expected) // 2  # a line for each step, from one process only
    run(two, mesh, None, 2)
    for found, wanted in zip(figures(two), expected, strict=True):
        assert found.keys() == wanted.keys()
        np.testing.assert_allclose(list(found.values()), list(wanted.values()), rtol=1e-4)
    with np.load(one / "arrays2.npz") as wanted, np.load(two / "arrays2.npz") as found:
        for name in wanted:
            np.testing.assert_allclose(found[name], wanted[name], rtol=1e-3, atol=1e-5, err_msg=name)


def test_when_one_process_fails_the_others_say_so_and_end():
    """One raises an error in its loader, and one is killed; the other one waits for it in a collective."""
    raised, killed, good = (start_processes("failing_process", 2, how) for how in ("raise", "kill", ""))
    (status, said), (status_there, said_there) = ends(raised)
    assert (status, status_there) == (1, 1)
    assert said_there.splitlines()[-1] == "funcvision: sample 7 could not be loaded"
    assert said.splitlines()[-1] == "funcvision: the process with process-id=1 failed: sample 7 could not be loaded"
    (status, said), (status_there, _) = ends(killed)
    assert (status, status_there) == (1, -signal.SIGKILL)
    assert said.splitlines()[-1].startswith("funcvision: the process with process-id=1 was killed, or its machine ")
    assert "Traceback" not in said
    for status, said in ends(good):
        assert status == 0, said
